//! Public keys on the wire.

use std::net::IpAddr;

use countersign_core::ports::PublicKeyRecord;
use countersign_core::{Fingerprints, KeyType};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::instant::to_timestamp;

/// A registered public key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PublicKey {
    /// `Ed25519`, `RSA`, `P-256` or `P-384`.
    #[serde(rename = "type")]
    pub key_type: String,
    /// The RSA modulus or the curve's field, in bits.
    pub bits: usize,
    /// The names it goes by.
    pub fingerprints: PublicKeyFingerprints,
    /// The key itself, as SPKI PEM.
    pub public_key: String,
    /// What the operator or the key file calls it.
    pub comment: String,
    /// When it was registered.
    pub created_at: Timestamp,
    /// The instant from which on it is refused.
    pub expires_at: Option<Timestamp>,
    /// When it was withdrawn, for good.
    pub revoked_at: Option<Timestamp>,
    /// When a request signed by it was last accepted.
    pub last_used_at: Option<Timestamp>,
    /// The address that request came from.
    #[schema(value_type = Option<String>)]
    pub last_used_from: Option<IpAddr>,
}

/// The three names of a key; each is accepted wherever a fingerprint is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PublicKeyFingerprints {
    /// What `ssh-keygen -l` shows.
    pub openssh: String,
    /// SHA-256 of the SPKI PEM in hex, the `kid` of `asymmetric_jwt_auth` clients.
    pub spki_pem_sha256: String,
    /// The RFC 7638 thumbprint.
    pub jwk_thumbprint: String,
}

/// The answer to `GET /v1/accounts/{name}/keys`, in order of registration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PublicKeys {
    /// The keys, revoked and expired ones included.
    pub keys: Vec<PublicKey>,
}

/// The body of `POST /v1/accounts/{name}/keys`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddPublicKey {
    /// The key in any text form: PEM, OpenSSH, JWK or certificate.
    pub public_key: String,
    /// A comment; where none is given, the one in the key's own text is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The instant from which on the key is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// The body of `PATCH /v1/accounts/{name}/keys/{fingerprint}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangePublicKey {
    /// The instant from which on the key is refused; `null` for never. It must
    /// be given: an empty body does not lift an expiry by accident.
    #[serde(deserialize_with = "given")]
    #[schema(required)]
    pub expires_at: Option<Timestamp>,
}

/// With a function of its own, a member that is missing is an error, not `None`.
pub(super) fn given<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Timestamp>, D::Error> {
    Option::deserialize(deserializer)
}

impl From<PublicKeyRecord> for PublicKey {
    fn from(record: PublicKeyRecord) -> Self {
        Self {
            key_type: key_type_name(record.key.key_type()).to_owned(),
            bits: record.key.bits(),
            fingerprints: record.key.fingerprints().into(),
            public_key: record.key.to_spki_pem(),
            comment: record.comment,
            created_at: to_timestamp(record.created_at),
            expires_at: record.expires_at.map(to_timestamp),
            revoked_at: record.revoked_at.map(to_timestamp),
            last_used_at: record.last_used_at.map(to_timestamp),
            last_used_from: record.last_used_from,
        }
    }
}

impl From<&Fingerprints> for PublicKeyFingerprints {
    fn from(fingerprints: &Fingerprints) -> Self {
        Self {
            openssh: fingerprints.openssh(),
            spki_pem_sha256: fingerprints.spki_pem_sha256(),
            jwk_thumbprint: fingerprints.jwk_thumbprint(),
        }
    }
}

/// What the wire calls a type of key, whatever the core's Display becomes.
pub fn key_type_name(key_type: KeyType) -> &'static str {
    match key_type {
        KeyType::Ed25519 => "Ed25519",
        KeyType::Rsa => "RSA",
        KeyType::P256 => "P-256",
        KeyType::P384 => "P-384",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiry_is_lifted_only_by_an_explicit_null() {
        let lifted: ChangePublicKey = serde_json::from_str(r#"{"expires_at": null}"#).unwrap();
        assert_eq!(lifted.expires_at, None);
        let error = serde_json::from_str::<ChangePublicKey>("{}").unwrap_err();
        assert!(error.to_string().contains("missing field `expires_at`"), "{error}");
    }
}

//! Signing keys on the wire.

use countersign_core::ports::UnreadableSigningKey;
use countersign_core::{SigningKey as CoreSigningKey, SigningKeyState as State};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::instant::to_timestamp;
use crate::token_service::remedy;

/// A key that access tokens are signed with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SigningKey {
    /// What tokens call it.
    pub kid: String,
    /// The one algorithm it is used with.
    pub algorithm: String,
    /// Where it stands.
    pub state: SigningKeyState,
    /// The public half, as SPKI PEM.
    pub public_key: String,
    /// Since when it is in the JWKS.
    pub published_at: Timestamp,
    /// Since when it signs.
    pub activated_at: Option<Timestamp>,
    /// Since when it signs no more.
    pub retired_at: Option<Timestamp>,
    /// From when on nothing that it signed is accepted.
    pub gone_at: Option<Timestamp>,
}

/// Where a signing key stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SigningKeyState {
    /// In the JWKS; it has signed nothing yet.
    Published,
    /// In the JWKS; it signs.
    Active,
    /// In the JWKS; it signs no more.
    Retired,
    /// Not in the JWKS.
    Gone,
}

/// The answer to `GET /v1/signing-keys`, in order of publication.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SigningKeys {
    /// The keys that are in the JWKS.
    pub signing_keys: Vec<SigningKey>,
    /// The keys that should be, and cannot be used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unusable: Vec<UnusableSigningKey>,
}

/// A signing key in the database that is damaged, or sealed under another encryption key. It is
/// not in the JWKS, and what it signed is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UnusableSigningKey {
    /// What tokens call it.
    pub kid: String,
    /// The algorithm that is written there.
    pub algorithm: String,
    /// What is wrong with it.
    pub why: String,
    /// What to do.
    pub advice: String,
    /// Since when it is published.
    pub published_at: Timestamp,
    /// Since when it should sign.
    pub activated_at: Option<Timestamp>,
    /// Since when it signs no more.
    pub retired_at: Option<Timestamp>,
    /// From when on nothing that it signed is accepted.
    pub gone_at: Option<Timestamp>,
}

/// The body of `POST /v1/signing-keys/rotate`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateSigningKeys {
    /// Whether the active key is no longer a secret: nothing that it signed is accepted
    /// any more, and the next one need not have been published for long.
    #[serde(default)]
    pub compromised: bool,
}

/// The body of `POST /v1/signing-keys`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportSigningKey {
    /// The private key as PKCS#8 PEM, not encrypted.
    pub private_key: String,
    /// The algorithm to use it with; where none is given, the usual one of its type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<String>,
    /// What tokens call it; where nothing is given, its RFC 7638 thumbprint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
}

impl std::fmt::Debug for ImportSigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ImportSigningKey")
            .field("algorithm", &self.algorithm)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

impl From<(CoreSigningKey, State)> for SigningKey {
    fn from((key, state): (CoreSigningKey, State)) -> Self {
        Self {
            kid: key.kid.into(),
            algorithm: key.algorithm.name().to_owned(),
            state: match state {
                State::Published => SigningKeyState::Published,
                State::Active => SigningKeyState::Active,
                State::Retired => SigningKeyState::Retired,
                State::Gone => SigningKeyState::Gone,
            },
            public_key: key.public_key.to_spki_pem(),
            published_at: to_timestamp(key.published_at),
            activated_at: key.activated_at.map(to_timestamp),
            retired_at: key.retired_at.map(to_timestamp),
            gone_at: key.gone_at.map(to_timestamp),
        }
    }
}

impl From<UnreadableSigningKey> for UnusableSigningKey {
    fn from(key: UnreadableSigningKey) -> Self {
        Self {
            advice: remedy(&key),
            kid: key.kid.into(),
            algorithm: key.algorithm.into(),
            why: key.why,
            published_at: to_timestamp(key.published_at),
            activated_at: key.activated_at.map(to_timestamp),
            retired_at: key.retired_at.map(to_timestamp),
            gone_at: key.gone_at.map(to_timestamp),
        }
    }
}

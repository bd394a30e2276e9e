//! Public keys as JSON (RFC 7517, RFC 7518 section 6, RFC 8037).

mod private;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::components::PublicComponents;
use super::public::PublicKey;
use super::weak::PublicKeyError;
use crate::algorithm::{Algorithm, KeyType};
use crate::json::Members;
use crate::names::MAX_LABEL_BYTES;

pub(super) use private::read_private;

/// A public key as it was published, with what the JWK says about its use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicJwk {
    /// The key.
    pub key: PublicKey,
    /// The name its owner gave it (RFC 7517 section 4.5).
    pub kid: Option<String>,
    /// The one algorithm it is meant for (RFC 7517 section 4.4); it fits the
    /// key's type.
    pub algorithm: Option<Algorithm>,
}

/// Why a JWK was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwkError {
    /// Not a JSON object, or one with the same member twice.
    #[error("not a JSON object in which every member stands once")]
    NotAnObject,
    /// A set of keys where one key was expected.
    #[error("a set of keys (it has the member \"keys\"): take the one key out of it")]
    IsASet,
    /// A public key was expected.
    #[error("this is a private key (it has the member \"{0}\"): give its public half")]
    IsPrivate(&'static str),
    /// A private key was expected.
    #[error("this is a public key (it has no member \"d\"): give the private key")]
    IsPublic,
    /// A secret that both sides would share.
    #[error("a symmetric key (kty \"oct\"): a signed request needs a key pair")]
    IsSymmetric,
    /// A member that must be there is not.
    #[error("the member \"{0}\" is missing")]
    Missing(&'static str),
    /// A member has another JSON type or a length it must not have.
    #[error("the member \"{member}\" is not {expected}")]
    WrongMember {
        /// The member's name.
        member: &'static str,
        /// What it should have been.
        expected: &'static str,
    },
    /// A type, curve or algorithm that signed requests do not use.
    #[error(
        "{member} \"{value}\" is not supported: use Ed25519, RSA, EC P-256 or EC P-384 signature keys"
    )]
    Unsupported {
        /// The member that says so.
        member: &'static str,
        /// Its value.
        value: String,
    },
    /// The algorithm takes another type of key.
    #[error("the key says that it is for {algorithm}, but it is an {key_type} key")]
    AlgorithmOfAnotherKey {
        /// What `alg` says.
        algorithm: Algorithm,
        /// What the key is.
        key_type: KeyType,
    },
    /// The key is not for signatures (`use` or `key_ops`).
    #[error("the key is not for signatures (member \"{0}\")")]
    NotForSignatures(&'static str),
    /// The key is weak or off the curve.
    #[error(transparent)]
    Key(#[from] PublicKeyError),
}

/// The members of which one is enough to make a JWK private (RFC 7518 section
/// 6.3.2; `d` also in 6.2.2 and in RFC 8037).
const PRIVATE_MEMBERS: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];

impl PublicJwk {
    /// Reads one JWK, strictly: canonical base64url without padding, numbers
    /// without leading zeros, coordinates in full length, no member twice.
    ///
    /// ```
    /// use countersign_core::{KeyType, PublicJwk};
    ///
    /// let jwk = PublicJwk::read(
    ///     r#"{"kty": "OKP", "crv": "Ed25519", "kid": "spring",
    ///         "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
    /// )?;
    /// assert_eq!(jwk.key.key_type(), KeyType::Ed25519);
    /// assert_eq!(jwk.kid.as_deref(), Some("spring"));
    /// # Ok::<(), countersign_core::JwkError>(())
    /// ```
    ///
    /// # Errors
    /// [`JwkError`] if it is malformed, private, of an unsupported kind, not
    /// meant for signatures, or weak.
    pub fn read(json: &str) -> Result<Self, JwkError> {
        let members = Members::read(json.as_bytes()).ok_or(JwkError::NotAnObject)?;
        if let Some(member) = PRIVATE_MEMBERS.into_iter().find(|name| members.contains(name)) {
            return Err(JwkError::IsPrivate(member));
        }
        let components = read_components(&members)?;
        check_use(&members, "verify")?;
        let algorithm = read_algorithm(&members, components.key_type())?;
        let kid = read_kid(&members)?;
        Ok(Self { key: PublicKey::from_components(components)?, kid, algorithm })
    }
}

impl PublicKey {
    /// The key as a JWK, ready for a JWKS: its RFC 7638 thumbprint as `kid`, and
    /// the algorithm that [`PrivateKey::default_algorithm`] signs with as `alg`.
    ///
    /// [`PrivateKey::default_algorithm`]: super::PrivateKey::default_algorithm
    pub fn to_jwk(&self) -> Value {
        let mut jwk = self.components().to_jwk_members();
        jwk["kid"] = self.fingerprints().jwk_thumbprint().into();
        jwk["use"] = "sig".into();
        jwk["alg"] = self.default_algorithm().name().into();
        jwk
    }
}

impl PublicComponents {
    fn to_jwk_members(&self) -> Value {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Rsa { n, e } => json!({"kty": "RSA", "n": encode(n), "e": encode(e)}),
            Self::Ed25519(point) => json!({"kty": "OKP", "crv": "Ed25519", "x": encode(point)}),
            Self::Ec { curve, point } => {
                let (x, y) = point[1..].split_at((point.len() - 1) / 2);
                json!({"kty": "EC", "crv": crv(*curve), "x": encode(x), "y": encode(y)})
            }
        }
    }
}

fn crv(curve: KeyType) -> &'static str {
    if curve == KeyType::P384 { "P-384" } else { "P-256" }
}

/// The public numbers, of a public or a private JWK.
fn read_components(members: &Members<'_>) -> Result<PublicComponents, JwkError> {
    if members.contains("keys") {
        return Err(JwkError::IsASet);
    }
    match required_text(members, "kty")?.as_str() {
        "RSA" => Ok(PublicComponents::rsa(&number(members, "n")?, &number(members, "e")?)),
        "OKP" => match required_text(members, "crv")?.as_str() {
            "Ed25519" => {
                let point = <[u8; 32]>::try_from(bytes(members, "x")?.as_slice());
                point.map(PublicComponents::Ed25519).map_err(|_| wrong("x", "32 bytes long"))
            }
            other => Err(unsupported("crv", other)),
        },
        "EC" => {
            let (curve, length) = match required_text(members, "crv")?.as_str() {
                "P-256" => (KeyType::P256, 32),
                "P-384" => (KeyType::P384, 48),
                other => return Err(unsupported("crv", other)),
            };
            let mut point = vec![4];
            for member in ["x", "y"] {
                let coordinate = bytes(members, member)?;
                if coordinate.len() != length {
                    return Err(wrong(member, "as long as the curve's field"));
                }
                point.extend(coordinate);
            }
            Ok(PublicComponents::from_sec1_point(curve, &point)?)
        }
        "oct" => Err(JwkError::IsSymmetric),
        other => Err(unsupported("kty", other)),
    }
}

/// RFC 7517 sections 4.2 and 4.3: a key that says what it is for must be for
/// signatures.
fn check_use(members: &Members<'_>, operation: &str) -> Result<(), JwkError> {
    if optional_text(members, "use")?.is_some_and(|purpose| purpose != "sig") {
        return Err(JwkError::NotForSignatures("use"));
    }
    let operations = members.strings("key_ops").map_err(|_| wrong("key_ops", "a list of texts"))?;
    if operations.is_some_and(|list| !list.iter().any(|known| known == operation)) {
        return Err(JwkError::NotForSignatures("key_ops"));
    }
    Ok(())
}

fn read_algorithm(members: &Members<'_>, key_type: KeyType) -> Result<Option<Algorithm>, JwkError> {
    let Some(name) = optional_text(members, "alg")? else { return Ok(None) };
    match Algorithm::from_name(&name) {
        Some(algorithm) if algorithm.key_type() == key_type => Ok(Some(algorithm)),
        Some(algorithm) => Err(JwkError::AlgorithmOfAnotherKey { algorithm, key_type }),
        None => Err(unsupported("alg", &name)),
    }
}

fn read_kid(members: &Members<'_>) -> Result<Option<String>, JwkError> {
    let kid = optional_text(members, "kid")?;
    if kid.as_ref().is_some_and(|kid| kid.is_empty() || kid.len() > MAX_LABEL_BYTES) {
        return Err(wrong("kid", "a text of 1 to 256 bytes"));
    }
    Ok(kid)
}

/// A `Base64urlUInt` (RFC 7518 section 2): no leading zero byte.
fn number(members: &Members<'_>, member: &'static str) -> Result<Vec<u8>, JwkError> {
    let bytes = bytes(members, member)?;
    match bytes.first() {
        None | Some(0) => Err(wrong(member, "a number without leading zero bytes")),
        Some(_) => Ok(bytes),
    }
}

/// A secret's bytes, wiped when they go out of use.
fn secret_bytes(
    members: &Members<'_>,
    member: &'static str,
) -> Result<Zeroizing<Vec<u8>>, JwkError> {
    bytes(members, member).map(Zeroizing::new)
}

fn bytes(members: &Members<'_>, member: &'static str) -> Result<Vec<u8>, JwkError> {
    let text = Zeroizing::new(required_text(members, member)?);
    URL_SAFE_NO_PAD
        .decode(text.as_bytes())
        .map_err(|_| wrong(member, "canonical base64url without padding"))
}

fn required_text(members: &Members<'_>, member: &'static str) -> Result<String, JwkError> {
    optional_text(members, member)?.ok_or(JwkError::Missing(member))
}

fn optional_text(members: &Members<'_>, member: &'static str) -> Result<Option<String>, JwkError> {
    members
        .string(member)
        .map(|text| text.map(std::borrow::Cow::into_owned))
        .map_err(|_| wrong(member, "a text"))
}

fn wrong(member: &'static str, expected: &'static str) -> JwkError {
    JwkError::WrongMember { member, expected }
}

fn unsupported(member: &'static str, value: &str) -> JwkError {
    JwkError::Unsupported { member, value: value.chars().take(64).collect() }
}

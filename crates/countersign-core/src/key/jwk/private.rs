//! Private keys as JSON.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use der::Decode as _;
use serde::Serialize;
use serde_json::Value;
use zeroize::Zeroizing;

use super::{JwkError, check_use, number, read_algorithm, read_components, secret_bytes, wrong};
use crate::json::Members;
use crate::key::components::PublicComponents;
use crate::key::private::{
    PrivateComponents, PrivateKey, PrivateKeyError, RsaNumbers, RsaPrivateKey,
};

/// Reads the numbers of a private JWK, as strictly as a public one.
pub(crate) fn read_private(json: &str) -> Result<PrivateComponents, JwkError> {
    let members = Members::read(json.as_bytes()).ok_or(JwkError::NotAnObject)?;
    let public = read_components(&members)?;
    if !members.contains("d") {
        return Err(JwkError::IsPublic);
    }
    check_use(&members, "sign")?;
    read_algorithm(&members, public.key_type())?;
    let components = match &public {
        PublicComponents::Rsa { n, e } => read_rsa(&members, n, e)?,
        PublicComponents::Ed25519(point) => {
            let seed = secret_bytes(&members, "d")?;
            PrivateComponents::ed25519(&seed, Some(point))
                .map_err(|_| wrong("d", "32 bytes long"))?
        }
        PublicComponents::Ec { curve, point } => {
            let scalar = secret_bytes(&members, "d")?;
            if scalar.len() != (point.len() - 1) / 2 {
                return Err(wrong("d", "as long as the curve's field"));
            }
            PrivateComponents::ec(*curve, &scalar, Some(point))
                .map_err(|_| wrong("d", "as long as the curve's field"))?
        }
    };
    Ok(components)
}

/// RFC 7518 section 6.3.2. The numbers beside `d` may be left out there, but
/// hardly anything does so; keys of more than two primes are not read.
#[expect(clippy::many_single_char_names, reason = "the names of RFC 8017")]
fn read_rsa(members: &Members<'_>, n: &[u8], e: &[u8]) -> Result<PrivateComponents, JwkError> {
    if members.contains("oth") {
        return Err(wrong("oth", "absent: only keys of two primes are read"));
    }
    let secret = |member| number(members, member).map(Zeroizing::new);
    let (d, p, q) = (secret("d")?, secret("p")?, secret("q")?);
    let (dp, dq, qi) = (secret("dp")?, secret("dq")?, secret("qi")?);
    let numbers = RsaNumbers { n, e, d: &d, p: &p, q: &q, dp: &dp, dq: &dq, qi: &qi };
    PrivateComponents::rsa(&numbers).map_err(|_| wrong("n", "of an acceptable length"))
}

/// The public members with the private ones beside them.
#[derive(Serialize)]
struct PrivateJwk<'a> {
    #[serde(flatten)]
    public: Value,
    #[serde(flatten)]
    private: BTreeMap<&'static str, &'a str>,
}

impl PrivateKey {
    /// The key as a private JWK, in JSON: the members of
    /// [`PublicKey::to_jwk`](crate::PublicKey::to_jwk) and the private ones.
    #[expect(clippy::missing_panics_doc, reason = "it cannot happen, as is said where it would")]
    pub fn to_jwk(&self) -> Zeroizing<String> {
        // Unwrap safety: the key was made of these numbers.
        let private = self.private_members().expect("a key has its numbers");
        let jwk = PrivateJwk {
            public: self.public_key().to_jwk(),
            private: private.iter().map(|(name, text)| (*name, text.as_str())).collect(),
        };
        // Large enough for every key: a buffer that grows leaves copies behind.
        let mut json = Zeroizing::new(Vec::with_capacity(16 * 1024));
        // Unwrap safety: texts with text keys are JSON, and JSON is UTF-8.
        serde_json::to_writer(&mut *json, &jwk).expect("texts are JSON");
        Zeroizing::new(std::str::from_utf8(&json).expect("JSON is UTF-8").to_owned())
    }

    fn private_members(
        &self,
    ) -> Result<BTreeMap<&'static str, Zeroizing<String>>, PrivateKeyError> {
        let encode = |number: &[u8]| Zeroizing::new(URL_SAFE_NO_PAD.encode(number));
        Ok(match self.components()? {
            PrivateComponents::Ed25519 { seed, .. } => [("d", encode(&seed[..]))].into(),
            PrivateComponents::Ec { scalar, .. } => [("d", encode(&scalar))].into(),
            PrivateComponents::Rsa { pkcs1 } => {
                let rsa = RsaPrivateKey::from_der(&pkcs1)
                    .map_err(|error| PrivateKeyError::Malformed(error.to_string()))?;
                [
                    ("d", rsa.private_exponent),
                    ("p", rsa.prime1),
                    ("q", rsa.prime2),
                    ("dp", rsa.exponent1),
                    ("dq", rsa.exponent2),
                    ("qi", rsa.coefficient),
                ]
                .map(|(name, number)| (name, encode(number.as_bytes())))
                .into()
            }
        })
    }
}

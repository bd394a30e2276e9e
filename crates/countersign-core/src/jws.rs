//! Compact JWS (RFC 7515 section 7.1), strictly: three parts, canonical
//! unpadded base64url, a header without extensions that must be understood.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use smallvec::SmallVec;

use crate::algorithm::Algorithm;
use crate::json::Members;
use crate::key::{PrivateKey, SignError};
use crate::names::MAX_LABEL_BYTES;
use crate::refusal::Reason;

/// The longest token that is read, in bytes.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// A compact JWS with its header read, nothing verified.
pub(crate) struct UnverifiedJws<'a> {
    pub(crate) algorithm: Algorithm,
    pub(crate) kid: Option<Box<str>>,
    payload: &'a str,
    /// What the signature is over.
    pub(crate) signing_input: &'a [u8],
    /// Small, because a token is moved from step to step: RSA signatures are on
    /// the heap.
    pub(crate) signature: SmallVec<[u8; 96]>,
}

impl<'a> UnverifiedJws<'a> {
    pub(crate) fn parse(token: &'a str) -> Result<Self, Reason> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Reason::TokenTooLong);
        }
        let (signing_input, signature) = token.rsplit_once('.').ok_or(Reason::TokenMalformed)?;
        let (header, payload) = signing_input.split_once('.').ok_or(Reason::TokenMalformed)?;
        // A further dot, as in a JWE, is no base64url and fails below.
        let header = decode::<160>(header)?;
        let (algorithm, kid) = read_header(&header)?;
        Ok(Self {
            algorithm,
            kid,
            payload,
            signing_input: signing_input.as_bytes(),
            signature: decode(signature)?,
        })
    }

    /// Decodes the payload.
    pub(crate) fn payload(&self) -> Result<SmallVec<[u8; 192]>, Reason> {
        decode(self.payload)
    }
}

fn read_header(json: &[u8]) -> Result<(Algorithm, Option<Box<str>>), Reason> {
    let members = Members::read(json).ok_or(Reason::TokenMalformed)?;
    if members.contains("crit") || members.contains("b64") {
        return Err(Reason::CriticalHeader);
    }
    let name =
        members.string("alg").map_err(|_| Reason::TokenMalformed)?.ok_or(Reason::TokenMalformed)?;
    let algorithm = Algorithm::from_name(&name).ok_or(Reason::AlgorithmUnsupported)?;
    let kid = match members.string("kid") {
        Ok(None) => None,
        Ok(Some(kid)) if !kid.is_empty() && kid.len() <= MAX_LABEL_BYTES => Some(kid.into()),
        _ => return Err(Reason::TokenMalformed),
    };
    Ok((algorithm, kid))
}

fn decode<const N: usize>(part: &str) -> Result<SmallVec<[u8; N]>, Reason> {
    let mut bytes: SmallVec<[u8; N]> =
        SmallVec::from_elem(0, base64::decoded_len_estimate(part.len()));
    let length = base64_simd::URL_SAFE_NO_PAD
        .decode(part.as_bytes(), base64_simd::Out::from_slice(&mut bytes))
        .map_err(|_| Reason::TokenMalformed)?
        .len();
    bytes.truncate(length);
    Ok(bytes)
}

/// Writes a compact JWS over a JSON payload.
pub(crate) fn write(
    key: &PrivateKey,
    algorithm: Algorithm,
    kid: Option<&str>,
    payload: &[u8],
) -> Result<String, SignError> {
    let header = match kid {
        Some(kid) => serde_json::json!({"alg": algorithm.name(), "kid": kid, "typ": "JWT"}),
        None => serde_json::json!({"alg": algorithm.name(), "typ": "JWT"}),
    };
    let mut token = URL_SAFE_NO_PAD.encode(header.to_string());
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(payload, &mut token);
    let signature = key.sign(algorithm, token.as_bytes())?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(token)
}

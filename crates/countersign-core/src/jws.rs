//! Compact JWS (RFC 7515 section 7.1), strictly: three parts, canonical
//! unpadded base64url, a header without extensions that must be understood.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use smallvec::SmallVec;

use crate::algorithm::{Algorithm, JwsAlgorithm};
use crate::json::{Value, pick};
use crate::key::{PrivateKey, SignError};
use crate::names::MAX_LABEL_BYTES;
use crate::refusal::Reason;

/// The longest token that is read, in bytes.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// How long a token usually is that is written, in bytes.
const USUAL_BYTES: usize = 768;

/// A compact JWS with its header read, nothing verified.
///
/// Which algorithms there are depends on what it will be verified with, and is part
/// of the type: a token made with a shared secret is never read as one that could be
/// verified with a public key, nor the other way round.
pub(crate) struct UnverifiedJws<'a, A = Algorithm> {
    pub(crate) algorithm: A,
    pub(crate) kid: Option<Box<str>>,
    payload: &'a [u8],
    /// What the signature is over.
    pub(crate) signing_input: &'a [u8],
    /// Small, because a token is moved from step to step: RSA signatures are on
    /// the heap.
    pub(crate) signature: SmallVec<[u8; 96]>,
}

impl<'a, A: JwsAlgorithm> UnverifiedJws<'a, A> {
    pub(crate) fn parse(token: &'a str) -> Result<Self, Reason> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Reason::TokenTooLong);
        }
        let text = token.as_bytes();
        let first = memchr::memchr(b'.', text).ok_or(Reason::TokenMalformed)?;
        let last = memchr::memrchr(b'.', text).filter(|last| *last > first);
        let last = last.ok_or(Reason::TokenMalformed)?;
        // A further dot, as in a JWE, is no base64url and fails below.
        let mut header = Part::<160>::new();
        let (algorithm, kid) = read_header(header.decode(&text[..first])?)?;
        let mut signature = Part::<96>::new();
        Ok(Self {
            algorithm,
            kid,
            payload: &text[first + 1..last],
            signing_input: &text[..last],
            signature: SmallVec::from_slice(signature.decode(&text[last + 1..])?),
        })
    }

    /// Decodes the payload into `part`.
    pub(crate) fn payload<'p>(&self, part: &'p mut Part<192>) -> Result<&'p [u8], Reason> {
        part.decode(self.payload)
    }
}

fn read_header<A: JwsAlgorithm>(json: &[u8]) -> Result<(A, Option<Box<str>>), Reason> {
    let [alg, kid, crit, b64] =
        pick(json, &["alg", "kid", "crit", "b64"]).ok_or(Reason::TokenMalformed)?;
    if crit.is_some() || b64.is_some() {
        return Err(Reason::CriticalHeader);
    }
    let name = alg.and_then(|alg| alg.string().ok()).ok_or(Reason::TokenMalformed)?;
    let algorithm = A::from_name(&name).ok_or(Reason::AlgorithmUnsupported)?;
    let kid = match kid.map(Value::string) {
        None => None,
        Some(Ok(kid)) if !kid.is_empty() && kid.len() <= MAX_LABEL_BYTES => Some(kid.into()),
        Some(_) => return Err(Reason::TokenMalformed),
    };
    Ok((algorithm, kid))
}

/// Where one part of a token is decoded: in place if it is not longer than
/// usual, else on the heap.
pub(crate) struct Part<const N: usize> {
    usual: [u8; N],
    long: Vec<u8>,
}

impl<const N: usize> Part<N> {
    pub(crate) fn new() -> Self {
        Self { usual: [0; N], long: Vec::new() }
    }

    pub(crate) fn decode(&mut self, base64url: &[u8]) -> Result<&[u8], Reason> {
        let length = base64::decoded_len_estimate(base64url.len());
        let into = if length <= N {
            &mut self.usual[..length]
        } else {
            self.long.resize(length, 0);
            &mut self.long[..]
        };
        let decoded =
            base64_simd::URL_SAFE_NO_PAD.decode(base64url, base64_simd::Out::from_slice(into));
        decoded.map(|bytes| &*bytes).map_err(|_| Reason::TokenMalformed)
    }
}

/// What is written into a header.
#[derive(Serialize)]
struct Header<'a> {
    alg: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
    typ: &'a str,
}

/// Writes a compact JWS over JSON, signed with a private key.
pub(crate) fn write(
    key: &PrivateKey,
    algorithm: Algorithm,
    kid: Option<&str>,
    payload: &impl Serialize,
) -> Result<String, SignError> {
    write_with(algorithm.name(), kid, payload, |input| key.sign(algorithm, input))
}

/// Writes a compact JWS over JSON, signed by `sign`.
pub(crate) fn write_with<S: AsRef<[u8]>, E>(
    algorithm: &str,
    kid: Option<&str>,
    payload: &impl Serialize,
    sign: impl FnOnce(&[u8]) -> Result<S, E>,
) -> Result<String, E> {
    let header = Header { alg: algorithm, kid, typ: "JWT" };
    let mut token = String::with_capacity(USUAL_BYTES);
    let mut json = Vec::with_capacity(USUAL_BYTES);
    // Unwrap safety: headers and claims are maps with text keys.
    serde_json::to_writer(&mut json, &header).expect("a header can be written");
    URL_SAFE_NO_PAD.encode_string(&json, &mut token);
    token.push('.');
    json.clear();
    serde_json::to_writer(&mut json, payload).expect("claims can be written");
    URL_SAFE_NO_PAD.encode_string(&json, &mut token);
    let signature = sign(token.as_bytes())?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(token)
}

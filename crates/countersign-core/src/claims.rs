//! The claims of a signed request and their window.

use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;
use smol_str::SmolStr;

use crate::decimal::Decimal;
use crate::json::{Value, WrongType, pick};
use crate::names::{AccountName, MAX_LABEL_BYTES};
use crate::refusal::Reason;
use crate::time::UnixTime;

/// The instant a caller says it signed at, exactly as it wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeClaim {
    value: Decimal,
    floor: UnixTime,
    exact: bool,
}

impl TimeClaim {
    fn new(value: Decimal) -> Option<Self> {
        if value.is_negative() || value.is_zero() {
            return None;
        }
        let (floor, exact) = value.floor_micros()?;
        Some(Self { value, floor: UnixTime::from_micros(floor), exact })
    }

    /// Whether this instant lies within `tolerance` of `now`, edges included.
    pub fn is_within(&self, now: UnixTime, tolerance: Duration) -> bool {
        let (earliest, latest) = (now - tolerance, now + tolerance);
        self.floor >= earliest && (self.floor < latest || (self.floor == latest && self.exact))
    }

    /// The instant rounded down to the microsecond.
    pub fn floor(&self) -> UnixTime {
        self.floor
    }

    /// The same bytes for the same value: `1` and `1.0` are one.
    pub(crate) fn canonical(&self) -> SmallVec<[u8; 40]> {
        self.value.canonical()
    }
}

/// What makes the request unique: a string or a number chosen by the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NonceClaim(Nonce);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Nonce {
    Text(SmolStr),
    Number(Decimal),
}

impl NonceClaim {
    fn read(nonce: Option<Value<'_>>) -> Result<Self, Reason> {
        let nonce = nonce.ok_or(Reason::NonceMalformed)?;
        if let Ok(text) = nonce.string() {
            if text.is_empty() || text.len() > MAX_LABEL_BYTES {
                return Err(Reason::NonceMalformed);
            }
            return Ok(Self(Nonce::Text(SmolStr::new(text))));
        }
        match nonce.number() {
            Ok(number) if !number.is_zero() => Ok(Self(Nonce::Number(number))),
            _ => Err(Reason::NonceMalformed),
        }
    }

    /// The same bytes for the same value; a string never equals a number.
    pub(crate) fn canonical(&self) -> SmallVec<[u8; 40]> {
        let mut bytes = SmallVec::new();
        match &self.0 {
            Nonce::Text(text) => {
                bytes.push(b's');
                bytes.extend_from_slice(text.as_bytes());
            }
            Nonce::Number(number) => {
                bytes.push(b'n');
                bytes.extend_from_slice(&number.canonical());
            }
        }
        bytes
    }
}

/// What an administrative call is bound to (RFC 9449 names), besides the
/// instance in `aud`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestBinding {
    /// `htm`: the HTTP method.
    pub method: String,
    /// `htu`: the target URI. Other than in RFC 9449 it includes the query,
    /// so that a listing's filter cannot be changed on the way.
    pub uri: String,
    /// `body_sha256`: base64url of the SHA-256 of the body, also of an empty one.
    pub body_sha256: String,
}

/// The claims of a signed request, each checked for its form.
#[derive(Clone, Debug)]
pub struct SignedRequestClaims {
    account: AccountName,
    time: TimeClaim,
    nonce: NonceClaim,
    expires: Option<Decimal>,
    not_before: Option<Decimal>,
    issued_at: Option<Decimal>,
    audience: Option<Vec<String>>,
    binding: Option<Box<RequestBinding>>,
    /// All of them, as they were signed.
    json: Arc<str>,
}

/// The members that are read; tokens may have others.
const NAMES: [&str; 13] = [
    "username",
    "time",
    "nonce", // what makes a signed request
    "exp",
    "nbf",
    "iat",
    "aud",
    "iss",
    "sub",
    "jti", // RFC 7519 section 4.1
    "htm",
    "htu",
    "body_sha256", // what binds it to a request
];

impl SignedRequestClaims {
    /// Reads the payload of a token.
    pub(crate) fn read(payload: &[u8]) -> Result<Self, Reason> {
        let [username, time, nonce, exp, nbf, iat, aud, iss, sub, jti, htm, htu, body_sha256] =
            pick(payload, &NAMES).ok_or(Reason::ClaimsMalformed)?;
        let malformed = |_: WrongType| Reason::ClaimsMalformed;
        for text in [iss, sub, jti].into_iter().flatten() {
            text.string().map_err(malformed)?;
        }
        Ok(Self {
            account: read_account(username)?,
            time: read_time(time)?,
            nonce: NonceClaim::read(nonce)?,
            expires: exp.map(Value::number).transpose().map_err(malformed)?,
            not_before: nbf.map(Value::number).transpose().map_err(malformed)?,
            issued_at: iat.map(Value::number).transpose().map_err(malformed)?,
            audience: aud.map(Value::strings).transpose().map_err(malformed)?,
            binding: read_binding([htm, htu, body_sha256]).map(Box::new),
            // What was read as an object is UTF-8.
            json: std::str::from_utf8(payload).map_err(|_| Reason::ClaimsMalformed)?.into(),
        })
    }

    /// The account the token claims to be of (`username`).
    pub fn account(&self) -> &AccountName {
        &self.account
    }

    /// When it was signed (`time`).
    pub fn time(&self) -> &TimeClaim {
        &self.time
    }

    /// What makes it unique (`nonce`).
    pub fn nonce(&self) -> &NonceClaim {
        &self.nonce
    }

    /// Whom it is meant for (`aud`), if it says so.
    pub fn audience(&self) -> Option<&[String]> {
        self.audience.as_deref()
    }

    /// The request it was made for (`htm`, `htu`, `body_sha256`), if it says so.
    pub fn binding(&self) -> Option<&RequestBinding> {
        self.binding.as_deref()
    }

    /// The claims as they were signed, a JSON object.
    pub(crate) fn into_json(self) -> Arc<str> {
        self.json
    }

    /// Checks everything that depends on the time: the window around `time`,
    /// and `exp`, `nbf` and `iat` without leeway (RFC 7519 section 4.1).
    pub(crate) fn check_times(&self, now: UnixTime, tolerance: Duration) -> Result<(), Reason> {
        if !self.time.is_within(now, tolerance) {
            return Err(Reason::OutsideWindow);
        }
        let compare = |claim: &Option<Decimal>| {
            claim.as_ref().map(|instant| instant.cmp_micros(now.as_micros()))
        };
        if matches!(compare(&self.expires), Some(Ordering::Less | Ordering::Equal)) {
            return Err(Reason::Expired);
        }
        if compare(&self.not_before) == Some(Ordering::Greater) {
            return Err(Reason::NotYetValid);
        }
        if compare(&self.issued_at) == Some(Ordering::Greater) {
            return Err(Reason::IssuedInTheFuture);
        }
        Ok(())
    }
}

fn read_account(username: Option<Value<'_>>) -> Result<AccountName, Reason> {
    let name = username.and_then(|name| name.string().ok()).ok_or(Reason::UsernameMalformed)?;
    AccountName::new(&name).map_err(|_| Reason::UsernameMalformed)
}

fn read_time(time: Option<Value<'_>>) -> Result<TimeClaim, Reason> {
    let number = time.and_then(|time| time.number().ok()).ok_or(Reason::TimeMalformed)?;
    TimeClaim::new(number).ok_or(Reason::TimeMalformed)
}

/// The three members bind a request together or not at all. Where a binding is
/// not asked for, other tokens may use these names for what they like.
fn read_binding(members: [Option<Value<'_>>; 3]) -> Option<RequestBinding> {
    let [method, uri, body_sha256] = members;
    Some(RequestBinding {
        method: method?.string().ok()?.into(),
        uri: uri?.string().ok()?.into(),
        body_sha256: body_sha256?.string().ok()?.into(),
    })
}

//! The claims of a signed request and their window.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::time::Duration;

use crate::json::{Decimal, Members, WrongType};
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

    /// One text for one value: `1` and `1.0` are the same.
    pub(crate) fn canonical(&self) -> String {
        self.value.canonical()
    }
}

/// What makes the request unique: a string or a number chosen by the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NonceClaim(Nonce);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Nonce {
    Text(Box<str>),
    Number(Decimal),
}

impl NonceClaim {
    fn read(members: &Members<'_>) -> Result<Self, Reason> {
        if let Ok(Some(text)) = members.string("nonce") {
            if text.is_empty() || text.len() > MAX_LABEL_BYTES {
                return Err(Reason::NonceMalformed);
            }
            return Ok(Self(Nonce::Text(text.into())));
        }
        match members.number("nonce") {
            Ok(Some(number)) if !number.is_zero() => Ok(Self(Nonce::Number(number))),
            _ => Err(Reason::NonceMalformed),
        }
    }

    /// One text for one value; a string never equals a number.
    pub(crate) fn canonical(&self) -> Cow<'_, str> {
        match &self.0 {
            Nonce::Text(text) => Cow::Owned(format!("s{text}")),
            Nonce::Number(number) => Cow::Owned(format!("n{}", number.canonical())),
        }
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
    binding: Option<RequestBinding>,
}

impl SignedRequestClaims {
    /// Reads the payload of a token.
    pub(crate) fn read(payload: &[u8]) -> Result<Self, Reason> {
        let members = Members::read(payload).ok_or(Reason::ClaimsMalformed)?;
        let malformed = |_: WrongType| Reason::ClaimsMalformed;
        for text in ["iss", "sub", "jti"] {
            members.string(text).map_err(malformed)?;
        }
        Ok(Self {
            account: read_account(&members)?,
            time: read_time(&members)?,
            nonce: NonceClaim::read(&members)?,
            expires: members.number("exp").map_err(malformed)?,
            not_before: members.number("nbf").map_err(malformed)?,
            issued_at: members.number("iat").map_err(malformed)?,
            audience: members.strings("aud").map_err(malformed)?,
            binding: read_binding(&members),
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
        self.binding.as_ref()
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

fn read_account(members: &Members<'_>) -> Result<AccountName, Reason> {
    match members.string("username") {
        Ok(Some(name)) => AccountName::new(&name).map_err(|_| Reason::UsernameMalformed),
        _ => Err(Reason::UsernameMalformed),
    }
}

fn read_time(members: &Members<'_>) -> Result<TimeClaim, Reason> {
    match members.number("time") {
        Ok(Some(number)) => TimeClaim::new(number).ok_or(Reason::TimeMalformed),
        _ => Err(Reason::TimeMalformed),
    }
}

/// The three members bind a request together or not at all. Where a binding is
/// not asked for, other tokens may use these names for what they like.
fn read_binding(members: &Members<'_>) -> Option<RequestBinding> {
    let texts = (members.string("htm"), members.string("htu"), members.string("body_sha256"));
    match texts {
        (Ok(Some(method)), Ok(Some(uri)), Ok(Some(body_sha256))) => Some(RequestBinding {
            method: method.into(),
            uri: uri.into(),
            body_sha256: body_sha256.into(),
        }),
        _ => None,
    }
}

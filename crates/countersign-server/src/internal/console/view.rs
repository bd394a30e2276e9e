//! What pages show of instants and credentials.

use std::fmt;
use std::net::IpAddr;

use countersign_core::{Clock, UnixTime};
use jiff::{Timestamp, Unit};

use crate::api::{self, to_timestamp};

/// An instant as pages show it.
pub(super) struct Instant {
    at: Timestamp,
    now: Timestamp,
}

impl Instant {
    /// For the attribute of a `time` element.
    pub(super) fn iso(&self) -> String {
        self.at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// How far from now, for example `3 days ago`.
    pub(super) fn distance(&self) -> String {
        let seconds = self.at.duration_since(self.now).as_secs();
        let text = amount(seconds.unsigned_abs());
        match seconds {
            0 => "just now".to_owned(),
            1.. => format!("in {text}"),
            _ => format!("{text} ago"),
        }
    }
}

/// To the minute, in UTC.
impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} UTC", self.at.strftime("%Y-%m-%d %H:%M"))
    }
}

fn amount(seconds: u64) -> String {
    let (number, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3600 => (seconds / 60, "minute"),
        3600..86_400 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

/// Makes instants that know what time it is.
#[derive(Clone, Copy)]
pub(super) struct Now(Timestamp);

impl Now {
    pub(super) fn of(clock: &dyn Clock) -> Self {
        Self(to_timestamp(clock.now()))
    }

    pub(super) fn instant(self, at: Timestamp) -> Instant {
        Instant { at, now: self.0 }
    }

    pub(super) fn has_come(self, at: Option<Timestamp>) -> bool {
        at.is_some_and(|at| at <= self.0)
    }

    /// Where a credential with these instants stands.
    pub(super) fn standing(
        self,
        revoked_at: Option<Timestamp>,
        expires_at: Option<Timestamp>,
    ) -> Standing {
        if revoked_at.is_some() {
            Standing::Revoked
        } else if self.has_come(expires_at) {
            Standing::Expired
        } else {
            Standing::Good
        }
    }

    /// When and from where something was last used.
    pub(super) fn last_use(self, at: Option<Timestamp>, from: Option<IpAddr>) -> Option<LastUse> {
        at.map(|at| LastUse { at: self.instant(at), from })
    }
}

/// Where a credential stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Good,
    Expired,
    Revoked,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Good => "good",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        })
    }
}

/// When and from where something was last used.
pub(super) struct LastUse {
    pub(super) at: Instant,
    pub(super) from: Option<IpAddr>,
}

/// A name or a comment, which somebody chose.
pub(super) struct Named(String);

impl Named {
    /// What characters it really has, if it has some that can be taken for others.
    pub(super) fn spelled(&self) -> Option<String> {
        let spell = |c: char| {
            if c.is_ascii() { c.to_string() } else { c.escape_unicode().to_string() }
        };
        (!self.0.is_ascii()).then(|| self.0.chars().map(spell).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for Named {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A public key of an account.
pub(super) struct KeyView {
    pub(super) kind: String,
    pub(super) comment: Named,
    pub(super) openssh: String,
    pub(super) spki_pem_sha256: String,
    pub(super) jwk_thumbprint: String,
    pub(super) standing: Standing,
    pub(super) created: Instant,
    pub(super) expires: Option<Instant>,
    pub(super) revoked: Option<Instant>,
    pub(super) last_use: Option<LastUse>,
    /// Where its form to revoke it goes.
    pub(super) revoke: String,
}

/// What a key is, for example `Ed25519` or `RSA, 2048 bits`.
pub(super) fn key_kind(key_type: &str, bits: usize) -> String {
    match key_type {
        "RSA" => format!("RSA, {bits} bits"),
        curve => curve.to_owned(),
    }
}

impl KeyView {
    pub(super) fn new(key: api::PublicKey, revoke: String, now: Now) -> Self {
        Self {
            kind: key_kind(&key.key_type, key.bits),
            comment: key.comment.into(),
            openssh: key.fingerprints.openssh,
            spki_pem_sha256: key.fingerprints.spki_pem_sha256,
            jwk_thumbprint: key.fingerprints.jwk_thumbprint,
            standing: now.standing(key.revoked_at, key.expires_at),
            created: now.instant(key.created_at),
            expires: key.expires_at.map(|at| now.instant(at)),
            revoked: key.revoked_at.map(|at| now.instant(at)),
            last_use: now.last_use(key.last_used_at, key.last_used_from),
            revoke,
        }
    }
}

/// Reads what an `input` of the type `date` sends: until the end of that day, in UTC.
pub(super) fn end_of_day(text: &str) -> Option<UnixTime> {
    // The parser knows more ways to write a day, and what is shown is what was written.
    if text.len() != "2027-01-15".len() {
        return None;
    }
    let date: jiff::civil::Date = text.parse().ok()?;
    let end = date.tomorrow().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(api::to_unix_time(end.timestamp().round(Unit::Second).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_have_one_unit() {
        let now = Now(to_timestamp(UnixTime::from_secs(1_800_000_000)));
        let distance = |seconds: i64| {
            now.instant(to_timestamp(UnixTime::from_secs(1_800_000_000 + seconds))).distance()
        };
        assert_eq!(distance(0), "just now");
        assert_eq!(distance(-1), "1 second ago");
        assert_eq!(distance(59), "in 59 seconds");
        assert_eq!(distance(-3600), "1 hour ago");
        assert_eq!(distance(90_000), "in 1 day");
        assert_eq!(distance(-86_400 * 400), "400 days ago");
    }

    #[test]
    fn what_can_be_taken_for_another_text_is_spelled_out() {
        let spelled = |text: &str| Named::from(text.to_owned()).spelled();
        assert_eq!(spelled("robot 7"), None);
        assert_eq!(spelled("r\u{43e}bot").as_deref(), Some("r\\u{43e}bot"));
        assert_eq!(spelled("a\u{3164}").as_deref(), Some("a\\u{3164}"));
    }

    #[test]
    fn a_day_ends_where_the_next_begins() {
        assert_eq!(end_of_day("2027-01-15"), Some(UnixTime::from_secs(1_800_057_600)));
        for text in
            ["", "2027-02-30", "15.1.2027", "2027-01-15T08:00:00Z", "20270115", "+002027-01-15"]
        {
            assert_eq!(end_of_day(text), None, "{text}");
        }
    }
}

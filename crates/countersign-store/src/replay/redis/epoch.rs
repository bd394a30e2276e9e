//! What Redis itself remembers of what it was before.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use countersign_core::UnixTime;
#[cfg(feature = "rate-limits")]
use countersign_core::ports::RateSubject;
use countersign_core::ports::ReplayKey;

use super::survey::Identity;

/// The longest namespace.
const MAX_BYTES: usize = 64;

/// What sets one installation's keys apart from those of others in the same Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace(String);

/// The text is no namespace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 1 to {MAX_BYTES} letters, digits, `.`, `_`, `:` or `-`")]
pub struct NamespaceError;

impl FromStr for Namespace {
    type Err = NamespaceError;

    fn from_str(text: &str) -> Result<Self, NamespaceError> {
        // No braces: a cluster would put all keys with the same text between them on one server.
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
        if text.is_empty() || text.len() > MAX_BYTES || !text.bytes().all(fits) {
            return Err(NamespaceError);
        }
        Ok(Self(text.to_owned()))
    }
}

impl Namespace {
    /// The key of a use.
    pub(super) fn key(&self, key: ReplayKey) -> String {
        format!("countersign:{}:{:032x}", self.0, u128::from_be_bytes(*key.as_bytes()))
    }

    /// A key that is none of a use. A cluster puts all with the same tag on one server.
    pub(super) fn mark(&self, name: &str, tag: u32) -> String {
        format!("countersign:{}:{name}:{{{tag}}}", self.0)
    }

    /// The key under which a subject's requests are counted: none of a use.
    #[cfg(feature = "rate-limits")]
    pub(crate) fn limit_key(&self, subject: &RateSubject) -> String {
        format!("countersign:{}:limit:{subject}", self.0)
    }
}

/// Since when this Redis has remembered every use, kept by each of its masters under a key that
/// does not expire. An empty Redis does not have it, and a copy that fell behind has another's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Epoch {
    pub(super) identity: Identity,
    pub(super) since: UnixTime,
    /// The widest tolerance of any server. Uses are remembered for it by all.
    pub(super) tolerance: Duration,
}

impl Epoch {
    /// The epoch that holds from now on, and whether it must be written.
    ///
    /// A server that did not itself see `before` (the identity of its last session) change
    /// may rely on what others wrote.
    pub(super) fn next(
        written: Option<Self>,
        identity: Identity,
        before: Option<&Identity>,
        (tolerance, now): (Duration, UnixTime),
    ) -> (Self, bool) {
        let unchanged = before.is_none_or(|before| *before == identity);
        match written {
            Some(written) if written.identity == identity && written.tolerance >= tolerance => {
                let since = if unchanged { written.since } else { written.since.max(now) };
                (Self { since, ..written }, false)
            }
            written => {
                let others = written.map_or(Duration::ZERO, |written| written.tolerance);
                (Self { identity, since: now, tolerance: tolerance.max(others) }, true)
            }
        }
    }

    /// Reads what [`Display`](fmt::Display) wrote. What it did not write is no epoch.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ' ');
        let since = UnixTime::from_micros(parts.next()?.parse().ok()?);
        let tolerance = Duration::from_micros(parts.next()?.parse().ok()?);
        Some(Self { identity: Identity(parts.next()?.to_owned()), since, tolerance })
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { identity: Identity(identity), since, tolerance } = self;
        write!(f, "{} {} {identity}", since.as_micros(), tolerance.as_micros())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
    const EARLIER: UnixTime = UnixTime::from_secs(1_700_000_000);
    const TOLERANCE: Duration = Duration::from_secs(20);

    fn identity(text: &str) -> Identity {
        Identity(text.to_owned())
    }

    fn written(by: &str, tolerance: Duration) -> Epoch {
        let epoch = Epoch { identity: identity(by), since: EARLIER, tolerance };
        assert_eq!(Epoch::read(&epoch.to_string()), Some(epoch.clone()));
        epoch
    }

    #[test]
    fn an_epoch_goes_on_for_as_long_as_nothing_can_be_lost() {
        let wide = TOLERANCE * 3;
        for (written, before, since, writes, tolerance) in [
            (Some(written("a b", TOLERANCE)), None, EARLIER, false, TOLERANCE),
            (Some(written("a b", wide)), Some("a b"), EARLIER, false, wide),
            // Empty, of another, changed since we looked, with a narrower tolerance.
            (None, None, NOW, true, TOLERANCE),
            (None, Some("a b"), NOW, true, TOLERANCE),
            (Some(written("c", wide)), Some("a b"), NOW, true, wide),
            (Some(written("a b", TOLERANCE)), Some("c"), NOW, false, TOLERANCE),
            (Some(written("a b", TOLERANCE / 2)), Some("a b"), NOW, true, TOLERANCE),
        ] {
            let before = before.map(identity);
            let (epoch, is_new) =
                Epoch::next(written, identity("a b"), before.as_ref(), (TOLERANCE, NOW));
            assert_eq!((epoch.since, is_new, epoch.tolerance), (since, writes, tolerance));
            assert_eq!(epoch.identity, identity("a b"));
        }
        assert_eq!(Epoch::read("soon"), None);
    }

    #[test]
    fn a_namespace_has_no_braces() {
        for text in ["", "a{b}", "a b", "ä", &"a".repeat(65)] {
            assert!(text.parse::<Namespace>().is_err(), "{text}");
        }
        let namespace: Namespace = "eu-1".parse().unwrap();
        let key = namespace.key(ReplayKey::from_bytes([1; 16]));
        assert_eq!(key, "countersign:eu-1:01010101010101010101010101010101");
    }
}

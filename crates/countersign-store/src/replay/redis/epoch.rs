//! What Redis itself remembers of what it was before.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use countersign_core::UnixTime;
#[cfg(feature = "rate-limits")]
use countersign_core::ports::RateSubject;
use countersign_core::ports::ReplayKey;

use super::survey::Identity;
use crate::replay::limits::SharedTolerance;

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
    /// No server has a wider one. Uses are remembered for it by all.
    pub(super) tolerance: Duration,
}

/// What the masters have of an epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// All of them the same, and nothing speaks against it.
    Whole(Epoch),
    /// One of them has forgotten something; the widest that any of them has.
    InDoubt(Epoch),
    /// None of them has one.
    Nothing,
}

impl Written {
    fn epoch(self) -> Option<Epoch> {
        match self {
            Self::Whole(epoch) | Self::InDoubt(epoch) => Some(epoch),
            Self::Nothing => None,
        }
    }

    /// What these are, one of each master.
    pub(super) fn of(epochs: Vec<Option<Epoch>>, is_in_doubt: bool) -> Self {
        let are_same = epochs.windows(2).all(|two| two[0] == two[1]);
        let widest = epochs.into_iter().flatten().max_by_key(|epoch| epoch.tolerance);
        match widest {
            Some(epoch) if are_same && !is_in_doubt => Self::Whole(epoch),
            Some(epoch) => Self::InDoubt(epoch),
            None => Self::Nothing,
        }
    }
}

/// What an epoch of tolerance `width` begins with at this time: what was accepted before
/// reaches as far ahead as the tolerance was `then`, and not as it is now, which is what will
/// be added.
fn since(then: Duration, width: Duration, now: UnixTime) -> UnixTime {
    now + then - width
}

impl Epoch {
    /// The epoch that holds from now on, and whether it must be written.
    ///
    /// A server that did not itself see `before`, the epoch of its last session, end may rely
    /// on what others wrote.
    pub(super) fn next(
        written: Written,
        identity: Identity,
        before: Option<&Self>,
        (tolerance, now): (SharedTolerance, UnixTime),
    ) -> (Self, bool) {
        match written {
            Written::Whole(written)
                if written.identity == identity && !tolerance.changes(written.tolerance) =>
            {
                let ended = before.filter(|before| before.identity != identity);
                let since = ended.map(|before| since(before.tolerance, written.tolerance, now));
                let since = since.map_or(written.since, |since| since.max(written.since));
                (Self { since, ..written }, false)
            }
            written => {
                let written = written.epoch();
                let told = written.as_ref().or(before).map(|epoch| epoch.tolerance);
                let width = match tolerance {
                    SharedTolerance::Agreed(own) => told.unwrap_or(own),
                    SharedTolerance::Changed(width) => width,
                };
                let known = || written.iter().chain(before);
                let then = known().map(|epoch| epoch.tolerance).max().unwrap_or(width);
                // What was waited for before is waited for on.
                let now = known().map(|epoch| epoch.since).fold(now, UnixTime::max);
                (Self { identity, since: since(then, width, now), tolerance: width }, true)
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
            (Written::Whole(written("a b", TOLERANCE)), None, EARLIER, false, TOLERANCE),
            (Written::Whole(written("a b", wide)), Some("a b"), EARLIER, false, wide),
            // Empty, of another, in doubt, changed since we looked.
            (Written::Nothing, None, NOW, true, TOLERANCE),
            (Written::Nothing, Some("a b"), NOW, true, TOLERANCE),
            (Written::Whole(written("c", wide)), Some("a b"), NOW, true, wide),
            (Written::InDoubt(written("a b", wide)), Some("a b"), NOW, true, wide),
            (Written::Whole(written("a b", TOLERANCE)), Some("c"), NOW, false, TOLERANCE),
        ] {
            let before = before.map(|before| self::written(before, tolerance));
            let agreed = SharedTolerance::Agreed(TOLERANCE);
            let (epoch, is_new) =
                Epoch::next(written, identity("a b"), before.as_ref(), (agreed, NOW));
            assert_eq!((epoch.since, is_new, epoch.tolerance), (since, writes, tolerance));
            assert_eq!(epoch.identity, identity("a b"));
        }
        assert_eq!(Epoch::read("soon"), None);
    }

    /// Tokens of up to the old tolerance ahead may have been accepted, whatever the new one.
    #[test]
    fn what_was_accepted_by_another_tolerance_is_waited_for_by_that() {
        for (then, now_is) in [(TOLERANCE, TOLERANCE * 3), (TOLERANCE * 3, TOLERANCE)] {
            let written = Written::Whole(written("a b", then));
            let changed = (SharedTolerance::Changed(now_is), NOW);
            let (epoch, is_new) = Epoch::next(written, identity("a b"), None, changed);
            assert!(is_new);
            assert_eq!((epoch.since + now_is, epoch.tolerance), (NOW + then, now_is));
        }
        // A wait that is not over is not cut short by the next.
        let mut narrowed = written("a b", TOLERANCE);
        narrowed.since = NOW + TOLERANCE * 2;
        let changed = (SharedTolerance::Changed(TOLERANCE * 3), NOW);
        let (epoch, _) =
            Epoch::next(Written::Whole(narrowed.clone()), identity("a b"), None, changed);
        assert_eq!(epoch.since + epoch.tolerance, narrowed.since + narrowed.tolerance);
        // A server that was narrower all the time knows what the others have accepted.
        let before = written("c", TOLERANCE * 3);
        let agreed = (SharedTolerance::Agreed(TOLERANCE), NOW);
        let (epoch, _) = Epoch::next(Written::Nothing, identity("a b"), Some(&before), agreed);
        assert_eq!((epoch.since, epoch.tolerance), (NOW, before.tolerance));
        let written = Written::Whole(written("a b", TOLERANCE));
        let agreed = (SharedTolerance::Agreed(TOLERANCE), NOW);
        let (epoch, _) = Epoch::next(written, identity("a b"), Some(&before), agreed);
        assert_eq!(epoch.since + TOLERANCE, NOW + before.tolerance);
    }

    #[test]
    fn masters_that_disagree_leave_the_widest_in_doubt() {
        let (narrow, wide) = (written("a", TOLERANCE), written("a", TOLERANCE * 2));
        let of = |epochs: &[Option<&Epoch>], is_in_doubt| {
            Written::of(epochs.iter().map(|epoch| epoch.cloned()).collect(), is_in_doubt)
        };
        assert_eq!(of(&[Some(&wide), Some(&wide)], false), Written::Whole(wide.clone()));
        assert_eq!(of(&[Some(&wide)], true), Written::InDoubt(wide.clone()));
        assert_eq!(of(&[Some(&wide), None], false), Written::InDoubt(wide.clone()));
        assert_eq!(of(&[Some(&narrow), Some(&wide)], false), Written::InDoubt(wide));
        assert_eq!(of(&[None, None], false), Written::Nothing);
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

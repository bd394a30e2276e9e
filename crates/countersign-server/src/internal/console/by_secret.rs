//! What is kept under a secret that only its holder knows.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_core::{AccountId, Random, SecretHash, UnixTime};

/// Values that are found by a secret and gone when their time is over. Of the secrets
/// themselves only hashes are kept.
pub(super) struct BySecret<T> {
    entries: Mutex<HashMap<[u8; 32], Entry<T>>>,
    for_each: usize,
}

struct Entry<T> {
    owner: AccountId,
    value: T,
    until: UnixTime,
}

impl<T: Clone> BySecret<T> {
    /// Room for so many of each owner; where one has more, the one of them that would be gone
    /// first goes. Nobody takes another's place.
    pub(super) fn with_room_for(each: usize) -> Self {
        Self { entries: Mutex::default(), for_each: each }
    }

    /// Keeps a value of an owner until then, and gives the secret: 256 random bits in base64url.
    pub(super) fn keep(
        &self,
        (owner, value): (AccountId, T),
        (now, until): (UnixTime, UnixTime),
        random: &dyn Random,
    ) -> String {
        let secret = draw(random);
        let mut entries = self.entries();
        entries.retain(|_, entry| entry.until > now);
        let own = || entries.iter().filter(|(_, entry)| entry.owner == owner);
        if own().count() >= self.for_each {
            let first = own().min_by_key(|(_, entry)| entry.until).map(|(hash, _)| *hash);
            first.map(|hash| entries.remove(&hash));
        }
        entries.insert(hash(&secret), Entry { owner, value, until });
        secret
    }

    /// The value, which stays.
    pub(super) fn look(&self, secret: &str, now: UnixTime) -> Option<T> {
        self.entries()
            .get(&hash(secret))
            .filter(|entry| entry.until > now)
            .map(|entry| entry.value.clone())
    }

    /// The value, which is gone with this: whoever asks first gets it.
    pub(super) fn take(&self, secret: &str, now: UnixTime) -> Option<T> {
        let taken = self.entries().remove(&hash(secret));
        taken.filter(|entry| entry.until > now).map(|entry| entry.value)
    }

    /// Keeps it until then instead, if it is still there.
    pub(super) fn prolong(&self, secret: &str, until: UnixTime) {
        if let Some(entry) = self.entries().get_mut(&hash(secret)) {
            entry.until = until;
        }
    }

    /// A map that a panic left behind is whole: no change to it takes two steps.
    fn entries(&self) -> MutexGuard<'_, HashMap<[u8; 32], Entry<T>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// 256 random bits in base64url.
pub(super) fn draw(random: &dyn Random) -> String {
    let mut bits = [0; 32];
    random.fill(&mut bits);
    URL_SAFE_NO_PAD.encode(bits)
}

/// Secrets of 256 random bits need no slow hash: nobody can try them all.
fn hash(secret: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, secret.as_bytes()).as_ref());
    hash
}

/// Whether both are the same, in a time that does not tell where they differ.
pub(super) fn same(one: &str, other: &str) -> bool {
    SecretHash::from_bytes(hash(one)) == SecretHash::from_bytes(hash(other))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU8, Ordering};
    use std::time::Duration;

    use super::*;

    /// Each draw is another.
    #[derive(Default)]
    struct Counting(AtomicU8);

    impl Random for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0.fetch_add(1, Ordering::Relaxed));
        }
    }

    const ADA: AccountId = AccountId(uuid::Uuid::from_u128(1));
    const BOB: AccountId = AccountId(uuid::Uuid::from_u128(2));
    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

    fn after(seconds: u64) -> UnixTime {
        NOW + Duration::from_secs(seconds)
    }

    #[test]
    fn a_value_is_taken_once_and_looked_at_often() {
        let (kept, random) = (BySecret::with_room_for(2), Counting::default());
        let secret = kept.keep((ADA, "value"), (NOW, after(60)), &random);
        assert_eq!(kept.look(&secret, NOW), Some("value"));
        assert_eq!(kept.look(&secret, after(59)), Some("value"));
        assert_eq!(kept.look("another", NOW), None);
        assert_eq!(kept.take(&secret, NOW), Some("value"));
        assert_eq!((kept.take(&secret, NOW), kept.look(&secret, NOW)), (None, None));
    }

    #[test]
    fn its_time_ends_and_can_be_prolonged() {
        let (kept, random) = (BySecret::with_room_for(2), Counting::default());
        let secret = kept.keep((ADA, "value"), (NOW, after(60)), &random);
        assert_eq!(kept.look(&secret, after(60)), None);
        kept.prolong(&secret, after(120));
        assert_eq!(kept.look(&secret, after(60)), Some("value"));
        assert_eq!(kept.take(&secret, after(120)), None);
    }

    #[test]
    fn where_one_has_too_many_the_one_that_ends_first_goes() {
        let (kept, random) = (BySecret::with_room_for(2), Counting::default());
        let other = kept.keep((BOB, "other"), (NOW, after(10)), &random);
        let long = kept.keep((ADA, "long"), (NOW, after(90)), &random);
        let short = kept.keep((ADA, "short"), (NOW, after(60)), &random);
        let third = kept.keep((ADA, "third"), (NOW, after(60)), &random);
        assert_eq!(kept.look(&short, NOW), None);
        assert_eq!((kept.look(&long, NOW), kept.look(&third, NOW)), (Some("long"), Some("third")));
        assert_eq!(kept.look(&other, NOW), Some("other"), "nobody takes another's place");
    }
}

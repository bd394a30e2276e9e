//! One slot of the wheel: the uses whose tokens' times lie in one stretch.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_core::UnixTime;
use hashbrown::HashTable;

use super::shares::ShareSketch;

/// Shards of a slot; a power of two. Callers of one instant meet in one slot, so
/// it is within the slot that they must not stand in each other's way.
const SHARDS: usize = 32;

/// A use, reduced to a 64-bit hash under a key that only this process knows. So
/// no caller can choose two uses that collide, and among ten million live uses
/// one fresh token in 10^12 is refused by mistake; none is ever accepted by one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Fingerprint(pub(super) u64);

/// The uses whose `time` lies in one stretch of the time line.
pub(super) struct Slot {
    /// Which stretch: the time divided by the width.
    pub(super) index: i64,
    /// The instant up to which all of it must be remembered, in microseconds.
    until: AtomicI64,
    /// Uses in all shards.
    len: AtomicUsize,
    /// How many uses a shard is made for.
    expected: usize,
    shards: [Mutex<Shard>; SHARDS],
    /// The part of the wheel's sketch that goes when this slot goes.
    pub(super) shares: ShareSketch,
}

/// The uses of one shard.
///
/// The table takes 9 bytes per place and is at least 7/16 full after it has
/// grown, so that a use costs 10.3 to 20.6 bytes.
#[derive(Default)]
pub(super) struct Shard(HashTable<Fingerprint>);

impl Slot {
    /// An empty slot to remember until `until`, made for about `expected` uses.
    pub(super) fn new(index: i64, until: UnixTime, expected: usize) -> Self {
        Self {
            index,
            until: AtomicI64::new(until.as_micros()),
            len: AtomicUsize::new(0),
            expected: expected / SHARDS,
            shards: Default::default(),
            shares: ShareSketch::new(),
        }
    }

    /// Locks the shard that a use belongs to.
    pub(super) fn lock(&self, fingerprint: Fingerprint) -> MutexGuard<'_, Shard> {
        // The table looks at the lowest bits and at the highest seven: these are
        // neither.
        let shard = (fingerprint.0 >> 48) as usize % SHARDS;
        // Nothing panics while a shard is locked, and if it did, what the table
        // remembers would still be right.
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a use that is not in `shard`, which is this slot's shard for it.
    pub(super) fn insert(&self, shard: &mut Shard, fingerprint: Fingerprint, until: UnixTime) {
        if shard.0.capacity() == 0 {
            shard.0.reserve(self.expected, hash);
        }
        shard.0.insert_unique(fingerprint.0, fingerprint, hash);
        self.len.fetch_add(1, Ordering::Relaxed);
        self.until.fetch_max(until.as_micros(), Ordering::Relaxed);
    }

    /// Whether nothing in this slot needs to be remembered any more.
    pub(super) fn is_expired(&self, now: UnixTime) -> bool {
        self.until.load(Ordering::Relaxed) < now.as_micros()
    }

    /// The uses in this slot.
    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Bytes that this slot takes.
    pub(super) fn memory_bytes(&self) -> usize {
        let tables = self
            .shards
            .iter()
            .map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).0.allocation_size());
        size_of::<Self>() + ShareSketch::memory_bytes() + tables.sum::<usize>()
    }
}

impl Shard {
    /// Whether this use is recorded.
    pub(super) fn contains(&self, fingerprint: Fingerprint) -> bool {
        self.0.find(fingerprint.0, |other| *other == fingerprint).is_some()
    }
}

/// A fingerprint is its own hash.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form in which the table asks for it")]
fn hash(fingerprint: &Fingerprint) -> u64 {
    fingerprint.0
}

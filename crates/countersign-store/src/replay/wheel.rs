//! The replay guard in the process.
//!
//! Uses stand in slots by their token's own `time`, so the same token always
//! meets the same slot, whenever and under whatever tolerance it is shown. A
//! slot is dropped as a whole once the last of its uses need not be remembered,
//! and from then on nothing with a time up to its end is accepted: a clock that
//! steps back cannot bring a token back to life.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use async_trait::async_trait;
use countersign_core::ports::{GuardError, ReplayGuard, ReplayKey, Spend};
use countersign_core::{AccountName, Clock, Random, UnixTime};
use siphasher::sip::SipHasher24;

use super::limits::ReplayLimits;
use super::shares::{AccountCells, ShareSketch};
use super::slot::{Fingerprint, Slot};

/// The most uses ever held: the counters of the sketch are 32 bits wide.
const CAPACITY_CEILING: usize = 1 << 31;

/// Remembers spent nonces in the process, in bounded memory.
pub struct ReplayWheel {
    clock: Arc<dyn Clock>,
    capacity: usize,
    share: u32,
    slot_micros: i64,
    use_hash: SipHasher24,
    account_hash: SipHasher24,
    /// Read while a use is recorded, written when a slot is added or dropped,
    /// which is once in [`ReplayLimits::slot`].
    slots: RwLock<Slots>,
    /// Uses in all slots.
    len: AtomicUsize,
    /// Uses per account in all slots.
    shares: ShareSketch,
}

struct Slots {
    /// In ascending order of index.
    ring: VecDeque<Slot>,
    /// Tokens with an earlier time are refused: their slots are gone.
    refused_before: UnixTime,
}

impl ReplayWheel {
    /// An empty wheel with a hash key of its own.
    pub fn new(limits: ReplayLimits, clock: Arc<dyn Clock>, random: &dyn Random) -> Self {
        let slot = limits.slot.max(Duration::from_millis(1)).as_micros();
        Self {
            clock,
            capacity: limits.capacity.min(CAPACITY_CEILING),
            share: u32::try_from(limits.share).unwrap_or(u32::MAX),
            slot_micros: i64::try_from(slot).unwrap_or(i64::MAX),
            use_hash: keyed_hash(random),
            account_hash: keyed_hash(random),
            slots: RwLock::new(Slots {
                ring: VecDeque::new(),
                refused_before: UnixTime::from_micros(i64::MIN),
            }),
            len: AtomicUsize::new(0),
            shares: ShareSketch::new(),
        }
    }

    /// Records a use; the work of [`ReplayGuard::spend`], without an `await`.
    ///
    /// # Errors
    /// [`GuardError`], save [`GuardError::Unavailable`].
    pub fn record(&self, spend: &Spend<'_>) -> Result<(), GuardError> {
        match self.try_record(spend) {
            // What is full of expired uses is not full.
            Err(GuardError::Full | GuardError::ShareUsedUp) if self.sweep() > 0 => {
                self.try_record(spend)
            }
            outcome => outcome,
        }
    }

    /// Forgets every slot whose uses need not be remembered any more, and
    /// returns how many uses that were.
    ///
    /// Recording does this as it goes along; calling it now and then frees the
    /// memory of a wheel that nobody uses. See [`sweep_every`](Self::sweep_every).
    pub fn sweep(&self) -> usize {
        let now = self.clock.now();
        if !self.read().ring.front().is_some_and(|slot| slot.is_expired(now)) {
            return 0;
        }
        let dropped = self.drop_expired(&mut self.write(), now);
        // The tables are freed here, after the lock.
        dropped.iter().map(Slot::len).sum()
    }

    /// Calls [`sweep`](Self::sweep) at this interval, in a task of the current
    /// runtime that ends soon after the wheel has been dropped.
    pub fn sweep_every(self: &Arc<Self>, interval: Duration) -> tokio::task::JoinHandle<()> {
        let wheel = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(interval).await;
                let Some(wheel) = wheel.upgrade() else { return };
                wheel.sweep();
            }
        })
    }

    /// How many uses are held. Some may have expired: they go a slot at a time.
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Whether no use is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that the wheel takes, all included.
    pub fn memory_bytes(&self) -> usize {
        let slots = self.read();
        let spare = (slots.ring.capacity() - slots.ring.len()) * size_of::<Slot>();
        let held: usize = slots.ring.iter().map(Slot::memory_bytes).sum();
        size_of::<Self>() + ShareSketch::memory_bytes() + spare + held
    }

    /// Tokens with a time before this are refused, because what was spent then
    /// is no longer remembered. It never moves back.
    pub fn refused_before(&self) -> UnixTime {
        self.read().refused_before
    }

    /// Refuses every token with a time before `instant` from now on.
    pub(super) fn refuse_before(&self, instant: UnixTime) {
        let mut slots = self.write();
        let gone = slots.ring.partition_point(|slot| self.end(slot.index) <= instant);
        let dropped = self.drop_first(&mut slots, gone);
        slots.refused_before = slots.refused_before.max(instant);
        drop(slots);
        drop(dropped);
    }

    /// Takes over a use that was accepted earlier, without judging it: whatever
    /// the limits say, it must be remembered.
    pub(super) fn restore(&self, key: ReplayKey, time: UnixTime, until: UnixTime) {
        let (fingerprint, index) = (self.fingerprint(key), self.index(time));
        loop {
            let slots = self.read();
            if time < slots.refused_before {
                return;
            }
            if let Some(slot) = slots.find(index) {
                let mut shard = slot.lock(fingerprint);
                if !shard.contains(fingerprint) {
                    self.len.fetch_add(1, Ordering::Relaxed);
                    slot.insert(&mut shard, fingerprint, until);
                }
                return;
            }
            drop(slots);
            self.write().add(Slot::new(index, until, 0));
        }
    }

    fn try_record(&self, spend: &Spend<'_>) -> Result<(), GuardError> {
        let fingerprint = self.fingerprint(spend.key);
        let account = self.account_cells(spend.account);
        let index = self.index(spend.time);
        // Once round if the slot is there, twice if it must be added. More only
        // while the clock jumps ahead of us and other callers drop it again.
        loop {
            let slots = self.read();
            if spend.time < slots.refused_before {
                return Err(GuardError::OutsideWindow);
            }
            if let Some(slot) = slots.find(index) {
                return self.record_in(slot, fingerprint, account, spend);
            }
            drop(slots);
            self.add_slot(index, spend)?;
        }
    }

    fn record_in(
        &self,
        slot: &Slot,
        fingerprint: Fingerprint,
        account: AccountCells,
        spend: &Spend<'_>,
    ) -> Result<(), GuardError> {
        let mut shard = slot.lock(fingerprint);
        // Looked at now and not before: however long the caller was held up on
        // its way here, the slot cannot be dropped while its time is still good.
        check_window(spend, self.clock.now())?;
        if shard.contains(fingerprint) {
            return Err(GuardError::Replayed);
        }
        self.claim_room(account)?;
        slot.shares.add(account);
        slot.insert(&mut shard, fingerprint, spend.remember_until());
        Ok(())
    }

    /// Counts one more use, if the wheel and the account's share have room.
    fn claim_room(&self, account: AccountCells) -> Result<(), GuardError> {
        if self.len.fetch_add(1, Ordering::Relaxed) >= self.capacity {
            self.len.fetch_sub(1, Ordering::Relaxed);
            return Err(GuardError::Full);
        }
        if self.shares.add(account) >= self.share {
            self.shares.remove(account);
            self.len.fetch_sub(1, Ordering::Relaxed);
            return Err(GuardError::ShareUsedUp);
        }
        Ok(())
    }

    /// Adds the slot for a use, unless the use is outside its window, and drops
    /// what has expired.
    fn add_slot(&self, index: i64, spend: &Spend<'_>) -> Result<(), GuardError> {
        let mut slots = self.write();
        let now = self.clock.now();
        check_window(spend, now)?;
        let dropped = self.drop_expired(&mut slots, now);
        if spend.time < slots.refused_before {
            return Err(GuardError::OutsideWindow);
        }
        // A slot that starts when its time comes will hold about as much as the
        // one before. One that starts early, for a caller whose clock is ahead,
        // grows as it fills: the present is not full enough to go by.
        let expected = match slots.find(index - 1) {
            Some(previous) if index == self.index(now) => previous.len(),
            _ => 0,
        };
        slots.add(Slot::new(index, spend.remember_until(), expected));
        drop(slots);
        drop(dropped);
        Ok(())
    }

    /// Drops slots from the front up to the first that is still needed: one that
    /// a longer tolerance keeps holds back those after it.
    fn drop_expired(&self, slots: &mut Slots, now: UnixTime) -> Vec<Slot> {
        let expired = slots.ring.iter().take_while(|slot| slot.is_expired(now)).count();
        self.drop_first(slots, expired)
    }

    fn drop_first(&self, slots: &mut Slots, count: usize) -> Vec<Slot> {
        let dropped: Vec<Slot> = slots.ring.drain(..count).collect();
        for slot in &dropped {
            self.len.fetch_sub(slot.len(), Ordering::Relaxed);
            self.shares.subtract(&slot.shares);
            slots.refused_before = slots.refused_before.max(self.end(slot.index));
        }
        dropped
    }

    fn fingerprint(&self, key: ReplayKey) -> Fingerprint {
        Fingerprint(self.use_hash.hash(key.as_bytes()))
    }

    fn account_cells(&self, account: &AccountName) -> AccountCells {
        AccountCells::of(self.account_hash.hash(account.as_str().as_bytes()))
    }

    fn index(&self, time: UnixTime) -> i64 {
        time.as_micros().div_euclid(self.slot_micros)
    }

    /// The first instant after a slot.
    fn end(&self, index: i64) -> UnixTime {
        UnixTime::from_micros(index.saturating_add(1).saturating_mul(self.slot_micros))
    }

    // Nothing panics while the slots are locked; if it did, what they remember
    // would still be right.
    fn read(&self) -> RwLockReadGuard<'_, Slots> {
        self.slots.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Slots> {
        self.slots.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl ReplayGuard for ReplayWheel {
    async fn spend(&self, spend: Spend<'_>) -> Result<(), GuardError> {
        self.record(&spend)
    }

    fn live_uses(&self) -> Option<usize> {
        Some(self.len())
    }
}

impl Slots {
    fn find(&self, index: i64) -> Option<&Slot> {
        let place = self.ring.partition_point(|slot| slot.index < index);
        self.ring.get(place).filter(|slot| slot.index == index)
    }

    /// Adds a slot, unless another caller was faster.
    fn add(&mut self, slot: Slot) {
        let place = self.ring.partition_point(|other| other.index < slot.index);
        if self.ring.get(place).is_none_or(|other| other.index != slot.index) {
            self.ring.insert(place, slot);
        }
    }
}

/// Whether the token's time lies in the window, edges included.
pub(super) fn check_window(spend: &Spend<'_>, now: UnixTime) -> Result<(), GuardError> {
    let window = now - spend.tolerance..=now + spend.tolerance;
    if window.contains(&spend.time) { Ok(()) } else { Err(GuardError::OutsideWindow) }
}

fn keyed_hash(random: &dyn Random) -> SipHasher24 {
    let mut key = [0; 16];
    random.fill(&mut key);
    SipHasher24::new_with_key(&key)
}

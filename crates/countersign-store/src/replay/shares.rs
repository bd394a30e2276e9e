//! Counting live uses per account in constant memory.
//!
//! A table of counters per account would itself be memory that callers fill. A
//! count-min sketch (Cormode and Muthukrishnan, "An improved data stream
//! summary", 2005) counts any number of accounts in 16 KiB: every account has
//! one cell in each of four rows, and its count is at most the least of its four
//! cells. Cells are shared, so the answer may be too high, never too low. To
//! hinder another account by that, a caller would need heavy accounts in all
//! four of its cells, and cannot find out which those are, because the hash is
//! keyed.

use std::array;
use std::sync::atomic::{AtomicU32, Ordering};

/// Rows of the sketch. With `k` heavy accounts another one is hindered with a
/// probability of `(k / WIDTH)^ROWS`: at the default share, where 16 accounts
/// fill the whole guard, 6e-8.
const ROWS: usize = 4;
/// Cells in a row; a power of two that fits the 16 bits of hash a row gets.
const WIDTH: usize = 1024;

/// A sketch of live uses per account.
///
/// Orderings are relaxed: adding and taking back happens while the wheel's slots
/// are locked for reading, subtracting a whole slot while they are locked for
/// writing, and that lock orders the two.
pub(super) struct ShareSketch(Box<[AtomicU32]>);

/// The four cells of one account.
#[derive(Clone, Copy)]
pub(super) struct AccountCells([usize; ROWS]);

impl AccountCells {
    /// The cells for an account whose name has this keyed hash.
    pub(super) fn of(hash: u64) -> Self {
        Self(array::from_fn(|row| {
            #[expect(clippy::cast_possible_truncation, reason = "16 bits of the hash per row")]
            let bits = (hash >> (16 * row)) as u16;
            row * WIDTH + usize::from(bits) % WIDTH
        }))
    }
}

impl ShareSketch {
    /// A sketch that has counted nothing.
    pub(super) fn new() -> Self {
        Self((0..ROWS * WIDTH).map(|_| AtomicU32::new(0)).collect())
    }

    /// Counts one use and returns how many the account had before, or more.
    pub(super) fn add(&self, account: AccountCells) -> u32 {
        let before = account.0.map(|cell| self.0[cell].fetch_add(1, Ordering::Relaxed));
        before.into_iter().min().unwrap_or(0)
    }

    /// Takes back one use that was counted.
    pub(super) fn remove(&self, account: AccountCells) {
        for cell in account.0 {
            self.0[cell].fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Takes back every use that `other` counted; all of them were counted here.
    pub(super) fn subtract(&self, other: &Self) {
        for (cell, counted) in self.0.iter().zip(&other.0) {
            cell.fetch_sub(counted.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    /// Bytes on the heap.
    pub(super) const fn memory_bytes() -> usize {
        ROWS * WIDTH * size_of::<AtomicU32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Any good mixing of a number will do as the keyed hash of a name.
    fn account(number: u64) -> AccountCells {
        AccountCells::of(
            siphasher::sip::SipHasher24::new_with_keys(1, 2).hash(&number.to_be_bytes()),
        )
    }

    #[test]
    fn an_account_is_counted_exactly_where_nobody_shares_all_its_cells() {
        let sketch = ShareSketch::new();
        for before in 0..100 {
            assert_eq!(sketch.add(account(1)), before);
        }
        assert_eq!(sketch.add(account(2)), 0);
    }

    #[test]
    fn it_never_underestimates_and_overestimates_little() {
        let sketch = ShareSketch::new();
        let (accounts, uses) = (10_000, 20);
        for use_ in 0..uses {
            for number in 0..accounts {
                assert!(sketch.add(account(number)) >= use_);
            }
        }
        // Each of 1,024 cells of a row holds about 10 accounts of 20 uses.
        let worst = (0..accounts).map(|number| sketch.add(account(number))).max();
        assert!(worst < Some(400), "{worst:?}");
    }

    #[test]
    fn a_subtracted_slot_leaves_what_the_others_counted() {
        let (total, slot) = (ShareSketch::new(), ShareSketch::new());
        for _ in 0..7 {
            total.add(account(1));
            slot.add(account(1));
        }
        total.add(account(1));
        total.add(account(1));
        total.remove(account(1));
        total.subtract(&slot);
        assert_eq!(total.add(account(1)), 1);
    }
}

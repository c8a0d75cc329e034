//! How many of the requests that started in each of the last seconds were answered well, of one shard.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::seat::Seat;

/// How many seconds are told apart.
pub(crate) const SECONDS: usize = 64;

/// A ring: second `s` is at `s % SECONDS`, its number in the upper half of the word, its count in the lower.
/// (Seconds since the handle was made fit 32 bits for 136 years.)
#[derive(Debug)]
pub(crate) struct Seconds([AtomicU64; SECONDS]);

impl Seconds {
    pub(crate) const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; SECONDS])
    }

    /// Counts one that started in `second`. Before the first of a second `turn` is called: what the ring is about to
    /// forget is read then.
    #[inline]
    pub(crate) fn add(&self, seat: Seat, second: u32, turn: impl FnOnce()) {
        let cell = &self.0[second as usize % SECONDS];
        let seen = cell.load(Ordering::Relaxed);
        if seat.alone() && unpack(seen).0 == second && seen != 0 {
            cell.store(seen.wrapping_add(1), Ordering::Relaxed);
        } else {
            Self::add_slowly(cell, seat, second, turn);
        }
    }

    /// The first of its second, or in company.
    #[cold]
    fn add_slowly(cell: &AtomicU64, seat: Seat, second: u32, turn: impl FnOnce()) {
        let mut seen = cell.load(Ordering::Relaxed);
        if unpack(seen).0 != second || seen == 0 {
            turn();
            seen = cell.load(Ordering::Relaxed);
        }
        loop {
            let first = u64::from(second) << 32 | 1;
            let next = if unpack(seen).0 == second && seen != 0 { seen.wrapping_add(1) } else { first };
            if seat.alone() {
                cell.store(next, Ordering::Relaxed);
                return;
            }
            match cell.compare_exchange_weak(seen, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
    }

    /// The seconds of which something was counted, with how much; in no order.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (u32, u32)> {
        self.0.iter().map(|cell| unpack(cell.load(Ordering::Relaxed))).filter(|(_, count)| *count > 0)
    }
}

const fn unpack(word: u64) -> (u32, u32) {
    ((word >> 32) as u32, word as u32)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn each_second_has_its_count_and_is_announced_once() {
        for seat in [Seat::FIRST, Seat::SHARED] {
            let seconds = Seconds::new();
            let mut turns = Vec::new();
            for second in [0, 0, 1, 1, 1, 63, 64, 65] {
                seconds.add(seat, second, || turns.push(second));
            }
            assert_eq!(turns, [0, 1, 63, 64, 65]);
            let mut counts: Vec<_> = seconds.counts().collect();
            counts.sort_unstable();
            assert_eq!(counts, [(63, 1), (64, 1), (65, 1)]);
        }
    }

    #[test]
    fn in_company_nothing_is_lost() {
        let seconds = Seconds::new();
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..10_000).for_each(|_| seconds.add(Seat::SHARED, 7, || {})));
            }
        });
        assert_eq!(seconds.counts().collect::<Vec<_>>(), [(7, 80_000)]);
    }
}

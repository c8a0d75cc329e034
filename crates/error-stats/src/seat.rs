//! A thread's seat: the place in a table of shards where it, and no other thread, writes.
//!
//! Whoever writes alone needs no read-modify-write instruction to count: a load and a store will do, which
//! cost a tenth of it. So each thread takes one of a fixed number of seats when it first counts, for all
//! handles, and gives it back when it ends. Threads that find all seats taken write to one more shard, in
//! company.

use std::sync::atomic::{AtomicU64, Ordering};

/// How many threads write alone. A bit in a word each.
const ALONE: usize = 64;

/// The seats, with the one that is shared.
pub(crate) const SEATS: usize = ALONE + 1;

/// The place where a thread writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seat {
    pub(crate) index: usize,
    pub(crate) alone: bool,
}

const IN_COMPANY: Seat = Seat { index: ALONE, alone: false };

static TAKEN: AtomicU64 = AtomicU64::new(0);

struct Held(Seat);

impl Held {
    /// `Acquire`, against the `Release` of the one who had it before: what that one stored is loaded next.
    fn take() -> Self {
        let mut taken = TAKEN.load(Ordering::Relaxed);
        while taken != u64::MAX {
            let index = taken.trailing_ones();
            match TAKEN.compare_exchange_weak(taken, taken | 1 << index, Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(_) => return Self(Seat { index: index as usize, alone: true }),
                Err(now) => taken = now,
            }
        }
        Self(IN_COMPANY)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.0.alone {
            TAKEN.fetch_and(!(1 << self.0.index), Ordering::Release);
        }
    }
}

/// This thread's seat. While the thread ends, after its seat was given back, it is the shared one.
#[inline]
pub(crate) fn mine() -> Seat {
    thread_local! {
        static HELD: Held = Held::take();
    }
    HELD.try_with(|held| held.0).unwrap_or(IN_COMPANY)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    #[test]
    fn threads_alive_at_once_sit_apart_and_those_without_a_seat_share_one() {
        const THREADS: usize = 100;
        let all_sit = Barrier::new(THREADS);
        let seats: Vec<Seat> = thread::scope(|scope| {
            let sit = || {
                let seat = mine();
                all_sit.wait();
                assert_eq!(mine(), seat);
                seat
            };
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(sit)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let alone: Vec<_> = seats.iter().filter(|seat| seat.alone).map(|seat| seat.index).collect();
        assert_eq!(alone.iter().collect::<HashSet<_>>().len(), alone.len());
        // Other tests' threads sit too.
        assert!(!alone.is_empty() && alone.len() <= ALONE);
        assert!(seats.iter().all(|seat| seat.alone || *seat == IN_COMPANY));
        assert!(seats.len() - alone.len() >= THREADS - ALONE);
    }

    #[test]
    fn a_seat_is_given_back_when_its_thread_ends() {
        for _ in 0..10 * ALONE {
            thread::spawn(mine).join().unwrap();
        }
        assert!(TAKEN.load(Ordering::Relaxed).count_ones() < ALONE as u32);
    }
}

//! A thread's seat: the place in a table of shards where it, and no other thread, writes.
//!
//! Whoever writes alone needs no read-modify-write instruction to count: a load and a store will do, which
//! cost a tenth of it. So each thread takes one of a fixed number of seats when it first counts, for all
//! handles, and gives it back when it ends. Threads that find all seats taken write to one more shard, in
//! company.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many threads write alone. A bit in a word each.
const ALONE: u8 = 64;

/// The seats, with the one that is shared.
pub(crate) const SEATS: usize = ALONE as usize + 1;

/// The place where a thread writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Seat(u8);

impl Seat {
    const IN_COMPANY: Self = Self(ALONE);
    /// Of a thread that has not sat down yet.
    const NONE: Self = Self(u8::MAX);

    #[inline]
    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }

    /// Whether no other thread writes there.
    #[inline]
    pub(crate) fn alone(self) -> bool {
        self.0 < ALONE
    }
}

static TAKEN: AtomicU64 = AtomicU64::new(0);

thread_local! {
    // Without a destructor: to look at it is a load, and that at any time.
    static MINE: Cell<Seat> = const { Cell::new(Seat::NONE) };
    static HELD: Held = Held::take();
}

/// This thread's seat. While the thread ends, after its seat was given back, it is the shared one.
#[inline]
pub(crate) fn mine() -> Seat {
    match MINE.get() {
        Seat::NONE => sit_down(),
        seat => seat,
    }
}

#[cold]
fn sit_down() -> Seat {
    let seat = HELD.try_with(|held| held.0).unwrap_or(Seat::IN_COMPANY);
    MINE.set(seat);
    seat
}

struct Held(Seat);

impl Held {
    /// `Acquire`, against the `Release` of the one who had it before: what that one stored is loaded next.
    fn take() -> Self {
        let mut taken = TAKEN.load(Ordering::Relaxed);
        while taken != u64::MAX {
            let index = taken.trailing_ones();
            match TAKEN.compare_exchange_weak(taken, taken | 1 << index, Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(_) => return Self(Seat(index as u8)),
                Err(now) => taken = now,
            }
        }
        Self(Seat::IN_COMPANY)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        MINE.set(Seat::IN_COMPANY);
        if self.0.alone() {
            TAKEN.fetch_and(!(1 << self.0.0), Ordering::Release);
        }
    }
}

/// Seats that nobody takes, for what is no thread's.
#[cfg(test)]
impl Seat {
    pub(crate) const FIRST: Self = Self(0);
    pub(crate) const SHARED: Self = Self::IN_COMPANY;
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::{Barrier, Mutex, PoisonError, mpsc};
    use std::thread;

    use super::*;

    /// One of the tests here takes all seats for a moment, one wants some to be left.
    static ALL: Mutex<()> = Mutex::new(());

    #[test]
    fn threads_alive_at_once_sit_apart_and_those_without_a_seat_share_one() {
        const THREADS: usize = 100;
        let _all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
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
        let alone: Vec<_> = seats.iter().filter(|seat| seat.alone()).collect();
        assert_eq!(alone.iter().collect::<HashSet<_>>().len(), alone.len());
        // Other tests' threads sit too.
        assert!(!alone.is_empty() && alone.len() < SEATS);
        assert!(seats.iter().all(|seat| seat.alone() || *seat == Seat::IN_COMPANY));
        assert!(seats.len() - alone.len() > THREADS - SEATS);
    }

    #[test]
    fn a_seat_is_given_back_when_its_thread_ends() {
        let _all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..10 * SEATS {
            thread::spawn(mine).join().unwrap();
        }
        assert!(TAKEN.load(Ordering::Relaxed).count_ones() < u32::from(ALONE));
    }

    /// What counts while the thread ends does so among those who write with care: its seat may be another's already.
    #[test]
    fn whoever_counts_after_giving_up_the_seat_is_in_company() {
        thread_local! {
            static LATE: Late = const { Late(Cell::new(None)) };
        }
        struct Late(Cell<Option<mpsc::Sender<Seat>>>);
        impl Drop for Late {
            fn drop(&mut self) {
                self.0.take().unwrap().send(mine()).unwrap();
            }
        }

        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            // What is first used first is dropped last.
            LATE.with(|late| late.0.set(Some(sender)));
            mine();
        });
        assert_eq!(receiver.recv().unwrap(), Seat::IN_COMPANY);
    }
}

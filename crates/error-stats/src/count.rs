//! A counter in a shard.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::seat::Seat;

#[derive(Debug)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Counts one. Cells that tell of endings are written with `Release` and read with `Acquire`, so that who
    /// sees an ending sees its start; on the usual processors both are plain stores.
    #[inline]
    pub(crate) fn add(&self, seat: Seat) {
        if seat.alone() {
            self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
        } else {
            self.0.fetch_add(1, Ordering::Release);
        }
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

impl Default for Count {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::seat;

    /// One cell for each seat; threads come and go, more at once than there are seats.
    #[test]
    fn nothing_is_lost_while_seats_change_hands() {
        let cells: Vec<Count> = (0..seat::SEATS).map(|_| Count::default()).collect();
        for _ in 0..5 {
            thread::scope(|scope| {
                for _ in 0..80 {
                    scope.spawn(|| {
                        for _ in 0..500 {
                            let seat = seat::mine();
                            cells[seat.index()].add(seat);
                        }
                    });
                }
            });
        }
        assert_eq!(cells.iter().map(Count::get).sum::<u64>(), 5 * 80 * 500);
    }
}

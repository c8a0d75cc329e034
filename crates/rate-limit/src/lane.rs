//! The lane: permits that are taken without the lock, while nobody waits.
//!
//! Whoever leaves the lock and knows of free permits *opens* the lane: it puts as many into slots. A newcomer takes the
//! first that is left by one exchange, which writes the instant into the slot. Whoever has the lock next *closes* the lane
//! first, and records what was taken of it. So while the lock is held the lane is closed, and all that is done under the lock
//! need not know of it.
//!
//! # What makes it safe
//!
//! A slot holds `FREE` with the number of its opening, or the stamp of the instant at which it was taken (its highest bit is 0), or
//! `CLOSED`. The head holds the number of the opening, and from which slot on to look.
//!
//! - *No permit is had twice.* It is had by whoever changes its slot from `FREE` to an instant. An opening's number is never used
//!   again, so no exchange that was prepared in an earlier opening succeeds in a later one.
//! - *None is had while the lane is closed.* Takers go from slot to slot, and past one only if it is taken: the head never names
//!   a slot behind one that is not, for it is moved by whoever has taken the one before. So those taken are
//!   always the first ones. The lane is closed by changing the first that is not from `FREE` to `CLOSED`, and nobody gets past that:
//!   if it is opened later, in another opening, whoever reads that it was taken then knows what was written by that opening.
//! - *None is lost.* Whoever closes the lane reads all that are taken, before anybody opens it anew.
//! - *Instants only go forward*, from the lane's opening on, if the clock does: a taker reads the clock when it knows
//!   of the opening and that the slots before its own were taken.
//!
//! A head that is written late, after the lane was closed, names an opening that is over: who believes it finds no such slot, and
//! goes for the lock.

use tokio::time::Instant;

use crate::stamp::{END, Stamp, Stamper};
use crate::sync::{AtomicU64, Ordering};

/// How many permits a lane has at most: 4 KiB of slots. A cursor has room for no more.
const SLOTS: usize = 511;

/// How many it is opened with for a newcomer who found it closed.
const FEW: usize = 4;

/// In a slot, or a head: not a stamp, or not closed.
const FREE: u64 = END;
const CLOSED: u64 = u64::MAX;

/// The part of a head that tells the slot; the rest is what a free slot holds.
const CURSOR: u64 = 0x1ff;

/// In a head: closed, and why.
const ASK: u64 = 0;
const SPENT: u64 = 1;
const CROWDED: u64 = 2;

#[derive(Debug)]
pub(crate) struct Lane {
    head: AtomicU64,
    slots: Box<[AtomicU64]>,
    stamper: &'static Stamper,
}

/// What only the holder of the lock knows of the lane.
#[derive(Debug)]
pub(crate) struct Keeper {
    /// What a free slot held since the last opening.
    free: u64,
    open: bool,
    /// How many permits it is to be opened with, if there are as many: twice what was taken the last time.
    room: usize,
}

/// How a newcomer will fare, as far as can be told without the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outlook {
    /// Permits are known to be free, or were when somebody last looked.
    Free,
    /// None was left when one was last taken.
    Spent,
    /// Others wait.
    Crowded,
}

impl Lane {
    pub(crate) fn new() -> Self {
        Self::with_slots(SLOTS)
    }

    /// One that never opens, and takes no memory.
    pub(crate) fn none() -> Self {
        Self::with_slots(0)
    }

    fn with_slots(slots: usize) -> Self {
        let slots = (0..slots).map(|_| AtomicU64::new(CLOSED)).collect();
        Self { head: AtomicU64::new(ASK), slots, stamper: Stamper::get() }
    }

    /// Whether it never opens.
    #[inline]
    pub(crate) fn is_none(&self) -> bool {
        self.slots.is_empty()
    }

    #[inline]
    pub(crate) fn outlook(&self) -> Outlook {
        match self.head.load(Ordering::Relaxed) {
            open if open & FREE != 0 => Outlook::Free,
            SPENT => Outlook::Spent,
            CROWDED => Outlook::Crowded,
            _ => Outlook::Free,
        }
    }

    /// Takes a permit, at this instant.
    #[inline]
    pub(crate) fn take(&self) -> Option<Instant> {
        let head = self.head.load(Ordering::Acquire);
        if head & FREE == 0 {
            return None;
        }
        let free = head & !CURSOR;
        let mut at = head & CURSOR;
        loop {
            let slot = self.slots.get(at as usize)?;
            let now = Instant::now();
            match slot.compare_exchange(free, self.stamper.stamp(now), Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    self.head.store(free | (at + 1), Ordering::Release);
                    return Some(now);
                }
                Err(other) if other & FREE == 0 => at += 1,
                Err(_) => return None,
            }
        }
    }

    /// Lets nobody take a permit any more. Returns those that were taken since it was opened.
    #[inline]
    pub(crate) fn close(&self, keeper: &mut Keeper) -> Option<Taken<'_>> {
        if !std::mem::take(&mut keeper.open) {
            return None;
        }
        let head = self.head.load(Ordering::Acquire);
        let mut used = if head & !CURSOR == keeper.free { (head & CURSOR) as usize } else { 0 };
        while let Some(slot) = self.slots.get(used) {
            let mut found = slot.load(Ordering::Acquire);
            if found == keeper.free {
                let closed = slot.compare_exchange(found, CLOSED, Ordering::AcqRel, Ordering::Acquire);
                found = closed.map_or_else(|taken| taken, |_| CLOSED);
            }
            if found == CLOSED {
                break;
            }
            used += 1;
        }
        self.head.store(ASK, Ordering::Relaxed);
        keeper.room = 2 * used;
        (used > 0).then(|| Taken { stamper: self.stamper, slots: &self.slots[..used] })
    }

    /// Of permits that are `known` to be free, lets newcomers take some; or tells them how they will fare.
    #[inline]
    pub(crate) fn open(&self, keeper: &mut Keeper, known: u64, otherwise: Outlook) {
        let most = keeper.room.min(self.slots.len());
        let permits = usize::try_from(known).map_or(most, |known| known.min(most));
        if permits == 0 {
            let closed = match otherwise {
                Outlook::Free => ASK,
                Outlook::Spent => SPENT,
                Outlook::Crowded => CROWDED,
            };
            self.head.store(closed, Ordering::Relaxed);
            return;
        }
        keeper.open = true;
        keeper.free += CURSOR + 1;
        for slot in &self.slots[..permits] {
            slot.store(keeper.free, Ordering::Relaxed);
        }
        if let Some(end) = self.slots.get(permits) {
            end.store(CLOSED, Ordering::Relaxed);
        }
        self.head.store(keeper.free, Ordering::Release);
    }
}

/// When permits were taken, of a lane that is closed now: at least one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken<'a> {
    stamper: &'static Stamper,
    slots: &'a [AtomicU64],
}

impl Taken<'_> {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    #[inline]
    pub(crate) fn at(&self, index: usize) -> Instant {
        self.stamper.instant(self.slots[index].load(Ordering::Relaxed))
    }

    /// In the order in which they were taken.
    #[inline]
    pub(crate) fn stamps(&self) -> impl Iterator<Item = Stamp> {
        self.slots.iter().map(|slot| slot.load(Ordering::Relaxed))
    }

    /// Whether the clock has not gone back from one to the next.
    pub(crate) fn is_in_order(&self) -> bool {
        let (mut last, mut back) = (0, false);
        for slot in self.slots {
            let stamp = slot.load(Ordering::Relaxed);
            // No branch: there are many, and none goes back.
            back |= stamp < last;
            last = stamp;
        }
        !back
    }

    /// How many were taken until then, if they are in order.
    pub(crate) fn until(&self, until: Stamp) -> usize {
        self.slots.partition_point(|slot| slot.load(Ordering::Relaxed) <= until)
    }
}

impl Keeper {
    pub(crate) fn new() -> Self {
        Self { free: FREE, open: false, room: 0 }
    }

    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// A newcomer found the lane closed that would have taken a permit.
    #[inline]
    pub(crate) fn wanted(&mut self) {
        self.room = self.room.max(FEW);
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use std::time::Duration;

    use super::*;

    /// With `permits` of them, opened once.
    fn lane(permits: u64) -> (Lane, Keeper) {
        let (lane, mut keeper) = (Lane::new(), Keeper::new());
        open(&lane, &mut keeper, permits);
        (lane, keeper)
    }

    fn open(lane: &Lane, keeper: &mut Keeper, permits: u64) {
        keeper.room = usize::MAX;
        lane.open(keeper, permits, Outlook::Free);
    }

    fn instants(taken: Option<Taken<'_>>) -> Vec<Instant> {
        taken.map_or(vec![], |taken| (0..taken.len()).map(|index| taken.at(index)).collect())
    }

    #[test]
    fn what_is_taken_is_what_is_recorded_and_no_more_than_there_is() {
        let (lane, mut keeper) = lane(3);
        assert_eq!(lane.outlook(), Outlook::Free);
        let taken: Vec<_> = std::iter::from_fn(|| lane.take()).collect();
        assert_eq!(taken.len(), 3);
        let closed = lane.close(&mut keeper);
        assert!(closed.is_some_and(|closed| closed.is_in_order()));
        assert_eq!(instants(closed), taken);
        assert!(lane.take().is_none() && lane.close(&mut keeper).is_none(), "once");
        lane.open(&mut keeper, 0, Outlook::Crowded);
        assert!(lane.take().is_none() && lane.outlook() == Outlook::Crowded);
        for permits in [SLOTS as u64, u64::MAX] {
            open(&lane, &mut keeper, permits);
            let taken: Vec<_> = std::iter::from_fn(|| lane.take()).collect();
            assert_eq!(taken.len(), SLOTS);
            assert_eq!(instants(lane.close(&mut keeper)), taken);
        }
    }

    #[test]
    fn it_opens_as_wide_as_it_is_used() {
        let (lane, mut keeper) = (Lane::new(), Keeper::new());
        lane.open(&mut keeper, 100, Outlook::Free);
        assert!(lane.take().is_none(), "nobody has asked for it");
        keeper.wanted();
        for wide in [4, 8, 16] {
            lane.open(&mut keeper, 100, Outlook::Free);
            assert_eq!(std::iter::from_fn(|| lane.take()).count(), wide);
            lane.close(&mut keeper);
        }
        lane.open(&mut keeper, 100, Outlook::Free);
        lane.close(&mut keeper);
        lane.open(&mut keeper, 100, Outlook::Free);
        assert!(lane.take().is_none(), "nobody has used it");
        let none = Lane::none();
        keeper.wanted();
        none.open(&mut keeper, 100, Outlook::Free);
        assert!(none.is_none() && none.take().is_none());
    }

    #[test]
    fn a_head_of_an_opening_that_is_over_leads_nowhere() {
        let (lane, mut keeper) = lane(4);
        let stale: Vec<_> = (0..3)
            .map(|_| {
                lane.take().unwrap();
                lane.head.load(Ordering::Relaxed)
            })
            .collect();
        lane.close(&mut keeper);
        for permits in [1, 2, 4, 8] {
            for &stale in &stale {
                lane.head.store(stale, Ordering::Relaxed);
                assert!(lane.take().is_none());
            }
            open(&lane, &mut keeper, permits);
            let opened = lane.head.load(Ordering::Relaxed);
            let first = lane.take().unwrap();
            for &stale in &stale {
                lane.head.store(stale, Ordering::Relaxed);
                assert!(lane.take().is_none());
            }
            // Nor one that names a slot which is taken already, but for finding the next.
            lane.head.store(opened, Ordering::Relaxed);
            assert_eq!(lane.take().is_some(), permits > 1);
            lane.head.store(stale[0], Ordering::Relaxed);
            let closed = instants(lane.close(&mut keeper));
            assert_eq!((closed[0], closed.len() as u64), (first, permits.min(2)));
        }
    }

    #[test]
    fn clocks_that_differ_are_found_out() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let (lane, _) = lane(0);
        let stamper = lane.stamper;
        let stamps: Vec<_> = [3, 5, 5, 9].iter().map(|&s| stamper.stamp(now + second * s)).collect();
        let slots = |stamps: &[u64]| stamps.iter().map(|&stamp| AtomicU64::new(stamp)).collect::<Vec<_>>();
        let (forth, back) = (slots(&stamps), slots(&[stamps[1], stamps[0]]));
        let taken = |slots| Taken { stamper, slots };
        assert!(taken(&forth).is_in_order() && !taken(&back).is_in_order());
        let until = |at: u32| taken(&forth).until(stamper.stamp(now + second * at));
        assert_eq!([0, 3, 4, 5, 8, 9, 10].map(until), [0, 1, 1, 3, 3, 4, 4]);
        assert_eq!(taken(&forth).at(3), now + second * 9);
    }
}

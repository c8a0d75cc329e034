//! The record of releases.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::Planned;
use crate::lane::Taken;
use crate::stamp::{Stamp, Stamper};

/// What the log has room for from the start; a larger quota's log grows when it is used.
const ROOM: usize = 64;

/// Releases at one instant. `upto` counts all permits up to these, from the very first on.
#[derive(Clone, Copy, Debug)]
struct Entry {
    at: Stamp,
    upto: u64,
}

/// The permits of the last window, oldest first; of older ones their number, and when the last was.
///
/// One entry of 16 bytes per release, fewer if several were made at the same instant, whatever they cost. Each
/// entry leaves once, so the cost per release is constant.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    entries: VecDeque<Entry>,
    stamper: &'static Stamper,
    /// How many permits were used from the very first on, and when the last of them was.
    upto: u64,
    last: Option<Stamp>,
    /// How many permits have left the log, and when the last of them was used.
    gone: u64,
    last_gone: Option<Stamp>,
    /// Up to this permit the record is a guess: see [`recall`](Self::recall).
    guessed: u64,
}

impl Log {
    pub(crate) fn new() -> Self {
        let (entries, stamper) = (VecDeque::new(), Stamper::get());
        Self { entries, stamper, upto: 0, last: None, gone: 0, last_gone: None, guessed: 0 }
    }

    /// The bytes that a release takes.
    pub(super) const ENTRY: usize = size_of::<Entry>();

    /// How many permits the log holds.
    #[inline]
    pub(super) fn used(&self) -> u64 {
        self.upto - self.gone
    }

    /// Whether the next release would take more memory.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.entries.len() == self.entries.capacity()
    }

    pub(super) fn last(&self) -> Option<Instant> {
        self.last.map(|last| self.stamper.instant(last))
    }

    /// Lets go of what no longer counts at `now`.
    #[inline]
    pub(super) fn forget(&mut self, now: Instant, window: Duration) {
        if let Some(until) = self.over(now, window) {
            self.forget_until(until);
        }
    }

    /// Up to when what was used no longer counts at `now`.
    #[inline]
    fn over(&self, now: Instant, window: Duration) -> Option<Stamp> {
        now.checked_sub(window).map(|until| self.stamper.stamp(until))
    }

    #[inline]
    fn forget_until(&mut self, until: Stamp) {
        let gone = self.entries.iter().take_while(|entry| entry.at <= until).count();
        if let Some(&Entry { at, upto }) = gone.checked_sub(1).and_then(|last| self.entries.get(last)) {
            (self.gone, self.last_gone) = (upto, Some(at));
            self.entries.drain(..gone);
        }
    }

    /// So many permits more were used, the last of them at this instant, and no longer count; nor does any before them.
    fn pass(&mut self, permits: u64, last: Stamp) {
        self.entries.clear();
        self.upto += permits;
        self.gone = self.upto;
        (self.last, self.last_gone) = (Some(last), Some(last));
    }

    /// For a longer window than this log was kept for: takes up to `most` permits back that have left it, as if
    /// all had been used as late as they can have been.
    pub(super) fn recall(&mut self, most: u64) {
        let Some(at) = self.last_gone else { return };
        let recalled = self.gone.min(most);
        if recalled > 0 {
            self.guessed = self.gone;
            self.entries.push_front(Entry { at, upto: self.gone });
            self.gone -= recalled;
        }
    }

    /// When the `k`th permit of the log was used, counted from 1, or of those `planned` behind it.
    pub(super) fn used_at(&self, k: u64, planned: &[Planned]) -> Option<Instant> {
        let used = self.used();
        if k > used {
            let index = planned.partition_point(|planned| planned.upto < k - used);
            return planned.get(index).map(|planned| planned.at);
        }
        let index = if self.entries.len() as u64 == used {
            (k as usize).checked_sub(1)?
        } else {
            self.entries.partition_point(|entry| entry.upto - self.gone < k)
        };
        self.entries.get(index).map(|entry| self.stamper.instant(entry.at))
    }

    /// Records a release. It takes more memory only when there are more entries than ever, and never more than `n` of
    /// them.
    #[inline]
    pub(super) fn push(&mut self, at: Instant, cost: u32, n: u32) {
        self.push_stamp(self.stamper.stamp(at), cost, n);
    }

    /// Records releases of one permit each, in order and up to `now`.
    pub(super) fn extend(&mut self, now: Instant, window: Duration, n: u32, taken: Taken<'_>) {
        let mut stamps = taken.stamps();
        if let Some(until) = self.over(now, window) {
            // Those that no longer count take everything before them along.
            let gone = taken.until(until);
            match gone.checked_sub(1).and_then(|last| stamps.nth(last)) {
                Some(last) => self.pass(gone as u64, last),
                None => self.forget_until(until),
            }
        }
        stamps.for_each(|stamp| self.push_stamp(stamp, 1, n));
    }

    #[inline]
    fn push_stamp(&mut self, at: Stamp, cost: u32, n: u32) {
        let before = self.upto;
        self.upto += u64::from(cost);
        if self.last.replace(at) == Some(at) && before > self.guessed {
            if let Some(last) = self.entries.back_mut() {
                last.upto = self.upto;
                return;
            }
        }
        if self.is_full() {
            self.grow(n);
        }
        self.entries.push_back(Entry { at, upto: self.upto });
    }

    #[cold]
    fn grow(&mut self, n: u32) {
        let len = self.entries.len();
        let more = len.max(ROOM).min((n as usize).saturating_sub(len).max(1));
        self.entries.reserve_exact(more);
    }

    /// Takes a release out of the record. One that has left it meanwhile no longer counts anyway.
    pub(super) fn remove(&mut self, at: Instant, cost: u32) {
        let at = self.stamper.stamp(at);
        let end = self.entries.partition_point(|entry| entry.at <= at);
        let Some(index) = end.checked_sub(1) else { return };
        let Entry { at: found, upto } = self.entries[index];
        let before = index.checked_sub(1).map_or(self.gone, |before| self.entries[before].upto);
        let cost = u64::from(cost);
        // Fewer: others were released at this instant once more, when the clock had gone back.
        if found != at || upto <= self.guessed || upto - before < cost {
            return;
        }
        for entry in self.entries.range_mut(index..) {
            entry.upto -= cost;
        }
        self.upto -= cost;
        if self.entries[index].upto == before {
            self.entries.remove(index);
            self.last = self.entries.back().map(|last| last.at).or(self.last_gone);
        }
    }

    /// Whatever lies later than `now` is taken to have happened now.
    pub(super) fn rewind(&mut self, now: Instant) {
        let now = self.stamper.stamp(now);
        for entry in self.entries.iter_mut().rev().take_while(|entry| entry.at > now) {
            entry.at = now;
        }
        self.last = self.last.map(|last| last.min(now));
        self.last_gone = self.last_gone.map(|last| last.min(now));
    }
}

//! Slots that were reserved, by their times.

use std::collections::VecDeque;

use tokio::time::Instant;

/// A permit that was reserved.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) from: Instant,
    pub(super) until: Instant,
    pub(super) id: u64,
    /// From when until when, by the server's clock, in us.
    pub(super) slot: Option<(i64, i64)>,
}

#[derive(Debug, Default)]
pub(super) struct Slots {
    held: VecDeque<Held>,
    /// No permit held can be used until later than its slot's end, the first of which is no earlier than this.
    first_end: Option<Instant>,
}

impl Slots {
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Held> {
        self.held.iter()
    }

    /// The time of the first.
    pub(super) fn first(&self) -> Option<Instant> {
        self.held.front().map(|held| held.from)
    }

    /// The time of the last.
    pub(super) fn last(&self) -> Option<Instant> {
        self.held.back().map(|held| held.from)
    }

    /// The time of the `k`th, counted from 1.
    pub(super) fn time_of(&self, k: u64) -> Option<Instant> {
        let index = usize::try_from(k).unwrap_or(usize::MAX).saturating_sub(1);
        self.held.get(index).map(|held| held.from)
    }

    /// The first time that is yet to come.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        self.held.iter().find(|held| held.from > now).map(|held| held.from)
    }

    /// How many have come.
    pub(super) fn free(&self, now: Instant) -> u64 {
        self.held.partition_point(|held| held.from <= now) as u64
    }

    /// When to look for slots that have gone by.
    pub(super) fn first_end(&self) -> Option<Instant> {
        self.first_end
    }

    /// Whether none has gone by.
    pub(super) fn are_good(&self, now: Instant) -> bool {
        self.first_end.is_none_or(|end| now <= end)
    }

    pub(super) fn hold(&mut self, held: Held) {
        let index = self.held.partition_point(|other| other.from <= held.from);
        self.held.insert(index, held);
        self.first_end = self.first_end.map_or(Some(held.until), |end| Some(end.min(held.until)));
    }

    pub(super) fn take_first(&mut self) -> Option<Held> {
        let first = self.held.pop_front();
        if self.held.is_empty() {
            self.first_end = None;
        }
        first
    }

    /// Takes the permit of this number out, if it is there.
    pub(super) fn take(&mut self, id: u64) -> Option<Held> {
        let index = self.held.iter().position(|held| held.id == id)?;
        self.held.remove(index)
    }

    /// Takes all out.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = u64> {
        self.first_end = None;
        self.held.drain(..).map(|held| held.id)
    }

    /// Takes out all but the first `kept`.
    pub(super) fn split_off(&mut self, kept: usize) -> impl Iterator<Item = u64> {
        if kept == 0 {
            self.first_end = None;
        }
        self.held.drain(kept.min(self.held.len())..).map(|held| held.id)
    }

    /// Takes those out that have gone by.
    pub(super) fn lapse(&mut self, now: Instant, mut gone: impl FnMut(u64)) {
        self.held.retain(|held| {
            let good = now <= held.until;
            if !good {
                gone(held.id);
            }
            good
        });
        self.first_end = self.held.iter().map(|held| held.until).min();
    }
}

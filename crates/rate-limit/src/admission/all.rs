//! Several quotas at once: a call is released when all of them allow it.

use std::time::Duration;

use tokio::time::Instant;

#[cfg(feature = "server")]
use super::Standing;
use super::log::Log;
use super::{Admit, Planned};

/// Asks all before any records.
#[derive(Debug)]
pub(super) struct All {
    first: Box<dyn Admit>,
    others: Vec<Box<dyn Admit>>,
}

impl All {
    pub(super) fn new(first: Box<dyn Admit>, others: Vec<Box<dyn Admit>>) -> Self {
        Self { first, others }
    }

    fn each(&mut self, mut act: impl FnMut(&mut dyn Admit)) {
        act(&mut *self.first);
        self.others.iter_mut().for_each(|other| act(&mut **other));
    }
}

impl Admit for All {
    fn earliest(&mut self, now: Instant, planned: &[Planned], cost: u32) -> Instant {
        let mut earliest = now;
        self.each(|admit| earliest = earliest.max(admit.earliest(now, planned, cost)));
        earliest
    }

    fn fits(&mut self, now: Instant, ahead: u64, cost: u32) -> bool {
        let mut fits = true;
        self.each(|admit| fits &= admit.fits(now, ahead, cost));
        fits
    }

    fn wait(&mut self, now: Instant, from: Instant, ahead: u64) -> Option<Duration> {
        // With nobody ahead, they don't depend on each other.
        let mut wait = (ahead == 0).then_some(Duration::ZERO);
        self.each(|admit| wait = wait.zip(admit.wait(now, from, 0)).map(|(wait, other)| wait.max(other)));
        wait
    }

    fn free(&mut self, now: Instant) -> u64 {
        let mut free = u64::MAX;
        self.each(|admit| free = free.min(admit.free(now)));
        free
    }

    fn take(&mut self, now: Instant, cost: u32) -> bool {
        let mut left = true;
        self.each(|admit| left &= admit.take(now, cost));
        left
    }

    fn give_back(&mut self, at: Instant, cost: u32) {
        self.each(|admit| admit.give_back(at, cost));
    }

    fn rewind(&mut self, now: Instant) {
        self.each(|admit| admit.rewind(now));
    }

    #[cfg(feature = "server")]
    fn standings(&mut self, now: Instant) -> Vec<Standing> {
        let mut standings = vec![];
        self.each(|admit| standings.extend(admit.standings(now)));
        standings
    }

    fn is_idle(&mut self, now: Instant) -> bool {
        let mut idle = true;
        self.each(|admit| idle &= admit.is_idle(now));
        idle
    }

    /// The longest.
    fn log(&self) -> (Duration, &Log) {
        let logs = self.others.iter().map(|other| other.log());
        logs.fold(self.first.log(), |longest, log| if log.0 > longest.0 { log } else { longest })
    }

    fn slot(&self) -> Option<Instant> {
        self.first.slot().or_else(|| self.others.iter().find_map(|other| other.slot()))
    }
}

//! When those who wait are released, if each takes its permits as early as it can; kept from one question to the next.
//!
//! Each release depends on those before it, so that all in the line are planned, one after the other, and then who asks. What
//! was planned holds as long as nothing else happens than that newcomers join the line, which are planned behind the others;
//! until the first could have been released. Then it is planned anew, when somebody asks. Whatever makes it wrong is told to
//! [`forget`](Forecast::forget), or changes the order of the line.

use std::time::Duration;

use tokio::time::Instant;

use crate::admission::{Admit, Planned};

#[derive(Debug, Default)]
pub(crate) struct Forecast {
    planned: Vec<Planned>,
    /// The order of the line, if it is kept.
    order: Option<u64>,
}

/// Those who wait.
pub(crate) struct Ahead<I> {
    /// Another whenever the line changes otherwise than by newcomers at its end.
    pub(crate) order: u64,
    pub(crate) len: usize,
    /// The permits that all of them take.
    pub(crate) permits: u64,
    /// What each takes, in their order.
    pub(crate) costs: I,
}

/// What is released, and from when on.
pub(crate) struct Terms<'a> {
    pub(crate) admission: &'a mut dyn Admit,
    pub(crate) now: Instant,
    pub(crate) from: Instant,
}

impl Forecast {
    /// It does not hold any longer.
    pub(crate) fn forget(&mut self) {
        self.order = None;
    }

    /// Whether it is of this line, and holds.
    pub(crate) fn is_of(&self, order: u64, len: usize, now: Instant) -> bool {
        self.order == Some(order)
            && self.planned.len() == len
            && self.planned.first().is_none_or(|first| now <= first.at)
    }

    /// How long those in the line will wait, in their order.
    pub(crate) fn waits(&self, now: Instant) -> impl Iterator<Item = Duration> {
        self.planned.iter().map(move |planned| planned.at.saturating_duration_since(now))
    }

    /// Begins anew, to be kept as of the line with this order.
    pub(crate) fn begin(&mut self, order: Option<u64>) {
        self.planned.clear();
        self.order = order;
    }

    /// One more is in the line, at its end. Returns how long it will wait.
    pub(crate) fn push(&mut self, terms: &mut Terms<'_>, cost: u32) -> Duration {
        let at = self.next(terms, cost);
        let ahead = self.planned.last().map_or(0, |last| last.upto);
        self.planned.push(Planned { at, cost: cost.into(), upto: ahead + u64::from(cost) });
        at.saturating_duration_since(terms.now)
    }

    /// When one more would be released.
    pub(crate) fn next(&self, terms: &mut Terms<'_>, cost: u32) -> Instant {
        let last = self.planned.last().map_or(terms.from, |last| last.at);
        terms.admission.earliest(terms.now, &self.planned, cost).max(last).max(terms.from)
    }
}

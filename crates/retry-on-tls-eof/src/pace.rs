//! When a call may go on: its waits, its time, and what pays for its repeats.

use std::time::Duration;

use jittered_backoff::{Delays, RetryPermit};
use tokio::time::Instant;

use crate::limit::Limit;
use crate::settings::Settings;

#[derive(Debug)]
pub(crate) struct Pace {
    pub(crate) started: Instant,
    /// When time is up.
    pub(crate) until: Option<Instant>,
    /// Drawn from at the first repeat: most calls need none.
    delays: Option<Delays>,
    /// Pays for the repeat that is being waited for.
    permit: Option<RetryPermit>,
}

impl Pace {
    /// A call begins, with the time that the layer's limits and the request itself leave it.
    pub(crate) fn begin(settings: &Settings, given: Option<Instant>) -> Self {
        let started = Instant::now();
        let limit = settings.limits.deadline().and_then(|deadline| started.checked_add(deadline));
        let until = match (limit, given) {
            (Some(limit), Some(given)) => Some(limit.min(given)),
            (limit, given) => limit.or(given),
        };
        Self { started, until, delays: None, permit: None }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.until.is_some_and(|until| until <= Instant::now())
    }

    /// The wait after so many attempts, if the limits leave room for it. A server's wish is a floor.
    pub(crate) fn next_wait(
        &mut self,
        settings: &Settings,
        made: u32,
        floor: Option<Duration>,
    ) -> Result<Duration, Limit> {
        let Settings { backoff, seeds, .. } = settings;
        let delays = self.delays.get_or_insert_with(|| backoff.delays(seeds.next_seed()));
        let wait = delays.draw().max(floor.unwrap_or_default());
        self.fits(settings, made, wait)
    }

    /// The wait, if the limits leave room for it and an attempt after it.
    pub(crate) fn fits(&self, settings: &Settings, made: u32, wait: Duration) -> Result<Duration, Limit> {
        let now = Instant::now();
        if made >= settings.limits.attempts() {
            return Err(Limit::Attempts);
        }
        // The request may have been given less time. A sum that overflows lies beyond every deadline.
        let in_time = self.until.is_none_or(|until| now.checked_add(wait).is_some_and(|next| next < until));
        if !in_time {
            return Err(Limit::Deadline);
        }
        // Attempts and time are left.
        if settings.limits.fits(made, now - self.started, wait) { Ok(wait) } else { Err(Limit::Wait) }
    }

    /// Takes a permit for the repeat that is to be waited for, if one is needed. `false` if there is none.
    pub(crate) fn pay(&mut self, settings: &Settings) -> bool {
        let Some(budget) = &settings.budget else { return true };
        self.permit = budget.take();
        self.permit.is_some()
    }

    /// The repeat will not be sent.
    pub(crate) fn give_back(&mut self) {
        self.permit = None;
    }

    /// The repeat is being sent.
    pub(crate) fn spend(&mut self) {
        if let Some(permit) = self.permit.take() {
            permit.spend();
        }
    }
}

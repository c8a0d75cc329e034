//! How many releases the quota allows now, and when the next ones.
//!
//! The question a queue asks, without the queue: every answer follows from the releases recorded and from the
//! time it is told. Nothing here reads a clock, waits or locks.

mod spaced;
mod window;

use std::fmt::Debug;
use std::time::Duration;

use tokio::time::Instant;

use self::spaced::Spaced;
use self::window::Window;
use crate::quota::Quota;

/// A quota at work. The `now` it is told never goes back, but through [`rewind`](Admit::rewind).
pub(crate) trait Admit: Debug + Send {
    /// How many releases may be made now.
    fn available(&mut self, now: Instant) -> usize;

    /// How long until the release after `ahead` others could be made, if those are made as early as they can;
    /// zero if `ahead` is below what is [`available`](Self::available).
    fn wait(&mut self, now: Instant, ahead: usize) -> Duration;

    /// Records a release. MUST only be called when one is available.
    fn take(&mut self, now: Instant);

    /// Takes the record of a release back that was recorded `at` that instant, but not made after all.
    fn give_back(&mut self, at: Instant);

    /// The clock has gone back to `now`: whatever lies later is taken to have happened now.
    fn rewind(&mut self, now: Instant);
}

/// The admission a quota asks for.
pub(crate) fn admission(quota: Quota, now: Instant) -> Box<dyn Admit> {
    if quota.is_spaced() {
        Box::new(Spaced::new(quota.interval(), now))
    } else {
        Box::new(Window::new(quota.n() as usize, quota.window()))
    }
}

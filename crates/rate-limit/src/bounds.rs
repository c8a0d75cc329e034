//! How long, and with how many others, a caller may wait.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::Bound;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bounds {
    pub(crate) max_wait: Option<Duration>,
    pub(crate) max_queue: Option<usize>,
}

impl Bounds {
    /// The bound that a caller passes which arrives now and must queue up, if it passes one, and how long it would
    /// wait. Who need not wait passes none.
    pub(crate) fn passed(
        &self,
        waiting: usize,
        predict: impl FnOnce() -> Duration,
    ) -> Option<(Bound, Duration)> {
        if self.max_wait.is_none() && self.max_queue.is_none_or(|most| waiting < most) {
            return None;
        }
        let wait = predict();
        if wait.is_zero() {
            return None;
        }
        match (self.max_queue, self.max_wait) {
            (Some(most), _) if waiting >= most => Some((Bound::Queue { waiting, most }, wait)),
            (_, Some(most)) if wait > most => Some((Bound::Wait(most), wait)),
            _ => None,
        }
    }

    /// When a caller that arrives now gives up.
    pub(crate) fn patient_until(&self, now: Instant) -> Option<Instant> {
        now.checked_add(self.max_wait?)
    }
}

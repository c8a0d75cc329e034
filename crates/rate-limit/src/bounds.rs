//! How long, and with how many others, a caller may wait.

use std::time::Duration;

use crate::error::Bound;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bounds {
    pub(crate) max_wait: Option<Duration>,
    pub(crate) max_queue: Option<usize>,
}

impl Bounds {
    /// The bound that a caller passes which arrives now, if it passes one. Who need not wait passes none.
    pub(crate) fn passed(&self, waiting: usize, wait: Duration) -> Option<Bound> {
        if wait.is_zero() {
            return None;
        }
        match (self.max_queue, self.max_wait) {
            (Some(most), _) if waiting >= most => Some(Bound::Queue { waiting, most }),
            (_, Some(most)) if wait > most => Some(Bound::Wait(most)),
            _ => None,
        }
    }
}

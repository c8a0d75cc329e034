//! Permits, and the wait for one.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::RateLimited;
use crate::shared::Shared;
use crate::waiter::Waiter;

/// The future of [`Limiter::acquire`](crate::Limiter::acquire).
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Acquire {
    waiter: Waiter,
}

impl Acquire {
    pub(crate) fn new(waiter: Waiter) -> Self {
        Self { waiter }
    }
}

impl Future for Acquire {
    type Output = Result<Permit, RateLimited>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let at = match self.waiter.take_free() {
            Some(at) => at,
            None => ready!(self.waiter.poll_turn(cx))?.release(),
        };
        let shared = Arc::clone(self.waiter.shared());
        Poll::Ready(Ok(Permit::new(at, self.waiter.waited(at), self.waiter.cost(), shared)))
    }
}

/// A permit to make one call, at once. It has been counted; dropping it does not give it back.
pub struct Permit {
    at: Instant,
    waited: Duration,
    cost: u32,
    shared: Arc<Shared>,
}

impl Permit {
    pub(crate) fn new(at: Instant, waited: Duration, cost: u32, shared: Arc<Shared>) -> Self {
        Self { at, waited, cost, shared }
    }

    /// The instant from which it counts.
    #[must_use]
    pub fn at(&self) -> Instant {
        self.at
    }

    /// How long it was waited for, from the first poll on: zero, if it was free.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// How many permits it is.
    #[must_use]
    pub fn cost(&self) -> u32 {
        self.cost
    }

    /// Gives the permit back: the call was not made, and will not be. It goes to the next caller, as if it had never
    /// been taken. Under a spaced quota that is so unless another has been taken since: the next then comes an
    /// interval after that one anyway.
    pub fn give_back(self) {
        self.shared.hand_over(|state| state.queue.give_back(self.at, self.cost));
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("at", &self.at).field("cost", &self.cost).finish_non_exhaustive()
    }
}

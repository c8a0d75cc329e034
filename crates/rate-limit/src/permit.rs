//! Permits, and the wait for one.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::RateLimited;
use crate::waiter::{Turn, Waiter};
use crate::waiting::broken;

/// The future of [`Limiter::acquire`](crate::Limiter::acquire).
///
/// # Panics
///
/// If it is polled after it was ready.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Acquire {
    /// Taken when it is ready.
    waiter: Option<Waiter>,
}

impl Acquire {
    pub(crate) fn new(waiter: Waiter) -> Self {
        Self { waiter: Some(waiter) }
    }
}

impl Future for Acquire {
    type Output = Result<Permit, RateLimited>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(waiter) = &mut self.waiter else { broken("it was ready") };
        let at = match waiter.take_free() {
            Some(at) => Ok(at),
            None => ready!(waiter.poll_turn(cx)).map(Turn::release),
        };
        let Some(waiter) = self.waiter.take() else { broken("it was ready") };
        Poll::Ready(at.map(|at| Permit::new(at, waiter)))
    }
}

/// A permit to make one call, at once. It has been counted; dropping it does not give it back.
pub struct Permit {
    at: Instant,
    waiter: Waiter,
}

impl Permit {
    pub(crate) fn new(at: Instant, waiter: Waiter) -> Self {
        Self { at, waiter }
    }

    /// The instant from which it counts.
    #[must_use]
    pub fn at(&self) -> Instant {
        self.at
    }

    /// How long it was waited for, from the first poll on: zero, if it was free.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.waiter.waited(self.at)
    }

    /// How many permits it is.
    #[must_use]
    pub fn cost(&self) -> u32 {
        self.waiter.cost()
    }

    /// Gives the permit back: the call was not made, and will not be. It goes to the next caller, as if it had never
    /// been taken. Under a spaced quota that is so unless another has been taken since: the next then comes an
    /// interval after that one anyway.
    pub fn give_back(self) {
        let (at, cost) = (self.at, self.cost());
        self.waiter.shared().hand_over(|state| state.queue.give_back(at, cost));
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("at", &self.at).field("cost", &self.cost()).finish_non_exhaustive()
    }
}

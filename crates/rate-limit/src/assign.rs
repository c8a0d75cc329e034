//! Which limiter a call waits at, and what it costs there.

use std::fmt;

use crate::error::RateLimited;
use crate::limiter::Limiter;

/// Decides, for each request, at which limiter it waits, and how many permits it takes.
///
/// A [`Limiter`] decides that all wait at itself and take one permit. Others come from
/// [`RateLimitLayer::with_cost`](crate::RateLimitLayer::with_cost) and
/// [`RateLimitLayer::keyed`](crate::RateLimitLayer::keyed).
pub trait Assign<Req> {
    /// # Errors
    ///
    /// If there is no limiter for this request.
    fn assign(&self, request: &Req) -> Result<Assigned, RateLimited>;
}

/// A limiter, and a cost.
#[derive(Clone, Debug)]
pub struct Assigned {
    pub(crate) limiter: Limiter,
    pub(crate) cost: u32,
}

impl Assigned {
    /// Waits at this limiter, for `cost` permits. None: it passes at once.
    #[inline]
    #[must_use]
    pub fn new(limiter: Limiter, cost: u32) -> Self {
        Self { limiter, cost }
    }
}

impl<Req> Assign<Req> for Limiter {
    #[inline]
    fn assign(&self, _: &Req) -> Result<Assigned, RateLimited> {
        Ok(Assigned::new(self.clone(), 1))
    }
}

/// The limiter of another [`Assign`], with the cost that a function tells.
#[derive(Clone)]
pub struct ByCost<A, F> {
    assign: A,
    cost: F,
}

impl<A, F> ByCost<A, F> {
    pub(crate) fn new(assign: A, cost: F) -> Self {
        Self { assign, cost }
    }
}

impl<A, F, Req> Assign<Req> for ByCost<A, F>
where
    A: Assign<Req>,
    F: Fn(&Req) -> u32,
{
    fn assign(&self, request: &Req) -> Result<Assigned, RateLimited> {
        let Assigned { limiter, .. } = self.assign.assign(request)?;
        Ok(Assigned::new(limiter, (self.cost)(request)))
    }
}

impl<A: fmt::Debug, F> fmt::Debug for ByCost<A, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByCost").field("assign", &self.assign).finish_non_exhaustive()
    }
}

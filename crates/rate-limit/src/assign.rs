//! Which limiter a call waits at, and what it costs there.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::error::RateLimited;
use crate::limiter::Limiter;
use crate::shared::Shared;

/// Decides, for each request, at which limiter it waits, and how many permits it takes.
///
/// A [`Limiter`] decides that all wait at itself and take one permit. Others come from
/// [`RateLimitLayer::with_cost`](crate::RateLimitLayer::with_cost) and
/// [`RateLimitLayer::keyed`](crate::RateLimitLayer::keyed).
pub trait Assign<Req> {
    /// # Errors
    ///
    /// If there is no limiter for this request.
    fn assign(&self, request: &Req) -> Result<Assigned<'_>, RateLimited>;
}

/// A limiter, and a cost.
#[derive(Clone, Debug)]
pub struct Assigned<'a> {
    limiter: Cow<'a, Limiter>,
    cost: u32,
}

impl<'a> Assigned<'a> {
    /// Waits at this limiter, for `cost` permits. None: it passes at once.
    #[inline]
    #[must_use]
    pub fn new(limiter: Limiter, cost: u32) -> Self {
        Self { limiter: Cow::Owned(limiter), cost }
    }

    /// The same at a limiter that need not be cloned for a call that need not wait.
    #[inline]
    #[must_use]
    pub fn at(limiter: &'a Limiter, cost: u32) -> Self {
        Self { limiter: Cow::Borrowed(limiter), cost }
    }

    #[inline]
    pub(crate) fn limiter(&self) -> &Limiter {
        &self.limiter
    }

    #[inline]
    pub(crate) fn cost(&self) -> u32 {
        self.cost
    }

    pub(crate) fn into_limiter(self) -> Limiter {
        self.limiter.into_owned()
    }

    /// What a call on its way keeps of its limiter: all that was made for it, so that a key is in use; nothing else
    /// unless its response `listens`.
    #[inline]
    pub(crate) fn kept(self, listens: bool) -> Option<Arc<Shared>> {
        match self.limiter {
            Cow::Owned(limiter) => Some(limiter.into_shared()),
            Cow::Borrowed(limiter) => listens.then(|| Arc::clone(limiter.shared())),
        }
    }
}

impl<Req> Assign<Req> for Limiter {
    #[inline]
    fn assign(&self, _: &Req) -> Result<Assigned<'_>, RateLimited> {
        Ok(Assigned::at(self, 1))
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
    fn assign(&self, request: &Req) -> Result<Assigned<'_>, RateLimited> {
        let Assigned { limiter, .. } = self.assign.assign(request)?;
        Ok(Assigned { limiter, cost: (self.cost)(request) })
    }
}

impl<A: fmt::Debug, F> fmt::Debug for ByCost<A, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByCost").field("assign", &self.assign).finish_non_exhaustive()
    }
}

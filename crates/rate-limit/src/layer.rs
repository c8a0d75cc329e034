//! The layer.

use tower_layer::Layer;

use crate::limiter::Limiter;
use crate::quotas::Quotas;
use crate::service::RateLimit;

/// Puts services under one rate limit.
///
/// All services that one layer value and its clones make share one quota and one queue, and so do all that
/// are made by layers [from](Self::from) the same [`Limiter`]. See [`RateLimit`] for what such a service
/// does.
///
/// ```
/// use std::time::Duration;
///
/// use rate_limit::{Limiter, Quota, RateLimitLayer};
/// use tower_layer::Layer;
///
/// # fn main() -> Result<(), rate_limit::InvalidQuota> {
/// let limiter = Limiter::new(Quota::per_second(10)?).with_max_wait(Duration::from_secs(5));
/// let layer = RateLimitLayer::from(limiter);
/// let orders = layer.layer("a service");
/// let stock = layer.layer("another service, under the same quota");
/// # let _ = (orders, stock);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct RateLimitLayer {
    limiter: Limiter,
}

impl RateLimitLayer {
    /// A layer with a limiter of its own, without bounds. For bounds, make it [from](Self::from) a
    /// [`Limiter`].
    #[must_use]
    pub fn new(quotas: impl Into<Quotas>) -> Self {
        Self::from(Limiter::new(quotas))
    }

    /// The limiter its services share.
    #[must_use]
    pub fn limiter(&self) -> &Limiter {
        &self.limiter
    }
}

impl From<Limiter> for RateLimitLayer {
    fn from(limiter: Limiter) -> Self {
        Self { limiter }
    }
}

impl<S> Layer<S> for RateLimitLayer {
    type Service = RateLimit<S>;

    fn layer(&self, inner: S) -> RateLimit<S> {
        RateLimit::new(inner, self.limiter.clone())
    }
}

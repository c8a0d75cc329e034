//! The layer.

use std::time::Duration;

use tower_layer::Layer;

use crate::assign::ByCost;
use crate::keyed::{ByKey, KeyedLimiter};
use crate::limiter::Limiter;
use crate::listen::Deaf;
use crate::pauses::Pauses;
use crate::quotas::Quotas;
use crate::rooms::Rooms;
use crate::service::RateLimit;
use crate::told::Told;

/// Puts services under one rate limit.
///
/// All services that one layer value and its clones make share one quota and one queue, and so do all that
/// are made by layers [from](Self::from) the same [`Limiter`]. See [`RateLimit`] for what such a service
/// does. Over HTTP, make it by [`http`](Self::http): then it also does what the server asks for.
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
///
/// `A` decides where each request waits, and for how many permits; `L` listens to the responses.
#[derive(Clone, Debug)]
pub struct RateLimitLayer<A = Limiter, L = Deaf> {
    assign: A,
    listen: L,
    rooms: Option<Rooms>,
    told: Told,
}

impl RateLimitLayer {
    /// A layer with a limiter of its own, without bounds. For bounds, make it [from](Self::from) a
    /// [`Limiter`].
    ///
    /// It is for services of any kind, and so can't read their responses; over those that answer `http::Response`,
    /// take [`http`](Self::http).
    #[must_use]
    pub fn new(quotas: impl Into<Quotas>) -> Self {
        Self::from(Limiter::new(quotas))
    }

    /// A layer with a limiter for each key: `key` tells that of a request, [`host`](crate::host()) say, or
    /// [`header`](crate::header()). `K` is the type of key that the limiter has; what `key` returns must be one.
    #[must_use]
    pub fn keyed<K, F>(limiter: KeyedLimiter<K>, key: F) -> RateLimitLayer<ByKey<K, F>> {
        RateLimitLayer { assign: ByKey::new(limiter, key), listen: Deaf, rooms: None, told: Told::default() }
    }
}

impl RateLimitLayer<Limiter, Pauses> {
    /// A layer for services that answer `http::Response`: it listens by itself, so that a server's 429 or 503 that says
    /// for how long [pauses](Pauses) the whole limiter, for at most 60 s.
    ///
    /// `limit` is a [`Limiter`], or its quota. For another bound on the pause, say so
    /// [`with_listener`](RateLimitLayer::with_listener).
    ///
    /// ```
    /// use http::{Response, StatusCode};
    /// use rate_limit::{BoxError, Quota, RateLimitLayer};
    /// use tokio::time::{Duration, Instant};
    /// use tower::{Service, ServiceBuilder, ServiceExt};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), BoxError> {
    /// let mut service = ServiceBuilder::new()
    ///     .layer(RateLimitLayer::http(Quota::per_second(10)?))
    ///     .service_fn(|_: http::Request<()>| async {
    ///         let refused = Response::builder().status(StatusCode::TOO_MANY_REQUESTS);
    ///         refused.header("retry-after", "3").body(()).map_err(BoxError::from)
    ///     });
    ///
    /// let begun = Instant::now();
    /// service.ready().await?.call(http::Request::new(())).await?;
    /// service.ready().await?.call(http::Request::new(())).await?;
    /// assert_eq!(begun.elapsed(), Duration::from_secs(3));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn http(limit: impl Into<Limiter>) -> Self {
        RateLimitLayer::from(limit.into()).with_listener(Pauses::default())
    }
}

impl<L> RateLimitLayer<Limiter, L> {
    /// The limiter its services share.
    #[must_use]
    pub fn limiter(&self) -> &Limiter {
        &self.assign
    }

    /// Makes its services pending in `poll_ready` while a call would pass a bound of the limiter, so that a `LoadShed` above
    /// sheds. Without a bound this has no effect. Without this, such a call fails at once with
    /// [`RateLimited`](crate::RateLimited).
    ///
    /// - [`Limiter::with_max_queue`]: while as many calls wait. They become ready in the order in which they asked.
    ///   Readiness is room to wait in: it is held from `poll_ready` until the call is released to the inner service, or
    ///   dropped. It uses no permit. What counts are the calls of this layer's services; a bound of 0 counts as 1.
    /// - [`Limiter::with_max_wait`]: while a call for one permit that came now would wait longer. They are woken one after the
    ///   other, in the order in which they asked, when that is no longer so; one that is woken and does not come
    ///   holds the others up for one [`interval`](crate::Quota::interval) at most. This readiness holds nothing: if others come
    ///   between `poll_ready` and the call, or it takes more than one permit, it may still be refused. In a
    ///   [pause](Limiter::pause) that is cut short services are ready, and the calls told of it.
    ///
    /// ```
    /// use rate_limit::{BoxError, Limiter, Quota, RateLimitLayer};
    /// use tower::load_shed::error::Overloaded;
    /// use tower::{Service, ServiceBuilder, ServiceExt};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), BoxError> {
    /// let limiter = Limiter::new(Quota::per_second(1)?).with_max_queue(1);
    /// let mut service = ServiceBuilder::new()
    ///     .load_shed()
    ///     .layer(RateLimitLayer::from(limiter).with_backpressure())
    ///     .service_fn(|()| async { Ok::<_, BoxError>(()) });
    ///
    /// service.ready().await?.call(()).await?;
    /// let waiting = service.ready().await?.call(());
    /// let shed = service.ready().await?.call(()).await.unwrap_err();
    /// assert!(shed.is::<Overloaded>());
    /// waiting.await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// With a bound on the wait, `poll_ready` panics as [`Limiter::acquire`] does, if it is pending.
    #[must_use]
    pub fn with_backpressure(mut self) -> Self {
        self.rooms = Rooms::new(self.assign.shared(), &self.assign.bounds());
        self
    }
}

impl<A, L> RateLimitLayer<A, L> {
    /// Each call takes as many permits as `cost` says; all or none, in its turn. With 0 it passes at once, uncounted.
    /// One that costs more than the quota fails with [`RateLimited`](crate::RateLimited).
    ///
    /// ```
    /// use rate_limit::{Quota, RateLimitLayer};
    ///
    /// # fn main() -> Result<(), rate_limit::InvalidQuota> {
    /// // A quota of bytes:
    /// let layer = RateLimitLayer::new(Quota::per_second(100_000)?)
    ///     .with_cost(|request: &Vec<u8>| u32::try_from(request.len()).unwrap_or(u32::MAX));
    /// # drop(layer);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_cost<F>(self, cost: F) -> RateLimitLayer<ByCost<A, F>, L> {
        let Self { assign, listen, rooms, told } = self;
        RateLimitLayer { assign: ByCost::new(assign, cost), listen, rooms, told }
    }

    /// Listens to the responses, which may ask for a pause: [`Pauses`] for those of HTTP, as
    /// [`http`](RateLimitLayer::http) does by itself.
    ///
    /// It is the limiter of the call that pauses, all of it, once: for a keyed layer, that of the key.
    #[must_use]
    pub fn with_listener<M>(self, listen: M) -> RateLimitLayer<A, M> {
        let Self { assign, rooms, told, .. } = self;
        RateLimitLayer { assign, listen, rooms, told }
    }

    /// Tells `hook` how long calls wait: once of each call that is released to the inner service, right after it was,
    /// and zero if it did not wait. The wait is from the call's [arrival](RateLimit#when-a-call-is-released) to its release; what it
    /// waited for its inner service's readiness is part of it.
    ///
    /// Calls that are refused or dropped are not told of, nor one whose inner service panics in `call`. The hook runs
    /// in `call`, or while the call is polled, with no lock held, so it must not block. Its panics are caught and logged. A second
    /// hook replaces the first. A layer that rejects instead of waiting has nothing to tell.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicU64, Ordering};
    ///
    /// use rate_limit::{BoxError, Quota, RateLimitLayer};
    /// use tower::{Service, ServiceBuilder, ServiceExt};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), BoxError> {
    /// let waited = Arc::new(AtomicU64::new(0));
    /// let total = Arc::clone(&waited);
    /// let layer = RateLimitLayer::new(Quota::per_second(1)?).on_wait(move |wait| {
    ///     total.fetch_add(wait.as_secs(), Ordering::Relaxed);
    /// });
    /// let mut service =
    ///     ServiceBuilder::new().layer(layer).service_fn(|()| async { Ok::<_, BoxError>(()) });
    /// for _ in 0..3 {
    ///     service.ready().await?.call(()).await?;
    /// }
    /// assert_eq!(waited.load(Ordering::Relaxed), 2);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn on_wait(mut self, hook: impl Fn(Duration) + Send + Sync + 'static) -> Self {
        self.told = Told::new(hook);
        self
    }
}

#[cfg(feature = "server")]
impl<A> RateLimitLayer<A> {
    pub(crate) fn into_assign(self) -> A {
        self.assign
    }
}

impl From<Limiter> for RateLimitLayer {
    fn from(limiter: Limiter) -> Self {
        Self { assign: limiter, listen: Deaf, rooms: None, told: Told::default() }
    }
}

impl<S, A: Clone, L: Clone> Layer<S> for RateLimitLayer<A, L> {
    type Service = RateLimit<S, A, L>;

    fn layer(&self, inner: S) -> RateLimit<S, A, L> {
        RateLimit {
            inner,
            assign: self.assign.clone(),
            listen: self.listen.clone(),
            rooms: self.rooms.clone(),
            told: self.told.clone(),
        }
    }
}

//! How each peer is asked for a permit.

use std::convert::Infallible;
use std::error::Error;
use std::future::{Future, Ready, ready};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use governor::DefaultDirectRateLimiter;
use rate_limit::{Limiter, Quota};
use tokio::time::Instant;
use tower::buffer::Buffer;
use tower::limit::RateLimit;
use tower::{Layer, Service, ServiceExt};
use tower_resilience_ratelimiter::{RateLimiter, RateLimiterLayer, WindowType};

const SECOND: Duration = Duration::from_secs(1);

/// Answers at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bare;

impl Service<()> for Bare {
    type Response = ();
    type Error = Infallible;
    type Future = Ready<Result<(), Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        ready(Ok(()))
    }
}

/// Something that callers wait at, `n` times a second at most.
pub(crate) trait Peer: Clone + Send + Sync + Sized + 'static {
    const NAME: &'static str;

    /// With room for so many waiters. In the runtime in which it will be used.
    fn new(n: u32, waiters: usize) -> Result<Self, Box<dyn Error>>;

    /// Waits for a permit. Tells when it counts from, if it knows.
    fn permit(&mut self) -> impl Future<Output = Option<Instant>> + Send;
}

#[derive(Clone)]
pub(crate) struct Ours(Limiter);

impl Peer for Ours {
    const NAME: &'static str = "rate-limit";

    fn new(n: u32, _: usize) -> Result<Self, Box<dyn Error>> {
        Ok(Self(Limiter::new(Quota::per_second(n)?)))
    }

    async fn permit(&mut self) -> Option<Instant> {
        Some(self.0.acquire().await.expect("no bounds").at())
    }
}

/// With its default burst, of one second, or with none.
#[derive(Clone)]
pub(crate) struct Governor<const SPACED: bool>(Arc<DefaultDirectRateLimiter>);

impl<const SPACED: bool> Peer for Governor<SPACED> {
    const NAME: &'static str = if SPACED { "governor, burst 1" } else { "governor" };

    fn new(n: u32, _: usize) -> Result<Self, Box<dyn Error>> {
        let quota = governor::Quota::per_second(NonZeroU32::new(n).ok_or("zero")?);
        let quota = if SPACED { quota.allow_burst(NonZeroU32::MIN) } else { quota };
        Ok(Self(Arc::new(DefaultDirectRateLimiter::direct(quota))))
    }

    async fn permit(&mut self) -> Option<Instant> {
        self.0.until_ready().await;
        None
    }
}

/// Refilled a hundred times a second, or each time there is one token.
#[derive(Clone)]
pub(crate) struct LeakyBucket(Arc<leaky_bucket::RateLimiter>);

impl Peer for LeakyBucket {
    const NAME: &'static str = "leaky-bucket";

    fn new(n: u32, _: usize) -> Result<Self, Box<dyn Error>> {
        let refill = (n / 100).max(1);
        let bucket = leaky_bucket::RateLimiter::builder()
            .initial(n as usize)
            .max(n as usize)
            .refill(refill as usize)
            .interval(SECOND * refill / n)
            .build();
        Ok(Self(Arc::new(bucket)))
    }

    async fn permit(&mut self) -> Option<Instant> {
        Arc::clone(&self.0).acquire_owned(1).await;
        None
    }
}

/// Shared through a `Buffer`, since it is not `Clone`.
#[derive(Clone)]
pub(crate) struct Tower(Buffer<(), <Bare as Service<()>>::Future>);

impl Peer for Tower {
    const NAME: &'static str = "tower RateLimit + Buffer";

    fn new(n: u32, waiters: usize) -> Result<Self, Box<dyn Error>> {
        Ok(Self(Buffer::new(RateLimit::new(Bare, tower::limit::rate::Rate::new(n.into(), SECOND)), waiters)))
    }

    async fn permit(&mut self) -> Option<Instant> {
        self.0.ready().await.expect("the worker lives").call(()).await.expect("infallible");
        None
    }
}

#[derive(Clone)]
pub(crate) struct Resilience(RateLimiter<Bare>);

impl Peer for Resilience {
    const NAME: &'static str = "tower-resilience, sliding log";

    fn new(n: u32, _: usize) -> Result<Self, Box<dyn Error>> {
        let layer = RateLimiterLayer::builder()
            .limit_for_period(n as usize)
            .refresh_period(SECOND)
            .window_type(WindowType::SlidingLog)
            // Callers wait in `poll_ready`, for as long as it takes.
            .backpressure()
            .build()?;
        Ok(Self(layer.layer(Bare)))
    }

    async fn permit(&mut self) -> Option<Instant> {
        let called = self.0.ready().await.map_err(drop).expect("no bounds").call(());
        called.await.map_err(drop).expect("no bounds");
        None
    }
}

//! What a call costs that need not wait.

use std::convert::Infallible;
use std::error::Error;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::num::NonZeroU32;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::body::Body;
use benches::{Rounds, time_on};
use governor::DefaultDirectRateLimiter;
use http::{Request, Response};
use rate_limit::{Limiter, Pauses, Quota, RateLimitLayer};
use stats_alloc::Region;
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;
use tower::buffer::Buffer;
use tower::limit::RateLimit;
use tower::limit::rate::Rate;
use tower::{Layer, Service, ServiceExt};
use tower_governor::GovernorLayer;
use tower_governor::governor::GovernorConfigBuilder;
use tower_governor::key_extractor::GlobalKeyExtractor;
use tower_resilience_ratelimiter::{RateLimiterLayer, WindowType};

use crate::peers::Bare;
use crate::targets::Targets;
use crate::{ALLOCATOR, Plan};

/// Few, so that a round has a chance to be left alone by other work on the machine.
const CALLS: u32 = 5_000;

/// Through a `Buffer` a call takes microseconds.
const BUFFERED: u32 = 300;

/// A quota that is never used up, although permits count for long: some thousands are in its record at any time.
const N: u32 = 10_000;
const PERIOD: Duration = Duration::from_micros(100);

/// Answers 200 at once, for peers that must have HTTP.
#[derive(Clone, Copy, Debug)]
struct BareHttp;

impl Service<Request<()>> for BareHttp {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Ok(Response::new(Body::empty())))
    }
}

/// One call from request to response.
fn call<S: Service<R>, R>(service: &mut S, request: R) {
    let mut context = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut context).is_ready());
    let mut call = pin!(service.call(black_box(request)));
    assert!(black_box(call.as_mut().poll(&mut context)).is_ready());
}

fn poll_once<F: Future>(future: F) {
    assert!(black_box(pin!(future).poll(&mut Context::from_waker(Waker::noop()))).is_ready());
}

/// Something whose cost is asked.
struct Contender {
    name: &'static str,
    /// The nanoseconds of one operation on so many threads.
    time: Box<dyn FnMut(usize) -> f64>,
    allocations: f64,
}

impl Contender {
    /// An operation, made anew for each thread.
    fn new<O: FnMut()>(name: &'static str, make: impl Fn() -> O + Sync + 'static) -> Self {
        let mut operation = make();
        (0..1_000).for_each(|_| operation());
        let region = Region::new(ALLOCATOR);
        (0..1_000).for_each(|_| operation());
        let allocations = region.change().allocations as f64 / 1_000.0;
        Self { name, time: Box::new(move |threads| time_on(threads, CALLS, &make)), allocations }
    }

    fn service<S>(name: &'static str, service: S) -> Self
    where
        S: Service<()> + Clone + Sync + 'static,
    {
        Self::new(name, move || {
            let mut service = service.clone();
            move || call(&mut service, ())
        })
    }

    fn http<S>(name: &'static str, service: S) -> Self
    where
        S: Service<Request<()>> + Clone + Sync + 'static,
    {
        Self::new(name, move || {
            let mut service = service.clone();
            move || call(&mut service, Request::new(()))
        })
    }
}

const BARE: &str = "bare service";
const OURS: &str = "rate-limit: service";
const TOWER: &str = "tower RateLimit (one per thread: not Clone)";
const RESILIENCE: &str = "tower-resilience, fixed window";

pub(crate) fn run(plan: &Plan, targets: &mut Targets) -> Result<(), Box<dyn Error>> {
    let runtime = Box::leak(Box::new(Builder::new_multi_thread().worker_threads(2).enable_time().build()?));
    // Some of them make timers when they are made.
    let _entered = runtime.enter();
    let mut contenders = contenders(runtime)?;
    for threads in [1, 2] {
        let mut times: Vec<_> = contenders.iter_mut().map(|contender| || (contender.time)(threads)).collect();
        let mut runs: Vec<&mut dyn FnMut() -> f64> =
            times.iter_mut().map(|time| time as &mut dyn FnMut() -> f64).collect();
        let rounds = Rounds::run(plan.rounds(), &mut runs);
        println!(
            "\nuncontended, {threads} thread(s): ns per call, best and median of {} rounds",
            plan.rounds()
        );
        println!("{:<48} {:>10} {:>10} {:>12}", "", "best", "median", "allocations");
        for (at, Contender { name, allocations, .. }) in contenders.iter().enumerate() {
            println!("{name:<48} {:>10.1} {:>10.1} {allocations:>12.1}", rounds.best(at), rounds.median(at));
        }
        let best = |name| {
            let at = contenders.iter().position(|contender| contender.name == name).unwrap_or(0);
            (rounds.best(at), contenders[at].allocations)
        };
        let ((ours, allocations), (tower, _), (resilience, _)) = (best(OURS), best(TOWER), best(RESILIENCE));
        if threads == 1 {
            targets.at_most("uncontended service / tower RateLimit", ours / tower, 1.5);
            targets.at_most("uncontended service / tower-resilience", ours / resilience, 1.0 / 3.0);
            targets.at_most("uncontended service: allocations", allocations, 0.0);
        }
    }
    Ok(())
}

fn contenders(runtime: &'static Runtime) -> Result<Vec<Contender>, Box<dyn Error>> {
    let limiter = || Ok::<_, Box<dyn Error>>(Limiter::new(Quota::new(N, PERIOD)?));
    let (tried, acquired) = (limiter()?, limiter()?);
    let spaced = Limiter::new(Quota::new(1, Duration::from_nanos(1))?.spaced());
    let told =
        RateLimitLayer::from(limiter()?).with_listener(|&(): &()| None).on_wait(|wait| _ = black_box(wait));
    let governor = Arc::new(DefaultDirectRateLimiter::direct(
        governor::Quota::per_second(NonZeroU32::new(1_000_000_000).ok_or("zero")?)
            .allow_burst(NonZeroU32::MAX),
    ));
    let (checked, ready) = (Arc::clone(&governor), governor);
    let bucket = Arc::new(leaky_bucket::RateLimiter::builder().max(1 << 62).initial(1 << 62).build());
    let (bucket_tried, bucket_acquired) = (Arc::clone(&bucket), bucket);
    let resilience = |window| -> Result<_, Box<dyn Error>> {
        let layer = RateLimiterLayer::builder()
            .limit_for_period(N as usize)
            .refresh_period(PERIOD)
            .timeout_duration(Duration::from_secs(1))
            .window_type(window)
            .build()?;
        Ok(layer.layer(Bare))
    };
    let config = || {
        let mut config = GovernorConfigBuilder::default();
        config.per_nanosecond(1).burst_size(u32::MAX);
        config.key_extractor(GlobalKeyExtractor)
    };
    let plain = config().finish().ok_or("governor's settings")?;
    let headers = config().use_headers().finish().ok_or("governor's settings")?;
    Ok(vec![
        Contender::new("one clock read", || || _ = black_box(Instant::now())),
        Contender::service(BARE, Bare),
        Contender::service(OURS, RateLimitLayer::from(limiter()?).layer(Bare)),
        Contender::service("rate-limit: service with a listener and a hook", told.layer(Bare)),
        Contender::service("rate-limit: service, spaced", RateLimitLayer::from(spaced).layer(Bare)),
        Contender::new("rate-limit: try_acquire", move || {
            let limiter = tried.clone();
            move || assert!(limiter.try_acquire().is_ok())
        }),
        Contender::new("rate-limit: acquire", move || {
            let limiter = acquired.clone();
            move || poll_once(limiter.acquire())
        }),
        Contender::new(TOWER, || {
            // Of any, its timer is made in a runtime.
            let _entered = runtime.enter();
            let mut service = RateLimit::new(Bare, Rate::new(u64::MAX, Duration::from_secs(1)));
            move || call(&mut service, ())
        }),
        buffered(runtime),
        Contender::service(RESILIENCE, resilience(WindowType::Fixed)?),
        Contender::service("tower-resilience, sliding log", resilience(WindowType::SlidingLog)?),
        Contender::new("governor: check", move || {
            let limiter = Arc::clone(&checked);
            move || assert!(limiter.check().is_ok())
        }),
        Contender::new("governor: until_ready", move || {
            let limiter = Arc::clone(&ready);
            move || poll_once(limiter.until_ready())
        }),
        Contender::new("leaky-bucket: try_acquire", move || {
            let bucket = Arc::clone(&bucket_tried);
            move || assert!(bucket.try_acquire(1))
        }),
        Contender::new("leaky-bucket: acquire_one", move || {
            let bucket = Arc::clone(&bucket_acquired);
            let _entered = runtime.enter();
            move || poll_once(bucket.acquire_one())
        }),
        Contender::http("bare service, HTTP", BareHttp),
        Contender::http("tower_governor (rejects)", GovernorLayer::new(plain).layer(BareHttp)),
        Contender::http("tower_governor with headers (rejects)", GovernorLayer::new(headers).layer(BareHttp)),
        Contender::http(
            "rate-limit: HTTP service that listens",
            RateLimitLayer::from(limiter()?).with_listener(Pauses::default()).layer(BareHttp),
        ),
        Contender::http(
            "rate-limit: rejecting",
            RateLimitLayer::from(limiter()?).rejecting().only_when_refused().layer(BareHttp),
        ),
        Contender::http(
            "rate-limit: rejecting, with headers",
            RateLimitLayer::from(limiter()?).rejecting().layer(BareHttp),
        ),
    ])
}

/// Its calls pass through a worker's channel, so they are awaited, by as many tasks as there are threads.
fn buffered(runtime: &'static Runtime) -> Contender {
    let service = Buffer::new(RateLimit::new(Bare, Rate::new(u64::MAX, Duration::from_secs(1))), 64);
    let time = move |threads: usize| {
        let service = service.clone();
        runtime.block_on(async move {
            let began = Instant::now();
            let callers: Vec<_> = (0..threads)
                .map(|_| {
                    let mut service = service.clone();
                    tokio::spawn(async move {
                        for _ in 0..BUFFERED {
                            let ready = service.ready().await.expect("the worker lives");
                            ready.call(()).await.expect("infallible");
                        }
                    })
                })
                .collect();
            for caller in callers {
                caller.await.expect("no panic");
            }
            began.elapsed().as_secs_f64() * 1e9 / f64::from(BUFFERED)
        })
    };
    // Counted over all threads; nothing else runs meanwhile.
    time(1);
    let region = Region::new(ALLOCATOR);
    time(1);
    let allocations = region.change().allocations as f64 / f64::from(BUFFERED);
    Contender { name: "tower RateLimit + Buffer", time: Box::new(time), allocations }
}

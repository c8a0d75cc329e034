//! What the two limits promise together, and what pauses them.

use crate::common;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::{BASE, Body, get, quick_retry, signed};
use bytes::Bytes;
use fake_ovh::FakeOvh;
use http::{Request, Response, StatusCode};
use jittered_backoff::{Backoff, Limits};
use rate_limit::{Limiter, Pauses, Quota, RateLimitLayer, RateLimited};
use retry_on_tls_eof::{OutcomeUnknown, RetryOnTlsEofLayer};
use tokio::task::JoinSet;
use tokio::time::{Instant, advance, sleep};
use tower::limit::ConcurrencyLimitLayer;
use tower::{BoxError, Layer as _, Service, ServiceExt as _, service_fn};
use tower_ovh::OvhStack;
use wire_fault::Boxed;

const STOCK: &str =
    "https://eu.api.ovh.com/1.0/dedicated/server/datacenter/availabilities?planCode=24adv01-v3";
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn me() -> Request<Body> {
    get(format!("{BASE}/me"))
}

/// A retry in whose time a long queue passes.
fn patient() -> RetryOnTlsEofLayer<Boxed> {
    RetryOnTlsEofLayer::new(Backoff::default()).with_limits(Limits::new().with_deadline(10 * MINUTE))
}

/// The most of these instants, in order, that lie in any half-open stretch of this length.
fn worst(instants: &[Instant], span: Duration) -> usize {
    let within = |first: &Instant| instants.iter().filter(|at| *at >= first && **at - *first < span).count();
    instants.iter().map(within).max().unwrap_or(0)
}

/// Makes so many of these calls, and expects success of all.
fn spawn<S>(calls: &mut JoinSet<()>, ovh: &S, number: usize, request: impl Fn() -> Request<Body>)
where
    S: Service<Request<Body>, Response = Response<Bytes>, Error = BoxError, Future: Send>
        + Clone
        + Send
        + 'static,
{
    for _ in 0..number {
        let (ovh, request) = (ovh.clone(), request());
        calls.spawn(async move { assert_eq!(ovh.oneshot(request).await.unwrap().status(), 200) });
    }
}

/// Signed calls that wait in the common queue for half a minute still count from when they are sent, and the unsigned
/// ones that make them wait never count as theirs.
#[tokio::test(start_paused = true)]
async fn both_quotas_hold_on_the_wire_whatever_queues_before_either() {
    let api = FakeOvh::new();
    let stack = signed(OvhStack::new()).with_retry(patient());
    let ovh = stack.layer().layer(api.router());
    assert_eq!(ovh.clone().oneshot(me()).await.unwrap().status(), 200);
    advance(2 * MINUTE).await;
    let mut calls = JoinSet::new();
    // The common queue is 31 s long before the first signed call comes.
    spawn(&mut calls, &ovh, 300, || get(STOCK));
    sleep(Duration::from_millis(1)).await;
    spawn(&mut calls, &ovh, 150, me);
    // These find it empty: the first of the signed are a minute old in the limiter's log only if it counts their sending.
    sleep(Duration::from_secs(58)).await;
    spawn(&mut calls, &ovh, 30, me);
    spawn(&mut calls, &ovh, 100, || get(STOCK));
    while let Some(done) = calls.join_next().await {
        done.unwrap();
    }
    let log = api.calls();
    let all: Vec<_> = log.iter().map(|call| call.at).collect();
    let signed: Vec<_> = log.iter().filter(|call| call.authenticated).map(|call| call.at).collect();
    assert_eq!((all.len(), signed.len()), (2 + 580, 181));
    assert_eq!((worst(&all, SECOND), worst(&signed, MINUTE)), (10, 60));
    // Nothing is lost either: 60 a window of 60.05 s.
    let last = signed[180] - signed[1];
    assert!(last <= Duration::from_secs(31 + 6) + 2 * (MINUTE + Duration::from_millis(50)), "{last:?}");
    assert_eq!((stack.limiter().snapshot().waiting, stack.signed_limiter().snapshot().waiting), (0, 0));
}

/// While the consumer's quota is used up, nobody else waits longer for it, and is not refused for it either.
#[tokio::test(start_paused = true)]
async fn calls_that_wait_for_their_consumer_hold_nobody_up() {
    let api = FakeOvh::new();
    let stack = signed(OvhStack::new())
        .with_retry(patient())
        .with_signed_limiter(Limiter::new(Quota::per_minute(1).unwrap()))
        .with_limiter(Limiter::new(Quota::per_second(10).unwrap()).with_max_wait(Duration::ZERO));
    let ovh = stack.layer().layer(api.router());
    let mut calls = JoinSet::new();
    spawn(&mut calls, &ovh, 1, me);
    while calls.join_next().await.is_some() {}
    sleep(SECOND).await;
    spawn(&mut calls, &ovh, 3, me);
    sleep(SECOND).await;
    assert_eq!((stack.signed_limiter().snapshot().waiting, stack.limiter().snapshot().waiting), (3, 0));
    spawn(&mut calls, &ovh, 10, || get(STOCK));
    sleep(Duration::from_millis(1)).await;
    assert_eq!(api.calls().iter().filter(|call| !call.authenticated).count(), 1 + 10);
    let refused = ovh.clone().oneshot(get(STOCK)).await.unwrap_err();
    assert!(refused.is::<RateLimited>(), "the eleventh in this second: {refused}");
    while let Some(done) = calls.join_next().await {
        done.unwrap();
    }
}

/// The attempt layer's readiness is taken when both turns have come, and given up where one of them is not there.
#[tokio::test(start_paused = true)]
async fn an_attempt_layer_that_is_not_ready_loses_no_permit() {
    let api = FakeOvh::new();
    let router = api.router();
    let slow = service_fn(move |request: Request<Body>| {
        let router = router.clone();
        async move {
            sleep(Duration::from_millis(250)).await;
            router.oneshot(request).await
        }
    });
    let stack = signed(OvhStack::new())
        .with_signed_limiter(Limiter::new(Quota::new(2, SECOND).unwrap()))
        .with_attempt_layer(ConcurrencyLimitLayer::new(1));
    let ovh = stack.layer().layer(slow);
    let mut calls = JoinSet::new();
    spawn(&mut calls, &ovh, 8, me);
    spawn(&mut calls, &ovh, 8, || get(STOCK));
    while let Some(done) = calls.join_next().await {
        done.unwrap();
    }
    let log = api.calls();
    let signed: Vec<_> = log.iter().filter(|call| call.authenticated).map(|call| call.at).collect();
    assert_eq!((log.len(), signed.len(), worst(&signed, SECOND)), (17, 8, 2));
    sleep(MINUTE).await;
    assert_eq!((stack.limiter().snapshot().available, stack.signed_limiter().snapshot().available), (10, 2));
}

/// However many polls a signed call had before it was dropped, both limiters are whole afterwards.
#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_anywhere_leaves_both_limiters_whole() {
    for polls in 0..12 {
        let api = FakeOvh::new();
        let stack = signed(OvhStack::new()).with_attempt_layer(ConcurrencyLimitLayer::new(1));
        let ovh = stack.layer().layer(api.router());
        assert_eq!(ovh.clone().oneshot(me()).await.unwrap().status(), 200);
        sleep(MINUTE + SECOND).await;
        let busy: Vec<_> = std::iter::from_fn(|| stack.limiter().try_acquire().ok()).collect();
        assert_eq!(busy.len(), 10);
        let before = api.tally().calls;
        let mut call = tokio_test::task::spawn(ovh.clone().oneshot(me()));
        for _ in 0..polls {
            if call.poll().is_ready() {
                break;
            }
            advance(Duration::from_millis(105)).await;
        }
        drop(call);
        sleep(Duration::from_millis(1100)).await;
        let sent = usize::try_from(api.tally().calls - before).unwrap();
        assert!(sent <= 1);
        assert_eq!(stack.signed_limiter().snapshot().available, 60 - sent, "{polls} polls");
        assert_eq!((stack.limiter().snapshot().waiting, stack.signed_limiter().snapshot().waiting), (0, 0));
        // And the one place of the attempt layer is free.
        assert_eq!(ovh.oneshot(me()).await.unwrap().status(), 200);
    }
}

/// An API that answers the first `refusals` requests 429, with 5 s to wait, and says when each request came.
#[derive(Clone, Default)]
struct Refusing {
    refusals: usize,
    count: Arc<AtomicUsize>,
    times: Arc<Mutex<Vec<Instant>>>,
}

impl Refusing {
    fn new(refusals: usize) -> Self {
        Self { refusals, ..Self::default() }
    }

    fn answer(&self, request: &Request<Body>) -> Response<Body> {
        self.times.lock().unwrap().push(Instant::now());
        let mut response = Response::new(Body::from("1700000000"));
        let counts = request.uri().path() != "/1.0/auth/time";
        if counts && self.count.fetch_add(1, Ordering::Relaxed) < self.refusals {
            *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
            response.headers_mut().insert("retry-after", http::HeaderValue::from_static("5"));
        }
        response
    }
}

#[tokio::test(start_paused = true)]
async fn a_429_pauses_everything_once_whoever_it_was_answered_to() {
    for request in [me, || get(STOCK)] {
        let refusing = Refusing::new(1);
        let times = Arc::clone(&refusing.times);
        let api =
            service_fn(move |request| std::future::ready(Ok::<_, Infallible>(refusing.answer(&request))));
        let stack = signed(OvhStack::new()).with_retry(quick_retry());
        let ovh = stack.layer().layer(api);
        // The clock has its time, so that what follows is one attempt each.
        assert_eq!(ovh.clone().oneshot(get(format!("{BASE}/auth/time"))).await.unwrap().status(), 200);
        let begun = Instant::now();
        let healed = tokio::spawn(ovh.clone().oneshot(request()));
        sleep(Duration::from_millis(100)).await;
        let mut calls = JoinSet::new();
        spawn(&mut calls, &ovh, 3, || get(STOCK));
        spawn(&mut calls, &ovh, 3, me);
        while let Some(done) = calls.join_next().await {
            done.unwrap();
        }
        assert_eq!(healed.await.unwrap().unwrap().status(), 200);
        let times = times.lock().unwrap();
        let paused = times.iter().filter(|at| **at > begun && **at < begun + Duration::from_secs(5)).count();
        assert_eq!(paused, 0, "{times:?}");
        assert!(
            times.last().unwrap().duration_since(begun) < Duration::from_secs(6),
            "once, not each by itself"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn how_long_a_pause_may_be_is_set() {
    let refusing = Refusing::new(1);
    let api = service_fn(move |request| std::future::ready(Ok::<_, Infallible>(refusing.answer(&request))));
    let stack = OvhStack::new().with_pauses(Pauses::default().with_most(Duration::from_secs(2)));
    let ovh = stack.layer().layer(api);
    assert_eq!(ovh.clone().oneshot(common::post(STOCK)).await.unwrap().status(), 429);
    // Beyond the cap waiting would be in vain, so calls fail; then they are released again.
    assert!(ovh.clone().oneshot(get(STOCK)).await.unwrap_err().is::<RateLimited>());
    sleep(Duration::from_secs(2)).await;
    assert_eq!(ovh.oneshot(get(STOCK)).await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn waits_are_counted() {
    let api = FakeOvh::new();
    let stack = signed(OvhStack::new());
    let ovh = stack.layer().layer(api.router());
    let mut calls = JoinSet::new();
    spawn(&mut calls, &ovh, 24, me);
    while let Some(done) = calls.join_next().await {
        done.unwrap();
    }
    let snapshot = stack.stats().snapshot();
    // The fetch of the time is one of them. Ten went at once, ten after 1.05 s, five after 2.1 s.
    assert_eq!((snapshot.waits.count, snapshot.attempts.started), (25, 25));
    let longest = snapshot.waits.max;
    assert!((Duration::from_millis(2_000)..Duration::from_millis(2_300)).contains(&longest), "{longest:?}");
}

#[tokio::test(start_paused = true)]
async fn a_limiter_of_the_callers_own_is_shared() {
    let api = FakeOvh::new();
    let layer = RateLimitLayer::new(Quota::per_second(4).unwrap());
    let other = layer.layer(service_fn(async |()| Ok::<_, BoxError>(())));
    let stack = OvhStack::new().with_limiter(layer.limiter().clone());
    let ovh = stack.layer().layer(api.router());
    let begun = Instant::now();
    for _ in 0..4 {
        ovh.clone().oneshot(get(STOCK)).await.unwrap();
        other.clone().oneshot(()).await.unwrap();
    }
    assert_eq!(begun.elapsed(), SECOND);
    // And its quota is changed for both while they run.
    layer.limiter().set_quotas(Quota::per_second(100).unwrap()).unwrap();
    let begun = Instant::now();
    for _ in 0..50 {
        ovh.clone().oneshot(get(STOCK)).await.unwrap();
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

/// One limiter for both roles is one permit an attempt, and no call waits for itself.
#[tokio::test(start_paused = true)]
async fn the_same_limiter_twice_is_one_limit() {
    let api = FakeOvh::new();
    let limiter = Limiter::new(Quota::per_second(1).unwrap().spaced());
    let stack = signed(OvhStack::new()).with_limiter(limiter.clone()).with_signed_limiter(limiter);
    let ovh = stack.layer().layer(api.router());
    let begun = Instant::now();
    let mut calls = JoinSet::new();
    spawn(&mut calls, &ovh, 3, me);
    spawn(&mut calls, &ovh, 3, || get(STOCK));
    while let Some(done) = calls.join_next().await {
        done.unwrap();
    }
    assert_eq!((api.tally().calls, begun.elapsed()), (7, 6 * SECOND));
}

/// A deadline that ends a POST in a limiter's queue has provably kept it from being sent.
#[tokio::test(start_paused = true)]
async fn a_deadline_in_the_queue_is_no_unknown_outcome() {
    for stack in [OvhStack::new(), signed(OvhStack::new())] {
        let api = FakeOvh::new();
        let limits = Limits::new().with_deadline(SECOND / 2);
        let retry = RetryOnTlsEofLayer::new(Backoff::default()).with_limits(limits);
        let stack = stack.with_retry(retry);
        let ovh = stack.layer().layer(api.router());
        while stack.limiter().try_acquire().is_ok() {}
        let error = ovh.oneshot(common::post(format!("{BASE}/order/cart"))).await.unwrap_err();
        assert!(OutcomeUnknown::of(&*error).is_none(), "{error}");
        assert_eq!(api.tally().calls, 0);
    }
}

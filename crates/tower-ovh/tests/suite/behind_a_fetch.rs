//! Calls that wait for the server's time or for a token: they leave at the limiter's pace when it has come, and were never sent
//! while it does not come.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use crate::common::{BASE, Body, CLIENT, get, oauth2, post, signed};
use bytes::Bytes;
use fake_ovh::FakeOvh;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use jittered_backoff::{Backoff, Limits};
use rate_limit::{Limiter, Quota};
use retry_on_tls_eof::{OutcomeUnknown, RetryOnTlsEofLayer};
use tokio::task::JoinSet;
use tokio::time::{Instant, advance, sleep};
use tower::{BoxError, Layer as _, Service, ServiceExt as _, service_fn};
use tower_ovh::OvhStack;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
/// How long a request, or its answer, is on its way.
const WAY: Duration = Duration::from_millis(50);

/// A service of which only the calls matter.
trait Api:
    Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> Api for S where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static
{
}

/// The fake, some way off.
fn far(api: &FakeOvh) -> impl Api + use<> {
    let router = api.router();
    service_fn(move |request: Request<Body>| {
        let router = router.clone();
        async move {
            sleep(WAY).await;
            let Ok(response) = router.oneshot(request).await;
            let (head, body) = response.into_parts();
            let body = body
                .collect()
                .await
                .map_or_else(|error| panic!("{error}"), http_body_util::Collected::to_bytes);
            sleep(WAY).await;
            Ok(Response::from_parts(head, Body::from(body)))
        }
    })
}

/// The same, but what ends so gets no answer while the flag is up.
fn stalling(inner: impl Api, path: &'static str) -> (impl Api, Arc<AtomicBool>) {
    let flag = Arc::new(AtomicBool::new(true));
    let stalls = Arc::clone(&flag);
    let api = service_fn(move |request: Request<Body>| {
        let (inner, stalls) = (inner.clone(), stalls.load(Ordering::Relaxed));
        async move {
            if stalls && request.uri().path().ends_with(path) {
                std::future::pending::<()>().await;
            }
            inner.oneshot(request).await
        }
    });
    (api, flag)
}

fn fake() -> FakeOvh {
    FakeOvh::new().with_oauth2_client(CLIENT.0, CLIENT.1).unwrap()
}

/// Consumers that may make as many calls as all: what paces is the common limiter.
fn lavish(stack: OvhStack) -> OvhStack {
    let retry =
        RetryOnTlsEofLayer::new(Backoff::default()).with_limits(Limits::new().with_deadline(10 * MINUTE));
    stack.with_retry(retry).with_signed_limiter(Limiter::new(Quota::per_minute(6_000).unwrap()))
}

/// Begins so many calls, each of which is to succeed.
fn begin<S>(calls: &mut JoinSet<()>, ovh: &S, number: usize, path: &'static str)
where
    S: Service<Request<Body>, Response = Response<Bytes>, Error = BoxError, Future: Send>
        + Clone
        + Send
        + 'static,
{
    for _ in 0..number {
        let ovh = ovh.clone();
        calls.spawn(async move {
            let response = ovh.oneshot(get(format!("{BASE}{path}"))).await.unwrap();
            assert_eq!(response.status(), 200, "{response:?}");
        });
    }
}

async fn all(mut calls: JoinSet<()>) {
    while let Some(done) = calls.join_next().await {
        done.unwrap();
    }
}

/// The most requests that came to the server in any second from `since` on.
fn worst_second(api: &FakeOvh, since: Instant) -> usize {
    let at: Vec<_> = api.calls().iter().map(|call| call.at).filter(|at| *at >= since).collect();
    let within = |first: &Instant| at.iter().filter(|at| *at >= first && **at - *first < SECOND).count();
    at.iter().map(within).max().unwrap_or(0)
}

const STOCK: &str = "/dedicated/server/datacenter/availabilities?planCode=24adv01-v3";

#[tokio::test(start_paused = true)]
async fn no_burst_behind_the_first_token() {
    for (preset, number) in [20, 50, 60]
        .into_iter()
        .flat_map(|n| [(OvhStack::new as fn() -> OvhStack, n), (OvhStack::watcher, n)])
    {
        let api = fake();
        let ovh = oauth2(preset()).layer().layer(far(&api));
        let (mut calls, begun) = (JoinSet::new(), Instant::now());
        begin(&mut calls, &ovh, number, "/me");
        all(calls).await;
        let tally = api.tally();
        assert_eq!((tally.tokens, tally.calls), (1, number as u64 + 1));
        assert!(worst_second(&api, begun) <= 10, "{number} calls: {} in a second", worst_second(&api, begun));
    }
}

/// Tokens last 20 s, and are renewed after 10 s.
#[tokio::test(start_paused = true)]
async fn no_burst_behind_a_token_that_is_renewed_while_calls_queue() {
    let api = fake().with_token_lifetime(20 * SECOND).unwrap();
    let ovh = lavish(oauth2(OvhStack::new())).layer().layer(far(&api));
    let (mut calls, begun) = (JoinSet::new(), Instant::now());
    begin(&mut calls, &ovh, 250, "/me");
    // And some that need none, between the fetch and the calls that wait for it.
    sleep(9 * SECOND).await;
    begin(&mut calls, &ovh, 50, STOCK);
    all(calls).await;
    let took = begun.elapsed();
    assert!(api.tally().tokens >= 3, "{}", api.tally().tokens);
    assert_eq!(worst_second(&api, begun), 10);
    // Nor is time lost: a second or so by each renewal.
    assert!(took < 36 * SECOND, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn no_burst_behind_a_token_that_is_refused() {
    let api = fake();
    let ovh = lavish(oauth2(OvhStack::new())).layer().layer(far(&api));
    assert_eq!(ovh.clone().oneshot(get(format!("{BASE}/me"))).await.unwrap().status(), 200);
    api.revoke_tokens();
    advance(MINUTE).await;
    let mut calls = JoinSet::new();
    for _ in 0..60 {
        calls.spawn(ovh.clone().oneshot(get(format!("{BASE}/me"))));
    }
    let begun = Instant::now();
    let refused =
        calls.join_all().await.iter().filter(|result| result.as_ref().unwrap().status() == 401).count();
    // Those that were on their way when the first 401 came: it is not repeated, for it may be about the caller's rights.
    assert_eq!((refused, api.tally().tokens, worst_second(&api, begun)), (10, 2, 10));
}

/// Half of them are dropped while the token is fetched, and the one who began the fetch is among these.
#[tokio::test(start_paused = true)]
async fn calls_that_are_dropped_while_they_wait_leave_the_others_and_the_limits_whole() {
    let api = fake().with_token_lifetime(20 * SECOND).unwrap();
    let stack = lavish(oauth2(OvhStack::new()));
    let ovh = stack.layer().layer(far(&api));
    let me = || ovh.clone().oneshot(get(format!("{BASE}/me")));
    assert_eq!(me().await.unwrap().status(), 200);
    for queued in [false, true] {
        advance(MINUTE).await;
        let before = api.tally();
        if queued {
            // They pass the gate with a token, and find none when their turn comes.
            assert_eq!(me().await.unwrap().status(), 200);
            advance(Duration::from_millis(9_900)).await;
        }
        let begun = Instant::now();
        let calls: Vec<_> = (0..60).map(|_| tokio::spawn(me())).collect();
        sleep(Duration::from_millis(150) + if queued { SECOND } else { Duration::ZERO }).await;
        assert_eq!(api.tally().tokens, before.tokens + 1 + u64::from(queued), "one is on its way back");
        calls.iter().step_by(2).for_each(tokio::task::JoinHandle::abort);
        let mut dropped = 0;
        for (n, call) in calls.into_iter().enumerate() {
            match call.await {
                Ok(response) => assert_eq!(response.unwrap().status(), 200),
                Err(_) => {
                    assert_eq!(n % 2, 0);
                    dropped += 1;
                }
            }
        }
        assert!(dropped >= 20, "{dropped}");
        assert!(worst_second(&api, begun) <= 10, "{}", worst_second(&api, begun));
        assert_eq!((stack.limiter().snapshot().waiting, stack.signed_limiter().snapshot().waiting), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn no_burst_behind_a_clock_that_has_jumped() {
    for (skew, number) in [20, 50, 60].into_iter().flat_map(|n| [(3_600, n), (-3_600, n)]) {
        let api = fake();
        let ovh = signed(OvhStack::new()).layer().layer(far(&api));
        assert_eq!(ovh.clone().oneshot(get(format!("{BASE}/me"))).await.unwrap().status(), 200);
        advance(2 * MINUTE).await;
        api.set_skew(skew);
        let (mut calls, begun) = (JoinSet::new(), Instant::now());
        begin(&mut calls, &ovh, number, "/me");
        all(calls).await;
        let tally = api.tally();
        assert_eq!((tally.time_fetches, tally.out_of_time), (2, 10), "{number} calls");
        assert!(worst_second(&api, begun) <= 10, "{number} calls: {} in a second", worst_second(&api, begun));
    }
}

/// The token, or the time, does not come: by the end of their time the calls that waited for it have provably not been
/// sent, whatever is below.
#[tokio::test(start_paused = true)]
async fn a_post_that_waits_for_a_fetch_was_never_sent() {
    for (stack, path, number) in [
        (oauth2(OvhStack::new()), "/auth/oauth2/token", 1),
        (oauth2(OvhStack::new()), "/auth/oauth2/token", 30),
        (signed(OvhStack::new()), "/auth/time", 1),
        (signed(OvhStack::new()), "/auth/time", 30),
    ] {
        let posts = Arc::new(AtomicU32::new(0));
        let seen = Arc::clone(&posts);
        let server = service_fn(move |_: Request<Body>| {
            seen.fetch_add(1, Ordering::Relaxed);
            std::future::ready(Ok(Response::new(Body::from("{}"))))
        });
        let (server, _) = stalling(server, path);
        let ovh = stack.layer().layer(server);
        let mut calls = JoinSet::new();
        for _ in 0..number {
            calls.spawn(ovh.clone().oneshot(post(format!("{BASE}/order/cart/1/checkout"))));
        }
        for result in calls.join_all().await {
            let error = result.unwrap_err();
            assert!(OutcomeUnknown::of(&*error).is_none(), "{path}: {error}");
        }
        assert_eq!(posts.load(Ordering::Relaxed), 0);
    }
}

/// The same after a jump of the clock: what the server has seen of the calls it has refused.
#[tokio::test(start_paused = true)]
async fn a_post_that_waits_for_the_time_after_a_refusal_was_not_carried_out() {
    let api = fake();
    let (server, stalls) = stalling(far(&api), "/auth/time");
    stalls.store(false, Ordering::Relaxed);
    let ovh = signed(OvhStack::new()).layer().layer(server);
    assert_eq!(ovh.clone().oneshot(get(format!("{BASE}/me"))).await.unwrap().status(), 200);
    advance(2 * MINUTE).await;
    api.set_skew(-3_600);
    stalls.store(true, Ordering::Relaxed);
    let mut calls = JoinSet::new();
    for _ in 0..30 {
        calls.spawn(ovh.clone().oneshot(post(format!("{BASE}/order/cart/1/checkout"))));
    }
    for result in calls.join_all().await {
        if let Err(error) = result {
            assert!(OutcomeUnknown::of(&*error).is_none(), "{error}");
        }
    }
    assert_eq!(api.tally().out_of_time, 10);
    assert_eq!(api.orders().len(), 0);
}

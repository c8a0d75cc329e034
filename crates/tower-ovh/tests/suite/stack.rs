//! The stack, over the fake API in this process (on a paused clock) and over the fault server.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::common::{BASE, Body, connect_refused, get, oauth2, ok, post, quick_retry, signed, trusting};
use bytes::Bytes;
use fake_ovh::{APPLICATION_KEY, APPLICATION_SECRET, CONSUMER_KEY, FakeOvh};
use flaky_tls::{CutBy, CutPoint, FlakyTls, Scenario, Script};
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::StreamBody;
use ovh_auth::{ApplicationKeys, Config, Credentials, OAuth2Client, Secret};
use rate_limit::{Limiter, Quota, RateLimited};
use retry_on_tls_eof::{Attempt, CollectBodyLayer, Exhausted, OutcomeUnknown};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tower::{BoxError, Layer as _, Service, ServiceExt as _, service_fn};
use tower_ovh::{BodyTooLong, Ovh, OvhAttempt, OvhLayer, OvhStack};
use wire_fault::{Fault, QueryId};

const STOCK: &str =
    "https://eu.api.ovh.com/1.0/dedicated/server/datacenter/availabilities?planCode=24adv01-v3";

fn keys() -> Credentials {
    let keys = ApplicationKeys::new(APPLICATION_KEY, APPLICATION_SECRET).unwrap();
    Credentials::Application(keys.with_consumer_key(CONSUMER_KEY).unwrap())
}

fn config(credentials: Credentials) -> Config {
    Config::new("ovh-eu".parse().unwrap(), Some(credentials)).unwrap()
}

fn quick() -> OvhStack {
    OvhStack::new().with_retry(quick_retry())
}

async fn status<S>(service: S, request: Request<Body>) -> StatusCode
where
    S: Service<Request<Body>, Response = Response<Bytes>, Error = BoxError>,
{
    service.oneshot(request).await.unwrap().status()
}

fn me() -> Request<Body> {
    get(format!("{BASE}/me"))
}

fn cart() -> Request<Body> {
    let body = Body::from(r#"{"ovhSubsidiary":"FR"}"#);
    Request::post(format!("{BASE}/order/cart")).header("content-type", "application/json").body(body).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_hundred_first_calls_fetch_the_time_once_paced_and_counted() {
    let api = FakeOvh::new().with_skew(3_600);
    let stack = signed(OvhStack::new());
    let ovh = stack.layer().layer(api.router());
    let mut calls = JoinSet::new();
    for _ in 0..100 {
        calls.spawn(status(ovh.clone(), me()));
    }
    assert!(calls.join_all().await.iter().all(StatusCode::is_success));

    let (tally, snapshot) = (api.tally(), stack.stats().snapshot());
    assert_eq!((tally.time_fetches, tally.calls, tally.out_of_time), (1, 101, 0));
    assert_eq!((snapshot.calls.succeeded, snapshot.attempts.succeeded), (100, 101));
    assert!(tally.worst_second <= 10, "{}", tally.worst_second);
    // All of them wait for the one fetch, and none of them stood before it in the queue.
    let log = api.calls();
    assert_eq!(log[0].path, "/1.0/auth/time");
    // 60 a minute: of the signed ones, the 61st comes a window after the first.
    let times: Vec<_> = log[1..].iter().map(|call| call.at).collect();
    for window in times.windows(61) {
        assert!(window[60] - window[0] >= Duration::from_millis(59_000), "{:?}", window[60] - window[0]);
    }
    assert!(ovh.clock().unwrap().try_now().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_off_jumps_or_goes_back_costs_one_fetch_an_event() {
    for skew in [3_600, -3_600] {
        let api = FakeOvh::new().with_skew(skew);
        let stack = signed(OvhStack::new());
        let ovh = stack.layer().layer(api.router());
        let mut fetches = 0;
        for jump in [skew, 0, -7_200, 7_200, 90_000] {
            api.set_skew(jump);
            fetches += 1;
            for request in [cart(), me(), cart()] {
                assert_eq!(status(ovh.clone(), request).await, 200);
            }
            assert_eq!(api.tally().time_fetches, fetches, "skew {jump}");
        }
        // A POST that was rejected for its timestamp was repeated, and each cart was made once.
        assert_eq!(api.tally().out_of_time, fetches - 1);
        assert_eq!(api.carts().len() as u64, 2 * fetches);
        assert_eq!(stack.stats().snapshot().calls.failed, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn many_calls_that_fail_by_one_stale_time_cause_one_fetch() {
    let api = FakeOvh::new();
    let stack = signed(OvhStack::new());
    let ovh = stack.layer().layer(api.router());
    assert_eq!(status(ovh.clone(), me()).await, 200);
    api.set_skew(-3_600);
    let mut calls = JoinSet::new();
    for _ in 0..20 {
        calls.spawn(status(ovh.clone(), cart()));
    }
    assert!(calls.join_all().await.iter().all(|status| *status == 200));
    assert_eq!((api.tally().time_fetches, api.carts().len()), (2, 20));
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_fails_is_repeated_with_its_call() {
    let api = FakeOvh::new();
    api.fail_next("/auth/time", fake_ovh::Failure::Unavailable);
    let stack = signed(OvhStack::new());
    assert_eq!(status(stack.layer().layer(api.router()), cart()).await, 200);
    let snapshot = stack.stats().snapshot();
    assert_eq!((snapshot.calls.succeeded, snapshot.attempts.succeeded, snapshot.attempts.failed), (1, 2, 1));
}

/// Everybody waits for the fetch, so it has a limit to its last byte: it is cut off, and its call tries again.
#[tokio::test]
async fn a_fetch_that_stalls_in_its_body_or_is_cut_there() {
    for scenario in [Scenario::Stall(CutPoint::Body), Scenario::Cut { at: CutPoint::Body, by: CutBy::Fin }] {
        let api = FakeOvh::new();
        let script = Script::list([scenario], Scenario::Healthy);
        let server = FlakyTls::new().with_script(script).serve(api.router()).await.unwrap();
        let endpoint = format!("{}/1.0", server.url());
        let config = Config::new(endpoint.parse().unwrap(), Some(keys())).unwrap();
        let stack =
            quick().with_config(&config).unwrap().with_attempt_timeout(Duration::from_secs(1)).unwrap();
        let ovh = stack.layer().over_hyper_util().layer(trusting(&server).client());
        assert_eq!(status(ovh, post(format!("{endpoint}/order/cart"))).await, 400, "no subsidiary was named");
        let snapshot = stack.stats().snapshot();
        assert_eq!((snapshot.attempts.succeeded, snapshot.attempts.failed), (2, 1), "{scenario}");
        assert_eq!((api.tally().time_fetches, api.received(&http::Method::POST, "/order/cart")), (2, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn unsigned_calls_wait_for_no_clock_and_no_consumer() {
    let api = FakeOvh::new();
    let nobody = Limiter::new(Quota::per_minute(1).unwrap());
    nobody.try_acquire().unwrap();
    let stack = signed(OvhStack::new()).with_signed_limiter(nobody);
    let ovh = stack.layer().layer(api.router());
    let begun = Instant::now();
    for _ in 0..5 {
        assert_eq!(status(ovh.clone(), get(STOCK)).await, 200);
    }
    let mut catalogue = get(format!("{BASE}/order/cart"));
    catalogue.extensions_mut().insert(ovh_auth::Unsigned);
    ovh.oneshot(catalogue).await.unwrap();
    assert_eq!((api.tally().time_fetches, begun.elapsed()), (0, Duration::ZERO));
}

/// The first signed call finds 400 others in the limiter's queue, which is 42 s long. Its fetch waits there, and its attempt's 30 s
/// begin afterwards.
#[tokio::test(start_paused = true)]
async fn the_fetch_waits_its_turn_in_nobodys_time() {
    let api = FakeOvh::new();
    let stack = signed(OvhStack::new());
    let ovh = stack.layer().layer(api.router());
    let mut looks = JoinSet::new();
    for _ in 0..400 {
        looks.spawn(status(ovh.clone(), get(STOCK)));
    }
    tokio::task::yield_now().await;
    let begun = Instant::now();
    assert_eq!(status(ovh.clone(), me()).await, 200);
    assert!(begun.elapsed() > Duration::from_secs(40), "{:?}", begun.elapsed());
    looks.join_all().await;
    assert_eq!((api.tally().time_fetches, stack.stats().snapshot().attempts.failed), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_in_the_gate_leaves_nothing_behind() {
    let api = FakeOvh::new();
    let stack = signed(OvhStack::new());
    let ovh = stack.layer().layer(api.router());
    for waiting in [Duration::ZERO, Duration::from_millis(1)] {
        let busy: Vec<_> = std::iter::from_fn(|| stack.limiter().try_acquire().ok()).collect();
        assert!(!busy.is_empty());
        let call = tokio::time::timeout(waiting, ovh.clone().oneshot(me()));
        assert!(call.await.is_err());
        assert_eq!((stack.limiter().snapshot().waiting, stack.signed_limiter().snapshot().waiting), (0, 0));
        tokio::time::advance(Duration::from_secs(2)).await;
    }
    assert_eq!(api.tally().calls, 0);
    assert_eq!(status(ovh, me()).await, 200);
}

#[tokio::test(start_paused = true)]
async fn without_a_consumer_key_nothing_is_fetched_or_tried_again() {
    let api = FakeOvh::new();
    let keys = Credentials::Application(ApplicationKeys::new(APPLICATION_KEY, APPLICATION_SECRET).unwrap());
    let stack = OvhStack::new().with_config(&config(keys)).unwrap();
    let ovh = stack.layer().layer(api.router());
    let error = ovh.clone().oneshot(me()).await.unwrap_err();
    let error = error.downcast::<ovh_auth::AuthError>().unwrap();
    assert_eq!(error.kind(), ovh_auth::AuthErrorKind::NoConsumerKey);
    assert_eq!((api.tally().calls, stack.stats().snapshot().attempts.started), (0, 0));
    assert_eq!(status(ovh, get(STOCK)).await, 200);
}

#[tokio::test(start_paused = true)]
async fn oauth2_and_access_tokens() {
    let api =
        FakeOvh::new().with_oauth2_client("EU.id", "s3cret").unwrap().with_access_token("t0ken").unwrap();
    let client = Credentials::OAuth2(OAuth2Client::new("EU.id", "s3cret").unwrap());
    let token = Credentials::AccessToken(Secret::new("t0ken").unwrap());
    for (credentials, tokens) in [(client, 1), (token, 1)] {
        let stack = OvhStack::new().with_config(&config(credentials)).unwrap();
        let ovh = stack.layer().layer(api.router());
        assert!(ovh.clock().is_none());
        for _ in 0..3 {
            assert_eq!(status(ovh.clone(), me()).await, 200);
        }
        assert_eq!((api.tally().tokens, api.tally().time_fetches), (tokens, 0));
    }
}

/// Where every token is refused, the token endpoint is not asked with each call, and no call is repeated.
#[tokio::test(start_paused = true)]
async fn calls_that_are_all_refused_fetch_two_tokens() {
    let tokens = Arc::new(AtomicU32::new(0));
    let granted = Arc::clone(&tokens);
    let api = service_fn(move |request: Request<Body>| {
        let token = request.uri().path() == "/auth/oauth2/token";
        let granted = if token { granted.fetch_add(1, Ordering::Relaxed) } else { 0 };
        let body = format!(r#"{{"access_token":"t{granted}","token_type":"Bearer","expires_in":3599}}"#);
        let response = Response::builder().status(if token { 200 } else { 401 });
        std::future::ready(Ok::<_, Infallible>(response.body(Body::from(body)).unwrap()))
    });
    let stack = oauth2(OvhStack::new());
    let ovh = stack.layer().layer(api);
    for _ in 0..3 {
        let calls = (0..5).map(|_| status(ovh.clone(), cart()));
        assert!(futures_util::future::join_all(calls).await.iter().all(|status| *status == 401));
    }
    assert_eq!((tokens.load(Ordering::Relaxed), stack.stats().snapshot().attempts.started), (2, 15 + 2));
}

/// A transport whose bodies are cut the first `cuts` times.
fn cut_bodies(
    cuts: u32,
) -> impl Service<
    Request<Body>,
    Response = Response<impl http_body::Body<Data = Bytes, Error: Into<BoxError> + Send> + Send>,
    Error = Infallible,
    Future: Send,
> + Clone
+ Send {
    let calls = Arc::new(AtomicU32::new(0));
    service_fn(move |_: Request<Body>| {
        let cut = calls.fetch_add(1, Ordering::Relaxed) < cuts;
        let end = if cut {
            Err(io::Error::from(io::ErrorKind::UnexpectedEof))
        } else {
            Ok(Frame::data("def".into()))
        };
        let frames = [Ok(Frame::data(Bytes::from("abc"))), end];
        let stream = tokio_stream(frames);
        std::future::ready(Ok(Response::new(StreamBody::new(stream))))
    })
}

fn tokio_stream<T, const N: usize>(items: [T; N]) -> futures_util::stream::Iter<std::array::IntoIter<T, N>> {
    futures_util::stream::iter(items)
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_cut_heals_for_a_get_and_is_unknown_for_a_post() {
    let ovh = OvhStack::new().layer().layer(cut_bodies(2));
    let response = ovh.oneshot(get(STOCK)).await.unwrap();
    assert_eq!(response.body(), "abcdef");
    assert_eq!(response.extensions().get(), Some(&Attempt::FIRST.next().next()));

    let error = OvhStack::new().layer().layer(cut_bodies(3)).oneshot(get(STOCK)).await.unwrap_err();
    assert_eq!(Exhausted::of(&*error).unwrap().attempts(), 3);

    let error = OvhStack::new().layer().layer(cut_bodies(1)).oneshot(post(STOCK)).await.unwrap_err();
    assert_eq!(OutcomeUnknown::of(&*error).unwrap().attempts(), 1);
}

#[tokio::test]
async fn a_body_that_is_cut_on_the_wire() {
    for by in CutBy::ALL {
        let script = Script::list([Scenario::Cut { at: CutPoint::Body, by }], Scenario::Healthy);
        let server = FlakyTls::new().with_script(script).serve(service_fn(ok)).await.unwrap();
        let stack = quick();
        let ovh = stack.layer().over_hyper_util().layer(trusting(&server).client());
        assert_eq!(ovh.oneshot(get(server.url())).await.unwrap().body(), "ok");
        assert_eq!(stack.stats().snapshot().attempts.failed, 1, "{by:?}");
        assert_eq!(server.shutdown().await.total().received, 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_too_long_is_not_asked_for_again() {
    for (limit, fits) in [(6, true), (5, false), (3, false), (1, false)] {
        let stack = OvhStack::new().with_body_limit(limit).unwrap();
        let result = stack.layer().layer(cut_bodies(0)).oneshot(get(STOCK)).await;
        match result {
            Ok(response) => assert!(fits && response.body() == "abcdef", "{limit}"),
            Err(error) => {
                assert_eq!((BodyTooLong::of(&*error).unwrap().limit(), fits), (limit, false));
                assert_eq!(error.to_string(), format!("the response's body is longer than {limit} bytes"));
            }
        }
        assert_eq!(stack.stats().snapshot().attempts.started, 1);
    }
    // One that says so itself is not read at all. What the server calls the query is found by whoever looks for it.
    let api = service_fn(async |_: Request<Body>| {
        let response = Response::builder().header("x-ovh-queryid", "EU.ext-1.2");
        Ok::<_, Infallible>(response.body(Body::from("abcdef")).unwrap())
    });
    let stack = OvhStack::new().with_body_limit(5).unwrap();
    let error = stack.layer().layer(api).oneshot(get(STOCK)).await.unwrap_err();
    assert_eq!(error.downcast_ref::<BodyTooLong>().unwrap().query_id(), Some("EU.ext-1.2"));
    assert_eq!(QueryId::of(&*error), QueryId::new("EU.ext-1.2"));
}

/// The clock is paused, so it jumps to the limit once nobody has anything left to do.
#[tokio::test(start_paused = true)]
async fn a_stall_before_the_connection_is_unsent_only_where_that_is_known() {
    let stall = Script::list([Scenario::Stall(CutPoint::ClientHello)], Scenario::Healthy);
    for known in [true, false] {
        let server = FlakyTls::new().with_script(stall.clone()).serve(service_fn(ok)).await.unwrap();
        let connector = trusting(&server).with_connect_timeout(Duration::from_secs(60)).unwrap();
        let layer: OvhLayer<Body> = OvhStack::new().layer();
        let layer = if known { layer.over_hyper_util() } else { layer };
        let result = layer.layer(connector.client()).oneshot(post(server.url())).await;
        match result {
            Ok(response) => assert!(known && response.status() == 200),
            Err(error) => assert!(!known && OutcomeUnknown::of(&*error).is_some(), "{error:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_presets_do_what_they_say() {
    // A watcher's calls are spaced by 105 ms, and refused where they would wait for more than 10 s.
    let api = FakeOvh::new();
    let stack = OvhStack::watcher();
    let ovh = stack.layer().layer(api.router());
    let mut looks = JoinSet::new();
    for _ in 0..200 {
        looks.spawn(ovh.clone().oneshot(get(STOCK)));
    }
    let results = looks.join_all().await;
    let refused = results.iter().filter_map(|result| result.as_ref().err());
    assert!(refused.clone().all(|error| error.is::<RateLimited>()));
    assert_eq!((refused.count(), api.tally().calls), (104, 96));
    let times: Vec<_> = api.calls().iter().map(|call| call.at).collect();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= Duration::from_millis(105)));

    // A buyer makes six attempts, and its first failed call raises the alarm; a watcher makes three.
    for (stack, attempts, alarmed) in
        [(OvhStack::buyer(), 6, true), (OvhStack::watcher(), 3, false), (OvhStack::new(), 3, false)]
    {
        let down = service_fn(|_: Request<Body>| async { Err::<Response<Body>, _>(connect_refused()) });
        let error = stack.layer().layer(down).oneshot(post(BASE)).await.unwrap_err();
        assert_eq!(Exhausted::of(&*error).unwrap().attempts(), attempts);
        let calls = stack.stats().snapshot().calls;
        assert_eq!((calls.failed, calls.streak.alarmed), (1, alarmed));
    }

    // How long an answer is waited for.
    for (stack, seconds) in [(OvhStack::buyer(), 60), (OvhStack::watcher(), 10), (OvhStack::new(), 30)] {
        let silent =
            service_fn(|_: Request<Body>| std::future::pending::<Result<Response<Body>, Infallible>>());
        let begun = Instant::now();
        let error = stack.layer().layer(silent).oneshot(post(BASE)).await.unwrap_err();
        assert_eq!(begun.elapsed(), Duration::from_secs(seconds));
        assert!(Fault::of(&*error).may_have_landed());
    }
}

#[test]
fn settings_out_of_range_are_refused() {
    for bytes in [0, CollectBodyLayer::MAX + 1] {
        assert!(OvhStack::new().with_body_limit(bytes).is_err());
    }
    for time in [Duration::ZERO, Duration::from_secs(3601)] {
        assert!(OvhStack::new().with_attempt_timeout(time).is_err());
    }
}

#[test]
fn everything_is_send_sync_and_clone() {
    fn all<T: Clone + Send + Sync + 'static>() {}
    fn future<S>()
    where
        S: Service<Request<Body>, Future: Send>,
    {
    }
    type Over = tower_test::mock::Mock<Request<Body>, Response<Body>>;
    all::<OvhStack>();
    all::<OvhLayer<Body>>();
    all::<Ovh<OvhAttempt<Over>>>();
    all::<Ovh<OvhAttempt<tower_ovh::HyperClient<Body>>>>();
    all::<Ovh<OvhAttempt<tower_ovh::ReqwestTransport>>>();
    all::<tower_ovh::OvhClient>();
    all::<tower_ovh::Connector>();
    future::<Ovh<OvhAttempt<Over>>>();
    future::<Ovh<OvhAttempt<tower_ovh::HyperClient<Body>>>>();
    future::<Ovh<OvhAttempt<tower_ovh::ReqwestTransport>>>();
}

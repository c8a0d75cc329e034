//! What is signed, what is not, what is refused, and what follows a rejected timestamp.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use crate::common::{AK, Api, Body, endpoint, get, header, keys, text};
use bytes::Bytes;
use futures_util::stream;
use http::{Method, Request, Response};
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use ovh_auth::{ApplicationKeys, AuthError, AuthErrorKind, ServerClock, SignLayer, Unsigned};
use tokio_test::{assert_pending, assert_ready, assert_ready_ok, task};
use tower::limit::ConcurrencyLimitLayer;
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_test::mock;
use wire_fault::{AsFault, Unprocessed, Verdict};

const HOUR: i64 = 3_600;

/// Repeats what was not processed, once, as the retry of the recommended stack does.
async fn repeated<S, R>(service: &S, request: &Request<Body>) -> Response<R>
where
    S: Service<Request<Body>, Response = Response<R>, Error = BoxError> + Clone,
{
    let first = service.clone().oneshot(copy(request)).await.unwrap();
    match first.extensions().get::<Unprocessed>() {
        Some(_) => service.clone().oneshot(copy(request)).await.unwrap(),
        None => first,
    }
}

fn copy(request: &Request<Body>) -> Request<Body> {
    let mut copy = Request::new(request.body().clone());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    copy
}

fn post(path: &str, body: &'static str) -> Request<Body> {
    let url = endpoint().url(path).unwrap();
    Request::post(url).body(Full::from(body)).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_signed_call_is_accepted_whatever_the_skew() {
    // The local wall clock has no part in it, so an hour off is no more than a number.
    let wall = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    for skew in [0, HOUR, -HOUR] {
        let api = Api::new(wall.checked_add_signed(skew).unwrap());
        let service = api.signed();
        for request in [
            get("/me"),
            post("/order/cart", r#"{"ovhSubsidiary":"FR","description":"grüße"}"#),
            post("/x", ""),
        ] {
            let response = service.clone().oneshot(request).await.unwrap();
            assert!(response.extensions().get::<Unprocessed>().is_none());
            assert_eq!(text(response).await, "signed");
            tokio::time::advance(Duration::from_secs(86_400)).await;
        }
        assert_eq!(api.fetches(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_hundred_concurrent_first_calls_fetch_the_time_once() {
    let api = Api::new(1_000_000).with_latency(Duration::from_secs(1));
    let service = api.signed();
    let calls: Vec<_> = (0..100).map(|_| tokio::spawn(service.clone().oneshot(get("/me")))).collect();
    for call in calls {
        assert_eq!(text(call.await.unwrap().unwrap()).await, "signed");
    }
    assert_eq!((api.fetches(), api.seen().len()), (1, 101));
}

/// The time that was had above is signed by, reckoned up to now, though the clock has been found wrong meanwhile.
#[tokio::test(start_paused = true)]
async fn a_call_that_brings_its_time_waits_for_no_other() {
    let api = Api::new(1_000_000);
    let clock = api.clock();
    assert!(clock.try_ready().is_none());
    let mut request = get("/me");
    let basis = clock.ready().await.unwrap();
    assert_eq!(format!("{basis:?}"), "Basis(time)");
    request.extensions_mut().insert(basis);
    clock.invalidate(clock.try_now().unwrap());
    assert!(clock.try_ready().is_none());
    tokio::time::advance(Duration::from_secs(86_400)).await;
    let service = SignLayer::new(endpoint(), keys(), clock.clone()).layer(api.clone());
    assert_eq!(text(service.clone().oneshot(request).await.unwrap()).await, "signed");
    assert_eq!((api.fetches(), clock.try_now()), (1, None));

    // A token is no time.
    let mut request = get("/me");
    let token = ovh_auth::Secret::new("given.one").unwrap();
    request.extensions_mut().insert(ovh_auth::Tokens::given(&token).try_ready().unwrap());
    assert_eq!(text(service.oneshot(request).await.unwrap()).await, "signed");
    assert_eq!(api.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn each_jump_of_the_servers_clock_costs_one_fetch_and_no_call() {
    let api = Api::new(1_000_000).with_latency(Duration::from_millis(100));
    let service = api.signed();
    assert_eq!(text(repeated(&service, &get("/me")).await).await, "signed");
    assert_eq!(api.fetches(), 1);

    // Backwards and forwards; also what a suspended machine looks like, whose clock stood still meanwhile.
    for (event, jump) in [-HOUR, HOUR, 8 * 60, -10 * 60].into_iter().enumerate() {
        api.step(jump);
        let request = Arc::new(post("/order/cart/1/checkout", "{}"));
        let calls: Vec<_> = (0..100)
            .map(|n| {
                let (service, request) = (service.clone(), request.clone());
                tokio::spawn(async move {
                    // Some come while the first are being rejected, or while the time is being fetched.
                    tokio::time::sleep(Duration::from_millis(n * 3)).await;
                    text(repeated(&service, &request).await).await
                })
            })
            .collect();
        for call in calls {
            assert_eq!(call.await.unwrap(), "signed");
        }
        assert_eq!(api.fetches(), event + 2, "after a jump of {jump} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rejected_timestamp_is_marked_and_the_answer_handed_on() {
    let api = Api::new(1_000_000);
    let service = api.signed();
    service.clone().oneshot(get("/me")).await.unwrap();
    api.step(HOUR);
    let response = service.clone().oneshot(post("/order/cart", "{}")).await.unwrap();
    assert_eq!(response.status(), 400);
    assert_eq!(response.extensions().get(), Some(&Unprocessed));
    let body = response.body();
    assert_eq!(http_body::Body::size_hint(body).exact(), Some(74));
    assert!(!http_body::Body::is_end_stream(body));
    let text = text(response).await;
    assert_eq!(text, r#"{"errorCode":"QUERY_TIME_OUT","httpCode":"400 Bad Request","message":"no"}"#);
    // Nothing is fetched before somebody asks for it.
    assert_eq!(api.fetches(), 1);
}

/// A layer over a service that answers each call with this.
async fn answered<B>(response: Response<B>) -> Response<ovh_auth::ResponseBody<B>>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: std::fmt::Debug,
{
    let clock = Api::new(1_000_000).clock();
    let response = Arc::new(std::sync::Mutex::new(Some(response)));
    let inner = service_fn(move |_: Request<Body>| {
        let response = response.lock().unwrap().take().unwrap();
        async move { Ok::<_, BoxError>(response) }
    });
    SignLayer::new(endpoint(), keys(), clock).layer(inner).oneshot(get("/me")).await.unwrap()
}

fn bad_request(content_type: Option<&str>) -> http::response::Builder {
    let builder = Response::builder().status(400);
    match content_type {
        Some(kind) => builder.header("content-type", kind),
        None => builder,
    }
}

#[tokio::test(start_paused = true)]
async fn only_what_says_query_time_out_is_marked() {
    let code = r#"{"errorCode":"QUERY_TIME_OUT"}"#;
    let json = Some("application/json");
    let long = format!(r#"{{"errorCode":"QUERY_TIME_OUT","message":"{}"}}"#, "x".repeat(5_000));
    for (expected, status, kind, body) in [
        (true, 400, json, code),
        (true, 400, Some("application/json; charset=utf-8"), code),
        (true, 400, None, code),
        (false, 400, Some("text/html"), code),
        (false, 401, json, code),
        (false, 403, json, code),
        (false, 200, json, code),
        (false, 400, json, r#"{"errorCode":"INVALID_PARAMETER","message":"QUERY_TIME_OUT"}"#),
        (false, 400, json, ""),
        (false, 400, json, &long),
        (false, 400, None, &long),
    ] {
        let response = bad_request(kind).status(status).body(Full::from(body.to_owned())).unwrap();
        let response = answered(response).await;
        assert_eq!(
            response.extensions().get::<Unprocessed>().is_some(),
            expected,
            "{status} {kind:?} {body:.60}"
        );
        assert_eq!(response.status(), status);
        assert_eq!(text(response).await, body);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_was_looked_into_is_handed_on_frame_by_frame() {
    type Frames = Vec<Result<Frame<Bytes>, io::Error>>;
    let data = |text: &str| Ok(Frame::data(Bytes::copy_from_slice(text.as_bytes())));
    let trailers = || {
        Ok(Frame::trailers(http::HeaderMap::from_iter([("x-end".parse().unwrap(), "1".parse().unwrap())])))
    };
    let cut = || Err(io::Error::from(io::ErrorKind::UnexpectedEof));
    let big = "x".repeat(3_000);
    let cases: Vec<(bool, Frames, Frames)> = vec![
        (
            true,
            vec![data(r#"{"errorCode":"QUERY_"#), data(r#"TIME_OUT"}"#), trailers()],
            vec![data(r#"{"errorCode":"QUERY_"#), data(r#"TIME_OUT"}"#), trailers()],
        ),
        (false, vec![data(r#"{"errorCode":"QUERY_"#), cut()], vec![data(r#"{"errorCode":"QUERY_"#), cut()]),
        (false, vec![cut()], vec![cut()]),
        (false, vec![], vec![]),
        (
            false,
            vec![data(&big), data(&big), data("end"), cut()],
            vec![data(&big), data(&big), data("end"), cut()],
        ),
    ];
    for (n, (marked, sent, expected)) in cases.into_iter().enumerate() {
        let body = StreamBody::new(stream::iter(sent));
        let response = answered(bad_request(Some("application/json")).body(body).unwrap()).await;
        assert_eq!(response.extensions().get::<Unprocessed>().is_some(), marked, "case {n}");
        let mut body = response.into_body();
        let mut got: Frames = vec![];
        while let Some(frame) = body.frame().await {
            got.push(frame);
        }
        assert_eq!(format!("{got:?}"), format!("{expected:?}"), "case {n}");
    }
}

#[tokio::test(start_paused = true)]
async fn public_calls_and_unsigned_ones_pass_as_they_are() {
    let api = Api::new(1_000_000);
    let layer = SignLayer::new(endpoint(), keys(), api.clock());
    let service = layer.layer(api.clone());
    let plain = [
        get("/auth/time"),
        get("/v1/auth/time"),
        get("/dedicated/server/datacenter/availabilities?planCode=24adv01-v3&datacenters=gra,rbx"),
        get("/order/catalog/public/eco?ovhSubsidiary=FR"),
        {
            let mut request = post("/order/cart", "{}");
            request.extensions_mut().insert(Unsigned);
            request
        },
        Request::get("http://example.com/anything").extension(Unsigned).body(Body::default()).unwrap(),
        Request::get("/relative").extension(Unsigned).body(Body::default()).unwrap(),
    ];
    for (n, request) in plain.into_iter().enumerate() {
        assert!(!layer.check(&request).unwrap());
        service.clone().oneshot(request).await.unwrap();
        let seen = api.seen();
        assert_eq!(seen.len(), n + 1);
        assert!(seen[n].headers.is_empty(), "{:?}", seen[n]);
    }
    let named = post("/auth/credential", "{}");
    assert!(!layer.check(&named).unwrap());
    service.clone().oneshot(named).await.unwrap();
    let seen = api.seen().pop().unwrap();
    assert_eq!((seen.headers.len(), header(&seen.headers, "x-ovh-application")), (1, Some(AK)));
    assert!(seen.headers["x-ovh-application"].is_sensitive());
    // Only the two that asked for it by name.
    assert_eq!(api.fetches(), 2);

    // Their neighbours are signed.
    for request in [
        post("/auth/time", ""),
        get("/auth/credential"),
        post("/dedicated/server/datacenter/availabilities", ""),
        get("/dedicated/server/datacenter/availabilities/raw"),
        get("/order/catalog/formatted/eco"),
        get("/v2/order/catalog/public/eco"),
        get("/me/order/catalog/public/eco"),
    ] {
        let url = request.uri().clone();
        assert!(layer.check(&request).unwrap(), "{url}");
        let response = service.clone().oneshot(request).await.unwrap();
        let posted_time = url.path().ends_with("/auth/time");
        assert!(posted_time || text(response).await == "signed", "{url}");
        let seen = api.seen().into_iter().rev().find(|seen| seen.url == url.to_string()).unwrap();
        for name in ["x-ovh-application", "x-ovh-consumer", "x-ovh-signature"] {
            assert!(seen.headers[name].is_sensitive(), "{url}: {name}");
        }
    }
}

#[track_caller]
fn kind(error: &BoxError) -> AuthErrorKind {
    let error = error.downcast_ref::<AuthError>().unwrap();
    let fault = error.as_fault();
    assert!(!fault.may_have_landed() && !fault.may_repeat(true), "{fault}");
    assert_eq!(Verdict::of(error), Some(Verdict::RefusedLocally));
    error.kind()
}

#[tokio::test(start_paused = true)]
async fn nothing_leaves_the_endpoint() {
    let api = Api::new(1_000_000);
    let layer = SignLayer::new(endpoint(), keys(), api.clock());
    let service = layer.layer(api.clone());
    for url in [
        "https://example.com/1.0/me",
        "http://eu.api.ovh.com/1.0/me",
        "https://eu.api.ovh.com:444/1.0/me",
        "https://eu.api.ovh.com:443/1.0/me",
        "https://EU.api.ovh.com/1.0/me",
        "https://user:hunter2@eu.api.ovh.com/1.0/me",
        "https://eu.api.ovh.com.example.com/1.0/me",
        "https://eu.api.ovh.com/1.00/me",
        "https://eu.api.ovh.com/1.0",
        "https://eu.api.ovh.com/me",
        "https://eu.api.ovh.com/v3/me",
        "https://ca.api.ovh.com/1.0/auth/time",
        "/1.0/me",
        "/auth/time",
    ] {
        let request = Request::get(format!("{url}?token=hunter2")).body(Body::default()).unwrap();
        assert_eq!(layer.check(&request).unwrap_err().kind(), AuthErrorKind::Foreign);
        let error = service.clone().oneshot(request).await.unwrap_err();
        assert_eq!(kind(&error), AuthErrorKind::Foreign);
        let shown = url.replace("user:hunter2@", "");
        assert_eq!(
            error.to_string(),
            format!(
                "GET {shown} is outside the endpoint ovh-eu (https://eu.api.ovh.com/1.0), so it was neither \
                 authenticated nor sent; an `Unsigned` request is sent as it is"
            )
        );
    }
    assert!(api.seen().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_cant_be_signed_is_refused_before_anything_is_fetched() {
    let api = Api::new(1_000_000);
    let lone = SignLayer::new(endpoint(), ApplicationKeys::new("a", "b").unwrap(), api.clock());
    assert_eq!(lone.check(&get("/me")).unwrap_err().kind(), AuthErrorKind::NoConsumerKey);
    let error = lone.layer(api.clone()).oneshot(get("/me?x=1")).await.unwrap_err();
    assert_eq!(kind(&error), AuthErrorKind::NoConsumerKey);
    assert_eq!(
        error.to_string(),
        "GET https://eu.api.ovh.com/1.0/me can't be signed: there is no consumer key"
    );

    let clock = api.clock();
    let inner = service_fn(|_: Request<BoxBody<Bytes, io::Error>>| async {
        Ok::<_, io::Error>(Response::new(Body::from("sent")))
    });
    let layer = SignLayer::new(endpoint(), keys(), clock.clone());
    let service = layer.layer(inner);
    let streaming = |request: Request<Body>| {
        request.map(|body| {
            let frames = [Ok(Frame::data(Bytes::from(text_of(&body))))];
            BoxBody::new(StreamBody::new(stream::iter(frames)))
        })
    };
    for fetched in [false, true] {
        assert_eq!(clock.try_now().is_some(), fetched);
        let refused = layer.check(&streaming(post("/me", "{}"))).unwrap_err();
        assert_eq!(refused.kind(), AuthErrorKind::StreamingBody);
        let error = service.clone().oneshot(streaming(post("/me", "{}"))).await.unwrap_err();
        assert_eq!(kind(&error), AuthErrorKind::StreamingBody);
        assert_eq!(
            error.to_string(),
            "POST https://eu.api.ovh.com/1.0/me can't be signed: the bytes of its body are not known before it is sent"
        );
        clock.now().await.unwrap();
    }
    // Unsigned, a stream is fine.
    let mut request = streaming(post("/me", "{}"));
    request.extensions_mut().insert(Unsigned);
    assert_eq!(text(service.oneshot(request).await.unwrap()).await, "sent");
}

fn text_of(body: &Body) -> Vec<u8> {
    use ovh_auth::SignableBody;

    body.signable().unwrap().to_vec()
}

#[tokio::test(start_paused = true)]
async fn the_time_is_fetched_past_a_limit_that_call_and_fetch_share() {
    let api = Api::new(1_000_000).with_latency(Duration::from_secs(1));
    let transport = ConcurrencyLimitLayer::new(1).layer(api.clone());
    let clock = ServerClock::new(&endpoint(), transport.clone());
    let mut service = SignLayer::new(endpoint(), keys(), clock).layer(transport);
    // The service that was made ready is kept: it must not hold the only permit while the time is fetched.
    let call = service.ready().await.unwrap().call(get("/me"));
    let response = tokio::time::timeout(Duration::from_secs(10), call).await.unwrap().unwrap();
    assert_eq!(text(response).await, "signed");
}

#[tokio::test(start_paused = true)]
async fn the_signature_is_made_when_the_service_below_is_ready() {
    let api = Api::new(1_000_000);
    let clock = api.clock();
    let (inner, mut handle) = mock::pair::<Request<Body>, Response<Body>>();
    let mut service = mock::Spawn::new(SignLayer::new(endpoint(), keys(), clock).layer(inner));
    assert_ready_ok!(service.poll_ready());
    handle.allow(0);
    let mut call = task::spawn(service.call(get("/me")));
    assert_pending!(call.poll());
    assert_eq!(api.fetches(), 1);
    // The time is here, the service is busy for five minutes.
    tokio::time::advance(Duration::from_secs(300)).await;
    handle.allow(1);
    assert!(call.is_woken());
    assert_pending!(call.poll());
    let (request, _answer) = assert_ready!(task::spawn(handle.next_request()).poll()).unwrap();
    assert_eq!(header(request.headers(), "x-ovh-timestamp"), Some("1000300"));
}

#[tokio::test(start_paused = true)]
async fn a_failed_fetch_fails_the_call_and_the_next_tries_again() {
    let api = Api::new(1_000_000);
    api.answer_time(Err(io::Error::new(io::ErrorKind::UnexpectedEof, "tls handshake eof").into()));
    let service = api.signed();
    let error = service.clone().oneshot(post("/order/cart", "{}")).await.unwrap_err();
    let fault = error.as_fault();
    assert!(fault.is_tls_eof() && fault.may_repeat(false), "{fault}");
    assert_eq!(error.downcast_ref::<AuthError>().unwrap().kind(), AuthErrorKind::ServerTime);
    assert_eq!(api.seen().len(), 1);
    assert_eq!(text(service.oneshot(post("/order/cart", "{}")).await.unwrap()).await, "signed");
}

#[tokio::test(start_paused = true)]
async fn errors_and_readiness_of_the_service_below_pass_untouched() {
    let clock = Api::new(1_000_000).clock();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let inner = service_fn(move |_: Request<Body>| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { Err::<Response<Body>, _>(io::Error::from(io::ErrorKind::ConnectionReset)) }
    });
    let service = SignLayer::new(endpoint(), keys(), clock).layer(inner);
    for _ in 0..2 {
        let error = service.clone().oneshot(get("/me")).await.unwrap_err();
        assert_eq!(error.downcast_ref::<io::Error>().unwrap().kind(), io::ErrorKind::ConnectionReset);
    }
    assert_eq!(calls.load(Ordering::Relaxed), 2);

    let (inner, mut handle) = mock::pair::<Request<Body>, Response<Body>>();
    let mut service = mock::Spawn::new(SignLayer::new(endpoint(), keys(), Api::new(1).clock()).layer(inner));
    handle.allow(0);
    assert_pending!(service.poll_ready());
    handle.send_error("closed");
    assert!(matches!(service.poll_ready(), Poll::Ready(Err(_))));
}

#[tokio::test(start_paused = true)]
async fn an_old_signature_is_replaced() {
    let api = Api::new(1_000_000);
    let service = ServiceBuilder::new()
        .layer(SignLayer::new(endpoint(), keys(), api.clock()))
        .layer(SignLayer::new(endpoint(), keys(), api.clock()))
        .service(api.clone());
    let mut request = get("/me");
    *request.method_mut() = Method::DELETE;
    assert_eq!(text(service.oneshot(request).await.unwrap()).await, "signed");
}

#[test]
fn everything_can_be_sent_and_shared() {
    fn shared<T: Send + Sync + Clone + 'static>() {}
    fn sent<T: Send + 'static>(_: &T) {}

    shared::<ServerClock>();
    shared::<SignLayer>();
    shared::<ovh_auth::BearerLayer>();
    shared::<ovh_auth::Tokens>();
    shared::<ovh_auth::Config>();
    shared::<ovh_auth::Sources>();
    shared::<ovh_auth::Credentials>();
    let api = tokio_test::block_on(async { Api::new(1) });
    let service = api.signed();
    sent(&service.clone());
    sent(&service.oneshot(get("/me")));
}

//! The server's side: in an axum router, over tonic's bodies, behind proxies.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::task::Poll;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::routing::get;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt;
use proptest::collection::vec;
use proptest::prelude::*;
use rate_limit::server::{Client, InvalidName, Proxies, client, peer};
use rate_limit::{KeyedLimiter, Limiter, Quota, Quotas, RateLimitLayer, header};
use tokio::time::{advance, sleep};
use tokio_test::{assert_ready_ok, task};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::common::{ms, per_second};

fn request() -> Request<Body> {
    Request::new(Body::empty())
}

fn from(address: &str) -> Request<Body> {
    let mut request = request();
    let address: SocketAddr = address.parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(address));
    request
}

#[track_caller]
fn fields<B>(response: &Response<B>) -> [Option<&str>; 3] {
    ["retry-after", "ratelimit-policy", "ratelimit"]
        .map(|name| response.headers().get(name).map(|value| value.to_str().unwrap()))
}

#[tokio::test(start_paused = true)]
async fn an_axum_router_answers_429_with_the_fields() {
    let layer = RateLimitLayer::new(Quota::per_second(2).unwrap()).rejecting();
    let app: Router = Router::new().route("/", get(|| async { "hello" })).layer(layer);
    let first = app.clone().oneshot(request()).await.unwrap();
    assert_eq!(first.status(), StatusCode::OK);
    assert_eq!(fields(&first), [None, Some("\"default\";q=2;w=1"), Some("\"default\";r=1;t=1")]);
    assert_eq!(first.into_body().collect().await.unwrap().to_bytes(), "hello");
    advance(ms(400)).await;
    let second = app.clone().oneshot(request()).await.unwrap();
    assert_eq!(fields(&second)[2], Some("\"default\";r=0;t=1"));

    let refused = app.clone().oneshot(request()).await.unwrap();
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    // 600 ms, rounded up.
    assert_eq!(fields(&refused), [Some("1"), Some("\"default\";q=2;w=1"), Some("\"default\";r=0;t=1")]);
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
    let length = refused.headers()["content-length"].clone();
    let body = refused.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(length, body.len().to_string());
    let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(problem["type"], "https://iana.org/assignments/http-problem-types#quota-exceeded");
    assert_eq!((&problem["status"], &problem["violated-policies"][0]), (&429.into(), &"default".into()));

    sleep(ms(600)).await;
    assert_eq!(app.oneshot(request()).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn waits_are_rounded_up_and_several_quotas_are_told() {
    let quotas = Quotas::new([
        Quota::new(5, ms(2500)).unwrap().spaced(),
        Quota::per_minute(1).unwrap().with_guard(ms(50)).unwrap(),
    ]);
    let layer = RateLimitLayer::new(quotas.unwrap()).rejecting().with_name("calls").unwrap();
    let ok = service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(Body::empty())) });
    let service = layer.layer(ok);
    service.clone().oneshot(Request::new(())).await.unwrap();
    let refused = service.clone().oneshot(Request::new(())).await.unwrap();
    assert_eq!(
        fields(&refused),
        [
            Some("61"),
            Some("\"calls\";q=1;w=60, \"calls-2\";q=5"),
            Some("\"calls\";r=0;t=61, \"calls-2\";r=0;t=1")
        ]
    );
    let quiet = layer.only_when_refused().layer(ok);
    assert_eq!(fields(&quiet.clone().oneshot(Request::new(())).await.unwrap())[0], Some("61"));
    advance(ms(60_050)).await;
    assert_eq!(fields(&quiet.oneshot(Request::new(())).await.unwrap()), [None; 3]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_names_the_policies_that_it_is_because_of() {
    let quotas = Quota::per_second(1).unwrap().and(Quota::per_minute(2).unwrap()).unwrap();
    let layer = RateLimitLayer::new(quotas).rejecting();
    let service =
        layer.layer(service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(Body::empty())) }));
    let violated = async || {
        let response = service.clone().oneshot(Request::new(())).await.unwrap();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice::<serde_json::Value>(&body).unwrap()["violated-policies"].to_string()
    };
    service.clone().oneshot(Request::new(())).await.unwrap();
    assert_eq!(violated().await, r#"["default"]"#);
    sleep(ms(1000)).await;
    service.clone().oneshot(Request::new(())).await.unwrap();
    assert_eq!(violated().await, r#"["default","default-2"]"#);
    sleep(ms(1000)).await;
    assert_eq!(violated().await, r#"["default-2"]"#);
}

#[tokio::test(start_paused = true)]
async fn readiness_burns_nothing_and_costs_above_the_quota_are_never_served() {
    let limiter = per_second(3);
    let layer = RateLimitLayer::from(limiter.clone())
        .with_cost(|request: &Request<()>| request.uri().path().len() as u32)
        .rejecting();
    let mut service =
        layer.layer(service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(Body::empty())) }));
    for _ in 0..10 {
        service.ready().await.unwrap();
    }
    assert_eq!(limiter.snapshot().available, 3);
    let get = |path: &str| Request::builder().uri(path).body(()).unwrap();
    assert_eq!(service.call(get("/a")).await.unwrap().status(), StatusCode::OK);
    assert_eq!(limiter.snapshot().available, 1);
    let refused = service.call(get("/abc")).await.unwrap();
    assert_eq!((refused.status(), fields(&refused)[0]), (StatusCode::TOO_MANY_REQUESTS, None));
}

#[tokio::test(start_paused = true)]
async fn a_paused_limiter_says_when_it_goes_on() {
    let limiter = per_second(3);
    let layer = RateLimitLayer::from(limiter.clone()).rejecting();
    let service =
        layer.layer(service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(Body::empty())) }));
    limiter.pause(ms(4500), ms(10_000));
    let refused = service.oneshot(Request::new(())).await.unwrap();
    assert_eq!(fields(&refused), [Some("5"), Some("\"default\";q=3;w=1"), Some("\"default\";r=0;t=5")]);
}

#[tokio::test(start_paused = true)]
async fn each_client_has_a_quota_and_a_network_is_one_client() {
    let limiter = KeyedLimiter::new(Quota::per_second(1).unwrap(), 100).unwrap();
    let key = peer(|ConnectInfo(address): &ConnectInfo<SocketAddr>| address.ip());
    let app: Router = Router::new()
        .route("/", get(|| async { "hello" }))
        .layer(RateLimitLayer::keyed(limiter.clone(), key).rejecting());
    let mut statuses = vec![];
    for address in [
        "192.0.2.1:1",
        "192.0.2.1:2",
        "[::ffff:192.0.2.1]:3",
        "192.0.2.2:1",
        "[2001:db8::1]:1",
        "[2001:db8::2]:1",
        "[2001:db8:0:1::1]:1",
    ] {
        statuses.push(app.clone().oneshot(from(address)).await.unwrap().status().as_u16());
    }
    assert_eq!(statuses, [200, 429, 429, 200, 200, 429, 200]);
    // All whose address is not known are one.
    assert_eq!(app.clone().oneshot(request()).await.unwrap().status(), 200);
    assert_eq!(app.oneshot(request()).await.unwrap().status(), 429);
    assert_eq!(limiter.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn over_the_bodies_of_tonic() {
    type Body = tonic::body::Body;
    let layer = RateLimitLayer::new(Quota::per_second(1).unwrap()).rejecting();
    let grpc = service_fn(|_: Request<Body>| async { Ok::<_, Infallible>(Response::new(Body::empty())) });
    // What tonic's server asks of a layer's service.
    fn served<S, B>(service: S) -> S
    where
        S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send,
        B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
        B::Error: Into<rate_limit::BoxError>,
    {
        service
    }
    let service = served(layer.layer(grpc));
    let mut statuses = vec![];
    for _ in 0..2 {
        let response = service.clone().oneshot(Request::new(Body::empty())).await.unwrap();
        statuses.push(response.status().as_u16());
        drop(Body::new(response.into_body()));
    }
    assert_eq!(statuses, [200, 429]);
}

#[tokio::test(start_paused = true)]
async fn when_all_keys_are_in_use_the_answer_is_429_too() {
    let limiter = KeyedLimiter::new(Quota::per_second(1).unwrap(), 1).unwrap();
    let key = header(http::HeaderName::from_static("x-key"));
    let layer = RateLimitLayer::keyed(limiter.clone(), key).rejecting();
    let ok = service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(Body::empty())) });
    let held: Limiter = limiter.limiter(None).unwrap();
    let request = Request::builder().header("x-key", "a").body(()).unwrap();
    let refused = layer.layer(ok).oneshot(request).await.unwrap();
    assert_eq!((refused.status().as_u16(), fields(&refused)), (429, [Some("1"), None, None]));
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn a_key_is_in_use_until_its_call_is_answered() {
    let limiter = KeyedLimiter::new(Quota::per_second(1).unwrap(), 1).unwrap();
    let key = |request: &Request<u32>| *request.body();
    let slow = service_fn(|_: Request<u32>| async {
        sleep(ms(1)).await;
        Ok::<_, Infallible>(Response::new(Body::empty()))
    });
    let mut service = RateLimitLayer::keyed(limiter.clone(), key).rejecting().layer(slow);
    let mut call = |key| task::spawn(service.call(Request::new(key)));
    // One that is served, and one that is refused.
    for status in [StatusCode::OK, StatusCode::TOO_MANY_REQUESTS] {
        let mut first = call(1);
        let other = assert_ready_ok!(call(2).poll());
        assert_eq!((other.status().as_u16(), fields(&other)), (429, [Some("1"), None, None]));
        assert_eq!(assert_ready_ok!(call(1).poll()).status(), StatusCode::TOO_MANY_REQUESTS);
        let answer = loop {
            match first.poll() {
                Poll::Ready(answer) => break answer.unwrap(),
                Poll::Pending => advance(ms(1)).await,
            }
        };
        assert_eq!(answer.status(), status);
    }
    // Or dropped.
    let begun = call(1);
    assert!(limiter.try_acquire(2).is_err());
    drop(begun);
    limiter.try_acquire(2).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_quota_that_has_nothing_free_says_when_it_has() {
    let limiter = per_second(10);
    limiter.try_acquire_many(10).unwrap();
    // The window of the quota before holds it up, and not the interval.
    limiter.set_quotas(Quota::per_second(10).unwrap().spaced()).unwrap();
    advance(ms(150)).await;
    let ok = service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(Body::empty())) });
    let refused =
        RateLimitLayer::from(limiter).rejecting().layer(ok).oneshot(Request::new(())).await.unwrap();
    assert_eq!(fields(&refused), [Some("1"), Some("\"default\";q=10;w=1"), Some("\"default\";r=0;t=1")]);
}

#[test]
fn names_and_proxies_are_checked() {
    let layer = RateLimitLayer::new(Quota::per_second(1).unwrap()).rejecting();
    let long = "a".repeat(65);
    for name in ["", "a b", "\"", "é", "a\n", &long] {
        let refused: InvalidName = layer.clone().with_name(name).unwrap_err();
        assert!(refused.to_string().starts_with(&format!("{name:?} can't name a policy")), "{refused}");
    }
    layer.with_name("per-second_1.a").unwrap();
    for proxy in ["", "10.0.0.0/33", "localhost", "10.0.0.1:80"] {
        let refused = Proxies::forwarded([proxy]).unwrap_err();
        assert!(refused.to_string().starts_with(&format!("{proxy:?} is no proxy")), "{refused}");
    }
}

#[test]
fn a_proxy_is_the_same_however_its_address_is_written() {
    for (proxy, ours, others) in [
        ("::ffff:10.0.0.1", "10.0.0.1", "10.0.0.2"),
        ("::ffff:a00:1", "10.0.0.1", "10.0.0.2"),
        ("::ffff:10.0.0.0/104", "10.255.0.1", "11.0.0.1"),
        ("::ffff:10.0.0.7/128", "10.0.0.7", "10.0.0.6"),
        ("::ffff:0:0/96", "192.0.2.1", "2001:db8::1"),
        ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
        // Larger than all of IPv4, and so of IPv6.
        ("::/0", "2001:db8::1", "10.0.0.1"),
    ] {
        let proxies = Proxies::x_forwarded_for([proxy]).unwrap();
        let client = |peer: &str| seen(&proxies, peer, &[("x-forwarded-for", "192.0.2.7")]);
        assert_eq!(client(ours), "192.0.2.7", "{proxy}");
        assert_eq!(client(others), others, "{proxy}");
        if let Ok(IpAddr::V4(ours)) = ours.parse() {
            assert_eq!(client(&ours.to_ipv6_mapped().to_string()), "192.0.2.7", "{proxy}");
        }
    }
}

fn seen(proxies: &Proxies, from: &str, lines: &[(&'static str, impl AsRef<[u8]>)]) -> String {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_bytes(value.as_ref()).unwrap());
    }
    proxies.client(from.parse().unwrap(), &headers).to_string()
}

#[test]
fn only_our_proxies_are_believed_and_only_in_their_field() {
    let trusted = ["10.0.0.0/8", "2001:db8:ffff::/48", "192.0.2.200"];
    let x = Proxies::x_forwarded_for(trusted).unwrap();
    let f = Proxies::forwarded(trusted).unwrap();
    const X: &str = "x-forwarded-for";
    const F: &str = "forwarded";
    for (proxies, peer, lines, client) in [
        (&x, "10.0.0.1", &[] as &[_], "10.0.0.1"),
        (&x, "203.0.113.9", &[(X, "192.0.2.1")], "203.0.113.9"),
        (&x, "10.0.0.1", &[(X, "192.0.2.1")], "192.0.2.1"),
        (&x, "::ffff:10.0.0.1", &[(X, "::ffff:192.0.2.1")], "192.0.2.1"),
        (&x, "192.0.2.200", &[(X, "1.1.1.1,192.0.2.1:4711 , 10.9.9.9")], "192.0.2.1"),
        (&x, "10.0.0.1", &[(X, "1.1.1.1"), (X, "[2001:db8::1]:80"), (X, "10.0.0.2")], "2001:db8::1"),
        // All are ours: the first of them calls by itself.
        (&x, "10.0.0.1", &[(X, "10.0.0.3, 10.0.0.2")], "10.0.0.3"),
        // What can't be read hides what is before it.
        (&x, "10.0.0.1", &[(X, "192.0.2.1, nonsense, 10.0.0.2")], "10.0.0.2"),
        (&x, "10.0.0.1", &[(X, "192.0.2.1, \u{e9}, 10.0.0.2")], "10.0.0.2"),
        // And nothing else, in the same line or another.
        (&x, "10.0.0.1", &[(X, "\u{e9}, 192.0.2.1"), (X, "10.0.0.2")], "192.0.2.1"),
        (&f, "10.0.0.1", &[(F, "for=\u{e9}, for=192.0.2.1;host=\"\u{e9}\"")], "192.0.2.1"),
        // A quote that the client leaves open hides nothing that our proxy appends.
        (&x, "10.0.0.1", &[(X, "\", 192.0.2.1")], "192.0.2.1"),
        (&f, "10.0.0.1", &[(F, "for=\", for=192.0.2.1")], "192.0.2.1"),
        // Nor one that it gets our proxy to quote, as the host.
        (&f, "10.0.0.1", &[(F, r#"for=1.1.1.1;a=", for=192.0.2.1;host="a\"b""#)], "192.0.2.1"),
        (&f, "10.0.0.1", &[(F, r#"for=1.1.1.1;a=", for=192.0.2.1;host="a\\""#)], "192.0.2.1"),
        (&f, "10.0.0.1", &[(F, r#"for=1.1.1.1;a=", for="192.0.2.1";host="\"""#)], "192.0.2.1"),
        (&f, "10.0.0.1", &[(F, r#"for=1.1.1.1;a=", for=192.0.2.1;host="a\""#)], "192.0.2.1"),
        // The other field is the client's own invention.
        (&x, "10.0.0.1", &[(F, "for=192.0.2.1")], "10.0.0.1"),
        (&f, "10.0.0.1", &[(X, "192.0.2.1")], "10.0.0.1"),
        (
            &f,
            "10.0.0.1",
            &[(F, "for=1.1.1.1, For=\"[2001:db8::1]:4711\";proto=https;by=10.0.0.1")],
            "2001:db8::1",
        ),
        (&f, "2001:db8:ffff::1", &[(F, "by=\"a,b;c\"; for=192.0.2.1:80"), (F, "for=10.0.0.2")], "192.0.2.1"),
        (&f, "10.0.0.1", &[(F, "for=192.0.2.1, for=unknown, for=10.0.0.2")], "10.0.0.2"),
        (&f, "10.0.0.1", &[(F, "for=192.0.2.1, for=_hidden")], "10.0.0.1"),
    ] {
        assert_eq!(seen(proxies, peer, lines), client, "{peer} {lines:?}");
    }
}

#[test]
fn a_client_behind_our_proxies_is_a_key() {
    let proxies = Proxies::x_forwarded_for(["10.0.0.0/8"]).unwrap();
    let key = client(proxies, |address: &IpAddr| *address);
    let mut request = Request::builder().header("x-forwarded-for", "2001:db8::7").body(()).unwrap();
    assert_eq!(key(&request), None);
    request.extensions_mut().insert(IpAddr::from([10, 0, 0, 1]));
    assert_eq!(key(&request), Some(Client::of("2001:db8::".parse().unwrap())));
}

/// What a header may hold: text, and bytes that are none.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(prop_oneof![b' '..=b'~', Just(b'"'), Just(b'\\'), 0x80..=0xff_u8], 0..40)
}

/// What a proxy appends that tells the client's `Host`, too.
fn element(host: &[u8]) -> Vec<u8> {
    let mut element = b"for=192.0.2.1;host=\"".to_vec();
    for byte in host {
        if matches!(byte, b'"' | b'\\') {
            element.push(b'\\');
        }
        element.push(*byte);
    }
    element.push(b'"');
    element
}

proptest! {
    /// Whatever a client writes before it, or gets our proxy to quote, the address that the proxy appends is found.
    #[test]
    fn a_client_can_not_choose_its_address(before in bytes(), host in bytes(), forwarded in any::<bool>()) {
        let (proxies, name, appended) = match forwarded {
            true => (Proxies::forwarded(["10.0.0.0/8"]), "forwarded", element(&host)),
            false => (Proxies::x_forwarded_for(["10.0.0.0/8"]), "x-forwarded-for", b"192.0.2.1".to_vec()),
        };
        let line = [before, b", ".to_vec(), appended].concat();
        prop_assert_eq!(seen(&proxies.unwrap(), "10.0.0.1", &[(name, &line)]), "192.0.2.1");
    }
}

//! Access tokens: when they are fetched, when they are dropped, and how a fetch fails.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::{Body, endpoint, get, header, text};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use ovh_auth::{AuthError, AuthErrorKind, Bearer, BearerLayer, OAuth2Client, Secret, Tokens, Unsigned};
use tokio::time::Instant;
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};
use wire_fault::{AsFault, Delivery, Healing, Unprocessed};

/// Gives tokens `t1`, `t2`, … that last so long, and notes the requests.
#[derive(Clone, Default)]
struct Grants {
    requests: Arc<Mutex<Vec<Request<Bytes>>>>,
    expires_in: Option<u64>,
}

impl Grants {
    fn lasting(seconds: u64) -> Self {
        Self { expires_in: Some(seconds), ..Self::default() }
    }

    fn given(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    fn tokens(&self) -> Tokens {
        let grants = self.clone();
        let service = service_fn(move |request: Request<Body>| {
            let grants = grants.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                grants.requests.lock().unwrap().push(Request::from_parts(head, body));
                tokio::time::sleep(Duration::from_secs(1)).await;
                let lasts =
                    grants.expires_in.map(|lasts| format!(r#","expires_in":{lasts}"#)).unwrap_or_default();
                let token =
                    format!(r#"{{"access_token":"t{}","token_type":"Bearer"{lasts}}}"#, grants.given());
                Ok::<_, io::Error>(Response::new(Body::from(token)))
            }
        });
        Tokens::fetched(&endpoint(), &client(), service).unwrap()
    }

    /// Answers the `Authorization` it got; 401 to the tokens named.
    fn service(
        &self,
        revoked: &Arc<Mutex<Vec<&'static str>>>,
    ) -> Bearer<
        impl Service<Request<Body>, Response = Response<Body>, Error = BoxError, Future: Send> + Clone + use<>,
    > {
        let revoked = revoked.clone();
        let inner = service_fn(move |request: Request<Body>| {
            let sensitive =
                request.headers().get("authorization").is_none_or(http::HeaderValue::is_sensitive);
            assert!(sensitive);
            let got = header(request.headers(), "authorization").unwrap_or("nothing").to_owned();
            let status =
                if revoked.lock().unwrap().iter().any(|token| got.ends_with(token)) { 401 } else { 200 };
            async move {
                tokio::time::sleep(Duration::from_millis(1)).await;
                Ok::<_, BoxError>(Response::builder().status(status).body(Body::from(got)).unwrap())
            }
        });
        BearerLayer::new(endpoint(), self.tokens()).layer(inner)
    }
}

fn client() -> OAuth2Client {
    OAuth2Client::new("EU.8f1c+&=%", "s3cret/with~odd+signs").unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_hundred_first_calls_fetch_one_token() {
    let grants = Grants::lasting(3_600);
    let service = grants.service(&Arc::default());
    let calls: Vec<_> = (0..100).map(|_| tokio::spawn(service.clone().oneshot(get("/me")))).collect();
    for call in calls {
        assert_eq!(text(call.await.unwrap().unwrap()).await, "Bearer t1");
    }
    let requests = grants.requests.lock().unwrap();
    assert_eq!(requests.len(), 1);
    let request = &requests[0];
    assert_eq!(
        (request.method(), request.uri().to_string().as_str()),
        (&Method::POST, "https://www.ovh.com/auth/oauth2/token")
    );
    assert_eq!(header(request.headers(), "content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(
        request.body(),
        "grant_type=client_credentials&client_id=EU.8f1c%2B%26%3D%25&client_secret=s3cret%2Fwith%7Eodd%2Bsigns&scope=all"
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_is_replaced_ten_seconds_before_its_end() {
    let grants = Grants::lasting(3_600);
    let service = grants.service(&Arc::default());
    let call = || async { text(service.clone().oneshot(get("/me")).await.unwrap()).await };
    assert_eq!(call().await, "Bearer t1");
    // Each call takes a millisecond, so this one is made at 3589.999 s, and the next at 3590 s.
    tokio::time::advance(Duration::from_millis(3_589_998)).await;
    assert_eq!(call().await, "Bearer t1");
    assert_eq!(call().await, "Bearer t2");
    assert_eq!(grants.given(), 2);

    // One that lasts for a moment is used for half of it, and for a second at least.
    for (lasts, used) in [(19, 9_500), (5, 2_500), (0, 1_000)] {
        let grants = Grants::lasting(lasts);
        let service = grants.service(&Arc::default());
        let call = || async { text(service.clone().oneshot(get("/me")).await.unwrap()).await };
        assert_eq!(call().await, "Bearer t1");
        tokio::time::advance(Duration::from_millis(used - 2)).await;
        assert_eq!(call().await, "Bearer t1", "{lasts}");
        assert_eq!(call().await, "Bearer t2", "{lasts}");
    }

    // One that names no end, or one beyond all clocks, is used until it is refused.
    for grants in [Grants::default(), Grants::lasting(u64::MAX)] {
        let service = grants.service(&Arc::default());
        for _ in 0..2 {
            assert_eq!(text(service.clone().oneshot(get("/me")).await.unwrap()).await, "Bearer t1");
            tokio::time::advance(Duration::from_secs(86_400 * 365)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_dropped_once_however_many_calls_it_failed() {
    let (grants, revoked) = (Grants::lasting(3_600), Arc::default());
    let service = grants.service(&revoked);
    let call = || service.clone().oneshot(get("/me"));
    assert_eq!(call().await.unwrap().status(), 200);
    revoked.lock().unwrap().push("t1");
    let calls = || futures_util::future::join_all((0..20).map(|_| call()));
    for refused in calls().await {
        let refused = refused.unwrap();
        assert_eq!(refused.status(), 401);
        assert!(refused.extensions().get::<Unprocessed>().is_none(), "nothing is known of what was done");
    }
    for answer in calls().await {
        assert_eq!(text(answer.unwrap()).await, "Bearer t2");
    }
    assert_eq!(grants.given(), 2);
}

/// Where no token is accepted, it is the caller's rights that are wanting. A fetch takes 1 s and a call 1 ms.
#[tokio::test(start_paused = true)]
async fn tokens_that_are_all_refused_are_fetched_rarely() {
    let (grants, revoked) = (Grants::lasting(3_600), Arc::new(Mutex::new(vec!["t1", "t2", "t3"])));
    let service = grants.service(&revoked);
    let call = || async {
        let response = service.clone().oneshot(get("/me")).await.unwrap();
        (response.status().as_u16(), text(response).await)
    };
    let refused = |token: &str| (401, format!("Bearer {token}"));
    // The first is dropped at once, since it may have been revoked; the second is kept.
    assert_eq!(call().await, refused("t1"));
    let calls: Vec<_> = (0..20).map(|_| call()).collect();
    for answer in futures_util::future::join_all(calls).await {
        assert_eq!(answer, refused("t2"));
    }
    // The last was answered 1 ms after the second token came.
    tokio::time::advance(Duration::from_millis(29_997)).await;
    assert_eq!((call().await, grants.given()), (refused("t2"), 2));
    assert_eq!((call().await, call().await), (refused("t2"), refused("t3")));
    assert_eq!((call().await, grants.given()), (refused("t3"), 3));

    // One that is accepted lasts, and is dropped like the first when it is not: the call that was refused it is told so.
    tokio::time::advance(Duration::from_secs(30)).await;
    assert_eq!(call().await, refused("t3"));
    assert_eq!(call().await, (200, "Bearer t4".to_owned()));
    tokio::time::advance(Duration::from_secs(30)).await;
    revoked.lock().unwrap().push("t4");
    assert_eq!(call().await, refused("t4"));
    assert_eq!((call().await, grants.given()), ((200, "Bearer t5".to_owned()), 5));
}

/// A refusal that comes late is of the token it was answered to.
#[tokio::test(start_paused = true)]
async fn a_newer_token_outlives_the_refusals_of_an_older() {
    let grants = Grants::lasting(20);
    let tokens = grants.tokens();
    let layer = BearerLayer::new(endpoint(), tokens.clone());
    let slow = layer.layer(service_fn(async |request: Request<Body>| {
        let wait = if header(request.headers(), "authorization") == Some("Bearer t1") { 15 } else { 0 };
        tokio::time::sleep(Duration::from_secs(wait)).await;
        let status = if wait == 0 { 200 } else { 401 };
        Ok::<_, io::Error>(Response::builder().status(status).body(Body::default()).unwrap())
    }));
    let late = tokio::spawn(slow.clone().oneshot(get("/me")));
    tokio::time::sleep(Duration::from_secs(12)).await;
    assert_eq!(slow.clone().oneshot(get("/me")).await.unwrap().status(), 200);
    assert_eq!(late.await.unwrap().unwrap().status(), 401);
    assert!(tokens.try_ready().is_some());
    assert_eq!(grants.given(), 2);
}

/// For who waits above a rate limit: one fetch for all, and none for a call that follows.
#[tokio::test(start_paused = true)]
async fn a_token_can_be_waited_for_before_a_call() {
    let grants = Grants::lasting(3_600);
    let tokens = grants.tokens();
    assert!(tokens.try_ready().is_none());
    let begun = Instant::now();
    let waits: Vec<_> = (0..20)
        .map(|_| {
            tokio::spawn({
                let tokens = tokens.clone();
                async move { tokens.ready().await }
            })
        })
        .collect();
    // Who began the fetch is dropped, and the others carry it on.
    tokio::time::sleep(Duration::from_millis(500)).await;
    waits[0].abort();
    for wait in waits.into_iter().skip(1) {
        let basis = wait.await.unwrap().unwrap();
        assert_eq!(format!("{basis:?}"), "Basis(token)");
    }
    assert_eq!(
        (grants.given(), tokens.try_ready().is_some(), begun.elapsed()),
        (1, true, Duration::from_secs(1))
    );
    tokio::time::advance(Duration::from_millis(3_590_000)).await;
    assert!(tokens.try_ready().is_none(), "it ends soon");
}

/// What was had above is used below, though it has been refused to another call meanwhile; but not once it ends soon.
#[tokio::test(start_paused = true)]
async fn a_call_that_brings_its_token_waits_for_no_other() {
    let refuse = service_fn(async |_: Request<Body>| {
        Ok::<_, io::Error>(Response::builder().status(401).body(Body::default()).unwrap())
    });
    let echo = service_fn(async |request: Request<Body>| {
        let got = header(request.headers(), "authorization").unwrap_or("nothing").to_owned();
        Ok::<_, io::Error>(Response::new(Body::from(got)))
    });
    for (lasts, expected) in [(3_600, "Bearer t1"), (20, "Bearer t2")] {
        let grants = Grants::lasting(lasts);
        let (tokens, mut request) = (grants.tokens(), get("/me"));
        request.extensions_mut().insert(tokens.ready().await.unwrap());
        let layer = BearerLayer::new(endpoint(), tokens.clone());
        assert_eq!(layer.layer(refuse).oneshot(get("/me")).await.unwrap().status(), 401);
        assert!(tokens.try_ready().is_none());
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(text(layer.layer(echo).oneshot(request).await.unwrap()).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_given_token_is_kept() {
    let tokens = Tokens::given(&Secret::new("given.one").unwrap());
    assert!(tokens.try_ready().is_some());
    tokens.ready().await.unwrap();
    let inner = service_fn(|request: Request<Body>| async move {
        let got = header(request.headers(), "authorization").unwrap_or("nothing").to_owned();
        Ok::<_, io::Error>(Response::builder().status(401).body(Body::from(got)).unwrap())
    });
    let layer = BearerLayer::new(endpoint(), tokens);
    let service = layer.layer(inner);
    assert!(layer.check(&get("/me")).unwrap());
    for _ in 0..2 {
        assert_eq!(text(service.clone().oneshot(get("/me")).await.unwrap()).await, "Bearer given.one");
    }
    let mut unsigned = get("/order/cart/1/eco");
    unsigned.extensions_mut().insert(Unsigned);
    for request in [unsigned, get("/auth/time"), get("/order/catalog/public/eco")] {
        assert!(!layer.check(&request).unwrap());
        assert_eq!(text(service.clone().oneshot(request).await.unwrap()).await, "nothing");
    }
    let foreign = Request::get("https://example.com/1.0/me").body(Body::default()).unwrap();
    assert_eq!(layer.check(&foreign).unwrap_err().kind(), AuthErrorKind::Foreign);
    let error = service.oneshot(foreign).await.unwrap_err();
    assert_eq!(error.downcast_ref::<AuthError>().unwrap().kind(), AuthErrorKind::Foreign);
}

async fn failed(answer: Result<Response<Body>, io::Error>) -> BoxError {
    let answer = Arc::new(Mutex::new(Some(answer)));
    let service = service_fn(move |_: Request<Body>| {
        let answer = answer.lock().unwrap().take().unwrap();
        async move { answer }
    });
    let tokens = Tokens::fetched(&endpoint(), &client(), service).unwrap();
    let inner = service_fn(|_: Request<Body>| async { Ok::<_, io::Error>(Response::new(Body::default())) });
    let error = BearerLayer::new(endpoint(), tokens).layer(inner).oneshot(get("/me")).await.unwrap_err();
    assert_eq!(error.downcast_ref::<AuthError>().unwrap().kind(), AuthErrorKind::Token);
    assert_eq!(error.as_fault().delivery, Delivery::NeverSent);
    error
}

fn answer(status: u16, content_type: &str, body: &str) -> Result<Response<Body>, io::Error> {
    let response = Response::builder().status(status).header("content-type", content_type);
    Ok(response.body(Full::from(body.to_owned())).unwrap())
}

#[tokio::test]
async fn each_failure_seen_is_told_apart() {
    let (json, html) = ("application/json", "text/html");
    for (answer, text, healing) in [
        (
            answer(503, html, "<html>"),
            "the answer was 503 Service Unavailable, an HTML page",
            Healing::Transient,
        ),
        (
            answer(200, html, "<html>"),
            "the answer is not of the expected form, an HTML page",
            Healing::Unknown,
        ),
        (
            answer(401, json, r#"{"error":"invalid_client","error_description":"quotes what was sent"}"#),
            "the answer was 401 Unauthorized, invalid_client",
            Healing::Permanent,
        ),
        (
            answer(200, json, r#"{"error":"invalid_scope"}"#),
            "the answer was 200 OK, invalid_scope",
            Healing::Permanent,
        ),
        (
            answer(400, json, r#"{"error":"something else"}"#),
            "the answer was 400 Bad Request",
            Healing::Permanent,
        ),
        (answer(429, json, "{}"), "the answer was 429 Too Many Requests", Healing::Transient),
        (answer(200, json, "{}"), "the answer is not of the expected form", Healing::Unknown),
        (
            answer(200, json, r#"{"access_token":"x","token_type":"mac"}"#),
            "the answer is not of the expected form",
            Healing::Unknown,
        ),
        (
            answer(200, json, r#"{"access_token":"two words","token_type":"Bearer"}"#),
            "the answer is not of the expected form",
            Healing::Unknown,
        ),
        (answer(200, json, &"x".repeat(20_000)), "the answer is not of the expected form", Healing::Unknown),
        (Err(io::ErrorKind::ConnectionReset.into()), "the call for it failed", Healing::Transient),
    ] {
        let error = failed(answer).await;
        assert_eq!(error.to_string(), format!("no access token could be had: {text}"));
        assert_eq!(error.as_fault().healing, healing, "{error}");
    }
}

#[test]
fn an_endpoint_without_oauth2_says_so() {
    let service = service_fn(|_: Request<Body>| async { Ok::<_, io::Error>(Response::new(Body::default())) });
    let refused = Tokens::fetched(&"kimsufi-eu".parse().unwrap(), &client(), service).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "OAuth2 client credentials can't be used with endpoint kimsufi-eu: accepted are ovh-eu, ovh-ca, ovh-us"
    );
}

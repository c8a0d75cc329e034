//! An API that keeps a clock of its own and checks signatures against it, on tokio's clock and without a network.
#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use ovh_auth::{ApplicationKeys, Endpoint, ServerClock, Sign, SignLayer};
use tokio::time::Instant;
use tower::{BoxError, Layer, Service};

pub(crate) const AK: &str = "7kbG7Bk7S9Nt7ZSV";
pub(crate) const AS: &str = "9ufkBmLaTQ9nz5yMUlg79taH0GNnzDjk";
pub(crate) const CK: &str = "5mBuy6SUQcRw2ZUxg0cG68BoDKpED4KY";

/// How far a timestamp may be off. The real width is unknown.
const WINDOW: u64 = 30;

pub(crate) type Body = Full<Bytes>;

pub(crate) fn endpoint() -> Endpoint {
    "ovh-eu".parse().unwrap()
}

pub(crate) fn keys() -> ApplicationKeys {
    ApplicationKeys::new(AK, AS).unwrap().with_consumer_key(CK).unwrap()
}

pub(crate) fn get(path: &str) -> Request<Body> {
    Request::get(endpoint().url(path).unwrap()).body(Body::default()).unwrap()
}

/// The signature, from the specification and with another SHA-1.
pub(crate) fn expected_signature(method: &str, url: &str, body: &[u8], timestamp: &str) -> String {
    let text = [AS.as_bytes(), CK.as_bytes(), method.as_bytes(), url.as_bytes(), body, timestamp.as_bytes()];
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, &text.join(&b'+'));
    let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("$1${hex}")
}

pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap())
}

#[derive(Clone)]
pub(crate) struct Api {
    state: Arc<Mutex<State>>,
    latency: Duration,
}

struct State {
    started: Instant,
    /// The server's clock at the start, in seconds.
    clock: u64,
    /// What `/auth/time` answers instead of the time, in this order.
    answers: VecDeque<Result<Response<Body>, BoxError>>,
    seen: Vec<Seen>,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Api {
    pub(crate) fn new(clock: u64) -> Self {
        let state = State { started: Instant::now(), clock, answers: VecDeque::new(), seen: Vec::new() };
        Self { state: Arc::new(Mutex::new(state)), latency: Duration::ZERO }
    }

    pub(crate) fn with_latency(self, latency: Duration) -> Self {
        Self { latency, ..self }
    }

    /// The next fetch of the time gets this.
    pub(crate) fn answer_time(&self, answer: Result<Response<Body>, BoxError>) {
        self.state.lock().unwrap().answers.push_back(answer);
    }

    /// Steps the server's clock.
    pub(crate) fn step(&self, seconds: i64) {
        let mut state = self.state.lock().unwrap();
        state.clock = state.clock.checked_add_signed(seconds).unwrap();
    }

    pub(crate) fn now(&self) -> u64 {
        let state = self.state.lock().unwrap();
        state.clock + state.started.elapsed().as_secs()
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.lock().unwrap().seen.clone()
    }

    /// How often the time was asked for.
    pub(crate) fn fetches(&self) -> usize {
        self.seen().iter().filter(|seen| seen.url.ends_with("/auth/time")).count()
    }

    pub(crate) fn clock(&self) -> ServerClock {
        ServerClock::new(&endpoint(), self.clone())
    }

    pub(crate) fn signed(&self) -> Sign<Self> {
        SignLayer::new(endpoint(), keys(), self.clock()).layer(self.clone())
    }

    fn time(&self) -> Result<Response<Body>, BoxError> {
        let scripted = self.state.lock().unwrap().answers.pop_front();
        scripted.unwrap_or_else(|| Ok(Response::new(Full::from(self.now().to_string()))))
    }

    fn judge(&self, seen: &Seen) -> Response<Body> {
        let refuse = |code: &str| {
            let body = format!(r#"{{"errorCode":"{code}","httpCode":"400 Bad Request","message":"no"}}"#);
            let response = Response::builder().status(400).header("content-type", "application/json");
            response.body(Full::from(body)).unwrap()
        };
        let Some(timestamp) = header(&seen.headers, "x-ovh-timestamp") else {
            return Response::new(Full::from("unsigned"));
        };
        if self.now().abs_diff(timestamp.parse().unwrap()) > WINDOW {
            return refuse("QUERY_TIME_OUT");
        }
        let expected = expected_signature(seen.method.as_str(), &seen.url, &seen.body, timestamp);
        let named = header(&seen.headers, "x-ovh-application") == Some(AK)
            && header(&seen.headers, "x-ovh-consumer") == Some(CK);
        if !named || header(&seen.headers, "x-ovh-signature") != Some(&expected) {
            return refuse("INVALID_SIGNATURE");
        }
        Response::new(Full::from("signed"))
    }
}

impl Service<Request<Body>> for Api {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let api = self.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let seen = Seen { method: head.method, url: head.uri.to_string(), headers: head.headers, body };
            api.state.lock().unwrap().seen.push(seen.clone());
            if api.latency > Duration::ZERO {
                tokio::time::sleep(api.latency).await;
            }
            if seen.url.ends_with("/auth/time") { api.time() } else { Ok(api.judge(&seen)) }
        })
    }
}

pub(crate) async fn text<B>(response: Response<B>) -> String
where
    B: http_body::Body,
    B::Error: std::fmt::Debug,
{
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().into()).unwrap()
}

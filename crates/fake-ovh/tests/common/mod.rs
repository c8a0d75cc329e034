//! Clients: one without a network, one over loopback.
#![allow(dead_code, reason = "each test file uses a part of it")]

use bytes::Bytes;
use fake_ovh::{APPLICATION_KEY, APPLICATION_SECRET, CONSUMER_KEY, FakeOvh, signature};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tower::ServiceExt as _;

pub(crate) const BASE: &str = "https://eu.api.ovh.com/1.0";

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) async fn read<B: http_body::Body<Data = Bytes, Error: std::fmt::Debug>>(
        response: Response<B>,
    ) -> Self {
        let (parts, body) = response.into_parts();
        Self { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes() }
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The JSON of a good answer.
    #[track_caller]
    pub(crate) fn good(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        self.json()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub(crate) fn unsigned(base: &str, method: Method, path: &str, body: &str) -> Request<Full<Bytes>> {
    let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
    Request::builder().method(method).uri(format!("{base}{path}")).body(body).unwrap()
}

/// Signed with the keys that are known from the start.
pub(crate) fn signed(
    base: &str,
    method: Method,
    path: &str,
    body: &str,
    timestamp: i64,
) -> Request<Full<Bytes>> {
    signed_as(CONSUMER_KEY, base, method, path, body, timestamp)
}

pub(crate) fn signed_as(
    consumer: &str,
    base: &str,
    method: Method,
    path: &str,
    body: &str,
    timestamp: i64,
) -> Request<Full<Bytes>> {
    let timestamp = timestamp.to_string();
    let url = format!("{base}{path}");
    let signature = signature(APPLICATION_SECRET, consumer, &method, &url, body.as_bytes(), &timestamp);
    let mut request = unsigned(base, method, path, body);
    for (name, value) in [
        ("x-ovh-application", APPLICATION_KEY),
        ("x-ovh-consumer", consumer),
        ("x-ovh-timestamp", &*timestamp),
        ("x-ovh-signature", &*signature),
    ] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    request
}

/// Calls the service itself, without a network.
pub(crate) async fn direct(api: &FakeOvh, request: Request<Full<Bytes>>) -> Reply {
    through(&api.router(), request).await
}

/// The same, where so many calls are made that the service is better made once.
pub(crate) async fn through(router: &axum::Router, request: Request<Full<Bytes>>) -> Reply {
    Reply::read(router.clone().oneshot(request).await.unwrap()).await
}

/// A client over loopback.
pub(crate) struct Http {
    client: Client<HttpConnector, Full<Bytes>>,
    pub(crate) api: FakeOvh,
    pub(crate) base: String,
}

impl Http {
    pub(crate) fn new(api: &FakeOvh, base: String) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { client, api: api.clone(), base }
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Reply {
        Reply::read(self.client.request(request).await.unwrap()).await
    }

    pub(crate) async fn open(&self, method: Method, path: &str, body: &str) -> Reply {
        self.send(unsigned(&self.base, method, path, body)).await
    }

    pub(crate) async fn signed(&self, method: Method, path: &str, body: &str) -> Reply {
        self.send(signed(&self.base, method, path, body, self.api.time())).await
    }
}

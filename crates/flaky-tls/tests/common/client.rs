//! hyper-util's client over hyper-rustls, and what it shows of a failure.
#![allow(dead_code, unreachable_pub, missing_docs, missing_debug_implementations)] // Each test binary uses a part.

use std::error::Error;
use std::fmt::Write as _;
use std::io;

use bytes::Bytes;
use flaky_tls::Running;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};

pub type HyperUtil = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Without Nagle's algorithm, which would hold a request back until the server's delayed acknowledgement, 40 ms later.
pub fn tcp() -> HttpConnector {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http
}

/// A client with a pool, that speaks what the server offers.
pub fn client(server: &Running) -> HyperUtil {
    let config = server.authority().client_config().unwrap();
    let https = HttpsConnectorBuilder::new()
        .with_tls_config(config)
        .https_only()
        .enable_http1()
        .enable_http2()
        .wrap_connector(tcp());
    // hyper-util repeats by itself what a reused connection hands back; these tests want to see it.
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .retry_canceled_requests(false)
        .build(https)
}

pub type Proxied<C> = Client<HttpsConnector<Tunnel<C>>, Full<Bytes>>;

/// A client that reaches the server through a tunnel of this kind.
pub fn through<C>(server: &Running, tunnel: Tunnel<C>) -> Proxied<C>
where
    HttpsConnector<Tunnel<C>>: Connect + Clone,
{
    let config = server.authority().client_config().unwrap();
    let https = HttpsConnectorBuilder::new()
        .with_tls_config(config)
        .https_only()
        .enable_http1()
        .enable_http2()
        .wrap_connector(tunnel);
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .retry_canceled_requests(false)
        .build(https)
}

pub fn request(server: &Running, id: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let url = format!("https://localhost:{}/", server.port());
    Request::post(url).header("x-request-id", id).body(Full::from(body.into())).unwrap()
}

/// What a client saw of one call.
#[derive(Debug)]
pub enum Saw {
    Answer(StatusCode, Bytes),
    /// No response.
    Error(hyper_util::client::legacy::Error),
    /// A response whose body broke off.
    BodyError(hyper::Error),
}

impl Saw {
    pub fn error(&self) -> &(dyn Error + 'static) {
        match self {
            Self::Error(error) => error,
            Self::BodyError(error) => error,
            Self::Answer(status, _) => panic!("answered {status}"),
        }
    }

    /// Whether the request was handed to a connection.
    pub fn handed_over(&self) -> bool {
        match self {
            Self::Error(error) => error.connect_info().is_some(),
            _ => true,
        }
    }

    pub fn is_connect(&self) -> bool {
        matches!(self, Self::Error(error) if error.is_connect())
    }

    /// The words of the innermost error.
    pub fn last_words(&self) -> String {
        let mut last = self.error();
        loop {
            let io = last.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            last = match io {
                Some(carried) => carried,
                None => match last.source() {
                    Some(source) => source,
                    None => return last.to_string(),
                },
            };
        }
    }

    /// The true chain, in one line.
    pub fn words(&self) -> String {
        let kind = match self {
            Self::Answer(status, body) => return format!("{status}, {} bytes", body.len()),
            Self::Error(error) if error.is_connect() => "connect",
            Self::Error(_) => "send",
            Self::BodyError(_) => "body",
        };
        let info = if self.handed_over() { "connect_info" } else { "no connect_info" };
        let mut words = format!("[{kind}, {info}] ");
        let mut next = Some(self.error());
        while let Some(error) = next {
            let io = error.downcast_ref::<io::Error>();
            if let Some(io) = io {
                write!(words, "io {:?}: ", io.kind()).unwrap();
            }
            write!(words, "{error}").unwrap();
            next = match io.and_then(io::Error::get_ref) {
                Some(carried) => Some(carried),
                None => error.source(),
            };
            if next.is_some() {
                words.push_str(" > ");
            }
        }
        words
    }

    /// The innermost `io::ErrorKind`.
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        let mut kind = None;
        let mut next = Some(self.error());
        while let Some(error) = next {
            let io = error.downcast_ref::<io::Error>();
            kind = io.map(io::Error::kind).or(kind);
            next = match io.and_then(io::Error::get_ref) {
                Some(carried) => Some(carried),
                None => error.source(),
            };
        }
        kind
    }

    /// The error of this type in the chain.
    pub fn find<E: Error + 'static>(&self) -> Option<&E> {
        let mut next = Some(self.error());
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref() {
                return Some(found);
            }
            next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
                Some(carried) => Some(carried),
                None => error.source(),
            };
        }
        None
    }
}

/// Sends one request, and reads its answer to the end.
pub async fn call<C>(client: &Client<C, Full<Bytes>>, request: Request<Full<Bytes>>) -> Saw
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let response = match client.request(request).await {
        Ok(response) => response,
        Err(error) => return Saw::Error(error),
    };
    let status = response.status();
    match response.into_body().collect().await {
        Ok(body) => Saw::Answer(status, body.to_bytes()),
        Err(error) => Saw::BodyError(error),
    }
}

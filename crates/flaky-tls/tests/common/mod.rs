//! A client that tells at which stage it failed, and a service to talk to.
#![allow(dead_code, unreachable_pub, missing_docs, missing_debug_implementations)] // Each test binary uses a part.

pub mod client;

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use flaky_tls::{FlakyTls, RequestBody, Running, Serve, Truth};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The body of each answer.
pub const ANSWER: &str = r#"{"ok":true,"padding":"................................................"}"#;

/// Answers [`ANSWER`], and counts its calls.
pub fn counting(calls: &Arc<AtomicU64>) -> impl Serve {
    let calls = Arc::clone(calls);
    tower::service_fn(move |_: Request<RequestBody>| {
        calls.fetch_add(1, Ordering::SeqCst);
        async { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(ANSWER.as_bytes())))) }
    })
}

pub async fn start(settings: FlakyTls) -> (Running, Arc<AtomicU64>) {
    let calls = Arc::default();
    let server = settings.serve(counting(&calls)).await.unwrap();
    (server, calls)
}

/// Where a call failed, and with what.
#[derive(Debug)]
pub enum Failure {
    Handshake(io::Error),
    Send(hyper::Error),
    Body(hyper::Error),
}

impl Failure {
    /// The kind of the innermost `io::Error`, found by `get_ref` first.
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        let mut next: Option<&(dyn Error + 'static)> = match self {
            Self::Handshake(error) => Some(error),
            Self::Send(error) | Self::Body(error) => Some(error),
        };
        let mut kind = None;
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

    pub fn rustls(&self) -> Option<&rustls::Error> {
        match self {
            Self::Handshake(error) => error.get_ref()?.downcast_ref(),
            _ => None,
        }
    }
}

/// A call's result, and the port it came from.
pub struct Called {
    pub port: u16,
    pub result: Result<Bytes, Failure>,
}

pub async fn connect(
    server: &Running,
    config: ClientConfig,
) -> (u16, Result<TlsStream<TcpStream>, io::Error>) {
    let tcp = TcpStream::connect(server.address()).await.unwrap();
    // Otherwise Nagle's algorithm holds the request back until the server's delayed acknowledgement, 40 ms later.
    tcp.set_nodelay(true).unwrap();
    let port = tcp.local_addr().unwrap().port();
    let name = ServerName::try_from("localhost").unwrap();
    (port, TlsConnector::from(Arc::new(config)).connect(name, tcp).await)
}

/// One POST over a connection of its own.
pub async fn post(server: &Running, id: &str) -> Called {
    let (port, tls) = connect(server, server.authority().client_config().unwrap()).await;
    let result = match tls {
        Ok(tls) => exchange(tls, id).await,
        Err(error) => Err(Failure::Handshake(error)),
    };
    Called { port, result }
}

async fn exchange(tls: TlsStream<TcpStream>, id: &str) -> Result<Bytes, Failure> {
    let (mut send, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(tls)).await.map_err(Failure::Send)?;
    let connection = tokio::spawn(connection);
    let body = Full::new(Bytes::from_static(b"the body"));
    let request =
        Request::post("/").header("host", "localhost").header("x-request-id", id).body(body).unwrap();
    let response = send.send_request(request).await.map_err(Failure::Send)?;
    let body = response.into_body().collect().await.map_err(Failure::Body)?;
    drop(send);
    let _ = connection.await;
    Ok(body.to_bytes())
}

/// Sends these bytes over TLS, and reads what comes back until the end; how it ended is told beside it.
pub async fn raw(server: &Running, request: &str) -> (Vec<u8>, io::Result<()>) {
    let (_, tls) = connect(server, server.authority().client_config().unwrap()).await;
    let mut tls = tls.unwrap();
    tls.write_all(request.as_bytes()).await.unwrap();
    tls.flush().await.unwrap();
    let mut seen = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        match tls.read(&mut buffer).await {
            Ok(0) => return (seen, Ok(())),
            Ok(n) => seen.extend_from_slice(&buffer[..n]),
            Err(error) => return (seen, Err(error)),
        }
    }
}

/// Waits until the truth is as wanted. A minute is far more than a server on a busy machine needs.
pub async fn until(server: &Running, wanted: impl Fn(&Truth) -> bool) {
    let waited = async {
        while !wanted(&server.truth()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waited).await.expect("the server did not get there");
}

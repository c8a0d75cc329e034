//! Errors of hyper, hyper-util and h2, as they make them: over an error of the test's own, or of a peer's frames.

use std::future::{Future, ready};
use std::io;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::{http1, http2};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tower::service_fn;

use super::link::BoxError;
use super::peer::{self, ENHANCE_YOUR_CALM, REFUSED_STREAM, go_away, reset};
use super::{Duplex, Failing, FailsAfter};

/// How such an error comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Real {
    /// hyper-util: the connector failed with what is below.
    Connect,
    /// hyper-util: so did the reading of the connection, awaiting the answer.
    Pooled,
    /// The same over hyper itself.
    InFlight,
    /// hyper: the connection fails before the request is taken from its queue.
    Canceled,
    /// hyper: the request's body fails.
    Upload,
    /// hyper: the connection fails within the answer's body.
    Download,
    /// hyper-util: the stream is above a GOAWAY's last.
    PooledGoAway,
    /// hyper: the same.
    GoAway,
    /// hyper: what the connection's future ends with, the request being covered.
    ConnectionGoAway,
    /// hyper: the stream is reset with `REFUSED_STREAM`.
    Refused,
    /// h2: what the connection's future ends with, the request being covered.
    BareGoAway,
    /// h2: the stream is reset with `REFUSED_STREAM`.
    BareRefused,
}

impl Real {
    pub const ALL: &[Self] = &[
        Self::Connect,
        Self::Pooled,
        Self::InFlight,
        Self::Canceled,
        Self::Upload,
        Self::Download,
        Self::PooledGoAway,
        Self::GoAway,
        Self::ConnectionGoAway,
        Self::Refused,
        Self::BareGoAway,
        Self::BareRefused,
    ];

    /// Whether it is on the crate's list of proofs.
    pub fn is_proof(self) -> bool {
        match self {
            Self::Connect | Self::Canceled | Self::PooledGoAway | Self::Refused | Self::BareRefused => true,
            Self::Pooled
            | Self::InFlight
            | Self::Upload
            | Self::Download
            | Self::GoAway
            | Self::ConnectionGoAway
            | Self::BareGoAway => false,
        }
    }

    /// Whether it is a GOAWAY's, and proves by itself nothing of one request.
    pub fn is_go_away(self) -> bool {
        matches!(self, Self::GoAway | Self::ConnectionGoAway | Self::BareGoAway)
    }

    /// Whether it has no place for what is below.
    pub fn ends(self) -> bool {
        match self {
            Self::Connect
            | Self::Pooled
            | Self::InFlight
            | Self::Canceled
            | Self::Upload
            | Self::Download => false,
            Self::PooledGoAway
            | Self::GoAway
            | Self::ConnectionGoAway
            | Self::Refused
            | Self::BareGoAway
            | Self::BareRefused => true,
        }
    }

    /// The error, over `below` where it has a place for one.
    pub fn over(self, below: Option<BoxError>) -> BoxError {
        let below = io::Error::other(below.unwrap_or_else(|| "nothing".into()));
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            match self {
                Self::Connect => pooled(|_| Err(below)).await,
                Self::Pooled => pooled(|here| Ok(FailsAfter::new(here, 4, below))).await,
                Self::InFlight => http1(FailsAfter::new(answered(), 4, below), Failing::empty()).await,
                Self::Canceled => http1(FailsAfter::new(answered(), 0, below), Failing::empty()).await,
                Self::Upload => http1(Duplex::new(silent()), Failing::after_half(below)).await,
                Self::Download => http1(FailsAfter::new(answered(), 43, below), Failing::empty()).await,
                Self::PooledGoAway => pooled_http2(go_away(0, ENHANCE_YOUR_CALM)).await,
                Self::GoAway => http2(go_away(0, ENHANCE_YOUR_CALM)).await.0,
                Self::ConnectionGoAway => http2(go_away(1, ENHANCE_YOUR_CALM)).await.1,
                Self::Refused => http2(reset(1, REFUSED_STREAM)).await.0,
                Self::BareGoAway => bare(go_away(1, ENHANCE_YOUR_CALM)).await.1,
                Self::BareRefused => bare(reset(1, REFUSED_STREAM)).await.0,
            }
        })
    }
}

fn post<B>(body: B) -> http::Request<B> {
    http::Request::post("http://x/").header("host", "x").body(body).expect("a request")
}

/// A peer that answers what it has read.
fn answered() -> DuplexStream {
    let (here, mut there) = tokio::io::duplex(1024);
    tokio::spawn(async move {
        let _ = there.read(&mut [0; 1024]).await;
        let _ = there.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345").await;
        std::future::pending::<()>().await;
    });
    here
}

/// A peer that reads.
fn silent() -> DuplexStream {
    let (here, mut there) = tokio::io::duplex(1024);
    tokio::spawn(async move { there.read_to_end(&mut Vec::new()).await });
    here
}

fn framed(frames: Vec<u8>) -> DuplexStream {
    let (here, there) = tokio::io::duplex(64 * 1024);
    tokio::spawn(peer::peer(there, frames, true));
    here
}

async fn http1(
    io: impl hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    body: Failing,
) -> BoxError {
    let (mut send, connection) = http1::handshake(io).await.expect("a connection");
    tokio::spawn(connection);
    match send.send_request(post(body)).await {
        Err(error) => error.into(),
        Ok(response) => response.into_body().collect().await.expect_err("cut").into(),
    }
}

async fn pooled(connect: impl FnOnce(DuplexStream) -> io::Result<FailsAfter>) -> BoxError {
    let connected = connect(answered());
    let slot = std::sync::Arc::new(std::sync::Mutex::new(Some(connected)));
    let connector =
        service_fn(move |_: http::Uri| ready(slot.lock().expect("no panic").take().expect("once")));
    let client = Client::builder(TokioExecutor::new()).build(connector);
    client.request(post(Empty::<Bytes>::new())).await.expect_err("fails").into()
}

async fn pooled_http2(frames: Vec<u8>) -> BoxError {
    let connector =
        service_fn(move |_: http::Uri| ready(Ok::<_, io::Error>(Duplex::new(framed(frames.clone())))));
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build(connector);
    client.request(post(Empty::<Bytes>::new())).await.expect_err("refused").into()
}

/// The request's error, and the connection's.
async fn http2(frames: Vec<u8>) -> (BoxError, BoxError) {
    let io = TokioIo::new(framed(frames));
    let (mut send, connection) = http2::handshake(TokioExecutor::new(), io).await.expect("a connection");
    let connection = tokio::spawn(connection);
    let request = send.send_request(post(Empty::<Bytes>::new())).await;
    ended(async { request }, connection).await
}

async fn bare(frames: Vec<u8>) -> (BoxError, BoxError) {
    let (mut send, connection) = h2::client::handshake(framed(frames)).await.expect("a connection");
    let connection = tokio::spawn(connection);
    let (response, _) = send.send_request(post(()), true).expect("sent");
    ended(response, connection).await
}

async fn ended<T, E: Into<BoxError>>(
    request: impl Future<Output = Result<T, E>>,
    connection: tokio::task::JoinHandle<Result<(), E>>,
) -> (BoxError, BoxError) {
    let request = request.await.err().expect("lost").into();
    let connection = connection.await.expect("no panic").err();
    (request, connection.map_or_else(|| "ended in order".into(), Into::into))
}

//! Chains in which something stands between the reader and the evidence, or only looks like evidence.

use crate::common;
use std::error::Error;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};

use crate::common::{Duplex, Failing};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::AlertDescription;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::service_fn;
use wire_fault::{Cause, Delivery, Fault, Healing, Mark, Phase};

type BoxError = Box<dyn Error + Send + Sync>;

/// An error that shows text and source of the one within, and hides its type, as `#[error(transparent)]` does.
#[derive(Debug)]
struct Transparent<E>(E);

impl<E: fmt::Display> fmt::Display for Transparent<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<E: Error> Error for Transparent<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

/// What an API said in its answer; the call it failed in was its own, to somebody else.
#[derive(Debug)]
struct ApiError(&'static str);

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for ApiError {}

/// hyper's error of a request whose body is another call, which was refused: half the request has been written.
async fn body_of_another_call() -> hyper::Error {
    let (here, mut there) = tokio::io::duplex(1024);
    tokio::spawn(async move {
        let mut read = Vec::new();
        let _ = there.read_to_end(&mut read).await;
    });
    let (mut send, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(here)).await.expect("a connection");
    tokio::spawn(connection);
    let body = Failing::after_half(io::Error::from(io::ErrorKind::ConnectionRefused));
    let request = http::Request::post("/order").header("host", "x").body(body).expect("a request");
    send.send_request(request).await.expect_err("the body fails")
}

#[tokio::test]
async fn pointers_hide_no_evidence() {
    let perhaps = |error: &(dyn Error + 'static)| {
        let fault = Fault::of(error);
        assert_eq!(fault.delivery, Delivery::Perhaps, "{error:?}: {fault:?}");
        assert!(!fault.may_repeat(false));
    };
    perhaps(&body_of_another_call().await);
    perhaps(&Box::new(body_of_another_call().await));
    perhaps(&Arc::new(body_of_another_call().await));
    let shared: Arc<dyn Error + Send + Sync> = Arc::new(body_of_another_call().await);
    perhaps(&shared);
    perhaps(&Transparent(body_of_another_call().await));
    perhaps(&io::Error::other(Arc::new(body_of_another_call().await)));

    let eof = || io::Error::other(io::Error::new(io::ErrorKind::UnexpectedEof, "tls handshake eof"));
    let read = Fault::of(&eof());
    assert_eq!(read.delivery, Delivery::NeverSent);
    assert_eq!(Fault::of(&Arc::new(eof())), read);
    assert_eq!(Fault::of(&Box::new(eof())), read);
    let shared: Arc<dyn Error + Send + Sync> = Arc::new(eof());
    assert_eq!(Fault::of(&shared), read);

    let stated = Fault::new(Phase::Tcp, Delivery::NeverSent, Cause::Timeout, Healing::Transient);
    assert_eq!(Fault::of(&Arc::new(Mark::fault(stated))), stated);
}

#[test]
fn what_a_server_says_of_its_own_call_proves_nothing_of_ours() {
    let said = [
        "failed to lookup address information: Temporary failure in name resolution",
        "upstream: failed to lookup address information: Temporary failure in name resolution",
        "dns error: failed to lookup address information: Try again",
        "tls handshake eof",
        "tunnel error: unexpected end of file",
        "tunnel error: unsuccessful",
        "client error (Connect)",
        "operation was canceled",
        "stream error received: refused stream before processing any application logic",
        "connection error received: not a result of an error",
        "tcp connect error",
        "Connection refused (os error 111)",
        "tunnel error: proxy authorization required",
        "tunnel error: missing destination host",
        "received fatal alert: HandshakeFailure",
        "received fatal alert: CertificateRequired",
        "invalid peer certificate: Expired",
        "peer doesn't support any known protocol",
        "peer is incompatible: NoCipherSuitesInCommon",
        "upstream: error:0A000086:SSL routines::certificate verify failed",
        "error:0A00045C:SSL routines::tlsv13 alert certificate required",
        "error:0A000410:SSL routines::ssl/tls alert handshake failure",
        "buffered service failed: x",
        "builder error",
    ];
    for text in said {
        let perhaps = |error: &(dyn Error + 'static)| {
            let fault = Fault::of(error);
            assert!(!fault.may_repeat(false), "{error:?}: {fault:?}");
            assert!(fault.may_have_landed(), "{error:?}: {fault:?}");
        };
        perhaps(&ApiError(text));
        perhaps(&Transparent(ApiError(text)));
        // As a layer turns an answer's body into an error, and a client an answer that is none.
        for kind in [io::ErrorKind::Other, io::ErrorKind::InvalidData, io::ErrorKind::ConnectionRefused] {
            perhaps(&io::Error::new(kind, text));
            perhaps(&io::Error::new(kind, ApiError(text)));
        }
    }
}

/// A text is believed of the crate's own error, as the crate makes it.
#[test]
fn what_the_crates_say_themselves_is_believed() {
    let resolver = io::Error::from_raw_os_error(i32::MAX).kind();
    let words = "failed to lookup address information: Temporary failure in name resolution";
    for (kind, text, phase) in [
        (io::ErrorKind::UnexpectedEof, "tls handshake eof", Phase::TlsHandshake),
        (resolver, words, Phase::Dns),
    ] {
        let fault = Fault::of(&io::Error::new(kind, text));
        assert_eq!((fault.phase, fault.delivery), (phase, Delivery::NeverSent), "{text}");
        assert!(fault.may_repeat(false), "{text}");
        for other in [io::ErrorKind::Other, io::ErrorKind::UnexpectedEof, resolver] {
            let fault = Fault::of(&io::Error::new(other, text));
            assert_eq!(fault.may_repeat(false), other == kind, "{other:?}: {text}");
        }
    }
}

/// anyhow's box hides the type of the outermost error; the ways around it that the crate's page names.
#[tokio::test]
async fn anyhow_shows_the_types_before_it_is_boxed() {
    let cut = || from_connector(io::Error::from(io::ErrorKind::ConnectionReset));
    let read = Fault::of(&cut().await);
    assert_eq!(read.delivery, Delivery::NeverSent);
    let error = anyhow::Error::from(cut().await);
    assert_eq!(Fault::of(&*error), read);
    assert_eq!(Fault::of(error.as_ref()), read);
    assert_eq!(Fault::of(&*error.reallocate_into_boxed_dyn_error_without_backtrace()), read);
    let with_context = anyhow::Error::from(cut().await).context("calling");
    assert_eq!(Fault::of(&*with_context), read);
    assert_eq!(Fault::of(&*BoxError::from(with_context)), read);
    let boxed = BoxError::from(anyhow::Error::from(cut().await));
    assert_eq!(Fault::of(&*boxed).delivery, Delivery::Perhaps, "no proof is left, and none is invented");
}

/// A wrapper that repeats the text of the error below it must not speak in its stead.
#[derive(Debug)]
struct Repeats(BoxError);

impl fmt::Display for Repeats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for Repeats {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

#[tokio::test]
async fn a_wrapper_that_repeats_a_text_takes_no_evidence_away() {
    // The peer closes before it has heard anything: a send error without connect_info, or a cancellation.
    let connector = service_fn(|_: http::Uri| {
        let (here, there) = tokio::io::duplex(64);
        drop(there);
        std::future::ready(Ok::<_, io::Error>(Duplex::new(here)))
    });
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
    let error = client.get(http::Uri::from_static("http://x/")).await.expect_err("closed");
    let bare = Fault::of(&error);
    assert_eq!(bare.delivery, Delivery::NeverSent, "{error:?}");
    assert_eq!(Fault::of(&Repeats(error.into())), bare);
}

#[tokio::test]
async fn an_upgrade_that_fails_follows_an_answer() {
    let (here, mut there) = tokio::io::duplex(1024);
    tokio::spawn(async move {
        let _ = there.read(&mut [0; 1024]).await;
        let _ = there
            .write_all(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n")
            .await;
        let _ = there.read(&mut [0; 16]).await;
    });
    let (mut send, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(here)).await.expect("a connection");
    // The driver goes away before it could pass the connection on: the request's body is not done.
    let driver = tokio::spawn(connection.with_upgrades());
    let request = http::Request::post("/").header("upgrade", "x").header("connection", "upgrade");
    let response =
        send.send_request(request.body(Failing::never_ending()).expect("a request")).await.expect("101");
    let upgrade = hyper::upgrade::on(response);
    driver.abort();
    let error = upgrade.await.expect_err("nobody upgrades");
    assert!(error.is_canceled(), "{error:?}");
    let fault = Fault::of(&error);
    assert_ne!(fault.delivery, Delivery::NeverSent, "{error:?}: {fault:?}");
    assert!(!fault.may_repeat(false));
}

/// What `error` looks like when a connector ends with it.
async fn from_connector(error: impl Into<BoxError>) -> legacy::Error {
    let error = Arc::new(Mutex::new(Some(error.into())));
    let connector = service_fn(move |_: http::Uri| {
        let error = error.lock().expect("no panic").take().expect("called once");
        Box::pin(async { Err::<Duplex, BoxError>(error) })
    });
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
    client.get(http::Uri::from_static("http://x/")).await.expect_err("the connector fails")
}

/// A connector may be a client itself: of a proxy, of a service that hands out addresses. What became of its calls is not
/// what became of this one.
#[tokio::test]
async fn a_connector_that_is_a_client_proves_no_more_than_a_connector() {
    let (here, mut there) = tokio::io::duplex(1024);
    tokio::spawn(async move {
        let _ = there.read(&mut [0; 1024]).await;
        let _ = there.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345").await;
    });
    let (mut send, connection) = hyper::client::conn::http1::handshake::<_, Empty<Bytes>>(TokioIo::new(here))
        .await
        .expect("a connection");
    tokio::spawn(connection);
    let request = http::Request::get("/").header("host", "x").body(Empty::new()).expect("a request");
    let response = send.send_request(request).await.expect("the head is whole");
    let body = response.into_body().collect().await.expect_err("the body is cut");
    assert_eq!(Fault::of(&body).delivery, Delivery::Answered);

    let timed_out = Fault::new(Phase::InFlight, Delivery::Perhaps, Cause::Timeout, Healing::Transient);
    let errors: [BoxError; 4] = [
        body.into(),
        body_of_another_call().await.into(),
        Mark::fault(timed_out).into(),
        io::Error::from(io::ErrorKind::ConnectionReset).into(),
    ];
    for error in errors {
        let told = format!("{error:?}");
        let fault = Fault::of(&from_connector(error).await);
        assert_eq!(fault.delivery, Delivery::NeverSent, "{told}: {fault:?}");
        assert!(!matches!(fault.phase, Phase::Body), "{told}: {fault:?}");
    }
}

/// An alert that ends handshakes, in the middle of a body: the request had been answered.
#[tokio::test]
async fn an_alert_within_the_body_follows_an_answer() {
    let (here, mut there) = tokio::io::duplex(1024);
    tokio::spawn(async move {
        let _ = there.read(&mut [0; 1024]).await;
        let _ = there.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345").await;
        std::future::pending::<()>().await;
    });
    let alert = rustls::Error::AlertReceived(AlertDescription::AccessDenied);
    let io = common::FailsAfter::new(here, 43, io::Error::new(io::ErrorKind::InvalidData, alert));
    let (mut send, connection) =
        hyper::client::conn::http1::handshake::<_, Empty<Bytes>>(io).await.expect("a connection");
    tokio::spawn(connection);
    let request = http::Request::get("/").header("host", "x").body(Empty::new()).expect("a request");
    let response = send.send_request(request).await.expect("the head is whole");
    let error = response.into_body().collect().await.expect_err("the body is cut");
    let fault = Fault::of(&error);
    assert_eq!((fault.phase, fault.delivery), (Phase::Body, Delivery::Answered), "{error:?}");
}

/// An alert that ends handshakes, after the request: in TLS 1.2 it may end a second handshake, which a server asks for when it
/// has read the request. Only the one that TLS 1.2 does not have proves that it has not.
#[tokio::test]
async fn an_alert_after_the_request_may_follow_it() {
    for (alert, delivery) in [
        (AlertDescription::HandshakeFailure, Delivery::Perhaps),
        (AlertDescription::AccessDenied, Delivery::Perhaps),
        (AlertDescription::CertificateUnknown, Delivery::Perhaps),
        (AlertDescription::CertificateRequired, Delivery::NeverSent),
    ] {
        let (here, mut there) = tokio::io::duplex(1024);
        tokio::spawn(async move {
            let _ = there.read(&mut [0; 1024]).await;
            let _ = there.write_all(b"HTTP").await;
            std::future::pending::<()>().await;
        });
        let error = io::Error::new(io::ErrorKind::InvalidData, rustls::Error::AlertReceived(alert));
        let (mut send, connection) =
            hyper::client::conn::http1::handshake::<_, Empty<Bytes>>(common::FailsAfter::new(here, 4, error))
                .await
                .expect("a connection");
        tokio::spawn(connection);
        let request = http::Request::post("/").header("host", "x").body(Empty::new()).expect("a request");
        let error = send.send_request(request).await.expect_err("the connection ends");
        let fault = Fault::of(&error);
        assert_eq!((fault.delivery, fault.healing), (delivery, Healing::Permanent), "{error:?}: {fault:?}");
    }
}

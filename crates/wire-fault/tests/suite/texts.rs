//! Makes the errors whose texts are known anew, from the real crates, so that a rewording fails here.

use crate::common;
use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{AlertDescription, CertificateError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tower::{Service, ServiceExt};
use tower_layer::Layer;
use wire_fault::{Cause, Delivery, Fault, Healing, Phase, StampLayer, WitnessLayer, chain};

fn client() -> Client<HttpConnector, Empty<Bytes>> {
    Client::builder(TokioExecutor::new()).build_http()
}

fn get(uri: &str) -> http::Request<Empty<Bytes>> {
    http::Request::get(uri).body(Empty::new()).expect("a valid request")
}

/// The texts of an error's chain, so that a failing test shows what was said instead.
fn texts(error: &(dyn Error + 'static)) -> Vec<String> {
    chain(error).map(ToString::to_string).collect()
}

/// An error of another version of a crate: same text and `Debug`, unknown type.
struct Version<E>(E);

impl<E: fmt::Display> fmt::Display for Version<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<E: fmt::Debug> fmt::Debug for Version<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<E: Error> Error for Version<E> {}

#[test]
fn rustls_errors_read_the_same_by_type_and_by_text() {
    let alerts = (0..=255).map(|n| rustls::Error::AlertReceived(AlertDescription::from(n)));
    let others = [
        rustls::Error::InvalidCertificate(CertificateError::Expired),
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer),
        rustls::Error::NoCertificatesPresented,
        rustls::Error::NoApplicationProtocol,
        rustls::Error::PeerIncompatible(rustls::PeerIncompatible::NoCipherSuitesInCommon),
        rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType),
        rustls::Error::PeerMisbehaved(rustls::PeerMisbehaved::TooMuchEarlyDataReceived),
        rustls::Error::DecryptError,
        rustls::Error::PeerSentOversizedRecord,
    ];
    for error in alerts.chain(others) {
        let by_type = Fault::of(&error);
        assert_eq!(Fault::of(&Version(error.clone())), by_type, "{error}");
        // Of the text alone nobody can tell whose it is; the rest is the same.
        let said: Box<dyn Error + Send + Sync> = error.to_string().into();
        let by_text = Fault::of(&*said);
        assert_eq!(by_text.delivery, Delivery::Perhaps, "{error}");
        assert_eq!(
            (by_text.phase, by_text.cause, by_text.healing),
            (by_type.phase, by_type.cause, by_type.healing),
            "{error}"
        );
    }
}

#[test]
fn alerts_heal_or_not_by_their_kind() {
    let fault = |alert| Fault::of(&rustls::Error::AlertReceived(alert));
    for heals in
        [AlertDescription::InternalError, AlertDescription::UserCanceled, AlertDescription::CloseNotify]
    {
        assert_eq!(fault(heals).healing, Healing::Transient, "{heals:?}");
    }
    for never in
        [AlertDescription::HandshakeFailure, AlertDescription::DecodeError, AlertDescription::UnknownCA]
    {
        assert_eq!(fault(never).healing, Healing::Permanent, "{never:?}");
    }
    let required = fault(AlertDescription::CertificateRequired);
    assert_eq!((required.cause, required.delivery), (Cause::Certificate, Delivery::NeverSent));
}

#[tokio::test]
async fn tokio_rustls_handshake_eof() {
    let config =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring serves the default versions")
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let (here, mut there) = tokio::io::duplex(16 * 1024);
    let server = async move {
        there.read_exact(&mut [0; 16]).await.expect("a ClientHello");
        drop(there);
    };
    let name = rustls::pki_types::ServerName::try_from("localhost").expect("a name");
    let (error, ()) = tokio::join!(connector.connect(name, here), server);
    let error = error.expect_err("the peer has gone");
    let fault = Fault::of(&error);
    assert_eq!(
        fault,
        Fault::new(Phase::TlsHandshake, Delivery::NeverSent, Cause::Eof, Healing::Transient).clone(),
        "{:?}",
        texts(&error)
    );
}

#[tokio::test]
async fn hyper_util_places() {
    let port = crate::common::nobody().port();
    let error = client().request(get(&format!("http://127.0.0.1:{port}/"))).await.expect_err("refused");
    let fault = Fault::of(&error);
    assert_eq!((fault.phase, fault.cause), (Phase::Tcp, Cause::ConnectionRefused), "{:?}", texts(&error));
    assert_eq!((fault.delivery, fault.healing), (Delivery::NeverSent, Healing::Transient));

    // RFC 6761: never resolves. Whether for good or for now depends on the resolver at hand.
    let error = client().request(get("http://stock.invalid/")).await.expect_err("no such name");
    let fault = Fault::of(&error);
    assert_eq!((fault.phase, fault.cause), (Phase::Dns, Cause::Dns), "{:?}", texts(&error));
    assert_eq!(fault.delivery, Delivery::NeverSent);
    assert_ne!(fault.healing, Healing::Unknown, "{:?}", texts(&error));
}

#[tokio::test]
async fn hyper_util_refuses_misuse_itself() {
    let error = client().request(get("/no/host")).await.expect_err("not absolute");
    let fault = Fault::of(&error);
    assert_eq!(
        (fault.delivery, fault.healing),
        (Delivery::NeverSent, Healing::Permanent),
        "{:?}",
        texts(&error)
    );
}

/// `connect(2)`'s own word has a number of the system's; of a kind alone any program makes an error.
#[tokio::test]
async fn a_refusal_is_the_systems() {
    let refused = tokio::net::TcpStream::connect(crate::common::nobody()).await.expect_err("nobody listens");
    let no_address = TcpListener::bind("192.0.2.1:0").await.expect_err("not an address of this host");
    for error in [refused, no_address] {
        assert!(error.raw_os_error().is_some(), "{error:?}");
        let fault = Fault::of(&error);
        assert_eq!((fault.phase, fault.delivery), (Phase::Tcp, Delivery::NeverSent), "{error:?}");
        let said = Fault::of(&io::Error::from(error.kind()));
        assert_eq!((said.phase, said.delivery), (Phase::Unknown, Delivery::Perhaps), "{error:?}");
        assert_eq!((said.cause, said.healing), (fault.cause, fault.healing), "{error:?}");
    }
}

/// What this side can't do by its settings, it can't do the next time.
#[tokio::test]
async fn a_url_that_no_connector_serves_is_permanent() {
    let config =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring serves the default versions")
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    let tls = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(config).https_only().enable_http1();
    let tls = tls.wrap_connector(StampLayer::tcp().layer(tcp));
    let witnessed: Client<_, Empty<Bytes>> =
        Client::builder(TokioExecutor::new()).build(WitnessLayer::new().layer(tls.clone()));
    let tls: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build(tls);
    let mut errors = vec![client().request(get("https://127.0.0.1:1/")).await.expect_err("no TLS")];
    for uri in ["http://127.0.0.1:1/", "ftp://127.0.0.1:1/", "https://-/"] {
        errors.push(tls.request(get(uri)).await.expect_err("not served"));
        errors.push(witnessed.request(get(uri)).await.expect_err("not served"));
    }
    for error in errors {
        let fault = Fault::of(&error);
        let misuse = Fault::new(Phase::Pool, Delivery::NeverSent, Cause::Other, Healing::Permanent);
        assert_eq!(fault, misuse, "{:?}", texts(&error));
    }
    // Elsewhere anybody may say so of anything.
    assert_eq!(Fault::of(&io::Error::other("unsupported scheme ftp")), Fault::UNKNOWN);
}

/// The system's word that there is no way: of a connection in use as well as of one that is made.
#[tokio::test]
async fn an_unreachable_network_proves_something_of_a_connector_only() {
    use io::ErrorKind as K;
    let kinds =
        [K::HostUnreachable, K::NetworkUnreachable, K::NetworkDown, K::TimedOut, K::ConnectionRefused];
    for kind in kinds {
        let fault = Fault::of(&io::Error::from(kind));
        assert_eq!((fault.phase, fault.delivery), (Phase::Unknown, Delivery::Perhaps), "{kind}: {fault:?}");
        assert_eq!(fault.healing, Healing::Transient, "{kind}");

        let connector = tower::service_fn(move |_: http::Uri| {
            std::future::ready(Err::<common::Duplex, _>(io::Error::from(kind)))
        });
        let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
        let fault = Fault::of(&client.request(get("http://x/")).await.expect_err("no connection"));
        assert_eq!((fault.phase, fault.delivery), (Phase::Tcp, Delivery::NeverSent), "{kind}");

        // In use: the request has been written.
        let (here, mut there) = tokio::io::duplex(1024);
        tokio::spawn(async move {
            let _ = there.read(&mut [0; 1024]).await;
            let _ = there.write_all(b"HTTP").await;
            std::future::pending::<()>().await;
        });
        let connection = common::FailsAfter::new(here, 4, io::Error::from(kind));
        let (mut send, connection) =
            hyper::client::conn::http1::handshake(connection).await.expect("a connection");
        tokio::spawn(connection);
        let fault = Fault::of(&send.send_request(get("/")).await.expect_err("the network is gone"));
        assert_eq!((fault.phase, fault.delivery), (Phase::InFlight, Delivery::Perhaps), "{kind}");
    }
}

/// Answers one connection with `answer`, after it has read something, and closes it.
async fn answer_with(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await?;
        let _ = stream.read(&mut [0; 4096]).await?;
        stream.write_all(answer).await?;
        stream.shutdown().await
    });
    format!("http://127.0.0.1:{port}/")
}

#[tokio::test]
async fn hyper_body_cut_is_answered() {
    let uri = answer_with(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345").await;
    let response = client().request(get(&uri)).await.expect("the head is whole");
    let error = response.into_body().collect().await.expect_err("the body is cut");
    let fault = Fault::of(&error);
    assert_eq!(
        (fault.phase, fault.delivery, fault.cause),
        (Phase::Body, Delivery::Answered, Cause::Eof),
        "{:?}",
        texts(&error)
    );
    assert!(fault.may_repeat(true) && !fault.may_repeat(false));
}

#[tokio::test]
async fn hyper_no_answer_and_no_http() {
    let uri = answer_with(b"").await;
    let error = client().request(get(&uri)).await.expect_err("closed before it answered");
    let fault = Fault::of(&error);
    assert_eq!((fault.phase, fault.delivery), (Phase::InFlight, Delivery::Perhaps), "{:?}", texts(&error));
    assert_eq!((fault.cause, fault.healing), (Cause::CleanClose, Healing::Transient));

    let uri = answer_with(b"\x15\x03\x01\x00\x02\x02\x46 not http").await;
    let error = client().request(get(&uri)).await.expect_err("not HTTP");
    let fault = Fault::of(&error);
    assert_eq!((fault.cause, fault.healing), (Cause::Protocol, Healing::Permanent), "{:?}", texts(&error));
    assert_eq!(fault.delivery, Delivery::Perhaps);
}

/// A body whose own error tells of another call: that other call's proof is none for this one.
#[tokio::test]
async fn the_error_of_the_callers_body_proves_nothing() {
    struct Failing(bool);

    impl http_body::Body for Failing {
        type Data = Bytes;
        type Error = io::Error;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, io::Error>>> {
            std::task::Poll::Ready(Some(if std::mem::replace(&mut self.0, true) {
                Err(io::Error::from(io::ErrorKind::ConnectionRefused))
            } else {
                Ok(http_body::Frame::data(Bytes::from_static(b"half")))
            }))
        }
    }

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let accept = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut read = Vec::new();
        let _ = stream.read_to_end(&mut read).await;
    });
    let stream = tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.expect("connected");
    let (mut send, connection) = hyper::client::conn::http1::handshake::<_, Failing>(TokioIo::new(stream))
        .await
        .expect("a connection");
    tokio::spawn(connection);
    let request = http::Request::post("/order").header("host", "x").body(Failing(false)).expect("a request");
    let error = send.send_request(request).await.expect_err("the body fails");
    let fault = Fault::of(&error);
    assert_eq!(fault.delivery, Delivery::Perhaps, "{:?}", texts(&error));
    assert!(!fault.may_repeat(false));
    accept.abort();
}

#[tokio::test(start_paused = true)]
async fn timeouts_by_text() {
    let never = std::future::pending::<()>();
    let error = tokio::time::timeout(Duration::from_secs(1), never).await.expect_err("never");
    assert_eq!(Fault::of(&error).cause, Cause::Timeout, "{error}");

    let inner = tower::service_fn(|(): ()| std::future::pending::<Result<(), Infallible>>());
    let mut service = tower::timeout::Timeout::new(inner, Duration::from_secs(1));
    let error = service.ready().await.expect("ready").call(()).await.expect_err("never");
    let fault = Fault::of(&*error);
    assert_eq!((fault.cause, fault.delivery), (Cause::Timeout, Delivery::Perhaps), "{error}");
    assert!(fault.may_repeat(true) && !fault.may_repeat(false));
}

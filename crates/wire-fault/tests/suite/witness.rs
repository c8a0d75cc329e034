//! What the witness counts, seals and states, over hyper-util's client.

use std::error::Error;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::{Duplex, Failing, FailsAfter};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector, capture_connection};
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tower::{Layer, Service, ServiceExt, service_fn};
use wire_fault::{
    Cause, Delivery, Fault, Healing, Mark, Phase, StampLayer, Witness, WitnessLayer, Witnessed, WitnessedIo,
    chain,
};

type BoxError = Box<dyn Error + Send + Sync>;
type Ready<T> = std::future::Ready<Result<T, io::Error>>;

/// A connector that hands out the near ends of these, in order.
fn hand_out<T: Send + 'static>(
    streams: impl IntoIterator<Item = T>,
) -> impl Service<http::Uri, Response = T, Error = io::Error, Future = Ready<T>> + Clone + Send + 'static {
    let mut streams: Vec<_> = streams.into_iter().collect();
    streams.reverse();
    let streams = Arc::new(Mutex::new(streams));
    service_fn(move |_: http::Uri| {
        let stream = streams.lock().expect("no panic").pop();
        std::future::ready(stream.ok_or_else(|| io::ErrorKind::ConnectionRefused.into()))
    })
}

fn post<B>(body: B) -> http::Request<B> {
    http::Request::post("http://x/order").body(body).expect("a request")
}

/// The witness in hyper-util's error.
fn witness(error: &legacy::Error) -> Witness {
    Witness::of(error.connect_info().expect("handed to a connection")).expect("through a witness")
}

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Reads one request's head and answers it.
async fn answer(stream: &mut DuplexStream) {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        read.push(stream.read_u8().await.expect("a request"));
    }
    stream.write_all(ANSWER).await.expect("written");
}

#[tokio::test]
async fn a_request_that_was_not_begun_was_never_sent() {
    // hyper asks the body for its first piece before it writes the head.
    let failing = || Failing::at_once(io::Error::from(io::ErrorKind::ConnectionReset));
    let (here, _there) = tokio::io::duplex(1024);
    let client = Client::builder(TokioExecutor::new()).build(hand_out([Duplex::new(here)]));
    let error = client.request(post(failing())).await.expect_err("the body fails");
    assert_eq!(Fault::of(&error).delivery, Delivery::Perhaps, "{error:?}");

    let (here, mut there) = tokio::io::duplex(1024);
    let connector = WitnessLayer::new().layer(hand_out([Duplex::new(here)]));
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let error = client.request(post(failing())).await.expect_err("the body fails");
    assert_eq!(witness(&error).writes(), 0);
    assert_eq!(Fault::of(&error).delivery, Delivery::NeverSent, "{error:?}");
    drop(client);
    let mut received = Vec::new();
    there.read_to_end(&mut received).await.expect("closed");
    assert!(received.is_empty(), "{received:?}");
}

/// A connection whose writes fail, having carried who knows what.
struct Unwritable(Duplex);

impl Connection for Unwritable {
    fn connected(&self) -> Connected {
        Connected::new().extra(7_u8)
    }
}

impl hyper::rt::Read for Unwritable {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buf: hyper::rt::ReadBufCursor<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl hyper::rt::Write for Unwritable {
    fn poll_write(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        _: &[u8],
    ) -> std::task::Poll<io::Result<usize>> {
        std::task::Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
    }

    fn poll_flush(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn poll_shutdown(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn a_write_that_fails_counts() {
    let (here, _there) = tokio::io::duplex(1024);
    let connector = WitnessLayer::new().layer(hand_out([Unwritable(Duplex::new(here))]));
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
    let error = client.request(post(Full::from("{}"))).await.expect_err("broken");
    assert_eq!(witness(&error).writes(), 1);
    assert_eq!(Fault::of(&error).delivery, Delivery::Perhaps, "{error:?}");
    let mut extras = http::Extensions::new();
    error.connect_info().expect("handed over").get_extras(&mut extras);
    assert_eq!(extras.get(), Some(&7_u8), "what the connector has put there stays");
}

#[tokio::test]
async fn reads_reset_nothing_and_a_used_connection_proves_nothing() {
    let (here, mut there) = tokio::io::duplex(1024);
    let connector = WitnessLayer::new().layer(hand_out([Duplex::new(here)]));
    let client: Client<_, Failing> = Client::builder(TokioExecutor::new()).build(connector);
    let server = tokio::spawn(async move {
        answer(&mut there).await;
        there
    });
    let empty = http::Request::get("http://x/").body(Failing::empty()).expect("a request");
    let response = client.request(empty).await.expect("answered");
    let seen = response.extensions().get::<Witness>().expect("in the response too").clone();
    response.into_body().collect().await.expect("whole");
    let _there = server.await.expect("no panic");
    let before = seen.writes();
    assert!(before >= 1);

    let failing = Failing::at_once(io::Error::from(io::ErrorKind::ConnectionReset));
    let error = client.request(post(failing)).await.expect_err("the body fails");
    assert_eq!(witness(&error).writes(), before, "the same connection, and nothing new on it");
    assert_eq!(Fault::of(&error).delivery, Delivery::Perhaps, "{error:?}");
}

#[tokio::test]
async fn an_http2_connection_is_never_unwritten() {
    let (here, mut there) = tokio::io::duplex(1024);
    tokio::spawn(async move {
        let _ = there.read_exact(&mut [0; 24]).await;
    });
    let connector = WitnessLayer::new().layer(hand_out([Duplex::new(here)]));
    let client: Client<_, Full<Bytes>> =
        Client::builder(TokioExecutor::new()).http2_only(true).build(connector);
    let mut request = post(Full::from("{}"));
    let captured = capture_connection(&mut request);
    let error = client.request(request).await.expect_err("cut");
    if let Some(connected) = captured.connection_metadata().as_ref() {
        let witness = Witness::of(connected).expect("through a witness");
        assert!(witness.writes() > 0 && !witness.seal(), "{error:?}");
    }
    assert!(Fault::of(&error).may_repeat(true));
}

/// The time limit's question: a connection was had, and what then?
#[tokio::test(start_paused = true)]
async fn a_seal_ends_what_has_not_begun() {
    // The body never comes; so hyper has written the head, and the seal comes too late.
    let (here, there) = tokio::io::duplex(1024);
    let connector = WitnessLayer::new().layer(hand_out([Duplex::new(here)]));
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
    let mut request = post(Full::from("{}"));
    let captured = capture_connection(&mut request);
    let call = client.request(request);
    tokio::time::timeout(Duration::from_secs(1), call).await.expect_err("no answer");
    let connected = Witness::of(captured.connection_metadata().as_ref().expect("had")).expect("witnessed");
    assert!(connected.writes() > 0);
    assert!(!connected.seal());
    drop(there);

    // Sealed first: the next write fails and carries nothing.
    let (here, mut there) = tokio::io::duplex(1024);
    let io = WitnessedIo::new(TokioIo::new(here));
    let witness = io.witness().clone();
    assert!(witness.seal());
    let (mut send, connection) =
        hyper::client::conn::http1::handshake::<_, Full<Bytes>>(io).await.expect("a connection");
    tokio::spawn(connection);
    let error = send.send_request(post(Full::from("{}"))).await.expect_err("sealed");
    assert_eq!(Fault::of(&error).cause, Cause::Reset, "{error:?}");
    assert!(witness.is_unwritten() && witness.seal());
    drop(send);
    let mut received = Vec::new();
    there.read_to_end(&mut received).await.expect("closed");
    assert!(received.is_empty(), "{received:?}");
}

/// A call over a connection that somebody has sealed was never sent, and the reading says so.
#[tokio::test]
async fn a_call_over_a_sealed_connection_was_never_sent() {
    let (here, _there) = tokio::io::duplex(1024);
    let made = WitnessedIo::new(Duplex::new(here));
    assert!(made.witness().seal());
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build(hand_out([made]));
    let error = client.request(post(Full::from("{}"))).await.expect_err("sealed");
    let fault = Fault::of(&error);
    assert_eq!((fault.delivery, fault.healing), (Delivery::NeverSent, Healing::Transient), "{error:?}");
}

/// Of a seal and a first write at the same time, exactly one succeeds.
#[test]
fn a_seal_and_a_write_exclude_each_other() {
    use hyper::rt::Write;
    for round in 0..2_000 {
        let (here, there) = tokio::io::duplex(64);
        let mut io = WitnessedIo::new(TokioIo::new(here));
        let witness = io.witness().clone();
        let sealed = std::thread::spawn(move || witness.seal());
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        let written =
            matches!(std::pin::Pin::new(&mut io).poll_write(&mut cx, b"POST"), std::task::Poll::Ready(Ok(4)));
        assert_ne!(sealed.join().expect("no panic"), written, "round {round}");
        assert_eq!(io.witness().is_unwritten(), !written);
        drop(there);
    }
}

/// What a connect that fails with `error` is stated as, through these layers.
async fn stated(error: impl Into<BoxError>, layers: impl Fn(Failed) -> Failed) -> Fault {
    let error = Arc::new(Mutex::new(Some(error.into())));
    let failed = Failed::new(service_fn(move |_: http::Uri| {
        std::future::ready(Err::<(), _>(error.lock().expect("no panic").take().expect("called once")))
    }));
    let error = layers(failed).oneshot(http::Uri::from_static("http://x/")).await.expect_err("fails");
    let marks = chain(&*error).filter(|link| link.is::<Mark>()).count();
    assert!(marks <= 1, "{error:?}");
    Fault::of(&*error)
}

type Failed = tower::util::BoxService<http::Uri, (), BoxError>;

fn stamped(layer: StampLayer) -> impl Fn(Failed) -> Failed {
    move |inner| Failed::new(layer.layer(inner))
}

#[tokio::test]
async fn a_stamp_says_where_and_that_nothing_was_sent() {
    let reset = || io::Error::from(io::ErrorKind::ConnectionReset);
    let fault = stated(reset(), |inner| inner).await;
    assert_eq!(fault.delivery, Delivery::Perhaps, "unstamped, it could be anywhere");
    for (layer, phase) in [
        (StampLayer::dns(), Phase::Dns),
        (StampLayer::tcp(), Phase::Tcp),
        (StampLayer::proxy(), Phase::Proxy),
        (StampLayer::tls(), Phase::TlsHandshake),
        (StampLayer::connector(), Phase::TlsHandshake),
    ] {
        let expected = Fault::new(phase, Delivery::NeverSent, Cause::Reset, Healing::Transient);
        assert_eq!(stated(reset(), stamped(layer)).await, expected, "{layer:?}");
    }
    // A resolver of another make, whose errors nobody has a text for.
    let fault = stated("no servers could be reached", stamped(StampLayer::dns())).await;
    assert_eq!((fault.phase, fault.delivery, fault.cause), (Phase::Dns, Delivery::NeverSent, Cause::Dns));
    // What an error says of an earlier phase stands.
    let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
    assert_eq!(stated(refused, stamped(StampLayer::tls())).await.phase, Phase::Tcp);
    // The innermost stamp speaks.
    let both = |inner| stamped(StampLayer::connector())(stamped(StampLayer::tcp())(inner));
    assert_eq!(stated(reset(), both).await.phase, Phase::Tcp);
}

#[tokio::test]
async fn the_recommended_composition_over_loopback() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let connector: Witnessed<_> = WitnessLayer::new().layer(StampLayer::tcp().layer(HttpConnector::new()));
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
    let uri: http::Uri = format!("http://127.0.0.1:{port}/").parse().expect("a uri");
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream.write_all(ANSWER).await;
        drop(listener);
    });
    let response = client.get(uri.clone()).await.expect("answered");
    assert!(response.extensions().get::<Witness>().is_some_and(|witness| witness.writes() == 1));
    response.into_body().collect().await.expect("whole");

    let port = crate::common::nobody().port();
    let error = client.get(format!("http://127.0.0.1:{port}/").parse().expect("a uri")).await;
    let fault = Fault::of(&error.expect_err("refused"));
    let expected = Fault::new(Phase::Tcp, Delivery::NeverSent, Cause::ConnectionRefused, Healing::Transient);
    assert_eq!(fault, expected);

    let error = client.get(http::Uri::from_static("http://stock.invalid/")).await.expect_err("no such name");
    let fault = Fault::of(&error);
    assert_eq!((fault.phase, fault.delivery, fault.cause), (Phase::Dns, Delivery::NeverSent, Cause::Dns));
}

/// tonic connects by itself, and no error of hyper-util's stands above: the stamp is the only proof.
#[tokio::test]
async fn over_tonic_the_stamp_is_the_proof() {
    use tonic::transport::{Channel, Endpoint};

    async fn call(connect: impl FnOnce(Endpoint) -> Channel) -> Fault {
        let mut channel = connect(Endpoint::from_static("http://x"));
        let request = post(tonic::body::Body::empty());
        let error = async { channel.ready().await?.call(request).await }.await.expect_err("no connection");
        Fault::of(&error)
    }
    let reset = service_fn(|_: http::Uri| {
        std::future::ready(Err::<Duplex, _>(io::Error::from(io::ErrorKind::ConnectionReset)))
    });
    let (stamped, witnessed) = (StampLayer::connector().layer(reset), WitnessLayer::new().layer(reset));
    let bare = call(|endpoint| endpoint.connect_with_connector_lazy(reset)).await;
    assert_eq!(bare.delivery, Delivery::Perhaps);
    for fault in [
        call(|endpoint| endpoint.connect_with_connector_lazy(stamped)).await,
        call(|endpoint| endpoint.connect_with_connector_lazy(witnessed)).await,
    ] {
        assert_eq!(
            (fault.delivery, fault.cause, fault.healing),
            (Delivery::NeverSent, Cause::Reset, Healing::Transient)
        );
    }
}

#[tokio::test]
async fn the_io_passes_everything_through() {
    let (here, _there) = tokio::io::duplex(1024);
    let io = WitnessedIo::new(FailsAfter::new(here, 0, io::ErrorKind::UnexpectedEof.into()));
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build(hand_out([io]));
    let error = client.get(http::Uri::from_static("http://x/")).await.expect_err("cut");
    assert_eq!(Fault::of(&error).delivery, Delivery::NeverSent, "{error:?}");
}

//! Bodies that HTTP/2 ends before their time, in good order.

use std::future::poll_fn;
use std::net::{Ipv4Addr, SocketAddr};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jittered_backoff::{Backoff, Limits};
use retry_on_tls_eof::{Attempt, BodyCut, CollectBodyLayer, OutcomeUnknown, RetryOnTlsEofLayer};
use tokio::net::{TcpListener, TcpStream};
use tower::{ServiceBuilder, ServiceExt};
use wire_fault::{Boxed, Delivery, Phase};

/// How an answer of ten bytes ends after four.
#[derive(Clone, Copy, Debug)]
enum End {
    Reset(Reason),
    GoAway,
}

/// The first answer of each connection ends so; the others are whole.
async fn serve(end: End) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let mut held = Vec::new();
        for cut in [true, false].into_iter().cycle() {
            let (stream, _) = listener.accept().await.expect("a connection");
            // Held open, or what the server has not read would turn its end into a reset, which takes the answer with it.
            let stream = stream.into_std().expect("a socket");
            held.push(stream.try_clone().expect("a second handle"));
            let stream = TcpStream::from_std(stream).expect("a socket");
            let mut connection = h2::server::handshake(stream).await.expect("HTTP/2");
            let mut cut = cut;
            while let Some(Ok((_, mut respond))) = connection.accept().await {
                let head = Response::builder().header("content-length", 10).body(()).expect("a head");
                let mut body = respond.send_response(head, false).expect("sent");
                if !std::mem::take(&mut cut) {
                    body.send_data("0123456789".into(), true).expect("sent");
                    continue;
                }
                body.send_data("0123".into(), false).expect("sent");
                // What was written goes out before what follows.
                poll_fn(|cx| {
                    assert!(connection.poll_accept(cx).is_pending(), "there is one request");
                    Poll::Ready(())
                })
                .await;
                match end {
                    End::Reset(reason) => body.send_reset(reason),
                    End::GoAway => connection.abrupt_shutdown(Reason::NO_ERROR),
                }
            }
        }
    });
    address
}

fn client() -> Client<HttpConnector, Empty<Bytes>> {
    let mut tcp = HttpConnector::new();
    tcp.set_nodelay(true);
    Client::builder(TokioExecutor::new()).http2_only(true).build(tcp)
}

fn request(method: Method, address: SocketAddr) -> Request<Empty<Bytes>> {
    Request::builder().method(method).uri(format!("http://{address}/")).body(Empty::new()).expect("a request")
}

#[tokio::test]
async fn a_reset_without_error_cuts_a_body_unseen() {
    let address = serve(End::Reset(Reason::NO_ERROR)).await;
    let response = client().request(request(Method::GET, address)).await.expect("a head");
    let body = response.into_body().collect().await.expect("hyper takes it for the end");
    assert_eq!(body.to_bytes(), "0123", "if this is an error now, so much the better");
}

#[tokio::test]
async fn however_it_is_cut_a_get_heals_and_a_post_is_unknown() {
    let ends = [Reason::NO_ERROR, Reason::CANCEL, Reason::INTERNAL_ERROR].map(End::Reset);
    for end in ends.into_iter().chain([End::GoAway]) {
        let backoff = Backoff::exponential(Duration::from_millis(1)..=Duration::from_millis(2));
        let service = || {
            ServiceBuilder::new()
                .layer(
                    RetryOnTlsEofLayer::<Boxed>::new(backoff.expect("in range")).with_limits(Limits::new()),
                )
                .layer(CollectBodyLayer::new(1024).expect("in range"))
                .service(client())
        };
        let response = service().oneshot(request(Method::GET, serve(end).await)).await.expect("healed");
        assert_eq!(response.extensions().get().map(|attempt: &Attempt| attempt.get()), Some(2), "{end:?}");
        assert_eq!(response.into_body().as_whole().map(|body| &body[..]), Some(&b"0123456789"[..]));

        let error = service().oneshot(request(Method::POST, serve(end).await)).await.expect_err("cut");
        let unknown = OutcomeUnknown::of(&*error).expect("it has landed");
        assert_eq!(
            (unknown.attempts(), unknown.fault().phase, unknown.fault().delivery),
            (1, Phase::Body, Delivery::Answered),
            "{end:?}"
        );
        assert_eq!(BodyCut::of(&*error).map(BodyCut::received), Some(4), "{end:?}");
    }
}

/// An answer to HEAD has the length of a body that it doesn't have.
#[tokio::test]
async fn an_answer_to_head_is_whole() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        let mut connection = h2::server::handshake(stream).await.expect("HTTP/2");
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            let head = Response::builder().header("content-length", 10).body(()).expect("a head");
            respond.send_response(head, true).expect("sent");
        }
    });
    let service = CollectBodyLayer::new(1024).expect("in range");
    let response = tower::Layer::layer(&service, client()).oneshot(request(Method::HEAD, address)).await;
    assert_eq!(response.expect("whole").headers()["content-length"], "10");
}

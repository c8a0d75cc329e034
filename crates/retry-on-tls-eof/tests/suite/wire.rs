//! Over real TLS that is cut: bodies of responses, and streaming bodies of requests.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use flaky_tls::{CutBy, CutPoint, FlakyTls, RequestBody, Running, Scenario, Script};
use http::{Method, Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jittered_backoff::{Backoff, Limits, Replay, Untouched};
use retry_on_tls_eof::{Attempt, AttemptTimeoutLayer, CollectBodyLayer, OutcomeUnknown, RetryOnTlsEofLayer};
use tower::{ServiceBuilder, ServiceExt, service_fn};
use wire_fault::{Boxed, Delivery, Phase, Plain};

/// Answers 16 kB, with what it received in front.
async fn serve(cuts: impl IntoIterator<Item = Scenario>) -> Running {
    let answer = service_fn(async |request: Request<RequestBody>| {
        let received = request.into_body().collect().await.expect("it was read in full").to_bytes();
        let body: Vec<u8> = received.iter().copied().chain([b'.'; 16 * 1024]).collect();
        Ok::<_, Infallible>(
            Response::builder()
                .header("x-ovh-queryid", "EU.ext-1.42")
                .body(Full::new(Bytes::from(body)))
                .unwrap(),
        )
    });
    let script = Script::list(cuts.into_iter().collect::<Vec<_>>(), Scenario::Healthy);
    FlakyTls::new().with_script(script).serve(answer).await.expect("a free port")
}

fn client<B>(server: &Running) -> Client<HttpsConnector<HttpConnector>, B>
where
    B: Body + Send,
    B::Data: Send,
{
    let config = server.authority().client_config().expect("a configuration");
    let https = HttpsConnectorBuilder::new().with_tls_config(config).https_only().enable_http1().build();
    Client::builder(TokioExecutor::new()).build(https)
}

fn quick<M>(attempts: u32) -> RetryOnTlsEofLayer<M> {
    let backoff =
        Backoff::exponential(Duration::from_millis(1)..=Duration::from_millis(2)).expect("in range");
    RetryOnTlsEofLayer::new(backoff).with_limits(Limits::new().with_attempts(attempts).expect("in range"))
}

fn request<B>(server: &Running, method: Method, id: &str, body: B) -> Request<B> {
    Request::builder()
        .method(method)
        .uri(server.url())
        .header("x-request-id", id)
        .body(body)
        .expect("a request")
}

/// A body cut by each means: unseen without the layer; with it a GET heals, and a POST is unknown, and is sent once.
#[tokio::test]
async fn a_cut_body_is_a_failure_of_the_call() {
    for by in CutBy::ALL {
        let cut = Scenario::Cut { at: CutPoint::Body, by };
        let server = serve([cut, cut, cut, cut]).await;

        // Without it, the call is a success whose body fails.
        let plain = ServiceBuilder::new().layer(quick::<Plain>(4)).service(client::<Full<Bytes>>(&server));
        let response =
            plain.oneshot(request(&server, Method::GET, "unseen", Full::default())).await.expect("a head");
        response.into_body().collect().await.expect_err("cut");

        let collecting = ServiceBuilder::new()
            .layer(quick::<Boxed>(4))
            .layer(AttemptTimeoutLayer::new(Duration::from_secs(60)).expect("in range").over_hyper_util())
            .layer(CollectBodyLayer::new(1024 * 1024).expect("in range"))
            .service(client::<Full<Bytes>>(&server));
        let posted = request(&server, Method::POST, "post", Full::from("order"));
        let error = collecting.clone().oneshot(posted).await.expect_err("cut");
        let unknown = OutcomeUnknown::of(&*error).expect("it has landed");
        assert_eq!(
            (unknown.fault().phase, unknown.fault().delivery),
            (Phase::Body, Delivery::Answered),
            "{by:?}"
        );
        assert_eq!((unknown.attempts(), unknown.query_id()), (1, Some("EU.ext-1.42")));

        let got =
            collecting.oneshot(request(&server, Method::GET, "get", Full::default())).await.expect("healed");
        assert_eq!(got.extensions().get::<Attempt>().map(|attempt| attempt.get()), Some(3), "{by:?}");
        assert_eq!(got.into_body().as_whole().map(Bytes::len), Some(16 * 1024));

        let truth = server.shutdown().await;
        assert_eq!((truth.tally("post").received, truth.tally("get").received), (1, 3), "{by:?}");
    }
}

/// Larger than the limit, it passes as it comes: the cut is the body's own, and nothing is repeated.
#[tokio::test]
async fn over_the_limit_a_cut_is_the_bodys_own() {
    let server = serve([Scenario::Cut { at: CutPoint::Body, by: CutBy::Rst }]).await;
    let collecting = ServiceBuilder::new()
        .layer(quick::<Boxed>(4))
        .layer(CollectBodyLayer::new(1024).expect("in range"))
        .service(client::<Full<Bytes>>(&server));
    let response = collecting
        .clone()
        .oneshot(request(&server, Method::GET, "cut", Full::default()))
        .await
        .expect("a head");
    response.into_body().collect().await.expect_err("cut");
    let response =
        collecting.oneshot(request(&server, Method::GET, "whole", Full::default())).await.expect("a head");
    assert_eq!(response.into_body().collect().await.expect("whole").to_bytes().len(), 16 * 1024);
    assert_eq!(server.shutdown().await.tally("cut").received, 1);
}

/// A stream that can't be cloned, in ten parts.
struct Upload(u8);

impl Body for Upload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let part = self.0;
        self.0 += 1;
        Poll::Ready((part < 10).then(|| Ok(Frame::data(Bytes::from(vec![b'0' + part])))))
    }
}

fn upload() -> Untouched<Upload> {
    Untouched::new(Upload(0))
}

/// Connections that can't be made, by every means: the stream is untouched each time, and goes out whole in the end, as a
/// POST.
#[tokio::test]
async fn an_untouched_stream_survives_failed_connections() {
    let before = [CutPoint::Accept, CutPoint::ClientHello, CutPoint::ServerHello];
    let cuts: Vec<_> =
        before.into_iter().flat_map(|at| CutBy::ALL.map(|by| Scenario::Cut { at, by })).collect();
    let server = serve(cuts.clone()).await;
    let service = ServiceBuilder::new()
        .layer(quick::<Boxed>(20))
        .layer(AttemptTimeoutLayer::new(Duration::from_secs(60)).expect("in range").over_hyper_util())
        .service(client(&server));
    let response = service.oneshot(request(&server, Method::POST, "upload", upload())).await.expect("healed");
    assert_eq!(
        response.extensions().get::<Attempt>().map(|attempt| attempt.get() as usize),
        Some(cuts.len() + 1)
    );
    let echoed = response.into_body().collect().await.expect("whole").to_bytes();
    assert_eq!(&echoed[..11], b"0123456789.", "the whole stream, once");
    assert_eq!(server.shutdown().await.tally("upload").received, 1);
}

/// Once a byte of it has gone out it is not repeated, however safe the method: the error of the first attempt comes back.
#[tokio::test]
async fn a_touched_stream_is_not_repeated() {
    for at in [CutPoint::Request, CutPoint::Head] {
        for by in CutBy::ALL {
            let server = serve([Scenario::Cut { at, by }]).await;
            let service = ServiceBuilder::new().layer(quick::<Plain>(4)).service(client(&server));
            for (method, id) in [(Method::PUT, "put"), (Method::POST, "post")] {
                let result = service.clone().oneshot(request(&server, method.clone(), id, upload())).await;
                if method == Method::PUT {
                    let error = result.expect_err("cut after the stream");
                    let unknown = OutcomeUnknown::of(&*error).expect("it may have landed");
                    assert_eq!((unknown.attempts(), unknown.fault().delivery), (1, Delivery::Perhaps));
                } else {
                    result.expect("the connection after is healthy");
                }
            }
            let truth = server.shutdown().await;
            assert_eq!((truth.tally("put").received, truth.tally("post").received), (1, 1), "{at:?} {by:?}");
        }
    }
}

/// Both kinds in one client, boxed: bytes are repeated after any failure, streams as long as they are untouched.
#[tokio::test]
async fn boxed_bodies_over_one_client() {
    use jittered_backoff::ReplayBox;
    let handshake = Scenario::Cut { at: CutPoint::ClientHello, by: CutBy::Fin };
    let request_cut = Scenario::Cut { at: CutPoint::Request, by: CutBy::Fin };
    let server = serve([handshake, request_cut, Scenario::Healthy]).await;
    let service = ServiceBuilder::new().layer(quick::<Plain>(9)).service(client::<ReplayBox<Bytes>>(&server));
    let bytes = ReplayBox::new(Full::new(Bytes::from("bytes")));
    assert!(bytes.replay().is_some());
    let response =
        service.clone().oneshot(request(&server, Method::PUT, "bytes", bytes)).await.expect("healed");
    assert_eq!(response.extensions().get::<Attempt>().map(|attempt| attempt.get()), Some(3));
    drop(response);
    let stream = ReplayBox::new(upload());
    service.oneshot(request(&server, Method::POST, "stream", stream)).await.expect("healthy");
    let truth = server.shutdown().await;
    assert_eq!((truth.tally("bytes").received, truth.tally("stream").received), (2, 1));
}

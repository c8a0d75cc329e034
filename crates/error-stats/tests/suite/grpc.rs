//! A gRPC call ends by its status, wherever that comes.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use error_stats::{Alarm, ErrorStats, GrpcBody, GrpcCode, Reason, Tally};
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, Full};
use tokio::sync::mpsc;
use tokio_test::task;
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use wire_fault::{Cause, Delivery, Fault, Healing, Mark, Phase, Plain};

type Frames = Result<Frame<Bytes>, Mark>;

const CUT: Fault = Fault::new(Phase::Body, Delivery::Answered, Cause::Eof, Healing::Transient);

fn call() -> Request<()> {
    Request::post("/shop.Stock/Look").header("content-type", "application/grpc+proto").body(()).unwrap()
}

fn headers(code: &str) -> HeaderMap {
    HeaderMap::from_iter([("grpc-status".parse().unwrap(), code.parse().unwrap())])
}

fn trailers(code: &str) -> Frames {
    Ok(Frame::trailers(headers(code)))
}

fn data() -> Frames {
    Ok(Frame::data(Bytes::from_static(b"\0\0\0\0\0")))
}

/// started, succeeded, failed, cancelled, in flight.
fn figures(tally: &Tally) -> [u64; 5] {
    assert_eq!(tally.started, tally.succeeded + tally.failed + tally.cancelled + tally.in_flight);
    [tally.started, tally.succeeded, tally.failed, tally.cancelled, tally.in_flight]
}

/// A body that is fed by hand, as a stream of HTTP/2 is by its peer: it knows its end by a frame only.
struct Fed(mpsc::UnboundedReceiver<Frames>);

impl Body for Fed {
    type Data = Bytes;
    type Error = Mark;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Frames>> {
        self.0.poll_recv(cx)
    }
}

fn fed() -> (mpsc::UnboundedSender<Frames>, Fed) {
    let (feed, frames) = mpsc::unbounded_channel();
    (feed, Fed(frames))
}

/// Makes one call of a service that answers so.
async fn answered<B>(stats: &ErrorStats, response: Response<B>) -> Response<GrpcBody<B, Plain>>
where
    B: Body<Error: std::error::Error + 'static>,
{
    asked(stats, call(), response).await
}

async fn asked<B>(
    stats: &ErrorStats,
    request: Request<()>,
    response: Response<B>,
) -> Response<GrpcBody<B, Plain>>
where
    B: Body<Error: std::error::Error + 'static>,
{
    let mut response = Some(response);
    let service = service_fn(move |_: Request<()>| {
        let response = response.take().unwrap();
        async { Ok::<_, Infallible>(response) }
    });
    stats.calls().for_grpc().layer(service).oneshot(request).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_call_is_in_flight_until_its_trailers_and_what_passes_is_untouched() {
    let stats = ErrorStats::new();
    let (feed, body) = fed();
    let mut body = task::spawn(answered(&stats, Response::new(body)).await.into_body());
    assert_eq!(figures(&stats.snapshot().calls), [1, 0, 0, 0, 1]);

    tokio::time::advance(Duration::from_secs(2)).await;
    feed.send(data()).unwrap();
    let read = body.enter(|cx, body| body.poll_frame(cx));
    assert!(matches!(read, Poll::Ready(Some(Ok(frame))) if frame.data_ref().unwrap() == &b"\0\0\0\0\0"[..]));
    assert!(body.enter(|cx, body| body.poll_frame(cx)).is_pending());
    assert_eq!(figures(&stats.snapshot().calls), [1, 0, 0, 0, 1]);

    tokio::time::advance(Duration::from_secs(2)).await;
    feed.send(trailers("0")).unwrap();
    assert!(body.is_woken());
    let read = body.enter(|cx, body| body.poll_frame(cx));
    assert!(matches!(read, Poll::Ready(Some(Ok(frame))) if frame.trailers_ref() == Some(&headers("0"))));
    drop(body);

    let calls = stats.snapshot().calls;
    assert_eq!(figures(&calls), [1, 1, 0, 0, 0]);
    assert_eq!(calls.grpc, [(GrpcCode::Ok, 1)]);
    assert_eq!(calls.responses.success, 0, "counted once");
    assert!(calls.latency.max >= Duration::from_secs(4), "{:?}", calls.latency);
}

#[tokio::test]
async fn each_code_is_counted_as_its_table_says_and_read_back_as_itself() {
    for (number, code) in GrpcCode::ALL.into_iter().enumerate() {
        for in_head in [false, true] {
            let stats = ErrorStats::new();
            let (feed, body) = fed();
            let mut response = Response::new(body);
            match in_head {
                true => *response.headers_mut() = headers(&number.to_string()),
                false => feed.send(trailers(&number.to_string())).unwrap(),
            }
            drop(feed);
            answered(&stats, response).await.into_body().collect().await.unwrap();
            let calls = stats.snapshot().calls;
            assert_eq!(calls.grpc, [(code, 1)]);
            let failed = u64::from(code.is_failure());
            assert_eq!(figures(&calls), [1, 1 - failed, failed, 0, 0], "{code}");
            assert_eq!(calls.streak.current, failed);
            assert_eq!(
                calls.last_failure.map(|failure| failure.reason),
                (failed == 1).then_some(Reason::Grpc(code))
            );
            assert_eq!(calls.last_success.is_some(), code == GrpcCode::Ok, "{code}");
        }
    }
}

#[tokio::test]
async fn a_status_in_the_head_ends_the_call_there() {
    let stats = ErrorStats::new();
    let (feed, body) = fed();
    let mut response = Response::new(body);
    *response.headers_mut() = headers("14");
    let response = answered(&stats, response).await;
    assert_eq!(stats.snapshot().calls.grpc, [(GrpcCode::Unavailable, 1)]);
    // Whatever comes of the body, the call has ended, and once.
    feed.send(trailers("0")).unwrap();
    drop(feed);
    response.into_body().collect().await.unwrap();
    assert_eq!(figures(&stats.snapshot().calls), [1, 0, 1, 0, 0]);
}

#[tokio::test]
async fn a_body_without_a_status_ends_as_unknown_however_its_end_is_seen() {
    let stats = ErrorStats::new();
    // By asking once more; by the last frame; by the head; by trailers that say nothing of it.
    let (feed, body) = fed();
    feed.send(data()).unwrap();
    drop(feed);
    answered(&stats, Response::new(body)).await.into_body().collect().await.unwrap();
    let full = Full::new(Bytes::from_static(b"<html>"));
    let mut full = task::spawn(answered(&stats, Response::new(full)).await.into_body());
    assert!(full.enter(|cx, body| body.poll_frame(cx)).is_ready());
    drop(full);
    drop(answered(&stats, Response::new(Empty::<Bytes>::new())).await);
    let (feed, body) = fed();
    feed.send(Ok(Frame::trailers(HeaderMap::new()))).unwrap();
    answered(&stats, Response::new(body)).await.into_body().frame().await.unwrap().unwrap();

    let calls = stats.snapshot().calls;
    assert_eq!(calls.grpc, [(GrpcCode::Unknown, 4)]);
    assert_eq!(figures(&calls), [4, 0, 4, 0, 0]);
}

#[tokio::test]
async fn a_body_that_breaks_is_a_failure_with_the_fault_of_its_error() {
    let stats = ErrorStats::new();
    let (feed, body) = fed();
    feed.send(data()).unwrap();
    feed.send(Err(Mark::fault(CUT))).unwrap();
    let error = answered(&stats, Response::new(body)).await.into_body().collect().await.unwrap_err();
    assert_eq!(Fault::of(&error), CUT);
    let calls = stats.snapshot().calls;
    assert_eq!(figures(&calls), [1, 0, 1, 0, 0]);
    assert_eq!((calls.grpc.len(), calls.faults.len(), calls.streak.current), (0, 1, 1));
    assert_eq!((calls.faults[0].phase, calls.faults[0].cause), (Phase::Body, Cause::Eof));
}

#[tokio::test]
async fn a_body_that_is_dropped_or_panics_is_a_cancelled_call() {
    struct Panics;
    impl Body for Panics {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            panic!("on purpose")
        }
    }

    let stats = ErrorStats::new();
    let (_feed, body) = fed();
    drop(answered(&stats, Response::new(body)).await);
    let body = answered(&stats, Response::new(Panics)).await.into_body();
    assert!(tokio::spawn(body.collect()).await.unwrap_err().is_panic());
    let calls = stats.snapshot().calls;
    assert_eq!(figures(&calls), [2, 0, 0, 2, 0]);
    assert_eq!((calls.panicked, calls.streak.current), (1, 0));
}

#[tokio::test]
async fn a_call_that_is_dropped_before_its_head_is_cancelled() {
    let stats = ErrorStats::new();
    let mut service = stats.calls().for_grpc().layer(service_fn(|_: Request<()>| {
        std::future::pending::<Result<Response<Empty<Bytes>>, Infallible>>()
    }));
    let mut future = task::spawn(service.call(call()));
    assert!(future.poll().is_pending());
    drop(future);
    assert_eq!(figures(&stats.snapshot().calls), [1, 0, 0, 1, 0]);
}

/// An intermediary's words, and those of a service that is asked something else.
#[tokio::test]
async fn what_is_not_grpc_is_counted_by_its_head() {
    let stats = ErrorStats::new();
    for status in [503, 404] {
        let (_feed, body) = fed();
        drop(answered(&stats, Response::builder().status(status).body(body).unwrap()).await);
    }
    let plain = Request::new(());
    let web = Request::post("/").header("content-type", "application/grpc-web+proto").body(()).unwrap();
    for request in [plain, web] {
        let (_feed, body) = fed();
        let mut response = Response::new(body);
        *response.headers_mut() = headers("14");
        drop(asked(&stats, request, response).await);
    }
    let calls = stats.snapshot().calls;
    assert_eq!(figures(&calls), [4, 3, 1, 0, 0]);
    let responses = calls.responses;
    assert_eq!((responses.success, responses.client_error, responses.server_error), (2, 1, 1));
    assert_eq!(calls.grpc, []);
}

#[tokio::test]
async fn an_error_before_the_head_is_counted_as_ever() {
    let stats = ErrorStats::new();
    let service = stats.calls().for_grpc().layer(service_fn(async |_: Request<()>| {
        Err::<Response<Empty<Bytes>>, BoxError>(Mark::fault(CUT).into())
    }));
    assert!(service.oneshot(call()).await.is_err());
    assert_eq!(figures(&stats.snapshot().calls), [1, 0, 1, 0, 0]);
}

#[tokio::test]
async fn statuses_in_a_row_raise_the_alarm_which_names_the_last_and_its_query() {
    let (told, mut alarms) = mpsc::unbounded_channel();
    let stats =
        ErrorStats::new().with_threshold(2).unwrap().on_alarm(move |alarm| told.send(*alarm).unwrap());
    // NOT_FOUND is an answer: it neither extends the streak nor ends it.
    for code in ["8", "5", "14", "0"] {
        let (feed, body) = fed();
        let mut trailers = headers(code);
        trailers.insert("x-ovh-queryid", "EU.ext-1".parse().unwrap());
        feed.send(Ok(Frame::trailers(trailers))).unwrap();
        drop(feed);
        answered(&stats, Response::new(body)).await.into_body().collect().await.unwrap();
    }
    let Some(Alarm::Raised { failures: 2, last, .. }) = alarms.recv().await else { panic!("no alarm") };
    assert_eq!(last.reason, Reason::Grpc(GrpcCode::Unavailable));
    assert_eq!(last.reason.to_string(), "gRPC status UNAVAILABLE");
    assert_eq!(last.query_id.unwrap().as_str(), "EU.ext-1");
    assert!(matches!(alarms.recv().await, Some(Alarm::Cleared { failures: 2, .. })));
    let report = stats.snapshot().to_string();
    let line = "\n  gRPC statuses: 1 OK, 1 NOT_FOUND, 1 RESOURCE_EXHAUSTED, 1 UNAVAILABLE\n";
    assert!(report.contains(line), "{report}");
}

/// Both layers over one body: the attempt ends before its call, so a failed attempt of a failed call is not healed.
#[tokio::test]
async fn calls_and_attempts_read_the_same_trailers() {
    let stats = ErrorStats::new();
    let service = ServiceBuilder::new()
        .layer(stats.calls().for_grpc())
        .layer(stats.attempts().for_grpc())
        .service_fn(async |_: Request<()>| {
            let (feed, body) = fed();
            feed.send(data()).unwrap();
            feed.send(trailers("13")).unwrap();
            Ok::<_, Infallible>(Response::new(body))
        });
    service.oneshot(call()).await.unwrap().into_body().collect().await.unwrap();
    let snapshot = stats.snapshot();
    for tally in [&snapshot.calls, &snapshot.attempts] {
        assert_eq!(figures(tally), [1, 0, 1, 0, 0]);
        assert_eq!(tally.grpc, [(GrpcCode::Internal, 1)]);
    }
    assert_eq!((snapshot.healed, snapshot.unjoined), (0, 0));
}

#[cfg(feature = "serde")]
#[tokio::test]
async fn codes_are_serialised_by_their_names() {
    let stats = ErrorStats::new();
    for code in ["0", "14"] {
        let mut response = Response::new(Empty::<Bytes>::new());
        *response.headers_mut() = headers(code);
        answered(&stats, response).await;
    }
    let json = serde_json::to_value(stats.snapshot()).unwrap();
    assert_eq!(json["calls"]["grpc"], serde_json::json!({ "OK": 1, "UNAVAILABLE": 1 }));
    assert_eq!(json["calls"]["last_failure"]["grpc"], "UNAVAILABLE");
    assert_eq!(json["calls"]["last_failure"]["status"], serde_json::Value::Null);
}

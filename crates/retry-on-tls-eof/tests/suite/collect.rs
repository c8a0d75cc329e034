//! Bodies collected below the retry: what is whole, what is too large, and what is cut.

use crate::common;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use crate::common::{S, layer, ms};
use bytes::{Buf, Bytes};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use jittered_backoff::Limits;
use retry_on_tls_eof::{
    Attempt, AttemptTimeoutLayer, BodyCut, CollectBody, CollectBodyLayer, CollectedBody, EarlierFault,
    Exhausted, InvalidBodyLimit, OutcomeUnknown, Reconciled, ResponseHead,
};
use tokio_test::{assert_pending, assert_ready, task};
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use wire_fault::{Cause, Delivery, Fault, Phase, QueryId};

/// Data that is not `Bytes`, and not in one piece.
type Data = bytes::buf::Chain<Bytes, Bytes>;

/// What comes of a body, step by step.
enum Step {
    Data(&'static str),
    Trailers(&'static str),
    Cut,
    /// Nothing comes until it is polled again.
    Pending,
    /// Nothing comes any more.
    Silence,
}

/// A body from a list of steps, which announces a size or doesn't.
struct Steps {
    steps: VecDeque<Step>,
    announced: Option<u64>,
    held: Arc<()>,
}

impl Steps {
    fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: steps.into_iter().collect(), announced: None, held: Arc::default() }
    }

    fn announcing(steps: impl IntoIterator<Item = Step>, bytes: u64) -> Self {
        Self { announced: Some(bytes), ..Self::new(steps) }
    }
}

impl Body for Steps {
    type Data = Data;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Data>, io::Error>>> {
        match self.steps.pop_front() {
            Some(Step::Data(data)) => {
                if let Some(announced) = &mut self.announced {
                    *announced -= data.len() as u64;
                }
                let (head, tail) = data.split_at(data.len() / 2);
                Poll::Ready(Some(Ok(Frame::data(Bytes::from(head).chain(Bytes::from(tail))))))
            }
            Some(Step::Trailers(value)) => {
                let mut trailers = HeaderMap::new();
                trailers.insert("checksum", value.parse().expect("a header"));
                Poll::Ready(Some(Ok(Frame::trailers(trailers))))
            }
            Some(Step::Cut) => Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into()))),
            Some(Step::Pending) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(Step::Silence) => {
                self.steps.push_front(Step::Silence);
                Poll::Pending
            }
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.announced.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

use Step::{Cut, Data as D, Pending, Silence, Trailers};

async fn collect(limit: usize, body: Steps) -> Result<Response<CollectedBody<Steps>>, BoxError> {
    let mut body = Some(body);
    let client = service_fn(move |_: Request<()>| {
        let mut response = Response::new(body.take().expect("one call"));
        *response.status_mut() = StatusCode::CREATED;
        response.headers_mut().insert("x-ovh-queryid", "EU.ext-1.42".parse().expect("a header"));
        response.headers_mut().insert("set-cookie", "secret".parse().expect("a header"));
        response.extensions_mut().insert(Attempt::FIRST);
        std::future::ready(Ok::<_, BoxError>(response))
    });
    CollectBodyLayer::new(limit).expect("in range").layer(client).oneshot(Request::new(())).await
}

async fn whole(limit: usize, body: Steps) -> (String, Option<String>) {
    let collected =
        collect(limit, body).await.expect("a response").into_body().collect().await.expect("a body");
    let trailers = collected.trailers().map(|trailers| trailers["checksum"].to_str().unwrap().to_owned());
    (String::from_utf8(collected.to_bytes().to_vec()).unwrap(), trailers)
}

#[test]
fn a_limit_out_of_range_is_refused_by_name() {
    for limit in [0, CollectBodyLayer::MAX + 1, usize::MAX] {
        let refused: InvalidBodyLimit = CollectBodyLayer::new(limit).expect_err("out of range");
        let text = refused.to_string();
        assert!(text.contains(&limit.to_string()) && text.ends_with("1 to 1073741824"), "{text}");
    }
    CollectBodyLayer::new(1).expect("in range");
    CollectBodyLayer::new(CollectBodyLayer::MAX).expect("in range");
}

#[tokio::test]
async fn a_body_within_the_limit_is_whole() {
    for steps in [
        vec![D("0123456789")],
        vec![D("0123"), Pending, D("456789")],
        vec![D(""), D("01"), D(""), D("23"), D("4"), Pending, Pending, D("56789")],
    ] {
        let response = collect(10, Steps::new(steps)).await.expect("whole");
        assert_eq!(
            (response.status(), response.headers().len()),
            (StatusCode::CREATED, 2),
            "the head is kept"
        );
        assert!(response.extensions().get::<Attempt>().is_some(), "and so are the extensions");
        let body = response.into_body();
        assert_eq!(body.as_whole().map(|bytes| &bytes[..]), Some(&b"0123456789"[..]));
        assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(10), false));
        assert_eq!(body.collect().await.expect("whole").to_bytes(), "0123456789");
    }
    let empty = collect(1, Steps::new([])).await.expect("whole").into_body();
    assert_eq!((empty.size_hint().exact(), empty.is_end_stream()), (Some(0), true));
}

#[tokio::test]
async fn trailers_are_kept() {
    let trailed = |limit| whole(limit, Steps::new([D("01"), D("23"), Trailers("6")]));
    for limit in [4, 3, 1] {
        assert_eq!(trailed(limit).await, ("0123".to_owned(), Some("6".to_owned())), "limit {limit}");
    }
    let mut body = collect(4, Steps::new([D("01"), Trailers("1")])).await.expect("whole").into_body();
    body.frame().await.expect("data").expect("data");
    assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(0), false), "trailers are to come");
    body.frame().await.expect("trailers").expect("trailers");
    assert!(body.is_end_stream() && body.frame().await.is_none());
}

#[tokio::test]
async fn over_the_limit_it_streams_on() {
    // Read until the limit is passed; the rest is not waited for.
    let response = collect(4, Steps::new([D("012"), D("34"), Silence])).await.expect("not waited for");
    let mut body = response.into_body();
    assert!(body.as_whole().is_none());
    assert_eq!((body.size_hint().lower(), body.size_hint().upper(), body.is_end_stream()), (5, None, false));
    assert_eq!(body.frame().await.expect("data").expect("data").into_data().expect("data"), "01234");
    let mut next = task::spawn(body.frame());
    assert_pending!(next.poll());
    drop(next);

    assert_eq!(whole(4, Steps::new([D("012"), Pending, D("34"), Pending, D("56")])).await.0, "0123456");
    // A cut in the rest is the body's own error.
    let mut body = collect(2, Steps::new([D("012"), D("3"), Cut])).await.expect("a response").into_body();
    for expected in ["012", "3"] {
        assert_eq!(body.frame().await.expect("data").expect("data").into_data().expect("data"), expected);
    }
    let error: io::Error = body.frame().await.expect("an error").expect_err("cut");
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_body_that_announces_too_much_is_not_held_back() {
    let body = collect(4, Steps::announcing([Silence], 5)).await.expect("not waited for").into_body();
    assert_eq!((body.size_hint().exact(), body.as_whole().is_none()), (Some(5), true));
    assert_eq!(whole(4, Steps::announcing([D("01"), D("234")], 5)).await.0, "01234");
    assert_eq!(whole(5, Steps::announcing([D("01"), D("2"), D("34")], 5)).await.0, "01234");
}

#[tokio::test]
async fn a_cut_within_the_limit_fails_the_call() {
    for (steps, received) in [(vec![Cut], 0), (vec![D("01"), D("23"), Pending, Cut], 4)] {
        let error = collect(4, Steps::new(steps)).await.expect_err("cut");
        let cut = error.downcast_ref::<BodyCut>().expect("a cut body");
        assert_eq!((cut.received(), cut.head().status()), (received, StatusCode::CREATED));
        assert_eq!(cut.head().query_id(), Some("EU.ext-1.42"));
        let fault = Fault::of(&*error);
        assert_eq!((fault.phase, fault.delivery, fault.cause), (Phase::Body, Delivery::Answered, Cause::Eof));
        assert!(fault.may_repeat(true) && !fault.may_repeat(false));
        assert!(
            wire_fault::chain(&*error).any(<dyn std::error::Error>::is::<io::Error>),
            "the real error is kept"
        );
        assert_eq!(
            error.to_string(),
            format!("the body of a response 201 Created was cut after {received} bytes")
        );
        assert!(!format!("{error:?}").contains("secret"), "no header's value: {error:?}");
    }
}

/// Collects an answer of this status and these headers to this method.
async fn answered(
    method: Method,
    status: u16,
    headers: &[(&'static str, &'static str)],
    body: Steps,
) -> Result<Response<CollectedBody<Steps>>, BoxError> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    let mut response = Some(response.body(body)?);
    let client = service_fn(move |_: Request<String>| {
        std::future::ready(Ok::<_, BoxError>(response.take().expect("one call")))
    });
    CollectBodyLayer::new(100)?.layer(client).oneshot(common::request(method)).await
}

#[tokio::test]
async fn a_body_short_of_what_it_announced_was_cut() {
    for (headers, body) in [
        (&[][..], Steps::announcing([D("01"), D("23")], 10)),
        (&[], Steps::announcing([D("0123"), Trailers("1")], 10)),
        (&[("content-length", "10")], Steps::new([D("0123")])),
        (&[("content-length", "10"), ("content-length", "10")], Steps::new([D("0123")])),
    ] {
        let error = answered(Method::GET, 200, headers, body).await.expect_err("short");
        assert_eq!(error.to_string(), "the body of a response 200 OK was cut after 4 of 10 bytes");
        let fault = Fault::of(&*error);
        assert_eq!((fault.phase, fault.delivery, fault.cause), (Phase::Body, Delivery::Answered, Cause::Eof));
        assert!(fault.may_repeat(true) && !fault.may_repeat(false));
    }
}

#[tokio::test]
async fn a_body_that_may_be_shorter_is_whole() {
    let length = ("content-length", "10");
    let four = || Steps::new([D("0123")]);
    let none = || Steps::new([]);
    for (method, status, headers, body) in [
        // These have none, whatever their head says.
        (Method::HEAD, 200, vec![length], none()),
        (Method::HEAD, 200, vec![], Steps::announcing([], 10)),
        (Method::CONNECT, 200, vec![length], none()),
        (Method::GET, 204, vec![length], none()),
        (Method::GET, 304, vec![length], none()),
        (Method::GET, 304, vec![], Steps::announcing([], 10)),
        // The header is not of this body: one that is coded, or decoded and knows its length.
        (Method::GET, 200, vec![length, ("content-encoding", "gzip")], four()),
        (Method::GET, 200, vec![length, ("transfer-encoding", "chunked")], four()),
        (Method::GET, 200, vec![length], Steps::announcing([D("0123")], 4)),
        // Nor is it one.
        (Method::GET, 200, vec![length, ("content-length", "4")], four()),
        (Method::GET, 200, vec![("content-length", "ten")], four()),
        // More than was announced.
        (Method::GET, 200, vec![("content-length", "3")], four()),
    ] {
        answered(method, status, &headers, body).await.expect("whole");
    }
}

#[tokio::test]
async fn a_dropped_call_holds_nothing() {
    let body = Steps::new([D("0123"), Silence]);
    let held = Arc::clone(&body.held);
    let mut call = task::spawn(collect(100, body));
    assert_pending!(call.poll());
    assert_eq!(Arc::strong_count(&held), 2);
    drop(call);
    assert_eq!(Arc::strong_count(&held), 1);
}

/// Errors of the service and of readiness pass untouched.
#[tokio::test]
async fn other_errors_pass() {
    let client = service_fn(|_: Request<()>| async {
        Err::<Response<Steps>, _>(io::Error::from(io::ErrorKind::ConnectionReset))
    });
    let error = CollectBodyLayer::new(9).expect("in range").layer(client).oneshot(Request::new(())).await;
    assert!(error.expect_err("reset").is::<io::Error>());

    let (mut service, mut handle): (CollectBody<_>, _) = {
        let (mock, handle) = tower_test::mock::pair::<Request<()>, Response<Steps>>();
        (CollectBodyLayer::new(9).expect("in range").layer(mock), handle)
    };
    handle.send_error("gone");
    let mut ready = task::spawn(service.ready());
    assert_eq!(assert_ready!(ready.poll()).err().expect("gone").to_string(), "gone");
}

/// Under the attempt's time limit the body counts, too.
#[tokio::test(start_paused = true)]
async fn a_body_that_stops_coming_runs_out_of_the_attempts_time() {
    let client = service_fn(|_: Request<()>| async {
        Ok::<_, BoxError>(Response::new(Steps::new([D("01"), Silence])))
    });
    let service = ServiceBuilder::new()
        .layer(AttemptTimeoutLayer::new(S).expect("in range"))
        .layer(CollectBodyLayer::new(9).expect("in range"))
        .service(client);
    let error = service.oneshot(Request::new(())).await.expect_err("out of time");
    assert_eq!(Fault::of(&*error).cause, Cause::Timeout);
}

/// A client whose bodies come as scripted, attempt by attempt.
fn bodies(
    bodies: Vec<Vec<Step>>,
) -> impl Service<Request<String>, Response = Response<Steps>, Error = BoxError, Future: Send> + Clone {
    let bodies = Arc::new(std::sync::Mutex::new(VecDeque::from(bodies)));
    service_fn(move |_: Request<String>| {
        let steps = bodies.lock().unwrap().pop_front().expect("sent once more than scripted");
        let mut response = Response::new(Steps::new(steps));
        response.headers_mut().insert("x-ovh-queryid", "EU.ext-1.42".parse().expect("a header"));
        std::future::ready(Ok::<_, BoxError>(response))
    })
}

#[tokio::test(start_paused = true)]
async fn below_a_retry_a_get_heals_and_a_post_does_not() {
    let collecting = || CollectBodyLayer::new(100).expect("in range");
    let call = |method, client| {
        ServiceBuilder::new()
            .layer(layer(3))
            .layer(collecting())
            .service(client)
            .oneshot(common::request(method))
    };

    let healed = call(Method::GET, bodies(vec![vec![D("01"), Cut], vec![D("0123")]])).await.expect("healed");
    assert_eq!(healed.extensions().get::<Attempt>().map(|attempt| attempt.get()), Some(2));
    assert_eq!(healed.into_body().as_whole().map(|bytes| &bytes[..]), Some(&b"0123"[..]));

    let cut = || bodies(vec![vec![D("01"), Cut], vec![D("0"), Cut], vec![Cut]]);
    let error = call(Method::GET, cut()).await.expect_err("used up");
    assert_eq!(Exhausted::of(&*error).map(Exhausted::attempts), Some(3));
    // Found by layers that know neither error's type.
    assert_eq!(QueryId::of(&*error), QueryId::new("EU.ext-1.42"));

    let error = call(Method::POST, cut()).await.expect_err("it has landed, but how?");
    let unknown = OutcomeUnknown::of(&*error).expect("unknown");
    assert_eq!((unknown.attempts(), unknown.fault().delivery), (1, Delivery::Answered));
    assert_eq!(unknown.query_id(), Some("EU.ext-1.42"));
    let text =
        "POST /order may have been carried out: no complete answer to 1 attempt, 0.0ns, query EU.ext-1.42";
    assert_eq!(error.to_string(), text);
    assert_eq!(unknown.response_head().map(ResponseHead::status), Some(StatusCode::OK));

    // A PUT keeps what it had, though its last attempt knows less.
    let put = bodies(vec![vec![D("01"), Cut], vec![Silence]]);
    let service = ServiceBuilder::new()
        .layer(layer(3).with_limits(Limits::new().with_deadline(ms(1_500))))
        .layer(collecting())
        .service(put);
    let error = service.oneshot(common::request(Method::PUT)).await.expect_err("cut");
    let unknown = OutcomeUnknown::of(&*error).expect("unknown");
    assert_eq!((unknown.attempts(), unknown.query_id()), (2, Some("EU.ext-1.42")));
}

/// The body of a "not now" is cut, but its head came: what it asks for and refuses counts.
#[tokio::test(start_paused = true)]
async fn the_head_of_a_cut_answer_counts() {
    let busy = |code: u16| {
        let first = Arc::new(AtomicBool::new(true));
        bodies(vec![vec![D("<html>"), Cut], vec![D("ok")]]).map_response(move |mut response| {
            if first.swap(false, Ordering::Relaxed) {
                *response.status_mut() = StatusCode::from_u16(code).expect("a status");
                response.headers_mut().insert("retry-after", "7".parse().expect("a header"));
            }
            response
        })
    };
    let collecting = CollectBodyLayer::new(100).expect("in range");
    let declared = layer(3).repeat_refused(429).expect("a refusal");
    for (method, retrying, code) in [(Method::GET, layer(3), 503), (Method::POST, declared.clone(), 429)] {
        let start = tokio::time::Instant::now();
        let service = retrying.layer(collecting.layer(busy(code)));
        let healed = service.oneshot(common::request(method)).await.expect("healed");
        assert_eq!((healed.status(), start.elapsed()), (StatusCode::OK, 7 * S));
        assert!(
            healed.extensions().get::<EarlierFault>().is_none(),
            "a GET changes nothing, a refusal neither"
        );
    }
    for (retrying, code) in [(layer(3), 429), (declared, 503)] {
        let service = retrying.layer(collecting.layer(busy(code)));
        let error = service.oneshot(common::request(Method::POST)).await.expect_err("not declared");
        assert!(OutcomeUnknown::of(&*error).is_some(), "{error:?}");
    }
}

/// With the attempt's time limit below, it has done its part when the body stops coming. The retry gives it its millisecond.
#[tokio::test(start_paused = true)]
async fn a_body_that_stops_coming_is_cut_by_the_deadline() {
    for below in [false, true] {
        let limit = AttemptTimeoutLayer::new(60 * S).expect("in range");
        let stops = bodies(vec![vec![D("01"), Silence]]);
        let collecting = CollectBodyLayer::new(9).expect("in range");
        let start = tokio::time::Instant::now();
        let retrying = layer(3).with_limits(Limits::new().with_deadline(S)).over_attempt_timeout();
        let post = common::request(Method::POST);
        let error = if below {
            retrying.layer(collecting.layer(limit.layer(stops))).oneshot(post).await.expect_err("cut")
        } else {
            retrying.layer(limit.layer(collecting.layer(stops))).oneshot(post).await.expect_err("cut")
        };
        assert!(OutcomeUnknown::of(&*error).is_some());
        assert_eq!(start.elapsed(), S + if below { ms(1) } else { ms(0) });
    }
}

/// A hook is told the head that came.
#[tokio::test(start_paused = true)]
async fn a_hook_is_told_the_query() {
    let looking = layer(3).with_reconcile(async |question: retry_on_tls_eof::MayHaveLanded| {
        let head = question.response_head().expect("it came");
        assert_eq!((head.query_id(), question.fault().phase), (Some("EU.ext-1.42"), Phase::Body));
        Ok(Reconciled::NotLanded)
    });
    let service = ServiceBuilder::new()
        .layer(looking)
        .layer(CollectBodyLayer::new(100).expect("in range"))
        .service(bodies(vec![vec![Cut], vec![D("ordered")]]));
    let response = service.oneshot(common::request(Method::POST)).await.expect("healed");
    assert_eq!(response.into_body().as_whole().map(Bytes::len), Some(7));
}

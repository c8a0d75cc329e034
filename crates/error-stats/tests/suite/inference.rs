//! The layers fit over every kind of error without a type annotation, and pass it through untouched.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::future;
use std::io;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use error_stats::{Alarm, ErrorStats, Record, RecordLayer, ResponseFuture, Snapshot};
use http::{Request, Response, StatusCode};
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn};
use wire_fault::{Boxed, Plain};

fn request() -> Request<()> {
    Request::new(())
}

#[tokio::test]
async fn over_a_plain_error() {
    let stats = ErrorStats::new();
    let service = ServiceBuilder::new().layer(stats.calls()).layer(stats.attempts()).service(service_fn(
        |_: Request<()>| future::ready(Err::<Response<()>, _>(io::Error::other("mine"))),
    ));
    let error: io::Error = service.oneshot(request()).await.unwrap_err();
    assert_eq!(error.to_string(), "mine");
    let snapshot = stats.snapshot();
    assert_eq!((snapshot.calls.failed, snapshot.attempts.failed), (1, 1));
}

#[tokio::test]
async fn over_a_boxed_error_which_stays_the_same_box() {
    #[derive(Debug)]
    struct Mine(u32);
    impl fmt::Display for Mine {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.fmt(f)
        }
    }
    impl Error for Mine {}

    let stats = ErrorStats::new();
    let service = ServiceBuilder::new()
        .layer(stats.calls())
        .service(service_fn(|_: Request<()>| future::ready(Err::<Response<()>, BoxError>(Mine(7).into()))));
    let error = service.oneshot(request()).await.unwrap_err();
    assert_eq!(error.downcast::<Mine>().unwrap().0, 7);
    assert_eq!(stats.snapshot().calls.failed, 1);
}

#[tokio::test]
async fn over_a_box_that_cannot_be_sent() {
    let stats = ErrorStats::new();
    let service = ServiceBuilder::new().layer(stats.calls()).service(service_fn(|_: Request<()>| {
        future::ready(Err::<Response<()>, Box<dyn Error>>("here".into()))
    }));
    assert_eq!(service.oneshot(request()).await.unwrap_err().to_string(), "here");
}

/// The two markers in one stack: boxed above tower's timeout, infallible below.
#[tokio::test(start_paused = true)]
async fn over_different_errors_in_one_stack() {
    let stats = ErrorStats::new();
    let service = ServiceBuilder::new()
        .layer(stats.calls())
        .timeout(Duration::from_secs(1))
        .layer(stats.attempts())
        .service(service_fn(|_: Request<()>| future::pending::<Result<Response<()>, Infallible>>()));
    let error = service.oneshot(request()).await.unwrap_err();
    assert!(error.is::<tower::timeout::error::Elapsed>());
    let snapshot = stats.snapshot();
    assert_eq!((snapshot.calls.failed, snapshot.attempts.cancelled), (1, 1));
}

#[tokio::test]
async fn on_a_server_whose_handlers_never_fail() {
    let stats = ErrorStats::new();
    let router: Router = Router::new()
        .route("/up", get(|| async { "up" }))
        .route("/down", get(|| async { StatusCode::BAD_GATEWAY }))
        .layer(stats.calls());
    for path in ["/up", "/down", "/nowhere"] {
        let request = Request::get(path).body(axum::body::Body::empty()).unwrap();
        router.clone().oneshot(request).await.unwrap();
    }
    let calls = stats.snapshot().calls;
    assert_eq!((calls.started, calls.succeeded, calls.failed), (3, 2, 1));
    assert_eq!(
        (calls.responses.success, calls.responses.client_error, calls.responses.server_error),
        (1, 1, 1)
    );
}

#[tokio::test]
async fn a_request_body_of_any_type_passes() {
    struct Streamed(#[expect(dead_code)] Box<dyn Fn() + Send>);
    let stats = ErrorStats::new();
    let service =
        ServiceBuilder::new().layer(stats.calls()).service(service_fn(|request: Request<Streamed>| {
            future::ready(Ok::<_, Infallible>(Response::new(request.into_body())))
        }));
    let body = Streamed(Box::new(|| ()));
    service.oneshot(Request::new(body)).await.unwrap();
    assert_eq!(stats.snapshot().calls.succeeded, 1);
}

/// Readiness is the inner service's: a clone does not take it along, and it is not used twice.
#[tokio::test]
async fn readiness_is_the_inner_services() {
    let stats = ErrorStats::new();
    let (mock, mut handle) = tower_test::mock::pair::<Request<()>, Response<()>>();
    let mut service = ServiceBuilder::new().layer(stats.calls()).service(mock);
    handle.allow(1);
    service.ready().await.unwrap();
    handle.allow(0);
    let mut clone = tokio_test::task::spawn(service.clone());
    tokio_test::assert_pending!(clone.enter(|cx, mut clone| clone.poll_ready(cx)));
    drop(service.call(request()));
    assert!(handle.next_request().await.is_some());
}

#[test]
fn auto_traits() {
    fn shared<T: Send + Sync + Clone + fmt::Debug + 'static>() {}
    shared::<ErrorStats>();
    shared::<RecordLayer<Plain>>();
    shared::<RecordLayer<Boxed>>();
    shared::<Record<Router, Plain>>();
    shared::<Snapshot>();
    shared::<Alarm>();
    fn sent<T: Send + Unpin + fmt::Debug>() {}
    sent::<ResponseFuture<future::Ready<()>, Boxed>>();
}

//! The report that people read, and the clocks in it.

use std::convert::Infallible;
use std::future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, UNIX_EPOCH};

use error_stats::{ErrorStats, Label};
use http::{Request, Response};
use tower::{Layer, Service, service_fn};
use wire_fault::{Cause, Delivery, Fault, Healing, Mark, Phase, Plain, Verdict};

const CUT: Fault = Fault::new(Phase::TlsHandshake, Delivery::NeverSent, Cause::Eof, Healing::Transient);

/// Answers with the status in the body; zero is a cut in the handshake, one a refusal on this side.
fn act(request: Request<u16>) -> future::Ready<Result<Response<()>, Mark>> {
    future::ready(match request.into_body() {
        0 => Err(Mark::fault(CUT)),
        1 => Err(Mark::verdict(Verdict::RefusedLocally)),
        status => Ok(Response::builder().status(status).body(()).unwrap()),
    })
}

#[tokio::test(start_paused = true)]
async fn nothing_counted_is_two_short_lines() {
    let none = "0 started = 0 succeeded + 0 failed + 0 cancelled + 0 in flight";
    assert_eq!(ErrorStats::new().snapshot().to_string(), format!("calls: {none}\nattempts: {none}"));
}

#[tokio::test(start_paused = true)]
async fn the_report_tells_what_failed_in_sentences() {
    let stats = ErrorStats::new().with_threshold(2).unwrap();
    let mut calls = stats.calls().layer(service_fn(act));
    for status in [200, 404, 0, 0, 200, 1, 429] {
        tokio::time::advance(Duration::from_millis(1_500)).await;
        drop(calls.call(Request::new(status)).await);
    }
    let _in_flight = calls.call(Request::new(200));
    drop(calls.call(Request::new(200)));
    let mut attempts = stats.attempts().layer(service_fn(act));
    drop(attempts.call(Request::new(503)).await);
    tokio::time::advance(Duration::from_secs(10)).await;

    assert_eq!(
        stats.snapshot().to_string(),
        "\
calls: 9 started = 3 succeeded + 4 failed + 1 cancelled + 1 in flight
  responses: 2 2xx, 1 4xx, 1 429
  2 × TLS handshake cut by the peer; the request was never sent
  1 × call failed; the request was never sent
  of the errors: 1 refused on this side
  failures in a row: 2, the first 11.5s ago (longest 2, from 16.0s ago on), alarm raised
  last failure 10.0s ago: 429 Too Many Requests
  last success 13.0s ago
  took at most 0.0ns (half), 0.0ns (90 %), 0.0ns (99 %), 0.0ns (all)
attempts: 1 started = 0 succeeded + 1 failed + 0 cancelled + 0 in flight
  responses: 1 5xx
  failures in a row: 1, the first 10.0s ago (longest 1)
  last failure 10.0s ago: 503 Service Unavailable
  took at most 0.0ns (half), 0.0ns (90 %), 0.0ns (99 %), 0.0ns (all)
  of the failed: 1 of unknown calls
pattern: too few calls to tell: 5 of 8 (62.5 %) failed, but an alarm is raised; look at the last failure"
    );
}

#[tokio::test(start_paused = true)]
async fn the_wall_is_read_at_the_start_and_hourly_and_old_failures_keep_their_time() {
    let wall = Arc::new(AtomicU64::new(1_000));
    let source = wall.clone();
    let stats =
        ErrorStats::with_wall_clock(move || UNIX_EPOCH + Duration::from_secs(source.load(Ordering::Relaxed)));
    let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
    let mut service = stats.calls().layer(service_fn(act));

    tokio::time::advance(Duration::from_secs(5)).await;
    service.call(Request::new(0)).await.unwrap_err();
    wall.store(90_000, Ordering::Relaxed); // the system's clock is set
    tokio::time::advance(Duration::from_secs(3_594)).await;
    assert_eq!(stats.snapshot().at.wall, at(1_000 + 3_599));
    tokio::time::advance(Duration::from_secs(1)).await;

    let before = stats.snapshot();
    assert_eq!(before.at.wall, at(90_000));
    assert_eq!(before.calls.last_failure.unwrap().at.wall, at(1_005));
    service.call(Request::new(200)).await.unwrap();
    assert_eq!(stats.snapshot().calls.last_success.unwrap().wall, at(90_000));
}

/// A name may have been chosen by somebody who would like a line of the report to themselves.
#[test]
fn a_label_with_line_breaks_makes_no_line_of_its_own() {
    let stats = ErrorStats::new();
    let mut request = Request::new(200);
    request.extensions_mut().insert(Label::from_static("a\n  label b: 9 of 9 failed\u{1b}[2J"));
    drop(tokio_test::block_on(stats.calls().layer(service_fn(act)).call(request)));
    let report = stats.snapshot().to_string();
    let labels: Vec<_> = report.lines().filter(|line| line.starts_with("  label ")).collect();
    assert_eq!(labels, [r"  label a\n  label b: 9 of 9 failed\u{1b}[2J: 0 of 1 failed"]);
}

/// It is read where nothing is locked: by failures of readiness too, an hour after the last reading.
#[tokio::test(start_paused = true)]
async fn a_wall_clock_may_look_at_the_handle_it_belongs_to() {
    let handle = Arc::new(OnceLock::<ErrorStats>::new());
    let (inside, reads) = (handle.clone(), Arc::new(AtomicU64::new(0)));
    let counter = reads.clone();
    let stats = ErrorStats::with_wall_clock(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        inside.get().map_or(UNIX_EPOCH, |stats| stats.snapshot().at.wall)
    });
    handle.set(stats.clone()).unwrap();
    let (mut service, mut mock) =
        tower_test::mock::spawn_layer::<Request<()>, Response<()>, _>(stats.calls());
    tokio::time::advance(Duration::from_secs(3601)).await;
    mock.send_error(Mark::fault(CUT));
    assert!(tokio_test::assert_ready!(service.poll_ready()).is_err());
    assert_eq!((stats.snapshot().calls.not_ready, reads.load(Ordering::Relaxed)), (1, 2));
}

/// A source that fails, an hour after it was asked first: the call is answered, and its time is by the old reading.
#[tokio::test(start_paused = true)]
async fn a_wall_clock_that_panics_harms_no_call() {
    let reads = AtomicU64::new(0);
    let stats = ErrorStats::with_wall_clock(move || {
        assert!(reads.fetch_add(1, Ordering::Relaxed) != 1, "no clock");
        UNIX_EPOCH + Duration::from_secs(90_000)
    });
    let mut service = stats.calls().layer(service_fn(act));
    tokio::time::advance(Duration::from_secs(3601)).await;
    service.call(Request::new(200)).await.unwrap();
    let snapshot = stats.snapshot();
    assert_eq!((snapshot.calls.succeeded, snapshot.calls.in_flight), (1, 0));
    assert_eq!(snapshot.at.wall, UNIX_EPOCH + Duration::from_secs(93_601));
    tokio::time::advance(Duration::from_secs(3600)).await;
    assert_eq!(stats.snapshot().at.wall, UNIX_EPOCH + Duration::from_secs(90_000));
}

/// It ends in logs: not with each counter of each thread.
#[tokio::test]
async fn the_debug_output_of_a_handle_a_service_and_a_future_is_short() {
    let stats = ErrorStats::new();
    let mut service = stats
        .calls()
        .layer(service_fn(|_: Request<()>| future::ready(Ok::<_, Infallible>(Response::new(())))));
    service.call(Request::new(())).await.unwrap();
    let future = service.call(Request::new(()));
    let layer = stats.calls::<Plain>();
    for text in [format!("{stats:?}"), format!("{layer:?}"), format!("{future:?}")] {
        assert!((100..4096).contains(&text.len()), "{} bytes: {text}", text.len());
    }
}

//! The report that people read, and the clocks in it.

use std::future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use error_stats::ErrorStats;
use http::{Request, Response};
use tower::{Layer, Service, service_fn};
use wire_fault::{Cause, Delivery, Fault, Healing, Mark, Phase, Verdict};

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
pattern: too few calls to tell: 5 of 9 (55.6 %) failed; wait for more calls"
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

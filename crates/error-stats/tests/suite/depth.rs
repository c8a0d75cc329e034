//! What is told beside the totals: hosts, labels, latencies, waits, query ids, what was healed, the pattern.

use std::convert::Infallible;
use std::future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, UNIX_EPOCH};

use error_stats::{Alarm, ErrorStats, Finding, Kind, Pattern, Place};
use http::{HeaderName, Request, Response};
use tower::retry::{Policy, RetryLayer};
use tower::{Layer, Service, ServiceBuilder, service_fn};
use wire_fault::{CallId, Cause, Delivery, Fault, Healing, Mark, Phase, QueryId};

const CUT: Fault = Fault::new(Phase::TlsHandshake, Delivery::NeverSent, Cause::Eof, Healing::Transient);

/// Answers at once with the status in the body; zero is a cut.
fn act(request: Request<u16>) -> future::Ready<Result<Response<()>, Mark>> {
    future::ready(match request.into_body() {
        0 => Err(Mark::fault(CUT)),
        status => Ok(Response::builder().status(status).body(()).unwrap()),
    })
}

fn to(host: &str, status: u16) -> Request<u16> {
    Request::get(format!("https://{host}/1.0/me")).body(status).unwrap()
}

#[test]
fn calls_are_counted_by_host_whatever_its_case_or_port() {
    let stats = ErrorStats::new();
    let mut service = stats.calls().layer(service_fn(act));
    for (host, status) in [
        ("eu.example", 200),
        ("ca.example", 503),
        ("EU.example:8443", 404),
        ("user@eu.example", 0),
        ("[::1]:8080", 200),
    ] {
        drop(tokio_test::block_on(service.call(to(host, status))));
    }
    drop(service.call(to("ca.example", 200)));
    let _open = service.call(to("ca.example", 200));
    drop(tokio_test::block_on(service.call(Request::new(200))));

    let hosts = stats.snapshot().calls.hosts;
    let named: Vec<_> = hosts
        .named
        .iter()
        .map(|(name, count)| (&**name, [count.started, count.succeeded, count.failed, count.cancelled]))
        .collect();
    assert_eq!(named, [("eu.example", [3, 2, 1, 0]), ("ca.example", [3, 0, 1, 1]), ("[::1]", [1, 1, 0, 0])]);
    assert_eq!((hosts.others.started, hosts.full), (0, false));
}

#[tokio::test(start_paused = true)]
async fn latencies_are_of_calls_attempts_and_waits_and_leave_cancelled_ones_out() {
    let stats = ErrorStats::new();
    let service = service_fn(|request: Request<u64>| async move {
        tokio::time::sleep(Duration::from_millis(request.into_body())).await;
        Ok::<_, Infallible>(Response::new(()))
    });
    let slow = tower::util::MapRequestLayer::new(|request: Request<u64>| request);
    let mut calls =
        ServiceBuilder::new().layer(stats.calls()).layer(slow).layer(stats.attempts()).service(service);
    for millis in 1..=100 {
        calls.call(Request::new(millis)).await.unwrap();
        stats.record_wait(Duration::from_micros(millis));
    }
    let forever = calls.call(Request::new(1_000_000));
    assert!(tokio::time::timeout(Duration::from_secs(60), forever).await.is_err());

    let snapshot = stats.snapshot();
    for latency in [snapshot.calls.latency, snapshot.attempts.latency] {
        assert_eq!(latency.count, 100);
        for (figure, millis) in [(latency.p50, 50), (latency.p90, 90), (latency.p99, 99), (latency.max, 100)]
        {
            let exact = Duration::from_millis(millis);
            // tokio's timer wakes in the millisecond after.
            let most = (exact + Duration::from_millis(1)).mul_f64(1.0625);
            assert!(figure >= exact && figure <= most, "{figure:?} for {exact:?}");
        }
    }
    assert_eq!((snapshot.waits.count, snapshot.waits.p50), (100, Duration::from_micros(51)));
    assert!(snapshot.to_string().contains("waits for the rate limit: at most 51.0µs (half)"), "{snapshot}");
}

#[test]
fn the_last_failure_keeps_its_query_id_from_header_or_chain() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ear = heard.clone();
    let stats = ErrorStats::new().with_threshold(1).unwrap();
    let stats = stats.on_alarm(move |alarm| ear.lock().unwrap().push(alarm.to_string()));
    let mut service = stats.calls().layer(service_fn(|request: Request<&'static str>| {
        let response = |status| Response::builder().status(status);
        future::ready(match request.into_body() {
            "header" => Ok(response(503).header("X-Ovh-Queryid", " EU.header.1 ").body(()).unwrap()),
            "chain" => Err(Mark::fault(CUT).with_query_id(QueryId::new("EU.chain"))),
            "other" => Ok(response(503).header("x-request-id", "other").body(()).unwrap()),
            "unquotable" => Ok(response(503).header("X-Ovh-Queryid", "two words").body(()).unwrap()),
            _ => Ok(response(200).header("X-Ovh-Queryid", "EU.fine").body(()).unwrap()),
        })
    }));
    let mut last = |kind| {
        drop(tokio_test::block_on(service.call(Request::new(kind))));
        let last = stats.snapshot().calls.last_failure.unwrap();
        last.query_id.map(|id| id.as_str().to_owned())
    };
    assert_eq!(last("header").as_deref(), Some("EU.header.1"));
    assert_eq!(last("chain").as_deref(), Some("EU.chain"));
    assert_eq!(last("fine").as_deref(), Some("EU.chain"));
    assert_eq!(last("other"), None);
    assert_eq!(last("unquotable"), None);
    let _same = stats.clone().with_query_id_header(HeaderName::from_static("x-request-id"));
    assert_eq!(last("other").as_deref(), Some("other"));
    assert_eq!(last("header"), None);
    assert!(heard.lock().unwrap()[0].ends_with("503 Service Unavailable (query id EU.header.1)"));
}

#[test]
fn several_thresholds_are_raised_one_by_one_and_cleared_together() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ear = heard.clone();
    let stats = ErrorStats::new().with_thresholds([5, 2, 2]).unwrap().on_alarm(move |alarm| {
        ear.lock().unwrap().push(match alarm {
            Alarm::Raised { threshold, failures, .. } => format!("R{threshold}/{failures}"),
            Alarm::Cleared { failures, .. } => format!("C{failures}"),
            _ => unreachable!(),
        });
    });
    let mut service = stats.calls().layer(service_fn(act));
    for status in [500, 0, 404, 500, 500, 500, 500, 200, 200, 500, 500, 200] {
        drop(tokio_test::block_on(service.call(to("eu.example", status))));
    }
    assert_eq!(*heard.lock().unwrap(), ["R2/2", "R5/5", "C6", "R2/2", "C2"]);
    let streak = stats.snapshot().calls.streak;
    assert_eq!((streak.current, streak.longest, streak.began), (0, 6, None));
    assert!(streak.longest_began.is_some());

    let refused = |thresholds: &[u64]| {
        ErrorStats::new().with_thresholds(thresholds.iter().copied()).unwrap_err().to_string()
    };
    assert_eq!(refused(&[]), "0 alarm thresholds; accepted are 1 to 16");
    assert_eq!(refused(&(1..=17).collect::<Vec<_>>()), "17 alarm thresholds; accepted are 1 to 16");
    assert!(refused(&[5, 0]).starts_with("an alarm threshold of 0 failures"));
}

/// Repeats each request until it is answered, or three times.
#[derive(Clone)]
struct Thrice(u32);

impl Policy<Request<u16>, Response<()>, Mark> for Thrice {
    type Future = future::Ready<()>;

    fn retry(
        &mut self,
        _: &mut Request<u16>,
        result: &mut Result<Response<()>, Mark>,
    ) -> Option<Self::Future> {
        self.0 += 1;
        (result.is_err() && self.0 < 3).then(|| future::ready(()))
    }

    fn clone_request(&mut self, request: &Request<u16>) -> Option<Request<u16>> {
        Some(request.clone())
    }
}

/// Cut so often as the body says, and then answered; counted by call.
#[derive(Clone, Default)]
struct Cuts(Arc<Mutex<Vec<(CallId, u16)>>>);

impl Service<Request<u16>> for Cuts {
    type Response = Response<()>;
    type Error = Mark;
    type Future = future::Ready<Result<Response<()>, Mark>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Mark>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<u16>) -> Self::Future {
        let call = *request.extensions().get::<CallId>().unwrap();
        let mut seen = self.0.lock().unwrap();
        let earlier = seen.iter().filter(|(id, _)| *id == call).count();
        seen.push((call, *request.body()));
        let cut = earlier < usize::from(*request.body());
        future::ready(if cut { Err(Mark::fault(CUT)) } else { Ok(Response::new(())) })
    }
}

#[test]
fn failed_attempts_are_healed_if_their_call_succeeds() {
    let stats = ErrorStats::new();
    let retry = RetryLayer::new(Thrice(0));
    let mut service = ServiceBuilder::new()
        .layer(stats.calls())
        .layer(retry)
        .layer(stats.attempts())
        .service(Cuts::default());
    // Healed by the first, the second repeat; not at all; never cut.
    for cuts in [1, 2, 3, 0] {
        drop(tokio_test::block_on(service.call(Request::new(cuts))));
    }
    let snapshot = stats.snapshot();
    assert_eq!((snapshot.calls.succeeded, snapshot.calls.failed), (3, 1));
    assert_eq!((snapshot.attempts.succeeded, snapshot.attempts.failed), (3, 6));
    assert_eq!((snapshot.healed, snapshot.unjoined), (3, 0));
    assert!(snapshot.to_string().contains("of the failed: 3 healed by a repeat"), "{snapshot}");
}

#[test]
fn attempts_of_calls_that_nobody_named_are_told_apart() {
    let stats = ErrorStats::new();
    let mut service = stats.attempts().layer(service_fn(act));
    drop(tokio_test::block_on(service.call(Request::new(0))));
    let snapshot = stats.snapshot();
    assert_eq!((snapshot.healed, snapshot.unjoined), (0, 1));
}

/// Through the layers, on a paused clock: an hour of one call a second, the last quarter of which is cut.
#[tokio::test(start_paused = true)]
async fn a_simulated_outage_is_told_with_its_beginning_its_phase_and_advice() {
    let stats = ErrorStats::new();
    let mut service = stats.calls().layer(service_fn(act));
    let begun = stats.snapshot().at;
    for second in 0..3600 {
        drop(service.call(to("eu.example", if second < 2700 { 200 } else { 0 })).await);
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    let pattern = stats.snapshot().pattern();
    let Kind::Constant { since, failing, before, .. } = &pattern.main.kind else { panic!("{pattern}") };
    assert_eq!(since.instant - begun.instant, Duration::from_secs(2700));
    assert_eq!((failing.failed, failing.of, before.failed, before.of), (900, 900, 0, 2700));
    assert!(pattern.main.confidence > 0.999);
    assert!(pattern.main.advice().contains("certificate, clock, proxy"));
    let phase = pattern.also.iter().find_map(|finding| match finding.kind {
        Kind::OnePhase { place, cause, .. } => Some((place, cause)),
        _ => None,
    });
    assert_eq!(phase, Some((Place::Phase(Phase::TlsHandshake), Some(Cause::Eof))));
    let told = pattern.to_string();
    assert!(told.contains("900 of 900 (100.0 %) failed, 0 of 2700 (0.0 %) before"), "{told}");
}

/// A server that refuses from the sixth request of a second on.
#[tokio::test(start_paused = true)]
async fn a_simulated_limit_is_told_with_its_two_rates() {
    let stats = ErrorStats::new();
    let mut service = stats.calls().layer(service_fn(act));
    for second in 0..1800_u64 {
        // 2 or 10 requests, in no order.
        let busy = second.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 62 == 0;
        for request in 0..if busy { 10 } else { 2 } {
            drop(service.call(to("eu.example", if request < 5 { 200 } else { 429 })).await);
        }
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    let pattern = stats.snapshot().pattern();
    let Kind::RateBound { slow, slow_rate, fast, fast_rate, .. } = pattern.main.kind else {
        panic!("{pattern}")
    };
    assert_eq!((slow.failed, slow_rate, fast_rate), (0, 2.0, 10.0));
    assert_eq!(2 * fast.failed, fast.of);
    assert!(pattern.main.advice().contains("raise the spacing"));
}

/// Answered with the status in the body, one call each three seconds for so many minutes.
async fn minutes<S: Service<Request<u16>>>(service: &mut S, minutes: u32, status: u16) {
    for _ in 0..minutes * 20 {
        tokio::time::advance(Duration::from_secs(3)).await;
        drop(service.call(Request::new(status)).await);
    }
}

fn is_constant(pattern: &Pattern) -> bool {
    let is = |finding: &Finding| matches!(finding.kind, Kind::Constant { .. });
    is(&pattern.main) || pattern.also.iter().any(is)
}

/// Five hours of it weigh more than some minutes of calls that go well, and still it is not so any more.
#[tokio::test(start_paused = true)]
async fn a_long_outage_that_is_over_is_not_constant() {
    let stats = ErrorStats::new();
    let mut service = stats.calls().layer(service_fn(act));
    minutes(&mut service, 5 * 60, 503).await;
    assert!(is_constant(&stats.snapshot().pattern()));
    for minute in 1..=33 {
        minutes(&mut service, 1, 200).await;
        let pattern = stats.snapshot().pattern();
        assert!(!is_constant(&pattern), "after {minute} minutes: {pattern}");
    }
}

/// What was so when calls were last made need not be so now.
#[tokio::test(start_paused = true)]
async fn nothing_is_said_of_now_when_there_have_been_no_calls_for_long() {
    let stats = ErrorStats::new();
    let mut service = stats.calls().layer(service_fn(act));
    minutes(&mut service, 30, 0).await;
    let after = async |silence| {
        tokio::time::advance(silence).await;
        stats.snapshot().pattern()
    };
    const MINUTE: Duration = Duration::from_secs(60);
    assert!(is_constant(&after(30 * MINUTE).await));
    // Of the last hours it can be told that calls failed, and where.
    let pattern = after(40 * MINUTE).await;
    assert!(matches!(pattern.main.kind, Kind::OnePhase { .. }), "{pattern}");
    let pattern = after(3 * 24 * 60 * MINUTE).await;
    let Kind::TooFew { all, .. } = pattern.main.kind else { panic!("{pattern}") };
    assert_eq!((all.failed, all.of, pattern.also.len()), (0, 0, 0));
}

/// Calls that nobody answers are not calls that go well.
#[tokio::test(start_paused = true)]
async fn calls_under_way_are_not_taken_for_healthy() {
    let stats = ErrorStats::new();
    let mut service = stats.calls().layer(service_fn(|_: Request<()>| future::pending::<Answer>()));
    let mut held = Vec::new();
    for _ in 0..1000 {
        tokio::time::advance(Duration::from_secs(1)).await;
        held.push(service.call(Request::new(())));
    }
    let pattern = stats.snapshot().pattern();
    assert!(matches!(pattern.main.kind, Kind::TooFew { .. }), "{pattern}");
    // Who waits for them in vain gives up one day.
    drop(held);
    let pattern = stats.snapshot().pattern();
    let Kind::Cancelled { cancelled, .. } = pattern.main.kind else { panic!("{pattern}") };
    assert_eq!((cancelled.failed, cancelled.of), (1000, 1000));
    let told = pattern.to_string();
    assert!(
        told.starts_with("cancelled before an outcome: 1000 of 1000 (100.0 %) (99.9 % sure); look at"),
        "{told}"
    );
}

/// However long an answer takes, its call has been well.
#[tokio::test(start_paused = true)]
async fn answers_that_take_minutes_are_counted_when_they_come() {
    let stats = ErrorStats::new();
    let mut service = stats.calls().layer(service_fn(|request: Request<u64>| async move {
        tokio::time::sleep(Duration::from_secs(request.into_body())).await;
        Ok::<_, Infallible>(Response::new(()))
    }));
    let calls: Vec<_> =
        [1, 59, 60, 61, 63, 64, 65, 200, 4000].map(|seconds| service.call(Request::new(seconds))).into();
    let calls: Vec<_> = calls.into_iter().map(tokio::spawn).collect();
    let mut seconds = 0;
    for call in calls {
        call.await.unwrap().unwrap();
        seconds += 1;
        // Others go on, so that seconds are settled.
        service.call(Request::new(0)).await.unwrap();
        seconds += 1;
        let Kind::TooFew { all, .. } = stats.snapshot().pattern().main.kind else { panic!() };
        assert_eq!((all.failed, all.of), (0, seconds));
    }
}

type Answer = Result<Response<()>, Infallible>;

/// A time limit between the layers: the attempts' layer sees attempts dropped, and the calls' layer calls that fail.
#[tokio::test(start_paused = true)]
async fn attempts_that_a_time_limit_above_them_ends_are_failures_of_the_pattern() {
    let stats = ErrorStats::new();
    let mut service = ServiceBuilder::new()
        .layer(stats.calls())
        .timeout(Duration::from_secs(1))
        .layer(stats.attempts())
        .service(service_fn(async |request: Request<u16>| {
            if request.body() == &0 { future::pending().await } else { Ok::<_, Mark>(Response::new(())) }
        }));
    for n in 0..1200 {
        drop(service.call(to("eu.example", if n < 600 { 200 } else { 0 })).await);
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    let snapshot = stats.snapshot();
    assert_eq!((snapshot.attempts.failed, snapshot.attempts.cancelled), (0, 600));
    let pattern = snapshot.pattern();
    let Kind::Constant { failing, before, .. } = pattern.main.kind else { panic!("{pattern}") };
    assert_eq!((failing.failed, failing.of, before.failed, before.of), (600, 600, 0, 600));

    // Whoever gives up the call gives up its attempt with it: that is no failure.
    for _ in 0..2000 {
        tokio::time::advance(Duration::from_secs(1)).await;
        let call = service.call(to("eu.example", 0));
        drop(tokio::time::timeout(Duration::from_millis(500), call).await);
    }
    let pattern = stats.snapshot().pattern();
    let cancelled = pattern.also.iter().find_map(|finding| match finding.kind {
        Kind::Cancelled { cancelled, .. } => Some((cancelled.failed, cancelled.of)),
        _ => None,
    });
    assert_eq!(cancelled, Some((2000, 2000)), "{pattern}");
}

/// The clock of a machine that has just been started is wrong until it has asked for the time.
#[tokio::test(start_paused = true)]
async fn a_wall_clock_that_was_a_year_ahead_for_an_hour_hides_no_hours() {
    const DAY: u64 = 24 * 3600;
    let (reads, start) = (AtomicU64::new(0), tokio::time::Instant::now());
    let stats = ErrorStats::with_wall_clock(move || {
        let ahead = if reads.fetch_add(1, Ordering::Relaxed) == 0 { 365 * DAY } else { 0 };
        UNIX_EPOCH + Duration::from_secs(20_000 * DAY + ahead) + start.elapsed()
    });
    let mut service = stats.calls().layer(service_fn(act));
    for quarter in 0..13 * 24 * 4 {
        drop(service.call(Request::new(if quarter / 4 % 24 == 5 { 503 } else { 200 })).await);
        tokio::time::advance(Duration::from_secs(900)).await;
    }
    let pattern = stats.snapshot().pattern();
    let findings = std::iter::once(&pattern.main).chain(&pattern.also);
    let hours = findings.filter_map(|finding| match finding.kind {
        Kind::TimeOfDay { from, to, .. } => Some((from, to)),
        _ => None,
    });
    assert_eq!(hours.collect::<Vec<_>>(), [(5, 6)], "{pattern}");
}

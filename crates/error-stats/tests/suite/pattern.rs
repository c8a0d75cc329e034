//! What the pattern makes of calls that do not simply fail.

use std::convert::Infallible;
use std::future::{self, Future};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use error_stats::{ErrorStats, Kind};
use http::{Request, Response};
use tokio::task::JoinSet;
use tokio_test::{assert_ready_err, task};
use tower::{Layer, Service, service_fn};
use wire_fault::{Delivery, Plain};

const HANG: u16 = 0;

type Answer = Pin<Box<dyn Future<Output = Result<Response<()>, Infallible>> + Send>>;

/// Answers with the status in the body, or never.
fn act(request: Request<u16>) -> Answer {
    match request.into_body() {
        HANG => Box::pin(future::pending()),
        status => Box::pin(future::ready(Ok(Response::builder().status(status).body(()).unwrap()))),
    }
}

/// Makes a call, which is given up if it is not answered at once; then a second goes by.
async fn call(stats: &ErrorStats, host: &str, status: u16) {
    let request = Request::get(format!("https://{host}/")).body(status).unwrap();
    _ = task::spawn(stats.calls().layer(service_fn(act)).call(request)).poll();
    tokio::time::advance(Duration::from_secs(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_black_hole_is_not_healthy_whatever_was_before() {
    let stats = ErrorStats::new();
    for _ in 0..4000 {
        call(&stats, "a", 200).await;
    }
    assert!(matches!(stats.snapshot().pattern().main.kind, Kind::Healthy { .. }));
    for _ in 0..2000 {
        call(&stats, "a", HANG).await;
    }
    let pattern = stats.snapshot().pattern();
    let Kind::Cancelled { cancelled, .. } = pattern.main.kind else { panic!("{pattern}") };
    assert!((1940..=2000).contains(&cancelled.failed) && cancelled.share() > 0.98, "{pattern}");
    assert!(pattern.also.is_empty(), "{pattern}");
    // Over, and told so.
    for _ in 0..600 {
        call(&stats, "a", 200).await;
    }
    let pattern = stats.snapshot().pattern();
    assert!(matches!(pattern.main.kind, Kind::Healthy { .. }) && pattern.also.is_empty(), "{pattern}");
}

/// After a good hour, all calls of the last forty seconds have failed: by the alarm an outage, and by the pattern.
#[tokio::test(start_paused = true)]
async fn a_live_outage_is_told_before_it_is_two_minutes_old() {
    let stats = ErrorStats::new();
    for _ in 0..3600 {
        call(&stats, "a", 200).await;
    }
    let began = stats.snapshot().at.instant;
    for _ in 0..40 {
        call(&stats, "a", 502).await;
    }
    let snapshot = stats.snapshot();
    let pattern = snapshot.pattern();
    let Kind::Constant { since, failing, before, .. } = pattern.main.kind else { panic!("{pattern}") };
    assert_eq!((failing.failed, failing.of, before.failed, before.of), (40, 40, 0, 3600));
    assert_eq!(since.instant, began);
    assert!(!pattern.to_string().contains("healthy"), "{pattern}");
    assert!(snapshot.to_string().contains("their side: wait, and read their status page"), "{snapshot}");
    // One that goes well ends it.
    call(&stats, "a", 200).await;
    let pattern = stats.snapshot().pattern();
    assert!(!matches!(pattern.main.kind, Kind::Constant { .. }), "{pattern}");
}

/// Of what has started in the last three minutes, only the refused calls have ended. Others go well all the time.
#[tokio::test(start_paused = true)]
async fn answers_that_take_minutes_make_no_outage_of_refusals() {
    let stats = ErrorStats::new();
    let mut service = stats.calls().layer(service_fn(|request: Request<u16>| async move {
        let status = request.into_body();
        if status == 200 {
            tokio::time::sleep(Duration::from_secs(180)).await;
        }
        Ok::<_, Infallible>(Response::builder().status(status).body(()).unwrap())
    }));
    let mut calls = JoinSet::new();
    for n in 0..1200 {
        for at in 0..3 {
            calls.spawn(service.call(Request::new(if at == 0 && n % 4 == 0 { 503 } else { 200 })));
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let snapshot = stats.snapshot();
    assert!(snapshot.calls.in_flight > 400 && snapshot.calls.failed == 300, "{snapshot}");
    let pattern = snapshot.pattern();
    let is_steady = |kind: &Kind| matches!(kind, Kind::Sporadic { since: None, .. } | Kind::OnePhase { .. });
    assert!(
        is_steady(&pattern.main.kind) && pattern.also.iter().all(|finding| is_steady(&finding.kind)),
        "{pattern}"
    );
}

/// Some calls in a row say nothing of hours, and still the report does not say that there is nothing to do.
#[tokio::test(start_paused = true)]
async fn beside_an_alarm_a_report_does_not_say_that_all_is_well() {
    let stats = ErrorStats::new();
    for status in [200; 4000].into_iter().chain([502; 5]) {
        call(&stats, "a", status).await;
    }
    let snapshot = stats.snapshot();
    assert!(matches!(snapshot.pattern().main.kind, Kind::Healthy { .. }), "{snapshot}");
    let report = snapshot.to_string();
    let told = "pattern: healthy: 5 of 4005 (0.1 %) failed, but an alarm is raised; look at the last failure";
    assert!(report.ends_with(told), "{report}");
    call(&stats, "a", 200).await;
    let report = stats.snapshot().to_string();
    assert!(report.contains("5 of 4006 (0.1 %) failed (") && report.ends_with("; nothing to do"), "{report}");

    // Nor that the repeats will do, nor that more calls are needed.
    for (well, told) in [(300, "sporadic: 5 of 305"), (0, "too few calls to tell: 5 of 5")] {
        let stats = ErrorStats::new();
        for host in 0..well {
            call(&stats, &format!("h{}", host % 8), 200).await;
        }
        // In many places, so that these are not what they have in common.
        for status in [429, 502, 429, 502, 429] {
            call(&stats, "a", status).await;
        }
        let report = stats.snapshot().to_string();
        let end = "failed, but an alarm is raised; look at the last failure";
        assert!(report.contains(&format!("pattern: {told}")) && report.contains(end), "{report}");
    }
}

#[tokio::test(start_paused = true)]
async fn calls_without_an_outcome_at_other_hosts_make_none_look_bad() {
    let stats = ErrorStats::new();
    let mut under_way = Vec::new();
    for n in 0..200 {
        call(&stats, "given-up", HANG).await;
        let request = Request::get("https://slow/").body(HANG).unwrap();
        under_way.push(stats.calls().layer(service_fn(act)).call(request));
        if n % 5 == 0 {
            call(&stats, "a", 502).await;
        }
    }
    let pattern = stats.snapshot().pattern();
    let one_host = |kind: &Kind| matches!(kind, Kind::OneHost { .. });
    assert!(!one_host(&pattern.main.kind) && !pattern.also.iter().any(|finding| one_host(&finding.kind)));
}

/// A service whose worker is gone.
struct Dead;

impl Service<Request<u16>> for Dead {
    type Response = Response<()>;
    type Error = io::Error;
    type Future = future::Ready<Result<Response<()>, io::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        Poll::Ready(Err(io::Error::other("closed")))
    }

    fn call(&mut self, _: Request<u16>) -> Self::Future {
        unreachable!("it was never ready")
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_never_ready_is_not_healthy_and_has_sent_nothing() {
    let stats = ErrorStats::new();
    for _ in 0..500 {
        call(&stats, "a", 200).await;
    }
    let mut service = stats.calls::<Plain>().layer(Dead);
    for _ in 0..600 {
        assert_ready_err!(task::spawn(()).enter(|cx, _| service.poll_ready(cx)));
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    let snapshot = stats.snapshot();
    assert!(matches!(snapshot.pattern().main.kind, Kind::Constant { .. }), "{snapshot}");
    assert_eq!((snapshot.calls.not_ready, snapshot.calls.failed), (600, 0));
    let reason = snapshot.calls.last_failure.unwrap().reason;
    assert_eq!(reason.fault().unwrap().delivery, Delivery::NeverSent);
    assert!(!reason.to_string().contains("may have received"), "{reason}");
}

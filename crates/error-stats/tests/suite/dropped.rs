//! Attempts that are dropped: what the pattern takes them for depends on what comes next.

use std::convert::Infallible;
use std::future::{self, Future};
use std::pin::Pin;
use std::time::Duration;

use error_stats::{ErrorStats, Finding, Kind, Pattern};
use http::{Request, Response};
use tokio::time;
use tower::{Layer, Service, service_fn};
use wire_fault::{CallId, Plain};

type Answer = Pin<Box<dyn Future<Output = Result<Response<()>, Infallible>> + Send>>;

/// Answers, or never does.
fn wire(request: Request<bool>) -> Answer {
    if request.into_body() {
        Box::pin(future::ready(Ok(Response::new(()))))
    } else {
        Box::pin(future::pending())
    }
}

/// The request, to be answered or not.
fn of(call: &Request<()>, answered: bool) -> Request<bool> {
    let mut request = Request::new(answered);
    *request.extensions_mut() = call.extensions().clone();
    request
}

fn cancelled(pattern: &Pattern) -> Option<(u64, u64)> {
    let mut findings = std::iter::once(&pattern.main).chain(&pattern.also);
    findings.find_map(|Finding { kind, .. }| match kind {
        Kind::Cancelled { cancelled, .. } => Some((cancelled.failed, cancelled.of)),
        _ => None,
    })
}

/// A hedge asks a second time when the first takes long, takes the quicker, and drops the other.
#[tokio::test(start_paused = true)]
async fn a_loser_that_is_dropped_for_a_quicker_rival_is_no_failure() {
    let stats = ErrorStats::new();
    let attempts = stats.attempts().layer(service_fn(wire));
    let mut service = stats.calls().layer(service_fn(|call: Request<()>| {
        let (mut one, mut two) = (attempts.clone(), attempts.clone());
        async move {
            let first = one.call(of(&call, false));
            time::sleep(Duration::from_millis(10)).await;
            let second = two.call(of(&call, true));
            tokio::select! { biased; answer = first => answer, answer = second => answer }
        }
    }));
    for _ in 0..200 {
        service.call(Request::new(())).await.unwrap();
        time::advance(Duration::from_secs(1)).await;
    }
    let snapshot = stats.snapshot();
    assert_eq!((snapshot.attempts.cancelled, snapshot.attempts.succeeded), (200, 200));
    let pattern = snapshot.pattern();
    let Kind::Healthy { all, .. } = pattern.main.kind else { panic!("{pattern}") };
    assert_eq!((all.failed, all.of, cancelled(&pattern)), (0, 200, None), "{pattern}");
}

/// What is dropped before the next attempt begins was waited for in vain, though its call succeeds.
#[tokio::test(start_paused = true)]
async fn an_attempt_that_is_dropped_and_repeated_has_failed() {
    let stats = ErrorStats::new();
    let attempts = stats.attempts().layer(service_fn(wire));
    let mut service = stats.calls().layer(service_fn(|call: Request<()>| {
        let mut attempts = attempts.clone();
        async move {
            let first = attempts.call(of(&call, false));
            time::timeout(Duration::from_millis(10), first).await.unwrap_err();
            attempts.call(of(&call, true)).await
        }
    }));
    for _ in 0..200 {
        service.call(Request::new(())).await.unwrap();
        time::advance(Duration::from_secs(1)).await;
    }
    let pattern = stats.snapshot().pattern();
    let Kind::Constant { failing, .. } = pattern.main.kind else { panic!("{pattern}") };
    assert_eq!((failing.failed, failing.of), (200, 200));
}

/// Drops so many attempts, of calls that have names or not.
async fn drop_attempts(stats: &ErrorStats, attempts: u64, named: bool) -> Pattern {
    let mut service = stats.attempts().layer(service_fn(wire));
    for _ in 0..attempts {
        let mut request = Request::new(false);
        if named {
            CallId::of(request.extensions_mut());
        }
        drop(service.call(request));
        time::advance(Duration::from_secs(1)).await;
    }
    stats.snapshot().pattern()
}

/// A retry, or another handle, may have named the calls of a handle that has no layer of calls.
#[tokio::test(start_paused = true)]
async fn what_is_dropped_of_calls_that_nobody_ends_is_in_the_pattern() {
    for named in [false, true] {
        let pattern = drop_attempts(&ErrorStats::new(), 200, named).await;
        assert_eq!(cancelled(&pattern), Some((200, 200)), "{pattern}");
    }
    // With a layer of calls their ends are waited for: of a thousand, and the others are counted as they make room.
    let stats = ErrorStats::new();
    let _layer = stats.calls::<Plain>();
    let pattern = drop_attempts(&stats, 3_000, true).await;
    let Some((dropped, of)) = cancelled(&pattern) else { panic!("{pattern}") };
    assert!(dropped == of && (1_900..3_000).contains(&dropped), "{pattern}");
}

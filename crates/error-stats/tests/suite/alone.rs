//! Calls that fail without a failed attempt, where attempts are counted: the pattern is told of them, once each.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use error_stats::{ErrorStats, Kind, Pattern, Ratio};
use http::{Request, Response, StatusCode};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time;
use tower::{Layer, Service, service_fn};

type Answer = Result<Response<()>, io::Error>;

async fn wire(request: Request<()>) -> Answer {
    let status = if request.uri() == "/down" { StatusCode::BAD_GATEWAY } else { StatusCode::OK };
    Ok(Response::builder().status(status).body(()).unwrap())
}

fn to(path: &'static str) -> Request<()> {
    Request::get(path).body(()).unwrap()
}

/// Makes calls, one a second.
async fn each_second<S: Service<Request<()>>>(service: &mut S, calls: usize, path: &'static str) {
    for _ in 0..calls {
        _ = service.call(to(path)).await;
        time::advance(Duration::from_secs(1)).await;
    }
}

/// What fails, and what there was before it did.
fn constant(pattern: &Pattern) -> Option<[(u64, u64); 2]> {
    let figures = |ratio: Ratio| (ratio.failed, ratio.of);
    match pattern.main.kind {
        Kind::Constant { failing, before, .. } => Some([failing, before].map(figures)),
        _ => None,
    }
}

/// A breaker, a limit, a time limit of what waits for one.
#[tokio::test(start_paused = true)]
async fn a_layer_between_the_two_that_refuses_is_told() {
    let (stats, open) = (ErrorStats::new(), Arc::new(AtomicBool::new(false)));
    let (attempts, is_open) = (stats.attempts().layer(service_fn(wire)), open.clone());
    let mut service = stats.calls().layer(service_fn(move |request| {
        let (mut attempts, open) = (attempts.clone(), is_open.load(Ordering::Relaxed));
        async move { if open { Err(io::Error::other("open")) } else { attempts.call(request).await } }
    }));
    each_second(&mut service, 3600, "/").await;
    open.store(true, Ordering::Relaxed);
    each_second(&mut service, 1800, "/").await;
    let snapshot = stats.snapshot();
    assert_eq!((snapshot.calls.failed, snapshot.attempts.started), (1800, 3600));
    assert_eq!(constant(&snapshot.pattern()), Some([(1800, 1800), (0, 3600)]), "{snapshot}");
}

/// Whether or not its attempts can be joined to it.
#[tokio::test(start_paused = true)]
async fn a_call_whose_attempt_failed_is_told_once() {
    for named in [true, false] {
        let stats = ErrorStats::new();
        let attempts = stats.attempts().layer(service_fn(wire));
        let mut service = stats.calls().layer(service_fn(move |mut request: Request<()>| {
            let mut attempts = attempts.clone();
            if !named {
                request.extensions_mut().clear();
            }
            async move {
                time::sleep(Duration::from_millis(1)).await;
                attempts.call(request).await
            }
        }));
        each_second(&mut service, 600, "/").await;
        each_second(&mut service, 600, "/down").await;
        let snapshot = stats.snapshot();
        assert_eq!(snapshot.unjoined, if named { 0 } else { 600 });
        assert_eq!(constant(&snapshot.pattern()), Some([(600, 600), (0, 600)]), "{snapshot}");
    }
}

/// More of them under way than can be joined: the oldest have made room.
#[tokio::test(start_paused = true)]
async fn calls_whose_attempts_were_forgotten_are_told_once() {
    let (stats, go) = (ErrorStats::new(), Arc::new(Semaphore::new(0)));
    let (attempts, gate) = (stats.attempts().layer(service_fn(wire)), go.clone());
    let mut service = stats.calls().layer(service_fn(move |request| {
        let (mut attempts, go) = (attempts.clone(), gate.clone());
        async move {
            let answer = attempts.call(request).await;
            let _pass = go.acquire().await;
            answer
        }
    }));
    let calls: JoinSet<_> = (0..2000).map(|_| service.call(to("/down"))).collect();
    time::sleep(Duration::from_secs(1)).await;
    go.add_permits(2000);
    calls.join_all().await;
    let snapshot = stats.snapshot();
    assert!(snapshot.calls.failed == 2000 && snapshot.unjoined > 500, "{snapshot}");
    assert_eq!(constant(&snapshot.pattern()), Some([(2000, 2000), (0, 0)]), "{snapshot}");
}

/// A client without a layer of attempts beside one that has it.
#[tokio::test(start_paused = true)]
async fn a_client_without_attempts_is_told_of_while_all_that_succeed_have_some() {
    let stats = ErrorStats::new();
    let mut bare = stats.calls().layer(service_fn(wire));
    let mut both = stats.calls().layer(stats.attempts().layer(service_fn(wire)));
    for _ in 0..1200 {
        each_second(&mut both, 1, "/").await;
        each_second(&mut bare, 1, "/down").await;
    }
    let snapshot = stats.snapshot();
    let Kind::OnePhase { there, .. } = snapshot.pattern().main.kind else { panic!("{snapshot}") };
    assert_eq!((there.failed, there.of), (1200, 1200));

    // One in ten of its calls fails. Those that do not would not be in the history, so the figures would be wrong.
    let stats = ErrorStats::new();
    let mut bare = stats.calls().layer(service_fn(wire));
    let mut both = stats.calls().layer(stats.attempts().layer(service_fn(wire)));
    for n in 0..1200 {
        each_second(&mut bare, 1, if n % 10 == 9 { "/down" } else { "/" }).await;
        if n % 100 == 0 {
            each_second(&mut both, 1, "/").await;
        }
    }
    let snapshot = stats.snapshot();
    assert!(matches!(snapshot.pattern().main.kind, Kind::TooFew { .. }), "{snapshot}");
}

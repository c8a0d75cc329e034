//! Every call that starts ends in exactly one count, however it ends.

use std::convert::Infallible;
use std::future::{self, Future};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use error_stats::{ErrorStats, Reason, Tally};
use http::{Request, Response, StatusCode};
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
use tower_test::mock;
use wire_fault::{CallId, Cause, Delivery, Fault, Healing, Mark, Phase, Plain, Verdict};

type Mock = mock::Handle<Request<()>, Response<()>>;

const CUT: Fault = Fault::new(Phase::TlsHandshake, Delivery::NeverSent, Cause::Eof, Healing::Transient);

fn request() -> Request<()> {
    Request::new(())
}

fn response(status: u16) -> Response<()> {
    Response::builder().status(status).body(()).unwrap()
}

/// started, succeeded, failed, cancelled, in flight.
fn figures(tally: &Tally) -> [u64; 5] {
    assert_eq!(tally.started, tally.succeeded + tally.failed + tally.cancelled + tally.in_flight);
    [tally.started, tally.succeeded, tally.failed, tally.cancelled, tally.in_flight]
}

async fn answer(handle: &mut Mock, status: u16) {
    let (_, send) = handle.next_request().await.unwrap();
    send.send_response(response(status));
}

#[tokio::test(start_paused = true)]
async fn a_call_is_in_flight_until_its_response() {
    let stats = ErrorStats::new();
    let (mut service, mut handle) = mock::spawn_layer(stats.calls());
    assert_ready_ok!(service.poll_ready());
    assert_eq!(figures(&stats.snapshot().calls), [0; 5]);
    let mut call = task::spawn(service.call(request()));
    assert_eq!(figures(&stats.snapshot().calls), [1, 0, 0, 0, 1]);
    assert_pending!(call.poll());
    answer(&mut handle, 200).await;
    assert_eq!(figures(&stats.snapshot().calls), [1, 0, 0, 0, 1]);
    assert_ready_ok!(call.poll());
    assert_eq!(figures(&stats.snapshot().calls), [1, 1, 0, 0, 0]);
    drop(call);
    let snapshot = stats.snapshot();
    assert_eq!(figures(&snapshot.calls), [1, 1, 0, 0, 0]);
    assert_eq!(figures(&snapshot.attempts), [0; 5]);
}

#[tokio::test(start_paused = true)]
async fn a_future_dropped_at_any_stage_is_cancelled_once() {
    let stats = ErrorStats::new();
    let (mut service, mut handle) = mock::spawn_layer(stats.calls());

    // Before its first poll.
    assert_ready_ok!(service.poll_ready());
    drop(service.call(request()));
    assert_eq!(figures(&stats.snapshot().calls), [1, 0, 0, 1, 0]);

    // Polled, and not answered.
    assert_ready_ok!(service.poll_ready());
    let mut call = task::spawn(service.call(request()));
    assert_pending!(call.poll());
    drop(call);
    assert_eq!(figures(&stats.snapshot().calls), [2, 0, 0, 2, 0]);

    // Answered, and not polled since: nobody saw the answer.
    handle.next_request().await.unwrap();
    handle.next_request().await.unwrap();
    assert_ready_ok!(service.poll_ready());
    let mut call = task::spawn(service.call(request()));
    assert_pending!(call.poll());
    answer(&mut handle, 200).await;
    assert!(call.is_woken());
    drop(call);
    assert_eq!(figures(&stats.snapshot().calls), [3, 0, 0, 3, 0]);
    assert_eq!(stats.snapshot().calls.last_success, None);
}

#[test]
fn a_service_that_panics_in_call_leaves_nothing_in_flight() {
    let stats = ErrorStats::new();
    let mut service = ServiceBuilder::new().layer(stats.calls()).service(service_fn(
        |_: Request<()>| -> future::Ready<Result<Response<()>, Infallible>> { panic!("in call") },
    ));
    catch_unwind(AssertUnwindSafe(|| drop(service.call(request())))).unwrap_err();
    assert_eq!(figures(&stats.snapshot().calls), [1, 0, 0, 1, 0]);
}

#[test]
fn a_service_that_panics_in_poll_is_counted_when_its_future_is_dropped() {
    let stats = ErrorStats::new();
    let mut service =
        ServiceBuilder::new().layer(stats.calls()).service(service_fn(|_: Request<()>| async {
            if true {
                panic!("in poll");
            }
            Ok::<_, Infallible>(response(200))
        }));
    let mut call = Box::pin(service.call(request()));
    let poll = || call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(catch_unwind(AssertUnwindSafe(poll)).is_err());
    drop(call);
    let calls = stats.snapshot().calls;
    assert_eq!(figures(&calls), [1, 0, 0, 1, 0]);
    assert_eq!(calls.streak.current, 0);
}

#[tokio::test]
async fn a_task_that_panics_is_counted_too() {
    let stats = ErrorStats::new();
    let service = ServiceBuilder::new().layer(stats.attempts()).service(service_fn(|_: Request<()>| async {
        tokio::task::yield_now().await;
        if true {
            panic!("after a while");
        }
        Ok::<_, Infallible>(response(200))
    }));
    tokio::spawn(service.oneshot(request())).await.unwrap_err();
    assert_eq!(figures(&stats.snapshot().attempts), [1, 0, 0, 1, 0]);
}

#[tokio::test(start_paused = true)]
async fn the_table_of_outcomes_holds() {
    // Status; whether it counts as failed; the streak after two failures and it.
    let table = [
        (101, false, 0),
        (200, false, 0),
        (304, false, 0),
        (400, false, 2),
        (404, false, 2),
        (410, false, 2),
        (428, false, 2),
        (429, true, 3),
        (430, false, 2),
        (500, true, 3),
        (503, true, 3),
        (599, true, 3),
        (600, false, 2),
        (999, false, 2),
    ];
    for (status, failed, streak) in table {
        let stats = ErrorStats::new();
        let (mut service, mut handle) = mock::spawn_layer(stats.calls());
        for status in [502, 502, status] {
            assert_ready_ok!(service.poll_ready());
            let mut call = task::spawn(service.call(request()));
            answer(&mut handle, status).await;
            assert_ready_ok!(call.poll());
        }
        let calls = stats.snapshot().calls;
        assert_eq!(figures(&calls), [3, u64::from(!failed), 2 + u64::from(failed), 0, 0], "{status}");
        assert_eq!(calls.streak.current, streak, "{status}");
        assert_eq!(calls.streak.longest, streak.max(2), "{status}");
        assert_eq!(calls.last_success.is_some(), status < 400, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_is_counted_by_its_fault_and_its_verdict_and_extends_the_streak() {
    let stats = ErrorStats::new();
    let layers = ServiceBuilder::new().layer(stats.calls()).layer(stats.attempts()).into_inner();
    let (mut service, mut handle) = mock::spawn_layer::<Request<()>, Response<()>, _>(layers);
    let errors = [
        Mark::fault(CUT),
        Mark::verdict(Verdict::RefusedLocally),
        Mark::verdict(Verdict::Exhausted).with_fault(CUT),
    ];
    let mut id = None;
    for error in errors {
        assert_ready_ok!(service.poll_ready());
        let mut call = task::spawn(service.call(request()));
        let (request, send) = handle.next_request().await.unwrap();
        id = request.extensions().get::<CallId>().copied();
        send.send_error(error);
        assert_ready_err!(call.poll());
    }

    let calls = stats.snapshot().calls;
    assert_eq!(figures(&calls), [3, 0, 3, 0, 0]);
    let (first, second) = (calls.faults[0], calls.faults[1]);
    assert_eq!((first.phase, first.cause, first.delivery), (CUT.phase, CUT.cause, CUT.delivery));
    assert_eq!((first.count, second.count, calls.faults.len()), (2, 1, 2));
    assert_eq!((calls.verdicts.refused_locally, calls.verdicts.exhausted), (1, 1));
    assert_eq!(calls.verdicts.outcome_unknown, 0);
    assert_eq!(calls.streak.current, 3);

    let last = calls.last_failure.unwrap();
    assert_eq!(last.reason.verdict(), Some(Verdict::Exhausted));
    assert_eq!(last.reason.fault().unwrap().phase, Phase::TlsHandshake);
    assert!(id.is_some());
    assert_eq!(last.call, id);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_fails_before_it_takes_a_request_is_no_call_but_a_failure() {
    let stats = ErrorStats::new();
    let (mut service, mut handle) = mock::spawn_layer::<Request<()>, Response<()>, _>(stats.calls());
    handle.allow(0);
    assert_pending!(service.poll_ready());
    assert_eq!(stats.snapshot().calls.not_ready, 0);
    handle.send_error(Mark::fault(CUT));
    assert_ready_err!(service.poll_ready());

    let calls = stats.snapshot().calls;
    assert_eq!(figures(&calls), [0; 5]);
    assert_eq!((calls.not_ready, calls.streak.current), (1, 1));
    assert!(matches!(calls.last_failure.unwrap().reason, Reason::Error { fault: CUT, verdict: None }));
}

#[tokio::test(start_paused = true)]
async fn cancelled_calls_leave_the_streak_and_its_times_as_they_are() {
    let stats = ErrorStats::new();
    let (mut service, mut handle) = mock::spawn_layer(stats.calls());
    assert_ready_ok!(service.poll_ready());
    let mut call = task::spawn(service.call(request()));
    answer(&mut handle, 500).await;
    assert_ready_ok!(call.poll());
    let before = stats.snapshot().calls;
    tokio::time::advance(std::time::Duration::from_secs(5)).await;
    assert_ready_ok!(service.poll_ready());
    drop(service.call(request()));
    let after = stats.snapshot().calls;
    assert_eq!((after.streak, after.last_failure), (before.streak, before.last_failure));
    assert_eq!(after.cancelled, 1);
}

/// The layers of one handle count apart; a repeat's attempts are all there, under the call's own id.
#[tokio::test(start_paused = true)]
async fn calls_and_attempts_of_one_handle_count_apart_and_share_the_call_id() {
    #[derive(Clone)]
    struct Twice<S>(S);
    impl<S> Service<Request<()>> for Twice<S>
    where
        S: Service<Request<()>, Response = Response<()>> + Clone + Send + 'static,
        S::Error: Send,
        S::Future: Send,
    {
        type Response = S::Response;
        type Error = S::Error;
        type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;
        fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
            self.0.poll_ready(cx)
        }
        fn call(&mut self, request: Request<()>) -> Self::Future {
            let mut inner = self.0.clone();
            std::mem::swap(&mut inner, &mut self.0);
            Box::pin(async move {
                inner.call(request.clone()).await?;
                inner.ready().await?.call(request).await
            })
        }
    }

    let stats = ErrorStats::new();
    let ids = Arc::new(Mutex::new(Vec::new()));
    let seen = ids.clone();
    let service =
        ServiceBuilder::new().layer(stats.calls()).layer_fn(Twice).layer(stats.attempts()).service_fn(
            move |request: Request<()>| {
                let mut ids = seen.lock().unwrap();
                ids.push(*request.extensions().get::<CallId>().unwrap());
                future::ready(Ok::<_, Infallible>(response(if ids.len() == 1 { 503 } else { 200 })))
            },
        );
    service.oneshot(request()).await.unwrap();

    let snapshot = stats.snapshot();
    assert_eq!(figures(&snapshot.calls), [1, 1, 0, 0, 0]);
    assert_eq!(figures(&snapshot.attempts), [2, 1, 1, 0, 0]);
    assert_eq!((snapshot.calls.streak.longest, snapshot.attempts.streak.longest), (0, 1));
    let ids = ids.lock().unwrap();
    assert_eq!(ids[0], ids[1]);
}

#[tokio::test]
async fn a_call_id_is_given_where_attempts_are_counted_too_and_one_that_is_there_is_kept() {
    let stats = ErrorStats::new();
    let echo = || {
        service_fn(|request: Request<()>| {
            let mut response = response(200);
            *response.extensions_mut() = request.extensions().clone();
            future::ready(Ok::<_, Infallible>(response))
        })
    };
    let alone = ServiceBuilder::new().layer(stats.calls()).service(echo());
    let answer = alone.oneshot(request()).await.unwrap();
    assert_eq!(answer.extensions().get::<CallId>(), None);
    let _layer = stats.attempts::<Plain>();
    let joined = ServiceBuilder::new().layer(stats.calls()).service(echo());
    let answer = joined.oneshot(request()).await.unwrap();
    assert!(answer.extensions().get::<CallId>().is_some());

    let id = CallId::next();
    let mut named = request();
    named.extensions_mut().insert(id);
    let calls = ServiceBuilder::new().layer(stats.calls()).service(echo());
    let answer = calls.oneshot(named).await.unwrap();
    assert_eq!(answer.extensions().get(), Some(&id));

    let attempts = ServiceBuilder::new().layer(stats.attempts()).service(echo());
    let answer = attempts.oneshot(request()).await.unwrap();
    assert_eq!(answer.extensions().get::<CallId>(), None);
}

/// Tasks on several threads that succeed, fail, are aborted anywhere or never polled; snapshots are taken
/// meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_counts_add_up_under_random_cancellation() {
    const CALLS: u64 = 20_000;
    let stats = ErrorStats::new();
    let (succeeded, failed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let service =
        ServiceBuilder::new().layer(stats.calls()).service(service_fn(|request: Request<u64>| async move {
            let dice = request.into_body();
            for _ in 0..dice % 5 {
                tokio::task::yield_now().await;
            }
            match dice / 5 % 3 {
                0 => Err(Mark::fault(CUT)),
                1 => Ok(response(503)),
                _ => Ok(response(200)),
            }
        }));

    let mut random = 0x2545_F491_4F6C_DD1D_u64;
    let mut tasks = Vec::new();
    for _ in 0..CALLS {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let dice = random >> 8;
        let call = service.clone().call(Request::new(dice));
        if dice % 11 == 0 {
            drop(call);
            continue;
        }
        let (succeeded, failed) = (succeeded.clone(), failed.clone());
        let task = tokio::spawn(async move {
            let counter = match call.await {
                Ok(response) if response.status() == StatusCode::OK => succeeded,
                _ => failed,
            };
            counter.fetch_add(1, Ordering::Relaxed);
        });
        if dice % 7 == 0 {
            task.abort();
        }
        tasks.push(task);
        if dice % 64 == 0 {
            // The sum is checked by figures().
            let calls = stats.snapshot().calls;
            figures(&calls);
            assert!(calls.in_flight <= CALLS);
            tokio::task::yield_now().await;
        }
    }
    for task in tasks {
        drop(task.await);
    }

    let calls = stats.snapshot().calls;
    let (succeeded, failed) = (succeeded.load(Ordering::Relaxed), failed.load(Ordering::Relaxed));
    assert_eq!(figures(&calls), [CALLS, succeeded, failed, CALLS - succeeded - failed, 0]);
    assert!(succeeded > 0 && failed > 0 && calls.cancelled > CALLS / 12);
    assert_eq!(calls.responses.success, succeeded);
    assert_eq!(calls.responses.server_error + calls.faults[0].count, failed);
}

/// A future that is polled on after its outcome has no more to tell; nothing is counted twice.
#[tokio::test]
async fn an_outcome_is_counted_once_even_if_the_future_is_polled_again() {
    struct Eager;
    impl Service<Request<()>> for Eager {
        type Response = Response<()>;
        type Error = Infallible;
        type Future = Again;
        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }
        fn call(&mut self, _: Request<()>) -> Again {
            Again
        }
    }
    struct Again;
    impl Future for Again {
        type Output = Result<Response<()>, Infallible>;
        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
            Poll::Ready(Ok(response(200)))
        }
    }

    let stats = ErrorStats::new();
    let mut service = ServiceBuilder::new().layer(stats.calls()).service(Eager);
    let mut call = pin!(service.call(request()));
    let mut call = task::spawn(call.as_mut());
    assert_ready!(call.poll()).unwrap();
    assert_pending!(call.poll());
    assert_eq!(figures(&stats.snapshot().calls), [1, 1, 0, 0, 0]);
}

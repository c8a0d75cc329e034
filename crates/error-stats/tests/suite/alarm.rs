//! Alarms: one per crossing, in order, and no hook can harm a call.

use std::convert::Infallible;
use std::future;
use std::mem::forget;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::time::{Duration, UNIX_EPOCH};

use error_stats::{Alarm, ErrorStats, InvalidThreshold};
use http::{Request, Response, StatusCode};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_test::{assert_ready_ok, task};
use tower::{Layer, Service, service_fn};

type Heard = Arc<Mutex<Vec<Alarm>>>;

fn hearing(stats: ErrorStats) -> (ErrorStats, Heard) {
    let heard = Heard::default();
    let ear = heard.clone();
    (stats.on_alarm(move |alarm| ear.lock().unwrap().push(*alarm)), heard)
}

/// Makes one call that is answered at once with `status`.
fn call(stats: &ErrorStats, status: u16) {
    let mut service = stats.calls().layer(service_fn(move |_: Request<()>| {
        future::ready(Ok::<_, Infallible>(Response::builder().status(status).body(()).unwrap()))
    }));
    // No runtime: a hook calls this too, within another call.
    let answer = assert_ready_ok!(task::spawn(service.call(Request::new(()))).poll());
    assert_eq!(answer.status().as_u16(), status);
}

fn call_all(stats: &ErrorStats, statuses: &[u16]) {
    for status in statuses {
        call(stats, *status);
    }
}

/// "R5" for raised after five, "C7" for cleared after seven.
fn short(heard: &Heard) -> Vec<String> {
    let heard = heard.lock().unwrap();
    let short = |alarm: &Alarm| match alarm {
        Alarm::Raised { failures, .. } => format!("R{failures}"),
        Alarm::Cleared { failures, .. } => format!("C{failures}"),
        _ => unreachable!(),
    };
    heard.iter().map(short).collect()
}

#[test]
fn five_in_a_row_raise_once_and_a_success_clears_once() {
    let (stats, heard) = hearing(ErrorStats::new());
    call_all(&stats, &[200, 500, 500, 500, 500]);
    assert_eq!(short(&heard), [""; 0]);
    call_all(&stats, &[429]);
    assert_eq!(short(&heard), ["R5"]);
    call_all(&stats, &[500, 500]);
    assert_eq!(short(&heard), ["R5"]);
    call_all(&stats, &[200, 200]);
    assert_eq!(short(&heard), ["R5", "C7"]);
    call_all(&stats, &[500, 500, 500, 500, 200, 500, 500, 500, 500]);
    assert_eq!(short(&heard), ["R5", "C7"]);
    call_all(&stats, &[500]);
    assert_eq!(short(&heard), ["R5", "C7", "R5"]);
}

#[test]
fn a_404_neither_raises_nor_clears_nor_interrupts() {
    let (stats, heard) = hearing(ErrorStats::new());
    call_all(&stats, &[404; 20]);
    call_all(&stats, &[500, 404, 500, 404, 500, 404, 500, 404]);
    assert_eq!(short(&heard), [""; 0]);
    call_all(&stats, &[500, 404, 404]);
    assert_eq!(short(&heard), ["R5"]);
    assert!(stats.snapshot().calls.streak.alarmed);
}

#[test]
fn a_threshold_of_one_is_accepted_and_zero_is_refused_by_name() {
    let (stats, heard) = hearing(ErrorStats::new().with_threshold(1).unwrap());
    call_all(&stats, &[500, 500, 200, 500]);
    assert_eq!(short(&heard), ["R1", "C2", "R1"]);
    let refused: InvalidThreshold = ErrorStats::new().with_threshold(0).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "an alarm threshold of 0 failures; accepted are 1 to 18446744073709551615"
    );
}

#[test]
fn a_clone_is_the_same_handle() {
    let stats = ErrorStats::new();
    let clone = stats.clone();
    let (clone, heard) = hearing(clone.with_threshold(3).unwrap());
    call_all(&stats, &[500, 500]);
    call_all(&clone, &[500]);
    assert_eq!(short(&heard), ["R3"]);
    assert_eq!(clone.snapshot().calls, stats.snapshot().calls);
    assert_eq!(clone.snapshot().calls.failed, 3);
}

#[test]
fn a_hook_that_is_added_under_an_alarm_hears_how_it_ends() {
    let stats = ErrorStats::new().with_threshold(1).unwrap();
    call(&stats, 500);
    let (stats, heard) = hearing(stats);
    call_all(&stats, &[200, 500]);
    assert_eq!(short(&heard), ["C1", "R1"]);
}

#[test]
fn attempts_have_a_streak_and_no_alarm() {
    let (stats, heard) = hearing(ErrorStats::new().with_threshold(2).unwrap());
    let mut service = stats.attempts().layer(service_fn(|_: Request<()>| {
        future::ready(Ok::<_, Infallible>(Response::builder().status(502).body(()).unwrap()))
    }));
    for _ in 0..10 {
        tokio_test::block_on(service.call(Request::new(()))).unwrap();
    }
    assert_eq!(short(&heard), [""; 0]);
    let attempts = stats.snapshot().attempts;
    assert_eq!((attempts.streak.current, attempts.streak.alarmed), (10, false));
}

#[test]
fn a_hook_that_panics_harms_neither_the_call_nor_the_other_hooks_nor_later_alarms() {
    let before = Arc::new(AtomicUsize::new(0));
    let counter = before.clone();
    let stats = ErrorStats::new().on_alarm(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        panic!("the pager is broken");
    });
    let (stats, heard) = hearing(stats);
    call_all(&stats, &[500, 500, 500, 500, 500, 200]);
    call_all(&stats, &[500, 500, 500, 500, 500]);
    assert_eq!(short(&heard), ["R5", "C5", "R5"]);
    assert_eq!(before.load(Ordering::Relaxed), 3);
    assert_eq!(stats.snapshot().calls.failed, 10);
}

/// What a panic carries is the hook's own as well, and so is what a panic of that carries.
#[test]
fn a_panic_that_panics_again_when_it_is_dropped_harms_nobody_either() {
    struct Grenade(u32);
    impl Drop for Grenade {
        fn drop(&mut self) {
            if let Some(left) = self.0.checked_sub(1) {
                panic_any(Grenade(left));
            }
        }
    }

    let stats = ErrorStats::new().with_threshold(1).unwrap().on_alarm(|_| panic_any(Grenade(3)));
    let (stats, heard) = hearing(stats);
    let escaped = catch_unwind(AssertUnwindSafe(|| call_all(&stats, &[500, 200, 500]))).map_err(forget);
    assert_eq!(escaped, Ok(()));
    assert_eq!(short(&heard), ["R1", "C1", "R1"]);
    assert_eq!(stats.snapshot().calls.in_flight, 0);
}

#[test]
fn a_hook_may_take_snapshots_and_make_calls_and_what_these_raise_comes_after() {
    let handle: Arc<OnceLock<ErrorStats>> = Arc::default();
    let inside = handle.clone();
    let order = Arc::new(Mutex::new(Vec::new()));
    let log = order.clone();
    let stats = ErrorStats::new().with_threshold(1).unwrap().on_alarm(move |alarm| {
        let stats = inside.get().unwrap();
        let raised = matches!(alarm, Alarm::Raised { .. });
        log.lock().unwrap().push(format!("begin {raised}"));
        if raised {
            assert!(stats.snapshot().calls.streak.alarmed);
            call(stats, 200); // clears: told after this hook has returned
            assert!(!stats.snapshot().calls.streak.alarmed);
        }
        log.lock().unwrap().push(format!("end {raised}"));
    });
    handle.set(stats.clone()).unwrap();
    call(&stats, 500);
    assert_eq!(*order.lock().unwrap(), ["begin true", "end true", "begin false", "end false"]);
}

/// A hook that stands still until it is let go, at the first alarm only; and every alarm, as it is told.
fn standing(stats: ErrorStats) -> (ErrorStats, mpsc::Sender<()>, UnboundedReceiver<Alarm>) {
    let (go, wait) = mpsc::channel();
    let wait = Mutex::new(Some(wait));
    let stats = stats.on_alarm(move |_| {
        if let Some(wait) = wait.lock().unwrap().take() {
            wait.recv_timeout(Duration::from_secs(10))
                .expect("nobody let it go: the call waits for the hook");
        }
    });
    let (ear, heard) = unbounded_channel();
    (stats.on_alarm(move |alarm| ear.send(*alarm).unwrap()), go, heard)
}

/// On one thread: if the call waited for the hook, nobody would let it go.
#[tokio::test]
async fn a_hook_that_stands_still_delays_neither_the_call_that_failed_nor_others() {
    let (stats, go, mut heard) = standing(ErrorStats::new().with_threshold(1).unwrap());
    call_all(&stats, &[500, 500, 200, 500]);
    assert!(heard.try_recv().is_err());
    go.send(()).unwrap();
    for failures in [Some(1), None, Some(1)] {
        match (heard.recv().await.unwrap(), failures) {
            (Alarm::Raised { failures, .. }, Some(expected)) => assert_eq!(failures, expected),
            (Alarm::Cleared { failures: 2, .. }, None) => {}
            (told, _) => panic!("{told:?}"),
        }
    }
}

/// Five thousand streaks while the hook stands still: it is not told of most, and what it is told is whole.
#[tokio::test]
async fn alarms_that_no_hook_hears_do_not_pile_up() {
    let (stats, go, mut heard) = standing(ErrorStats::new().with_threshold(1).unwrap());
    call_all(&stats, &[500, 200].repeat(5000));
    call(&stats, 500);
    go.send(()).unwrap();
    let left_out = stats.snapshot().alarms_left_out;
    let told = 10_001 - left_out;
    assert!((2048..=2 * 4096 + 1).contains(&told), "{told}");
    for n in 0..told {
        let alarm = heard.recv().await.unwrap();
        assert_eq!(matches!(alarm, Alarm::Raised { .. }), n % 2 == 0, "{alarm:?}");
    }
    assert!(heard.try_recv().is_err());
    let line = format!("alarms left out, for the hooks were slow: {left_out}");
    assert!(stats.snapshot().to_string().contains(&line), "{}", stats.snapshot());
}

/// A hook can do in the runtime what it likes: it is no task of it.
#[tokio::test]
async fn a_hook_may_block_on_what_is_asynchronous() {
    let (ear, mut heard) = unbounded_channel();
    let stats = ErrorStats::new().with_threshold(1).unwrap().on_alarm(move |alarm| {
        let runtime = Handle::current();
        let text = alarm.to_string();
        let echo = runtime.block_on(async { runtime.spawn(async { text }).await.unwrap() });
        ear.send(echo).unwrap();
    });
    call(&stats, 500);
    assert_eq!(
        heard.recv().await.unwrap(),
        "1 call failed within 0.0ns; the last: 500 Internal Server Error"
    );
}

/// Without a runtime. The hook of one thread's alarm stands still; other threads' calls, the clearing one too, go on meanwhile.
#[test]
fn a_slow_hook_delays_no_other_call_and_no_alarm_is_lost_by_it() {
    let (entered, has_entered) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let stats = ErrorStats::new().with_threshold(1).unwrap().on_alarm(move |alarm| {
        if matches!(alarm, Alarm::Raised { .. }) {
            entered.send(()).unwrap();
            released.lock().unwrap().recv().unwrap();
        }
    });
    let (stats, heard) = hearing(stats);

    std::thread::scope(|scope| {
        let crossing = scope.spawn(|| call(&stats, 500));
        has_entered.recv().unwrap();
        call_all(&stats, &[500, 200, 200]); // would hang here if it waited for the hook
        assert_eq!(stats.snapshot().calls.started, 4);
        assert_eq!(short(&heard), [""; 0]);
        release.send(()).unwrap();
        crossing.join().unwrap();
    });
    assert_eq!(short(&heard), ["R1", "C2"]);
}

#[tokio::test(start_paused = true)]
async fn an_alarm_carries_both_clocks_and_the_last_failure() {
    let stats =
        ErrorStats::with_wall_clock(|| UNIX_EPOCH + Duration::from_secs(1_000)).with_threshold(3).unwrap();
    let (ear, mut heard) = unbounded_channel();
    let stats = stats.on_alarm(move |alarm| ear.send(*alarm).unwrap());
    let mut service = stats.calls().layer(service_fn(|request: Request<u16>| {
        let status = StatusCode::from_u16(request.into_body()).unwrap();
        future::ready(Ok::<_, Infallible>(Response::builder().status(status).body(()).unwrap()))
    }));
    let start = tokio::time::Instant::now();
    for status in [500, 502, 503, 200] {
        tokio::time::advance(Duration::from_secs(2)).await;
        service.call(Request::new(status)).await.unwrap();
    }

    let heard = [heard.recv().await.unwrap(), heard.recv().await.unwrap()];
    let Alarm::Raised { failures: 3, since, last, .. } = heard[0] else { panic!("{:?}", heard[0]) };
    assert_eq!(
        (since.instant - start, last.at.instant - start),
        (Duration::from_secs(2), Duration::from_secs(6))
    );
    assert_eq!(since.wall, UNIX_EPOCH + Duration::from_secs(1_002));
    assert_eq!(last.at.wall, UNIX_EPOCH + Duration::from_secs(1_006));
    assert_eq!(last.reason.status(), Some(StatusCode::SERVICE_UNAVAILABLE));
    let Alarm::Cleared { failures: 3, since: cleared_since, at, lasted, .. } = heard[1] else {
        panic!("{:?}", heard[1])
    };
    assert_eq!((cleared_since, at.instant - start), (since, Duration::from_secs(8)));
    assert_eq!(lasted, Duration::from_secs(6));
    assert_eq!(
        heard[0].to_string(),
        "3 calls in a row failed within 4.0s; the last: 503 Service Unavailable"
    );
    assert_eq!(heard[1].to_string(), "calls succeed again, after 3 calls in a row failed in 6.0s");
}

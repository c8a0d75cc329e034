//! The hand-over between threads, under schedules that shuttle chooses. A lost wake-up shows as a deadlock; a lost permit as
//! a caller that is never served.
//!
//! ```text
//! RUSTFLAGS="--cfg shuttle" cargo test -p rate-limit-layer --test shuttle --release
//! ```
//!
//! shuttle runs its threads one at a time on one thread of the system, so all are in the same paused runtime; one of them
//! drives its clock.
#![cfg(shuttle)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rate_limit::{BoxError, Limiter, Permit, Quota, RateLimitLayer, RateLimited};
use shuttle::future::block_on;
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::sync::Mutex;
use shuttle::{Config, Runner, thread};
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, advance};
use tower::util::BoxCloneService;
use tower::{Layer, Service, ServiceExt, service_fn};

const WINDOW: Duration = Duration::from_millis(10);
const HOUR: Duration = Duration::from_secs(3600);

trait Test: Fn(&Runtime, &Limiter, &Log) + Copy + Send + Sync + 'static {}

impl<T: Fn(&Runtime, &Limiter, &Log) + Copy + Send + Sync + 'static> Test for T {}

/// Runs it under 5,000 schedules: half of them random, half such that a bug of three racing steps is likely to be found.
fn explore(test: impl Test) {
    explore_quota(1, test);
}

/// The same with a quota of so many per window.
fn explore_quota(n: u32, test: impl Test) {
    fn run(n: u32, scheduler: impl Scheduler + 'static, test: impl Test) {
        let mut config = Config::new();
        config.stack_size = 1 << 19;
        Runner::new(scheduler, config).run(move || {
            let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            let limiter = {
                let _entered = runtime.enter();
                Limiter::new(Quota::new(n, WINDOW).unwrap())
            };
            let entered = runtime.enter();
            let log = Log::default();
            test(&runtime, &limiter, &log);
            // Nothing was lost: nobody waits, the window is exact, and what is left of it is free.
            while let Ok(permit) = limiter.try_acquire() {
                log.push(permit.at());
            }
            let mut releases = log.0.lock().unwrap().clone();
            releases.sort();
            let now = Instant::now();
            let within = releases.iter().filter(|&&at| now - at < WINDOW).count();
            assert_eq!(within, n as usize, "{releases:?}");
            let beyond = releases.iter().skip(n as usize);
            assert!(
                releases.iter().zip(beyond).all(|(first, beyond)| *beyond - *first >= WINDOW),
                "{releases:?}"
            );
            assert_eq!(limiter.snapshot().waiting, 0);
            drop(entered);
        });
    }
    run(n, RandomScheduler::new(2_500), test);
    run(n, PctScheduler::new(3, 2_500), test);
}

/// The releases, and how many threads have done.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Instant>>>, Arc<AtomicUsize>);

impl Log {
    fn push(&self, at: Instant) {
        self.0.lock().unwrap().push(at);
    }

    fn spawn(&self, run: impl FnOnce() + Send + 'static) -> thread::JoinHandle<()> {
        let done = Arc::clone(&self.1);
        thread::spawn(move || {
            run();
            done.fetch_add(1, Ordering::Relaxed);
        })
    }
}

fn acquirer(limiter: &Limiter, log: &Log) -> thread::JoinHandle<()> {
    let (limiter, to) = (limiter.clone(), log.clone());
    log.spawn(move || to.push(block_on(limiter.acquire()).unwrap().at()))
}

/// Polls once, perhaps twice, and leaves: as the head, as one behind, woken or not.
fn leaver(limiter: &Limiter, log: &Log) -> thread::JoinHandle<()> {
    let (limiter, to) = (limiter.clone(), log.clone());
    log.spawn(move || {
        let mut call = std::pin::pin!(limiter.acquire());
        for _ in 0..2 {
            if let Poll::Ready(permit) = call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                to.push(permit.unwrap().at());
                return;
            }
            thread::yield_now();
        }
    })
}

fn trier(limiter: &Limiter, log: &Log) -> thread::JoinHandle<()> {
    let (limiter, to) = (limiter.clone(), log.clone());
    log.spawn(move || {
        for _ in 0..2 {
            if let Ok(permit) = limiter.try_acquire() {
                to.push(permit.at());
            }
            thread::yield_now();
        }
    })
}

/// Time goes on, while the others do what they do, for longer than all need together.
fn drive(runtime: &Runtime, log: &Log, threads: Vec<thread::JoinHandle<()>>) {
    for _ in 0..4 * (threads.len() + 2) {
        runtime.block_on(advance(WINDOW / 2));
        thread::yield_now();
    }
    // A schedule may have let nobody else run meanwhile.
    for _ in 0..1000 {
        if log.1.load(Ordering::Relaxed) == threads.len() {
            break;
        }
        runtime.block_on(advance(WINDOW));
        thread::yield_now();
    }
    join(threads);
}

/// If a wake-up has been lost, this is a deadlock.
fn join(threads: Vec<thread::JoinHandle<()>>) {
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn the_head_is_dropped_woken_or_not() {
    explore(|runtime, limiter, log| {
        log.push(limiter.try_acquire().unwrap().at());
        let threads = vec![leaver(limiter, log), acquirer(limiter, log), leaver(limiter, log)];
        drive(runtime, log, threads);
    });
}

#[test]
fn others_try_while_permits_are_handed_over() {
    explore(|runtime, limiter, log| {
        log.push(limiter.try_acquire().unwrap().at());
        let threads = vec![acquirer(limiter, log), trier(limiter, log), acquirer(limiter, log)];
        drive(runtime, log, threads);
    });
}

#[test]
fn permits_are_given_back_while_others_wait() {
    explore(|runtime, limiter, log| {
        let permit = limiter.try_acquire().unwrap();
        let giver = log.spawn(move || permit.give_back());
        let threads = vec![acquirer(limiter, log), giver, leaver(limiter, log)];
        drive(runtime, log, threads);
    });
}

#[test]
fn the_quota_changes_while_others_wait() {
    explore(|runtime, limiter, log| {
        limiter.set_quotas(Quota::new(1, HOUR).unwrap()).unwrap();
        drop(limiter.try_acquire().unwrap());
        let changed = limiter.clone();
        let changer = log.spawn(move || {
            thread::yield_now();
            changed.set_quotas(Quota::new(1, WINDOW).unwrap()).unwrap();
        });
        let threads = vec![acquirer(limiter, log), changer, acquirer(limiter, log)];
        drive(runtime, log, threads);
    });
}

#[test]
fn newcomers_take_what_is_known_to_be_free_while_others_wait_and_give_back() {
    explore_quota(3, |runtime, limiter, log| {
        // One of three, given back; the record has room, so that newcomers need not look whether another is free.
        let permit = limiter.try_acquire().unwrap();
        let giver = log.spawn(move || permit.give_back());
        let (costly, to) = (limiter.clone(), log.clone());
        let costly = log.spawn(move || {
            let at = block_on(costly.acquire_many(2)).unwrap().at();
            to.push(at);
            to.push(at);
        });
        let threads = vec![costly, trier(limiter, log), giver, acquirer(limiter, log), leaver(limiter, log)];
        drive(runtime, log, threads);
    });
}

/// Takes what is free, and is not there to wait.
fn taker(limiter: &Limiter, log: &Log, times: usize) -> thread::JoinHandle<()> {
    let (limiter, to) = (limiter.clone(), log.clone());
    log.spawn(move || {
        for _ in 0..times {
            if let Ok(permit) = limiter.try_acquire() {
                to.push(permit.at());
            }
        }
    })
}

/// Opens the lane: the second who takes one of several permits that are free finds it open.
fn open(limiter: &Limiter, log: &Log) {
    log.push(limiter.try_acquire().unwrap().at());
}

#[test]
fn the_lane_is_closed_and_opened_while_others_take() {
    explore_quota(6, |runtime, limiter, log| {
        open(limiter, log);
        let looked = limiter.clone();
        let looker = log.spawn(move || {
            for _ in 0..2 {
                assert!(looked.snapshot().available <= 6);
            }
        });
        let threads = vec![taker(limiter, log, 3), looker, taker(limiter, log, 3)];
        drive(runtime, log, threads);
    });
}

#[test]
fn whoever_comes_to_wait_is_not_overtaken_and_is_woken() {
    explore_quota(3, |runtime, limiter, log| {
        open(limiter, log);
        // Two are left, for one who wants both, or for those who want one; the others wait.
        let (costly, to) = (limiter.clone(), log.clone());
        let costly = log.spawn(move || {
            let at = block_on(costly.acquire_many(3)).unwrap().at();
            (0..3).for_each(|_| to.push(at));
        });
        let threads = vec![taker(limiter, log, 2), costly, acquirer(limiter, log), leaver(limiter, log)];
        drive(runtime, log, threads);
    });
}

#[test]
fn permits_of_the_lane_are_given_back() {
    explore_quota(4, |runtime, limiter, log| {
        open(limiter, log);
        let giver = limiter.clone();
        let giver = log.spawn(move || {
            for _ in 0..2 {
                if let Ok(permit) = giver.try_acquire() {
                    permit.give_back();
                }
            }
        });
        let threads = vec![taker(limiter, log, 3), giver, acquirer(limiter, log)];
        drive(runtime, log, threads);
    });
}

#[test]
fn a_pause_and_another_quota_hold_while_others_take() {
    explore_quota(5, |runtime, limiter, log| {
        open(limiter, log);
        let changed = limiter.clone();
        let changer = log.spawn(move || {
            changed.set_quotas(Quota::new(2, HOUR).unwrap()).unwrap();
            // Of two an hour, others may have taken what they took before; but no more is free.
            let few = changed.snapshot().available;
            assert!(few < 2);
            changed.pause(WINDOW / 4, WINDOW);
            changed.set_quotas(Quota::new(5, WINDOW).unwrap()).unwrap();
        });
        let threads = vec![taker(limiter, log, 2), changer, taker(limiter, log, 2), acquirer(limiter, log)];
        drive(runtime, log, threads);
        // The changer may have been the last: its pause ends.
        runtime.block_on(advance(WINDOW));
    });
}

/// No time goes by, so that nothing but what others do wakes anybody: an alarm can't make up for a wake-up that was lost. Of
/// `n` permits an hour, all are taken; the test has them.
fn without_time(n: u32, test: impl Fn(&Limiter, &Log, Vec<Permit>) + Copy + Send + Sync + 'static) {
    explore_quota(n, move |runtime, limiter, log| {
        limiter.set_quotas(Quota::new(n, HOUR).unwrap()).unwrap();
        let taken = (0..n).map(|_| limiter.try_acquire().unwrap()).collect();
        test(limiter, log, taken);
        limiter.set_quotas(Quota::new(n, WINDOW).unwrap()).unwrap();
        runtime.block_on(advance(WINDOW));
    });
}

type Calls = BoxCloneService<(), (), BoxError>;

/// A service that is not ready while a call would wait for longer.
fn pushing_back(limiter: &Limiter, max_wait: Duration) -> Calls {
    let layer = RateLimitLayer::from(limiter.clone().with_max_wait(max_wait)).with_backpressure();
    BoxCloneService::new(layer.layer(service_fn(async |()| Ok::<_, BoxError>(()))))
}

/// Sleeps until it is ready, and calls; again, if others were faster.
fn sleeper(limiter: &Limiter, log: &Log, max_wait: Duration) -> thread::JoinHandle<()> {
    let mut service = pushing_back(limiter, max_wait);
    log.spawn(move || {
        block_on(async {
            while let Err(refused) = service.ready().await.unwrap().call(()).await {
                assert!(refused.is::<RateLimited>(), "{refused}");
            }
        });
    })
}

/// Sleeps until it is ready, calls, and does not stay to be served.
fn comer(limiter: &Limiter, log: &Log, max_wait: Duration) -> thread::JoinHandle<()> {
    let mut service = pushing_back(limiter, max_wait);
    log.spawn(move || {
        loop {
            let mut call = block_on(async { service.ready().await.unwrap().call(()) });
            let polled = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            if !matches!(polled, Poll::Ready(Err(_))) {
                break;
            }
        }
    })
}

/// A caller that waits already, and leaves.
fn waiter(limiter: &Limiter, log: &Log) -> thread::JoinHandle<()> {
    let mut call = Box::pin(limiter.clone().acquire());
    assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    log.spawn(move || drop(call))
}

fn giver(permit: Permit, log: &Log) -> thread::JoinHandle<()> {
    log.spawn(move || permit.give_back())
}

#[test]
fn services_are_woken_when_callers_leave() {
    without_time(1, |limiter, log, _| {
        // Behind one who waits they would wait for two hours.
        let waiter = waiter(limiter, log);
        join(vec![comer(limiter, log, HOUR), waiter, comer(limiter, log, HOUR), comer(limiter, log, HOUR)]);
    });
}

#[test]
fn services_are_woken_when_permits_are_given_back() {
    without_time(3, |limiter, log, taken| {
        let sleepers = [0; 3].map(|_| sleeper(limiter, log, Duration::ZERO)).into_iter();
        let givers = taken.into_iter().map(|permit| giver(permit, log));
        // Who is woken may find that its permit is gone, and sleep again.
        let limiter = limiter.clone();
        let thief = log.spawn(move || {
            if let Ok(permit) = limiter.try_acquire() {
                thread::yield_now();
                permit.give_back();
            }
        });
        join(sleepers.chain([thief]).chain(givers).collect());
    });
}

#[test]
fn a_service_that_is_dropped_when_woken_leaves_it_to_the_next() {
    without_time(2, |limiter, log, mut taken| {
        let (one, other) = (taken.pop().unwrap(), taken.pop().unwrap());
        let mut service = pushing_back(limiter, Duration::ZERO);
        let dropper = log.spawn(move || {
            for _ in 0..2 {
                if service.poll_ready(&mut Context::from_waker(Waker::noop())).is_ready() {
                    // It comes after all; then there must be one for the other.
                    if block_on(service.call(())).is_ok() {
                        other.give_back();
                    }
                    return;
                }
                thread::yield_now();
            }
        });
        join(vec![dropper, giver(one, log), sleeper(limiter, log, Duration::ZERO)]);
    });
}

#[test]
fn services_are_woken_when_the_quota_changes() {
    without_time(1, |limiter, log, _| {
        let changed = limiter.clone();
        let changer = log.spawn(move || changed.set_quotas(Quota::new(4, HOUR).unwrap()).unwrap());
        let sleeper = || sleeper(limiter, log, Duration::ZERO);
        join(vec![sleeper(), changer, sleeper(), sleeper()]);
    });
}

#[test]
fn services_that_sleep_through_a_pause_are_told_if_it_is_too_long() {
    without_time(1, |limiter, log, taken| {
        taken.into_iter().for_each(Permit::give_back);
        limiter.pause(WINDOW, WINDOW);
        let paused = limiter.clone();
        let pauser = log.spawn(move || paused.pause(2 * WINDOW, WINDOW));
        let told = || {
            let mut service = pushing_back(limiter, Duration::ZERO);
            log.spawn(move || {
                let refused = block_on(async { service.ready().await.unwrap().call(()).await });
                assert!(refused.unwrap_err().is::<RateLimited>());
            })
        };
        join(vec![told(), pauser, told(), told()]);
    });
}

#[test]
fn services_that_would_wait_longer_are_woken_before_others() {
    without_time(1, |limiter, log, taken| {
        let waiter = waiter(limiter, log);
        let (short, long) = (sleeper(limiter, log, Duration::ZERO), comer(limiter, log, HOUR));
        // There is no permit before it has been woken.
        join(vec![waiter, long]);
        let givers = taken.into_iter().map(|permit| giver(permit, log));
        join(givers.chain([short]).collect());
    });
}

#[test]
fn services_are_woken_as_time_goes_on() {
    explore(|runtime, limiter, log| {
        log.push(limiter.try_acquire().unwrap().at());
        let sleeper = |max_wait| sleeper(limiter, log, max_wait);
        let threads = vec![
            sleeper(Duration::ZERO),
            trier(limiter, log),
            sleeper(WINDOW / 2),
            sleeper(WINDOW),
            leaver(limiter, log),
        ];
        drive(runtime, log, threads);
        // What they have released is not in the log.
        runtime.block_on(advance(WINDOW));
    });
}

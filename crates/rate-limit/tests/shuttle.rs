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

use rate_limit::{Limiter, Quota};
use shuttle::future::block_on;
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::sync::Mutex;
use shuttle::{Config, Runner, thread};
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, advance};

const WINDOW: Duration = Duration::from_millis(10);

/// Runs it under 5,000 schedules: half of them random, half such that a bug of three racing steps is likely to be found.
fn explore(test: fn(&Runtime, &Limiter, &Log)) {
    explore_quota(1, test);
}

/// The same with a quota of so many per window.
fn explore_quota(n: u32, test: fn(&Runtime, &Limiter, &Log)) {
    fn run(n: u32, scheduler: impl Scheduler + 'static, test: fn(&Runtime, &Limiter, &Log)) {
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
    // If it has been lost, this is a deadlock.
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
        limiter.set_quotas(Quota::new(1, Duration::from_secs(3600)).unwrap()).unwrap();
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
            changed.set_quotas(Quota::new(2, Duration::from_secs(3600)).unwrap()).unwrap();
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

//! One limiter, several runtimes and threads. Real time where two clocks would be two times.

use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use rate_limit::{Limiter, Quota};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio::time::{Instant, advance, sleep, timeout};
use tokio_test::{assert_pending, task};

use crate::common::{Rng, assert_exact, ms, per_second};

fn runtime(paused: bool) -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(paused).build().unwrap()
}

#[test]
fn a_static_limiter_survives_each_runtime_that_used_it() {
    static LIMITER: LazyLock<Limiter> = LazyLock::new(|| per_second(10));
    for _ in 0..5 {
        runtime(true).block_on(async {
            let begun = Instant::now();
            for _ in 0..100 {
                LIMITER.acquire().await.unwrap();
            }
            // The clock goes back from one to the next, by the time that had been skipped; nobody waits for that.
            assert!(begun.elapsed() >= ms(9000) && begun.elapsed() <= ms(10_000), "{:?}", begun.elapsed());
            // Some are still waiting when it ends.
            for _ in 0..20 {
                tokio::spawn(LIMITER.acquire());
            }
            tokio::task::yield_now().await;
        });
    }
    assert_eq!(LIMITER.snapshot().waiting, 0);
}

#[test]
fn permits_taken_without_the_lock_by_a_clock_that_is_behind_hold_nobody_up() {
    for quota in [Quota::per_second(10).unwrap(), Quota::per_second(10).unwrap().spaced()] {
        let limiter = Limiter::new(quota);
        for _ in 0..3 {
            runtime(true).block_on(async {
                limiter.acquire().await.unwrap();
                sleep(Duration::from_secs(3600)).await;
                (0..3).for_each(|_| drop(limiter.try_acquire()));
                assert_eq!(limiter.snapshot().waiting, 0);
            });
            runtime(true).block_on(async {
                while limiter.try_acquire().is_ok() {}
                let begun = Instant::now();
                limiter.acquire().await.unwrap();
                assert!(begun.elapsed() <= ms(1001), "{:?}", begun.elapsed());
            });
        }
    }
}

#[test]
fn what_has_left_the_record_is_not_given_back_when_the_clock_goes_back() {
    let limiter = Limiter::new(Quota::new(8, ms(10)).unwrap());
    let (behind, ahead) = (runtime(true), runtime(true));
    let three = behind.block_on(async { limiter.try_acquire_many(3).unwrap() });
    ahead.block_on(async {
        advance(ms(10)).await;
        assert_eq!(limiter.snapshot().available, 8);
    });
    behind.block_on(async {
        limiter.try_acquire().unwrap();
        three.give_back();
        assert_eq!(limiter.snapshot().available, 7);
        assert!(limiter.try_acquire_many(8).is_err());
        limiter.try_acquire_many(7).unwrap();
        assert!(limiter.try_acquire().is_err());
    });
}

#[test]
fn a_spaced_limiter_survives_too() {
    let limiter = Limiter::new(Quota::per_second(10).unwrap().spaced());
    for _ in 0..3 {
        runtime(true).block_on(async {
            let begun = Instant::now();
            for _ in 0..100 {
                limiter.acquire().await.unwrap();
            }
            assert!(begun.elapsed() >= ms(9900) && begun.elapsed() <= ms(10_001), "{:?}", begun.elapsed());
        });
    }
}

/// A clock that goes back by almost a minute: whatever was released later is taken to have been released then.
fn set_back(before: impl AsyncFnOnce(), after: impl AsyncFnOnce()) {
    runtime(true).block_on(async {
        advance(Duration::from_secs(60)).await;
        before().await;
    });
    runtime(true).block_on(after());
}

async fn released_within(limiter: &Limiter, time: Duration) -> u32 {
    let begun = Instant::now();
    let mut released = 0;
    while begun.elapsed() < time {
        released += u32::from(limiter.try_acquire().is_ok());
        advance(ms(1)).await;
    }
    released
}

#[test]
fn a_spaced_quota_is_kept_when_the_clock_goes_back() {
    // The next comes an interval later for each permit of the last.
    for (cost, wait) in [(1, 100), (5, 500), (10, 1000)] {
        let limiter = Limiter::new(Quota::per_second(10).unwrap().spaced());
        let before = async || drop(limiter.try_acquire_many(cost).unwrap());
        set_back(before, async || {
            assert_eq!(released_within(&limiter, ms(wait)).await, 0, "{cost}");
            assert_eq!(released_within(&limiter, ms(1)).await, 1, "{cost}");
        });
    }
    // What another quota has let through at once, the window holds.
    let limiter = per_second(10);
    let before = async || {
        limiter.try_acquire_many(9).unwrap();
        limiter.set_quotas(Quota::per_second(10).unwrap().spaced()).unwrap();
    };
    set_back(before, async || {
        assert_eq!(released_within(&limiter, ms(999)).await, 1);
        assert_eq!(released_within(&limiter, ms(1000)).await, 10);
    });
}

#[test]
fn a_waiting_future_can_outlive_its_runtime() {
    let limiter = Limiter::new(Quota::new(1, ms(20)).unwrap());
    // Before its slot comes, and after it has come with nobody to drive the timer.
    for late in [false, true] {
        let first = runtime(false);
        let mut calls: Vec<_> = (0..4).map(|_| task::spawn(limiter.acquire())).collect();
        first.block_on(async {
            limiter.acquire().await.unwrap();
            for call in &mut calls {
                assert_pending!(call.poll());
            }
        });
        if late {
            runtime(false).block_on(async { sleep(ms(60)).await });
        }
        drop(first);
        assert!(calls.iter().any(task::Spawn::is_woken), "they are told to find another timer");
        let second = runtime(false);
        for call in calls {
            let done = second.block_on(async { timeout(Duration::from_secs(10), call.into_inner()).await });
            done.expect("served in the second runtime").unwrap();
        }
    }
}

#[test]
fn a_runtime_that_nobody_drives_stops_nobody_elsewhere() {
    let limiter = Limiter::new(Quota::new(1, ms(20)).unwrap());
    let idle = runtime(false);
    let mut served = JoinSet::new();
    idle.block_on(async {
        limiter.acquire().await.unwrap();
        for _ in 0..3 {
            served.spawn(limiter.acquire());
        }
        tokio::task::yield_now().await;
    });
    // (On a busy machine the first of the slots may have come by now, and its waiter have been served.)
    // Its timer does not ring, its waiters do not come; each of them costs an interval at most.
    let other = runtime(false);
    other.block_on(async {
        for _ in 0..5 {
            timeout(Duration::from_secs(10), limiter.acquire()).await.expect("served").unwrap();
        }
    });
    // Driven again, they are served as well.
    idle.block_on(async {
        while let Some(permit) = timeout(Duration::from_secs(10), served.join_next()).await.expect("served") {
            permit.unwrap().unwrap();
        }
    });
}

#[test]
fn two_runtimes_at_once_share_one_quota() {
    let quota = Quota::new(20, ms(40)).unwrap();
    let limiter = Limiter::new(quota);
    let releases = Arc::new(Mutex::new(vec![]));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                runtime(false).block_on(async {
                    let mut tasks = JoinSet::new();
                    for _ in 0..150 {
                        tasks.spawn(limiter.acquire());
                    }
                    while let Some(permit) =
                        timeout(Duration::from_secs(30), tasks.join_next()).await.expect("served")
                    {
                        releases.lock().unwrap().push(permit.unwrap().unwrap().at());
                    }
                });
            });
        }
    });
    let mut releases = releases.lock().unwrap().clone();
    releases.sort();
    assert_eq!(releases.len(), 300);
    assert_exact(&releases, quota);
}

/// Many tasks on several threads: arrivals, drops at any moment, moves between tasks, parked futures.
#[test]
fn stress_on_several_threads() {
    for (spaced, quota) in [(false, Quota::new(50, ms(10)).unwrap()), (true, Quota::new(5, ms(10)).unwrap())]
    {
        let quota = if spaced { quota.spaced() } else { quota };
        let limiter = Limiter::new(quota);
        let releases = Arc::new(Mutex::new(vec![]));
        let runtime = Builder::new_multi_thread().worker_threads(4).enable_time().build().unwrap();
        runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for seed in 0..64 {
                let (limiter, releases) = (limiter.clone(), Arc::clone(&releases));
                tasks.spawn(async move {
                    let mut rng = Rng(seed);
                    for _ in 0..if spaced { 3 } else { 30 } {
                        let mut call = Box::pin(limiter.acquire());
                        let permit = match rng.below(4) {
                            // Dropped early, perhaps while it is being woken.
                            0 => timeout(Duration::from_micros(rng.below(20_000)), call).await.ok(),
                            // Parked, then polled again in another task.
                            1 => match timeout(Duration::from_micros(rng.below(5000)), &mut call).await {
                                Ok(permit) => Some(permit),
                                Err(_) => {
                                    sleep(Duration::from_micros(rng.below(10_000))).await;
                                    Some(tokio::spawn(call).await.unwrap())
                                }
                            },
                            _ => Some(call.await),
                        };
                        if let Some(permit) = permit {
                            releases.lock().unwrap().push(permit.unwrap().at());
                        }
                    }
                });
            }
            let all = async {
                while let Some(done) = tasks.join_next().await {
                    done.unwrap();
                }
            };
            timeout(Duration::from_secs(30), all).await.expect("nobody hangs");
        });
        let mut releases = releases.lock().unwrap().clone();
        releases.sort();
        assert_exact(&releases, quota);
        assert!(releases.len() > if spaced { 100 } else { 1000 }, "{}", releases.len());
        assert_eq!(limiter.snapshot().waiting, 0);
    }
}

#[test]
fn a_blocked_on_future_out_of_budget_sets_the_timer_once() {
    let limiter = Limiter::new(Quota::new(1, Duration::from_secs(10)).unwrap());
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
    runtime.block_on(async {
        limiter.acquire().await.unwrap();
        // Here, outside the workers, a timer that is polled when the cooperative budget is used up rings at once, and so
        // for ever.
        while tokio::task::coop::has_budget_remaining() {
            tokio::task::consume_budget().await;
        }
        let begun = Instant::now();
        assert_pending!(task::spawn(limiter.acquire()).poll());
        assert!(begun.elapsed() < Duration::from_secs(5), "it span until the slot came");
    });
}

#[test]
fn a_multi_threaded_runtime_that_ends_takes_its_waiters_along() {
    let limiter = per_second(1);
    let first = Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    first.block_on(async {
        limiter.acquire().await.unwrap();
        for _ in 0..100 {
            tokio::spawn(limiter.acquire());
        }
        while limiter.snapshot().waiting < 100 {
            tokio::task::yield_now().await;
        }
    });
    drop(first);
    assert_eq!(limiter.snapshot().waiting, 0);
    runtime(false)
        .block_on(async { timeout(Duration::from_secs(10), limiter.acquire()).await })
        .expect("served in the second runtime")
        .unwrap();
}

//! One limiter, several runtimes: some of them end, and some are driven only now and then.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use loopback_redis::LoopbackRedis;
use rate_limit::Limiter;
use rate_limit::redis::{Fallback, Fleet, FleetState};
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::common::{LONG, fleet, ms, quota, server, until, until_async, worst};

/// Driven in `block_on` only.
fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Where nothing can connect.
fn without_io() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

/// Blocks the thread.
fn stand_still(until: Instant) {
    let clock = std::thread::spawn(move || runtime().block_on(async { sleep_until(until).await }));
    clock.join().unwrap();
}

/// A server that is yet to start.
fn later(test: &str) -> Option<LoopbackRedis> {
    let mut server = server(test)?;
    server.kill().unwrap();
    Some(server)
}

fn acquire_in(runtime: &Runtime, limiter: &Limiter) -> Instant {
    runtime.block_on(async { timeout(LONG, limiter.acquire()).await.unwrap().unwrap().at() })
}

/// Calls, lets the question be sent, and leaves it at that.
fn ask_in(runtime: &Runtime, limiter: &Limiter) {
    runtime.block_on(async {
        let mut call = pin!(limiter.acquire());
        let polled = poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx))).await;
        assert!(polled.is_pending());
        // The task asks, and the connection's sends.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn one_that_is_not_driven_holds_nobody_up() {
    let Some(server) = server("one_that_is_not_driven_holds_nobody_up") else { return };
    let limiter = fleet(&server).limiter("a", quota(1000, 1000));
    let runtimes: Vec<_> = (0..3).map(|_| runtime()).collect();
    for _ in 0..5 {
        for runtime in &runtimes {
            acquire_in(runtime, &limiter);
            assert_eq!(limiter.snapshot().fleet, Some(FleetState::Connected));
        }
    }
}

#[test]
fn those_that_come_and_go_share_the_quota() {
    let Some(server) = server("those_that_come_and_go_share_the_quota") else { return };
    let limiters = [0, 1].map(|_| fleet(&server).limiter("a", quota(10, 50)));
    let end = Instant::now() + ms(300);
    let callers: Vec<_> = (0..4)
        .map(|caller| {
            let limiter = limiters[caller % 2].clone();
            std::thread::spawn(move || {
                let (mut own, mut released) = (runtime(), Vec::new());
                for number in caller.. {
                    if Instant::now() >= end {
                        break;
                    }
                    match number % 5 {
                        0 => own = runtime(),
                        // It leaves with a question under way, perhaps.
                        1 => {
                            let permit = own.block_on(async { timeout(ms(1), limiter.acquire()).await });
                            released.extend(permit.map(|permit| permit.unwrap().at()));
                        }
                        _ => released.push(acquire_in(&own, &limiter)),
                    }
                }
                released
            })
        })
        .collect();
    let mut released: Vec<_> = callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect();
    released.sort();
    assert!(worst(&released, ms(50)) <= 10, "{}", worst(&released, ms(50)));
    assert!(released.len() >= 10, "{}", released.len());
}

#[test]
fn a_question_that_stands_still_is_asked_by_another() {
    let Some(server) = server("a_question_that_stands_still_is_asked_by_another") else { return };
    // The other asks after a quarter of this.
    let limiter = fleet(&server).with_notice(ms(1000)).unwrap().limiter("a", quota(4, 60_000));
    let (first, second) = (runtime(), runtime());
    acquire_in(&first, &limiter);
    server.freeze().unwrap();
    ask_in(&first, &limiter);
    // The server does as it was asked, and nobody hears.
    server.thaw().unwrap();
    for _ in 0..3 {
        acquire_in(&second, &limiter);
        assert_eq!(limiter.snapshot().fleet, Some(FleetState::Connected));
    }
    let one_more = async |time| timeout(time, limiter.acquire()).await;
    assert!(second.block_on(one_more(ms(50))).is_err(), "what was reserved twice is given back, not used");
    // The answer is there by now. It brings nothing.
    assert!(first.block_on(one_more(ms(50))).is_err());
}

#[test]
fn a_question_that_stands_still_is_given_up_in_time() {
    let Some(server) = server("a_question_that_stands_still_is_given_up_in_time") else { return };
    let limiter = fleet(&server)
        .with_notice(ms(100))
        .unwrap()
        .with_fallback(Fallback::local(quota(2, 60_000)))
        .limiter("a", quota(4, 60_000));
    let (first, second) = (runtime(), runtime());
    acquire_in(&first, &limiter);
    server.freeze().unwrap();
    ask_in(&first, &limiter);
    let begun = Instant::now();
    acquire_in(&second, &limiter);
    // 100 ms, and what a machine that is busy with other things may add.
    assert!(begun.elapsed() < ms(1000), "{:?}", begun.elapsed());
    assert!(matches!(limiter.snapshot().fleet, Some(FleetState::Away { .. })));
}

#[test]
fn a_question_that_nobody_came_back_to_is_no_outage() {
    let Some(server) = server("a_question_that_nobody_came_back_to_is_no_outage") else { return };
    // A question is over after twice this.
    let make = || fleet(&server).with_notice(ms(100)).unwrap().with_fallback(Fallback::Allow);
    let (other, limiter) = (make().limiter("a", quota(2, 60_000)), make().limiter("a", quota(2, 60_000)));
    let (first, second, clock) = (runtime(), runtime(), runtime());
    acquire_in(&first, &limiter);
    acquire_in(&second, &other);
    for runtime in [&first, &second] {
        ask_in(&first, &limiter);
        clock.block_on(async { sleep(ms(350)).await });
        let more = runtime.block_on(async { timeout(ms(50), limiter.acquire()).await });
        assert!(more.is_err(), "a third in a minute, at 2");
        assert_eq!(limiter.snapshot().fleet, Some(FleetState::Connected));
    }
}

#[test]
fn an_answer_is_read_before_the_time_is_seen_to_be_up() {
    let Some(server) = server("an_answer_is_read_before_the_time_is_seen_to_be_up") else { return };
    let notice = ms(60);
    let limiter = fleet(&server).with_notice(notice).unwrap().with_lateness(ms(1)).unwrap();
    let limiter = limiter.limiter("a", quota(1000, 1000));
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    // A machine that is busy with other things may not get as far as sending the question; without that, three are rare.
    let mut read = 0;
    for _ in 0..20 {
        runtime.block_on(until_async("connected", async || {
            limiter.acquire().await.is_ok() && limiter.snapshot().fleet == Some(FleetState::Connected)
        }));
        server.freeze().unwrap();
        let call = runtime.spawn({
            let limiter = limiter.clone();
            async move { limiter.acquire().await }
        });
        runtime.block_on(async { sleep(ms(20)).await });
        // All its threads stand still until the time is up, and the answer comes meanwhile.
        let until = Instant::now() + notice + ms(10);
        let still: Vec<_> = (0..2).map(|_| runtime.spawn(async move { stand_still(until) })).collect();
        self::runtime().block_on(async { sleep(ms(10)).await });
        server.thaw().unwrap();
        let called = runtime.block_on(async {
            for thread in still {
                thread.await.unwrap();
            }
            timeout(LONG, call).await.unwrap().unwrap()
        });
        read += usize::from(called.is_ok());
        if read == 3 {
            return;
        }
    }
    panic!("{read} of 20 answers were read in time");
}

#[test]
fn one_that_can_not_connect_tells_so_and_another_can() {
    let Some(server) = server("one_that_can_not_connect_tells_so_and_another_can") else { return };
    for fallback in [Fallback::Refuse, Fallback::Allow] {
        let refuses = fallback == Fallback::Refuse;
        let limiter = fleet(&server).with_notice(ms(200)).unwrap().with_fallback(fallback);
        let limiter = limiter.limiter("a", quota(1000, 1000));
        let unable = without_io();
        let begun = Instant::now();
        for _ in 0..3 {
            let called = unable.block_on(async { timeout(LONG, limiter.acquire()).await.unwrap() });
            // It can't be reached; or it is silent, if the panic took long to tell.
            assert_eq!(called.err().and_then(|refused| refused.away()).is_some(), refuses);
        }
        assert!(begun.elapsed() < LONG / 4, "{:?}", begun.elapsed());
        // It is still there.
        let able = runtime();
        able.block_on(async {
            until_async("connected", async || {
                let _ = timeout(LONG, limiter.acquire()).await.unwrap();
                limiter.snapshot().fleet == Some(FleetState::Connected)
            })
            .await;
        });
        acquire_in(&able, &limiter);
    }
}

#[test]
fn one_that_can_not_connect_waits_for_nobody_for_ever() {
    let Some(server) = server("one_that_can_not_connect_waits_for_nobody_for_ever") else { return };
    let limiter = fleet(&server).with_notice(ms(100)).unwrap().limiter("a", quota(1, 50));
    let (able, unable) = (runtime(), without_io());
    let connect = |able: &Runtime| {
        able.block_on(async {
            until("connected", || {
                let _ = limiter.try_acquire();
                limiter.snapshot().fleet == Some(FleetState::Connected)
            })
            .await;
        });
        acquire_in(able, &limiter);
    };
    // It is refused, or has what the other got.
    let call = || {
        let called = unable.block_on(async { timeout(LONG, limiter.acquire()).await.unwrap() });
        if let Err(refused) = called {
            assert!(refused.away().is_some(), "{refused}");
        }
    };
    acquire_in(&able, &limiter);
    call();
    connect(&able);
    // One that could ask is not driven.
    let begun = Instant::now();
    (0..3).for_each(|_| call());
    connect(&able);
    // It has ended.
    drop(able);
    (0..3).for_each(|_| call());
    assert!(begun.elapsed() < LONG / 4, "{:?}", begun.elapsed());
    connect(&runtime());
}

#[test]
fn a_fleet_recovers_that_is_called_only_now_and_then() {
    let Some(mut server) = later("a_fleet_recovers_that_is_called_only_now_and_then") else { return };
    for fallback in [Fallback::Refuse, Fallback::Allow] {
        let limiter = fleet(&server).with_notice(ms(200)).unwrap().with_fallback(fallback.clone());
        let limiter = limiter.limiter("a", quota(1000, 1000));
        let (calls, clock) = (runtime(), runtime());
        let refuses = matches!(fallback, Fallback::Refuse);
        let call = || calls.block_on(async { timeout(LONG, limiter.acquire()).await.unwrap() });
        assert_eq!(call().is_err(), refuses);
        server.restart().unwrap();
        let begun = Instant::now();
        // Nothing but calls drives it, and those that need not wait drive nothing.
        while limiter.snapshot().fleet != Some(FleetState::Connected) {
            assert!(begun.elapsed() < LONG, "never: connected again");
            let _ = call();
            clock.block_on(async { sleep(ms(5)).await });
        }
        call().unwrap();
        server.kill().unwrap();
    }
}

#[test]
fn a_fleet_recovers_whose_runtime_ended_while_the_server_was_away() {
    let Some(mut server) = later("a_fleet_recovers_whose_runtime_ended_while_the_server_was_away") else {
        return;
    };
    let limiter = fleet(&server).with_notice(ms(100)).unwrap().limiter("a", quota(1000, 1000));
    let first = runtime();
    first.block_on(async { timeout(LONG, limiter.acquire()).await.unwrap().unwrap_err() });
    drop(first);
    runtime().block_on(async {
        // It is refused, and waits for nothing: but from now on somebody looks whether the server is back.
        timeout(LONG, limiter.acquire()).await.unwrap().unwrap_err();
        server.restart().unwrap();
        until("connected again", || limiter.snapshot().fleet == Some(FleetState::Connected)).await;
        timeout(LONG, limiter.acquire()).await.unwrap().unwrap();
    });
}

#[test]
fn a_panic_elsewhere_that_ends_the_runtime_is_no_panic_of_the_task() {
    let Some(server) = server("a_panic_elsewhere_that_ends_the_runtime_is_no_panic_of_the_task") else {
        return;
    };
    let limiter = fleet(&server).limiter("a", quota(1000, 1000));
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        runtime().block_on(async {
            limiter.acquire().await.unwrap();
            std::panic::resume_unwind(Box::new("somebody else's"));
        });
    }));
    assert!(panicked.is_err());
    acquire_in(&runtime(), &limiter);
    assert_eq!(limiter.snapshot().fleet, Some(FleetState::Connected));
}

#[test]
fn what_a_runtime_could_not_report_is_reported_by_the_next() {
    let Some(server) = server("what_a_runtime_could_not_report_is_reported_by_the_next") else { return };
    let limiter = Fleet::new(&server.url())
        .unwrap()
        .with_notice(ms(100))
        .unwrap()
        .with_fallback(Fallback::local(quota(10, 60_000)))
        .limiter("a", quota(10, 60_000));
    let first = runtime();
    let released = |runtime: &Runtime, most: usize| {
        runtime.block_on(async {
            for released in 0..most {
                // More than it takes to notice.
                if timeout(ms(250), limiter.acquire()).await.is_err() {
                    return released;
                }
            }
            most
        })
    };
    acquire_in(&first, &limiter);
    server.freeze().unwrap();
    let before = 1 + released(&first, 9);
    // It reports to a server that does not hear, when this ends: the first try comes after 20 ms to 60 ms.
    first.block_on(async { sleep(ms(70)).await });
    drop(first);
    server.thaw().unwrap();
    let second = runtime();
    let after = released(&second, 10);
    assert!(before + after <= 10, "{before} and {after} in a minute, at 10");
}

//! Slots that were reserved: leased, passed on, given back, lost.

use rate_limit::Limiter;
use rate_limit::redis::{Away, FleetState};
use tokio::time::{Instant, timeout};

use crate::common::{LONG, client, fleet, ms, quota, run, scripts, server, until, until_async, worst};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_takes_a_tenth_of_the_questions() {
    let Some(server) = server("a_lease_takes_a_tenth_of_the_questions") else { return };
    let leased = || fleet(&server).with_lease(10).unwrap().limiter("a", quota(100, 200));
    let limiters: Vec<Limiter> = (0..2).map(|_| leased()).collect();
    let released = run(&limiters, 20, ms(900)).await;
    assert!(worst(&released, ms(200)) <= 100);
    let asked = scripts(&mut client(&server).await).await;
    assert!(released.len() >= 200, "{}", released.len());
    assert!(asked as f64 <= released.len() as f64 * 0.15 + 4.0, "{asked} questions for {}", released.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_that_go_by_are_given_back() {
    let Some(server) = server("slots_that_go_by_are_given_back") else { return };
    let greedy = fleet(&server).with_lease(10).unwrap().limiter("a", quota(10, 60_000));
    greedy.acquire().await.unwrap();
    // It has leased all there are for a minute, and uses no more.
    let other = fleet(&server).limiter("a", quota(10, 60_000));
    for _ in 0..9 {
        let begun = Instant::now();
        timeout(LONG, other.acquire()).await.unwrap().unwrap();
        assert!(begun.elapsed() < LONG);
    }
    timeout(ms(200), other.acquire()).await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limiter_that_is_dropped_gives_back_what_it_held() {
    let Some(server) = server("a_limiter_that_is_dropped_gives_back_what_it_held") else { return };
    let one = || fleet(&server).with_lateness(ms(1000)).unwrap().with_lease(10).unwrap();
    let greedy = one().limiter("a", quota(10, 60_000));
    greedy.acquire().await.unwrap();
    let mut client = client(&server).await;
    let held = async |client: &mut redis::aio::MultiplexedConnection| -> u64 {
        redis::cmd("ZCARD").arg("{rate-limit:a}:log").query_async(client).await.unwrap()
    };
    assert_eq!(held(&mut client).await, 10);
    drop(greedy);
    until_async("given back", || {
        let mut client = client.clone();
        async move { held(&mut client).await == 1 }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_leaves_passes_its_slot_on() {
    let Some(server) = server("a_caller_that_leaves_passes_its_slot_on") else { return };
    let limiter = fleet(&server).limiter("a", quota(10, 100));
    let begun = Instant::now();
    for _ in 0..50 {
        // Two of three leave before their turn, most of them with slots reserved for them.
        let mut callers: Vec<_> = (0..3).map(|_| Box::pin(limiter.acquire())).collect();
        let kept = callers.pop();
        for mut caller in callers {
            let _ = timeout(ms(0), caller.as_mut()).await;
        }
        timeout(LONG, kept.unwrap()).await.unwrap().unwrap();
    }
    // Some of those that leave are released; all in all 50 to 150 permits, at 10 in 100 ms.
    assert!(begun.elapsed() < ms(4000), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parked_head_stops_nobody() {
    let Some(server) = server("a_parked_head_stops_nobody") else { return };
    // One per second: an interval is longer than a slot lasts.
    let limiter = fleet(&server).limiter("a", quota(1, 1000));
    limiter.acquire().await.unwrap();
    let mut parked = Box::pin(limiter.acquire());
    timeout(ms(1), parked.as_mut()).await.unwrap_err();
    timeout(LONG, limiter.acquire()).await.unwrap().unwrap();
    timeout(LONG, parked).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_permit_that_was_not_used_is_given_back() {
    let Some(server) = server("a_permit_that_was_not_used_is_given_back") else { return };
    let limiter = fleet(&server).limiter("a", quota(1, 60_000));
    for _ in 0..5 {
        timeout(LONG, limiter.acquire()).await.unwrap().unwrap().give_back();
    }
    // Reported as used by the next question, and given back after that.
    let permit = limiter.acquire().await.unwrap();
    timeout(ms(50), limiter.acquire()).await.unwrap_err();
    permit.give_back();
    timeout(LONG, limiter.acquire()).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_reserves_nothing() {
    let Some(server) = server("a_pause_reserves_nothing") else { return };
    let limiter = fleet(&server).limiter("a", quota(100, 1000));
    limiter.acquire().await.unwrap();
    let mut client = client(&server).await;
    let before = scripts(&mut client).await;
    limiter.pause(ms(600), LONG);
    let begun = Instant::now();
    timeout(LONG, limiter.acquire()).await.unwrap().unwrap();
    assert!(begun.elapsed() >= ms(600));
    let asked = scripts(&mut client).await - before;
    assert!(asked <= 4, "{asked} questions");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn max_wait_holds() {
    let Some(server) = server("max_wait_holds") else { return };
    let limiter = fleet(&server).limiter("a", quota(2, 60_000)).with_max_wait(ms(150));
    limiter.acquire().await.unwrap();
    // One was left when it last asked. Another process takes it.
    fleet(&server).limiter("a", quota(2, 60_000)).acquire().await.unwrap();
    let begun = Instant::now();
    timeout(LONG, limiter.acquire()).await.unwrap().unwrap_err();
    assert!(begun.elapsed() >= ms(149), "{:?}", begun.elapsed());
    // From now on it is known.
    let begun = Instant::now();
    let refused = timeout(LONG, limiter.acquire()).await.unwrap().unwrap_err();
    assert!(refused.retry_after() > ms(50_000), "{refused}");
    assert!(begun.elapsed() < ms(100), "{:?}", begun.elapsed());
    assert_eq!(limiter.snapshot().waiting, 0);
}

#[test]
fn a_limiter_outlives_the_runtime_it_was_used_in() {
    let Some(server) = server("a_limiter_outlives_the_runtime_it_was_used_in") else { return };
    let limiter = fleet(&server).limiter("a", quota(100, 1000));
    assert_eq!(limiter.snapshot().fleet, Some(FleetState::Idle));
    for _ in 0..3 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            for _ in 0..3 {
                timeout(LONG, limiter.acquire()).await.unwrap().unwrap();
            }
        });
        assert_eq!(limiter.snapshot().fleet, Some(FleetState::Connected));
    }
}

#[test]
fn who_waits_in_another_runtime_goes_on_when_one_ends() {
    let Some(server) = server("who_waits_in_another_runtime_goes_on_when_one_ends") else { return };
    let limiter = fleet(&server).limiter("a", quota(1, 300));
    let runtime =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (first, second) = (runtime(), runtime());
    // The task is in the first.
    first.block_on(limiter.acquire()).unwrap();
    let waiting = second.spawn({
        let limiter = limiter.clone();
        async move {
            for _ in 0..2 {
                limiter.acquire().await.unwrap();
            }
        }
    });
    first.shutdown_background();
    second.block_on(async { timeout(LONG, waiting).await.unwrap().unwrap() });
}

#[test]
fn a_crash_takes_no_more_than_a_window_brings() {
    let Some(server) = server("a_crash_takes_no_more_than_a_window_brings") else { return };
    let runtime =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let crashing = runtime();
    let greedy = fleet(&server).with_lease(100).unwrap().limiter("a", quota(10, 400));
    crashing.block_on(async {
        for _ in 0..11 {
            timeout(LONG, greedy.acquire()).await.unwrap().unwrap();
        }
    });
    std::mem::forget(greedy);
    crashing.shutdown_background();
    runtime().block_on(async {
        let mut client = client(&server).await;
        let (seconds, micros): (u64, u64) = redis::cmd("TIME").query_async(&mut client).await.unwrap();
        let last: Vec<(String, u64)> = redis::cmd("ZREVRANGE")
            .arg(&["{rate-limit:a}:log", "0", "0", "WITHSCORES"])
            .query_async(&mut client)
            .await
            .unwrap();
        let ahead = last[0].1.saturating_sub(seconds * 1_000_000 + micros);
        // A window, the lateness, and what is not known of the clocks.
        assert!(ahead <= 400_000 + 100_000 + 50_000, "{ahead} us");
        let other = fleet(&server).limiter("a", quota(10, 400));
        timeout(LONG, other.acquire()).await.unwrap().unwrap();
    });
}

#[test]
fn an_orderly_end_gives_back_what_was_leased() {
    let Some(server) = server("an_orderly_end_gives_back_what_was_leased") else { return };
    let runtime =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let leased = || fleet(&server).with_lateness(ms(1000)).unwrap().with_lease(10).unwrap();
    runtime().block_on(async {
        let limiter = leased().limiter("a", quota(10, 60_000));
        limiter.flush().await.unwrap();
        limiter.acquire().await.unwrap();
        limiter.flush().await.unwrap();
        // Used again, and once more at the end.
        limiter.acquire().await.unwrap();
        limiter.flush().await.unwrap();
        let keyed = leased().keyed(quota(10, 60_000), 10, |key: &u8| key.to_string()).unwrap();
        for key in 0..3 {
            keyed.acquire(key).await.unwrap();
        }
        keyed.flush().await.unwrap();
        // One that is not of a fleet has nothing to give back.
        Limiter::new(quota(10, 60_000)).flush().await.unwrap();
    });
    runtime().block_on(async {
        let mut client = client(&server).await;
        for (name, used) in [("a", 2_u64), ("0", 1), ("1", 1), ("2", 1)] {
            let key = format!("{{rate-limit:{name}}}:log");
            let held: u64 = redis::cmd("ZCARD").arg(key).query_async(&mut client).await.unwrap();
            assert_eq!(held, used, "{name}");
        }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flush_ends_without_the_server() {
    let Some(server) = server("a_flush_ends_without_the_server") else { return };
    let leased = fleet(&server).with_notice(ms(200)).unwrap().with_lateness(ms(1000)).unwrap();
    let limiter = leased.with_lease(10).unwrap().limiter("a", quota(10, 60_000));
    // On a busy machine it takes longer.
    until_async("one is released", async || limiter.acquire().await.is_ok()).await;
    server.freeze().unwrap();
    let begun = Instant::now();
    let error = timeout(LONG, limiter.flush()).await.unwrap().unwrap_err();
    assert_eq!(error.why(), Away::Silent);
    assert!(begun.elapsed() < ms(3000), "{:?}", begun.elapsed());
    // From now on it is known.
    until("known", || limiter.snapshot().fleet != Some(FleetState::Connected)).await;
    assert_eq!(limiter.flush().await.unwrap_err().why(), Away::Silent);
}

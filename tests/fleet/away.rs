//! The server goes away, and comes back.

use loopback_redis::LoopbackRedis;
use rate_limit::redis::{Away, Fallback, Fleet, FleetState};
use rate_limit::{Limiter, Quota};
use tokio::time::{Duration, Instant, timeout};

use crate::common::{self, LONG, client, ms, quota, run, server, until, until_async, why, worst};

/// As users have it: 250 ms to notice.
fn fleet(server: &LoopbackRedis) -> Fleet {
    Fleet::new(&server.url()).unwrap()
}

/// For what is not about the time to notice.
fn patient(server: &LoopbackRedis) -> Fleet {
    common::fleet(server)
}

/// What a machine that is busy with other things may add to 250 ms.
const SOON: Duration = ms(1500);

async fn back(limiter: &Limiter) {
    until("connected again", || limiter.snapshot().fleet == Some(FleetState::Connected)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refuses() {
    let Some(mut server) = server("refuses") else { return };
    let limiter = fleet(&server).limiter("a", quota(5, 300));
    limiter.acquire().await.unwrap();
    server.kill().unwrap();
    let begun = Instant::now();
    let refused = timeout(LONG, limiter.acquire()).await.unwrap().unwrap_err();
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    assert_eq!(refused.away(), Some(Away::Unreachable));
    assert_eq!(refused.to_string(), "rate limit of 5 per 300ms: Redis can't be reached");
    assert!(refused.retry_after() <= ms(500));
    // From now on at once.
    let begun = Instant::now();
    for _ in 0..100 {
        assert_eq!(limiter.acquire().await.unwrap_err().away(), Some(Away::Unreachable));
    }
    assert!(begun.elapsed() < ms(200), "{:?}", begun.elapsed());
    assert_eq!(limiter.try_acquire().unwrap_err().away(), Some(Away::Unreachable));
    server.restart().unwrap();
    let begun = Instant::now();
    back(&limiter).await;
    assert!(begun.elapsed() < ms(2000), "{:?}", begun.elapsed());
    timeout(LONG, limiter.acquire()).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refuses_those_who_wait() {
    let Some(mut server) = server("refuses_those_who_wait") else { return };
    let limiter = fleet(&server).limiter("a", quota(1, 1500));
    limiter.acquire().await.unwrap();
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let limiter = limiter.clone();
            tokio::spawn(async move { limiter.acquire().await })
        })
        .collect();
    until("all wait", || limiter.snapshot().waiting == 20).await;
    server.kill().unwrap();
    // One of them has the next slot reserved, and may use it.
    let mut released = 0;
    for waiting in waiting {
        match timeout(LONG, waiting).await.unwrap().unwrap() {
            Ok(_) => released += 1,
            Err(refused) => assert_eq!(refused.away(), Some(Away::Unreachable)),
        }
    }
    assert!(released <= 1, "{released}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn has_quotas_of_its_own_and_reports_them() {
    let Some(mut server) = server("has_quotas_of_its_own_and_reports_them") else { return };
    let local = Fallback::local(quota(3, 60_000));
    let limiter = fleet(&server).with_fallback(local).limiter("a", quota(6, 60_000));
    limiter.acquire().await.unwrap();
    server.kill().unwrap();
    // One was released before; two are left.
    for _ in 0..2 {
        let begun = Instant::now();
        timeout(LONG, limiter.acquire()).await.unwrap().unwrap();
        assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    }
    timeout(ms(100), limiter.acquire()).await.unwrap_err();
    assert_eq!(why(&limiter), Some(Away::Unreachable));
    // Its data is gone, but not forgotten.
    server.restart().unwrap();
    back(&limiter).await;
    let other = fleet(&server).limiter("a", quota(6, 60_000));
    for _ in 0..3 {
        timeout(LONG, other.acquire()).await.unwrap().unwrap();
    }
    timeout(ms(100), other.acquire()).await.unwrap_err();
    timeout(ms(100), limiter.acquire()).await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn allows() {
    let Some(mut server) = server("allows") else { return };
    let limiter = fleet(&server).with_fallback(Fallback::Allow).limiter("a", quota(5, 60_000));
    limiter.acquire().await.unwrap();
    server.kill().unwrap();
    let begun = Instant::now();
    for _ in 0..1000 {
        timeout(LONG, limiter.acquire()).await.unwrap().unwrap();
    }
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    server.restart().unwrap();
    back(&limiter).await;
    timeout(ms(100), limiter.acquire()).await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_server_is_noticed_and_loses_nothing() {
    let Some(server) = server("a_frozen_server_is_noticed_and_loses_nothing") else { return };
    let limiter = fleet(&server).limiter("a", quota(4, 60_000));
    limiter.acquire().await.unwrap();
    server.freeze().unwrap();
    let begun = Instant::now();
    let refused = timeout(LONG, limiter.acquire()).await.unwrap().unwrap_err();
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    assert_eq!(refused.away(), Some(Away::Silent));
    server.thaw().unwrap();
    let begun = Instant::now();
    back(&limiter).await;
    assert!(begun.elapsed() < ms(2500), "{:?}", begun.elapsed());
    // The question that was not answered has reserved nothing after all.
    for _ in 0..3 {
        timeout(LONG, limiter.acquire()).await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_server_is_noticed() {
    let Some(server) = server("a_paused_server_is_noticed") else { return };
    let limiter = fleet(&server).limiter("a", quota(4, 60_000));
    limiter.acquire().await.unwrap();
    let mut client = client(&server).await;
    let _: () = redis::cmd("CLIENT").arg("PAUSE").arg(700).query_async(&mut client).await.unwrap();
    let refused = timeout(LONG, limiter.acquire()).await.unwrap().unwrap_err();
    assert_eq!(refused.away(), Some(Away::Silent));
    back(&limiter).await;
    timeout(LONG, limiter.acquire()).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_broke_while_idle_is_made_again() {
    let Some(mut server) = server("a_connection_that_broke_while_idle_is_made_again") else { return };
    let limiter = patient(&server).limiter("a", quota(10, 1000));
    limiter.acquire().await.unwrap();
    server.kill().unwrap();
    server.restart().unwrap();
    timeout(LONG, limiter.acquire()).await.unwrap().unwrap();
    assert_eq!(limiter.snapshot().fleet, Some(FleetState::Connected));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_is_no_server() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let fleet = Fleet::new(&format!("redis://{nobody}/")).unwrap().with_notice(ms(100)).unwrap().with_seed(1);
    let error = fleet.check().await.unwrap_err();
    assert_eq!(error.why(), Away::Unreachable);
    assert!(std::error::Error::source(&error).is_some());
    let limiter = fleet.limiter("a", Quota::per_second(1).unwrap());
    let refused = timeout(LONG, limiter.acquire()).await.unwrap().unwrap_err();
    assert_eq!(refused.away(), Some(Away::Unreachable));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_accepts_and_is_silent() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}/", silent.local_addr().unwrap());
    let limiter = Fleet::new(&url).unwrap().with_notice(ms(100)).unwrap().limiter("a", quota(1, 1000));
    let begun = Instant::now();
    let refused = timeout(LONG, limiter.acquire()).await.unwrap().unwrap_err();
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    assert_eq!(refused.away(), Some(Away::Silent));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_through_a_crash() {
    let Some(mut server) = server("a_run_through_a_crash") else { return };
    let share = Fallback::local(quota(5, 200));
    let limiters: Vec<Limiter> =
        (0..4).map(|_| fleet(&server).with_fallback(share.clone()).limiter("a", quota(20, 200))).collect();
    let runner = tokio::spawn({
        let limiters = limiters.clone();
        async move { run(&limiters, 5, ms(2000)).await }
    });
    tokio::time::sleep(ms(300)).await;
    server.kill().unwrap();
    until("all have noticed", || limiters.iter().all(|limiter| why(limiter).is_some())).await;
    server.restart().unwrap();
    let restarted = Instant::now();
    for limiter in &limiters {
        back(limiter).await;
    }
    let connected = Instant::now();
    assert!(connected - restarted < ms(2000), "{:?}", connected - restarted);
    let released = runner.await.unwrap();
    // What was released before and after is exact; within a window of the crash and of the return, at most a share each
    // comes on top.
    assert!(worst(&released, ms(200)) <= 40);
    let after: Vec<_> = released.into_iter().filter(|&at| at >= connected + ms(200)).collect();
    assert!(worst(&after, ms(200)) <= 20, "{}", worst(&after, ms(200)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_flushed_is_reported_again() {
    let Some(server) = server("what_was_flushed_is_reported_again") else { return };
    let limiter = patient(&server).limiter("a", quota(6, 60_000));
    for _ in 0..3 {
        limiter.acquire().await.unwrap();
    }
    let mut client = client(&server).await;
    let _: () = redis::cmd("FLUSHALL").query_async(&mut client).await.unwrap();
    let _: () = redis::cmd("SCRIPT").arg("FLUSH").query_async(&mut client).await.unwrap();
    for _ in 0..3 {
        timeout(LONG, limiter.acquire()).await.unwrap().unwrap();
    }
    timeout(ms(100), limiter.acquire()).await.unwrap_err();
    until_async("all are in the record", || {
        let mut client = client.clone();
        async move {
            redis::cmd("ZCARD").arg("{rate-limit:a}:log").query_async::<u64>(&mut client).await.unwrap() >= 6
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_dearer_than_the_share_is_refused_and_holds_nobody_up() {
    let Some(mut server) = server("what_is_dearer_than_the_share_is_refused_and_holds_nobody_up") else {
        return;
    };
    let share = Fallback::local(quota(2, 60_000));
    let limiter = fleet(&server).with_fallback(share).limiter("a", quota(10, 60_000));
    limiter.acquire_many(10).await.unwrap();
    // One that waits behind others.
    let cheap = tokio::spawn({
        let limiter = limiter.clone();
        async move { limiter.acquire().await }
    });
    until("it waits", || limiter.snapshot().waiting == 1).await;
    let dear = tokio::spawn({
        let limiter = limiter.clone();
        async move { limiter.acquire_many(5).await }
    });
    until("both wait", || limiter.snapshot().waiting == 2).await;
    server.kill().unwrap();
    let waited = timeout(LONG, dear).await.unwrap().unwrap().unwrap_err();
    assert!(!cheap.is_finished());
    cheap.abort();
    // Others, at once.
    let bounded = limiter.clone().with_max_wait(LONG * 2);
    let came = timeout(ms(500), bounded.acquire_many(5)).await.unwrap().unwrap_err();
    let tried = limiter.try_acquire_many(5).unwrap_err();
    for refused in [waited, came, tried] {
        assert_eq!(refused.away(), Some(Away::Unreachable));
        assert!(!refused.is_never());
        let after = refused.retry_after();
        assert!(ms(0) < after && after <= ms(500), "{after:?}");
        assert_eq!(
            refused.to_string(),
            "rate limit of 10 per 60s: the call takes 5 permits, and at most 2 can be had now: \
             Redis can't be reached"
        );
    }
    server.restart().unwrap();
    back(&limiter).await;
    assert!(timeout(ms(50), limiter.acquire_many(5)).await.is_err(), "it waits again");
}

//! The quota holds, over all processes.

use loopback_redis::LoopbackRedis;
use rate_limit::{Limiter, Quota};
use tokio::time::{Instant, sleep, timeout};

use crate::common::{LONG, client, fleet, ms, quota, run, scripts, server, worst};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_window_holds_more_than_the_quota() {
    let Some(server) = server("no_window_holds_more_than_the_quota") else { return };
    let limiters: Vec<Limiter> = (0..4).map(|_| fleet(&server).limiter("a", quota(20, 200))).collect();
    let released = run(&limiters, 10, ms(1000)).await;
    assert!(worst(&released, ms(200)) <= 20, "{}", worst(&released, ms(200)));
    // 100 are possible; on a machine that is busy with other things, fewer.
    assert!(released.len() >= 50, "{}", released.len());
    let asked = scripts(&mut client(&server).await).await;
    // Each process asks once more at the end, and gives back what it had.
    assert!(asked <= released.len() as u64 + 8, "{asked} questions for {} permits", released.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_are_spaced() {
    let Some(server) = server("slots_are_spaced") else { return };
    let spaced = quota(10, 500).spaced();
    let limiters: Vec<Limiter> =
        (0..2).map(|_| fleet(&server).with_lateness(ms(20)).unwrap().limiter("a", spaced)).collect();
    let released = run(&limiters, 3, ms(1200)).await;
    assert!(released.len() >= 4, "{}", released.len());
    assert!(worst(&released, ms(500)) <= 10);
    let closest = released.windows(2).map(|pair| pair[1] - pair[0]).min().unwrap();
    // The slots are 50 ms apart; each may be used 20 ms late, and what is unknown of the clocks comes on top.
    assert!(closest >= ms(25), "{closest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_quotas_hold_at_once() {
    let Some(server) = server("several_quotas_hold_at_once") else { return };
    let quotas = quota(4, 100).and(quota(10, 500)).unwrap();
    let limiters: Vec<Limiter> = (0..2).map(|_| fleet(&server).limiter("a", quotas.clone())).collect();
    let released = run(&limiters, 8, ms(1000)).await;
    assert!(worst(&released, ms(100)) <= 4);
    assert!(worst(&released, ms(500)) <= 10);
    assert!(released.len() >= 14, "{}", released.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cost_is_taken_whole() {
    let Some(server) = server("a_cost_is_taken_whole") else { return };
    let limiters = [0, 1].map(|_| fleet(&server).limiter("a", quota(10, 100)));
    let refused = limiters[0].acquire_many(11).await.unwrap_err();
    assert!(refused.is_never());
    let begun = Instant::now();
    let mut tasks = Vec::new();
    for index in 0..20_usize {
        let limiter = limiters[index % 2].clone();
        let cost = [1, 7, 2, 10][index % 4];
        tasks.push(tokio::spawn(async move { (limiter.acquire_many(cost).await.unwrap().at(), cost) }));
    }
    let mut released = Vec::new();
    for task in tasks {
        let (at, cost) = timeout(LONG, task).await.unwrap().unwrap();
        released.extend(std::iter::repeat_n(at, cost as usize));
    }
    released.sort();
    assert_eq!(released.len(), 100);
    assert!(worst(&released, ms(100)) <= 10);
    assert!(begun.elapsed() >= ms(9 * 100));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_are_served_in_order_of_arrival() {
    let Some(server) = server("callers_are_served_in_order_of_arrival") else { return };
    let limiter = fleet(&server).limiter("a", quota(5, 50));
    let mut waiting = Vec::new();
    for _ in 0..30 {
        let mut acquire = Box::pin(limiter.acquire());
        // It arrives now.
        assert!(futures_poll(acquire.as_mut()).await.is_none());
        waiting.push(tokio::spawn(acquire));
    }
    let mut last = None;
    for acquire in waiting {
        let at = timeout(LONG, acquire).await.unwrap().unwrap().unwrap().at();
        assert!(last <= Some(at));
        last = Some(at);
    }
}

/// Polls once.
async fn futures_poll<F: Future>(mut future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        std::task::Poll::Ready(output) => std::task::Poll::Ready(Some(output)),
        std::task::Poll::Pending => std::task::Poll::Ready(None),
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_quotas_hold_at_once() {
    let Some(server) = server("other_quotas_hold_at_once") else { return };
    let limiter = fleet(&server).limiter("a", quota(10, 60_000));
    for _ in 0..10 {
        limiter.acquire().await.unwrap();
    }
    // Ten are used up for a minute; of twelve in a minute, two are left.
    limiter.set_quotas(quota(12, 60_000)).unwrap();
    for _ in 0..2 {
        timeout(LONG, limiter.acquire()).await.unwrap().unwrap();
    }
    timeout(ms(200), limiter.acquire()).await.unwrap_err();
    // Whoever waits when the quota changes is released by the new one.
    let waiting = tokio::spawn({
        let limiter = limiter.clone();
        async move { limiter.acquire().await }
    });
    tokio::task::yield_now().await;
    limiter.set_quotas(quota(13, 60_000)).unwrap();
    timeout(LONG, waiting).await.unwrap().unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_have_a_quota_each() {
    let Some(server) = server("keys_have_a_quota_each") else { return };
    let keyed =
        |server| fleet(server).keyed(quota(2, 60_000), 100, |key: &u32| format!("key-{key}")).unwrap();
    let (one, other) = (keyed(&server), keyed(&server));
    for key in 0..3 {
        one.acquire(key).await.unwrap();
        other.acquire(key).await.unwrap();
    }
    for key in 0..3 {
        timeout(ms(100), one.acquire(key)).await.unwrap_err();
    }
    let refused = fleet(&server).keyed::<u32, _>(quota(1_000_000, 1000), 100, u32::to_string).unwrap_err();
    assert!(refused.to_string().starts_with("100 keys are out of range"));
}

/// Of a process whose slots don't count for much longer than until they are used.
fn prompt(server: &LoopbackRedis, quota: Quota) -> Limiter {
    fleet(server).with_lateness(ms(5)).unwrap().limiter("a", quota)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_longer_window_counts_what_a_shorter_one_held_no_longer() {
    let Some(server) = server("a_longer_window_counts_what_a_shorter_one_held_no_longer") else { return };
    let [one, other] = [0, 1].map(|_| prompt(&server, quota(5, 50)));
    for _ in 0..5 {
        one.acquire().await.unwrap();
    }
    sleep(ms(60)).await;
    // From now on the record holds this one alone.
    one.acquire().await.unwrap();
    for limiter in [&one, &other] {
        limiter.set_quotas(quota(6, 60_000)).unwrap();
        timeout(ms(50), limiter.acquire()).await.unwrap_err();
    }
    // Now the server has nothing, and who has released them reports them again.
    let mut client = client(&server).await;
    let _: () = redis::cmd("FLUSHALL").query_async(&mut client).await.unwrap();
    for limiter in [&one, &other] {
        timeout(ms(50), limiter.acquire()).await.unwrap_err();
    }
}

/// How many permits the record of this name holds.
async fn recorded(client: &mut redis::aio::MultiplexedConnection, name: &str) -> u64 {
    redis::cmd("ZCARD").arg(format!("{{rate-limit:{name}}}:log")).query_async(client).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_that_is_asked_for_no_more_keeps_nothing() {
    let Some(server) = server("a_window_that_is_asked_for_no_more_keeps_nothing") else { return };
    let limiter = |n, millis| prompt(&server, quota(n, millis));
    let mut client = client(&server).await;
    limiter(1000, 300).acquire().await.unwrap();
    sleep(ms(200)).await;
    let short = limiter(20, 20);
    for _ in 0..20 {
        short.acquire().await.unwrap();
    }
    // The longer window was asked for 300 ms ago, but holds all of these.
    sleep(ms(110)).await;
    short.acquire().await.unwrap();
    let kept = recorded(&mut client, "a").await;
    assert!(kept <= 2, "{kept} permits");
    // Nor is it forgotten that it may come again: a longer life costs next to nothing.
    let left: i64 = redis::cmd("PTTL").arg("{rate-limit:a}:head").query_async(&mut client).await.unwrap();
    assert!(left > 15_050, "{left}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_window_keeps_no_more_than_its_quota() {
    let Some(server) = server("a_long_window_keeps_no_more_than_its_quota") else { return };
    let limiter = |n, millis| prompt(&server, quota(n, millis));
    let (long, short) = (limiter(30, 60_000), limiter(20, 20));
    long.acquire().await.unwrap();
    for _ in 0..60 {
        short.acquire().await.unwrap();
    }
    sleep(ms(50)).await;
    short.acquire().await.unwrap();
    let kept = recorded(&mut client(&server).await, "a").await;
    assert!((30..=31).contains(&kept), "{kept} permits");
    timeout(ms(50), long.acquire()).await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_longer_window_that_is_seldom_asked_for_holds_its_quota() {
    let Some(server) = server("a_longer_window_that_is_seldom_asked_for_holds_its_quota") else { return };
    let limiter = |n, millis| prompt(&server, quota(n, millis));
    let (long, short) = (limiter(6, 300), limiter(5, 20));
    long.acquire().await.unwrap();
    sleep(ms(310)).await;
    let mut released = Vec::new();
    for _ in 0..5 {
        released.push(short.acquire().await.unwrap().at());
    }
    sleep(ms(30)).await;
    released.push(short.acquire().await.unwrap().at());
    // The record holds one or two of these six.
    let kept = recorded(&mut client(&server).await, "a").await;
    assert!(kept <= 2, "{kept} permits");
    released.push(timeout(LONG, long.acquire()).await.unwrap().unwrap().at());
    assert!(worst(&released, ms(300)) <= 6, "{released:?}");
    // While both ask, all are kept, and none is kept waiting for what would only be guessed.
    sleep(ms(310)).await;
    long.acquire().await.unwrap();
    let begun = Instant::now();
    for _ in 0..3 {
        short.acquire().await.unwrap();
        sleep(ms(25)).await;
    }
    long.acquire().await.unwrap();
    if begun.elapsed() < ms(250) {
        assert!(recorded(&mut client(&server).await, "a").await >= 5);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_reported_late_hides_nothing_that_has_left() {
    let Some(server) = server("what_is_reported_late_hides_nothing_that_has_left") else { return };
    let mut client = client(&server).await;
    let (seconds, micros): (i64, i64) = redis::cmd("TIME").query_async(&mut client).await.unwrap();
    let now = seconds * 1_000_000 + micros;
    // One was released 380 ms ago, and reported when a shorter window had let a later one go.
    let mut pipe = redis::pipe();
    pipe.cmd("ZADD").arg("{rate-limit:a}:log").arg(now - 380_000).arg("other:1");
    pipe.cmd("HSET").arg("{rate-limit:a}:head").arg(&["gone", "1", "left"]).arg(now - 100_000);
    let _: () = pipe.query_async(&mut client).await.unwrap();
    let begun = Instant::now();
    fleet(&server).limiter("a", quota(1, 400)).acquire().await.unwrap();
    assert!(begun.elapsed() >= ms(250), "{:?}", begun.elapsed());
}

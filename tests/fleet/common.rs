//! What the tests share.

use std::time::Duration;

use loopback_redis::LoopbackRedis;
use rate_limit::redis::{Away, Fleet, FleetState};
use rate_limit::{Limiter, Quota};
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// More than anything here takes on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(20);

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A server, or the test is left out.
pub(crate) fn server(test: &str) -> Option<LoopbackRedis> {
    LoopbackRedis::for_test(&format!("fleet::{test}"), None)
}

/// A fleet of its own, with a lateness that a busy machine keeps, too.
pub(crate) fn fleet(server: &LoopbackRedis) -> Fleet {
    Fleet::new(&server.url()).unwrap().with_lateness(ms(100)).unwrap().with_notice(ms(1000)).unwrap()
}

pub(crate) fn quota(n: u32, millis: u64) -> Quota {
    Quota::new(n, ms(millis)).unwrap()
}

/// A client of the tests' own.
pub(crate) async fn client(server: &LoopbackRedis) -> redis::aio::MultiplexedConnection {
    let client = redis::Client::open(server.url()).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

/// How many scripts the server has run.
pub(crate) async fn scripts(client: &mut redis::aio::MultiplexedConnection) -> u64 {
    let stats: String = redis::cmd("INFO").arg("commandstats").query_async(client).await.unwrap();
    let lines = stats
        .lines()
        .filter(|line| line.starts_with("cmdstat_evalsha:") || line.starts_with("cmdstat_eval:"));
    let calls = lines.filter_map(|line| line.split_once("calls=")?.1.split(',').next()?.parse::<u64>().ok());
    calls.sum()
}

/// Calls for `time`, by `callers` at each limiter; when each was released, in order.
pub(crate) async fn run(limiters: &[Limiter], callers: usize, time: Duration) -> Vec<Instant> {
    let end = Instant::now() + time;
    let mut tasks = Vec::new();
    for limiter in limiters {
        for _ in 0..callers {
            let limiter = limiter.clone();
            tasks.push(tokio::spawn(async move {
                let mut released = Vec::new();
                while let Ok(permit) = timeout_at(end, limiter.acquire()).await {
                    released.push(permit.unwrap().at());
                }
                released
            }));
        }
    }
    let mut released = Vec::new();
    for task in tasks {
        released.extend(task.await.unwrap());
    }
    released.sort();
    released
}

/// All that it releases before the next would take long.
pub(crate) async fn all(limiter: &Limiter) -> usize {
    let mut released = 0;
    while let Ok(permit) = timeout(ms(150), limiter.acquire()).await {
        permit.unwrap();
        released += 1;
    }
    released
}

pub(crate) async fn some(limiter: &Limiter, permits: usize) {
    for _ in 0..permits {
        timeout(LONG, limiter.acquire()).await.unwrap().unwrap();
    }
}

/// The most releases in any window of that length.
pub(crate) fn worst(released: &[Instant], window: Duration) -> usize {
    let within = |at: usize| released[at..].partition_point(|&other| other < released[at] + window);
    (0..released.len()).map(within).max().unwrap_or(0)
}

pub(crate) fn why(limiter: &Limiter) -> Option<Away> {
    match limiter.snapshot().fleet {
        Some(FleetState::Away { why, .. }) => Some(why),
        _ => None,
    }
}

/// Waits until it is so.
pub(crate) async fn until(what: &str, mut so: impl FnMut() -> bool) {
    until_async(what, async || so()).await;
}

pub(crate) async fn until_async(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + LONG;
    while !so().await {
        assert!(Instant::now() < end, "never: {what}");
        sleep(ms(2)).await;
    }
}

//! Calls that take many permits.

use std::time::Duration;

use loopback_redis::LoopbackRedis;
use rate_limit::redis::Fleet;
use tokio::time::timeout;

use crate::common::{LONG, fleet, ms, quota, server};

/// As users have it, but for the time to notice.
fn large(server: &LoopbackRedis) -> Fleet {
    Fleet::new(&server.url()).unwrap().with_notice(Duration::from_secs(10)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_dear_is_refused_at_once() {
    let Some(server) = server("what_is_too_dear_is_refused_at_once") else { return };
    let limiter = large(&server).limiter("a", quota(1_000_000, 1000));
    let came = timeout(ms(500), limiter.acquire_many(50_000)).await.unwrap().unwrap_err();
    for refused in [came, limiter.try_acquire_many(2049).map(drop).unwrap_err()] {
        assert!(refused.is_never() && refused.away().is_none());
        let message = refused.to_string();
        let (_, says) = message.split_once(": ").unwrap();
        assert!(says.ends_with(" permits, and one call of a fleet can have at most 2048"), "{says}");
    }
    timeout(LONG, limiter.acquire_many(2048)).await.unwrap().unwrap();
    // It is the quota that says so, if that has fewer.
    let small = fleet(&server).limiter("b", quota(10, 1000));
    let refused = small.acquire_many(50_000).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "rate limit of 10 per 1s: the call takes 50000 permits, and at most 10 can be had"
    );
}

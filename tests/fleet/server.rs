//! What the server says, and what lies in it.

use loopback_redis::LoopbackRedis;
use rate_limit::redis::{Away, Fleet, FleetState};
use rate_limit::{BoxError, Quota, RateLimitLayer, RateLimited};
use tokio::time::timeout;
use tower::{Service, ServiceBuilder, ServiceExt};

use crate::common::{LONG, client, fleet, ms, quota, server, until, why};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password() {
    let test = "fleet::a_wrong_password";
    let Some(server) = LoopbackRedis::for_test(test, Some("secret")) else { return };
    Fleet::new(&server.url()).unwrap().check().await.unwrap();
    for wrong in [":wrong@", ""] {
        let fleet = Fleet::new(&format!("redis://{wrong}127.0.0.1:{}/", server.port())).unwrap();
        let error = fleet.check().await.unwrap_err();
        assert_eq!(error.why(), Away::Denied, "{wrong:?}: {error:?}");
        assert_eq!(error.to_string(), "Redis denied access (password, user or permissions)");
        let limiter = fleet.limiter("a", quota(1, 1000));
        let refused = timeout(LONG, limiter.acquire()).await.unwrap().unwrap_err();
        assert_eq!(refused.away(), Some(Away::Denied), "{wrong:?}");
        assert!(!format!("{fleet:?} {limiter:?}").contains("wrong"));
    }
    let limiter = Fleet::new(&server.url()).unwrap().limiter("a", quota(1, 1000));
    timeout(LONG, limiter.acquire()).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_type_at_a_key() {
    let Some(server) = server("a_wrong_type_at_a_key") else { return };
    for key in ["log", "head"] {
        let key = format!("{{rate-limit:{key}}}:{key}");
        let mut client = client(&server).await;
        let _: () = redis::cmd("SET").arg(&key).arg("mine").query_async(&mut client).await.unwrap();
        let name = key.trim_start_matches("{rate-limit:").split('}').next().unwrap();
        let fleet = fleet(&server);
        let limiter = fleet.limiter(name, quota(1, 1000));
        let refused = timeout(LONG, limiter.acquire()).await.unwrap().unwrap_err();
        assert_eq!(refused.away(), Some(Away::WrongType), "{refused}");
        // It concerns nobody else.
        timeout(LONG, fleet.limiter("other", quota(9, 10)).acquire()).await.unwrap().unwrap();
        let _: () = redis::cmd("DEL").arg(&key).query_async(&mut client).await.unwrap();
        until("it works", || limiter.snapshot().fleet == Some(FleetState::Connected)).await;
        timeout(LONG, limiter.acquire()).await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_named_and_expire() {
    let Some(server) = server("keys_are_named_and_expire") else { return };
    let limiter = fleet(&server).with_prefix("shop").unwrap().limiter("ovh", quota(5, 2000));
    limiter.acquire().await.unwrap();
    let mut client = client(&server).await;
    let mut keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut client).await.unwrap();
    keys.sort();
    assert_eq!(keys, ["{shop:ovh}:head", "{shop:ovh}:log"]);
    for key in keys {
        let left: i64 = redis::cmd("PTTL").arg(&key).query_async(&mut client).await.unwrap();
        assert!((2_000..20_000).contains(&left), "{key}: {left}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_was_set_back_far() {
    let Some(server) = server("a_clock_that_was_set_back_far") else { return };
    let limiter = fleet(&server).limiter("a", quota(1, 100));
    limiter.acquire().await.unwrap();
    // What the record looks like then: its releases lie an hour ahead.
    let mut client = client(&server).await;
    let (seconds, _): (i64, i64) = redis::cmd("TIME").query_async(&mut client).await.unwrap();
    let ahead = (seconds + 3600) * 1_000_000;
    let mut pipe = redis::pipe();
    pipe.cmd("ZADD").arg("{rate-limit:a}:log").arg(ahead).arg("other:1");
    pipe.cmd("HSET").arg("{rate-limit:a}:head").arg("last").arg(ahead);
    let _: () = pipe.query_async(&mut client).await.unwrap();
    for _ in 0..3 {
        timeout(ms(3000), limiter.acquire()).await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_can_not_be_written_to() {
    let Some(server) = server("a_replica_can_not_be_written_to") else { return };
    let limiter = fleet(&server).limiter("a", quota(100, 1000));
    limiter.acquire().await.unwrap();
    let mut client = client(&server).await;
    // Of a master that is not there.
    let _: () = redis::cmd("REPLICAOF").arg("127.0.0.1").arg(1).query_async(&mut client).await.unwrap();
    let refused = timeout(LONG, limiter.acquire()).await.unwrap().unwrap_err();
    assert!(matches!(refused.away(), Some(Away::NotWritable | Away::Refused)), "{refused}");
    let _: () = redis::cmd("REPLICAOF").arg("NO").arg("ONE").query_async(&mut client).await.unwrap();
    until("it can again", || why(&limiter).is_none()).await;
    timeout(LONG, limiter.acquire()).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_a_layer() {
    let Some(server) = server("as_a_layer") else { return };
    let limiter = fleet(&server).limiter("a", quota(2, 60_000)).with_max_queue(1);
    let mut service = ServiceBuilder::new()
        .layer(RateLimitLayer::from(limiter.clone()))
        .service_fn(|number: u32| async move { Ok::<_, BoxError>(number) });
    for number in 0..2 {
        assert_eq!(service.ready().await.unwrap().call(number).await.unwrap(), number);
    }
    let waiting = tokio::spawn(service.ready().await.unwrap().call(2));
    until("one waits", || limiter.snapshot().waiting == 1).await;
    let refused = service.ready().await.unwrap().call(3).await.unwrap_err();
    assert!(refused.is::<RateLimited>());
    waiting.abort();
}

#[test]
fn the_memory_of_keys_is_told_as_it_is_bounded() {
    let fleet = Fleet::new("redis://localhost").unwrap();
    let memory = |keys: usize| {
        let keyed = fleet.keyed::<u64, _>(quota(10, 1000), keys, u64::to_string);
        keyed.map(|keyed| keyed.memory())
    };
    let each = memory(1).unwrap();
    assert_eq!(memory(1000), Ok(1000 * each));
    // 256 MiB in all.
    let most = (256 << 20) / each;
    assert_eq!(memory(most), Ok(most * each));
    let refused = memory(most + 1).unwrap_err().to_string();
    assert!(refused.contains(&format!("at {each} bytes each, there must be from 1 to {most}")), "{refused}");
}

#[test]
fn settings_that_can_not_be() {
    let fleet = || Fleet::new("redis://localhost").unwrap();
    let says = |error: rate_limit::redis::InvalidFleet, text: &str| {
        assert!(error.to_string().contains(text), "{error}");
    };
    says(fleet().with_lease(0).unwrap_err(), "a lease of 0 slots is out of range: it must be from 1 to 100");
    says(fleet().with_lease(101).unwrap_err(), "a lease of 101 slots");
    says(
        fleet().with_notice(ms(9)).unwrap_err(),
        "a notice of 9ms is out of range: it must be from 10ms to 10s",
    );
    says(fleet().with_lateness(ms(1001)).unwrap_err(), "a lateness of 1.001s is out of range");
    says(fleet().with_prefix("").unwrap_err(), "a key prefix of \"\" is out of range");
    says(fleet().with_prefix("a{b").unwrap_err(), "no colon and no braces");
    // Or its `ovh` would be the `eu:ovh` of `shop`.
    says(
        fleet().with_prefix("shop:eu").unwrap_err(),
        "a key prefix of \"shop:eu\" is out of range: it must have from 1 to 200 bytes, no colon and no braces",
    );
    for url in ["", "localhost", "redis://", "redis://:secret@host/x", "rediss://host/#insecure"] {
        says(Fleet::new(url).unwrap_err(), "the URL of a fleet's server is not one");
        assert!(!Fleet::new(url).unwrap_err().to_string().contains("secret"));
    }
    drop(fleet().limiter("", Quota::per_second(1).unwrap()));
}

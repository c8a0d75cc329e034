//! A server that comes back with an older record than the one it had, or is another one that was behind.

use loopback_redis::LoopbackRedis;
use rate_limit::redis::{Fallback, FleetState};
use tokio::time::timeout;

use crate::common::{LONG, all, client, fleet, ms, quota, scripts, server, some, until, why};

async fn save(server: &LoopbackRedis) {
    let _: () = redis::cmd("SAVE").query_async(&mut client(server).await).await.unwrap();
}

fn restart(server: &mut LoopbackRedis) {
    server.kill().unwrap();
    server.restart().unwrap();
}

/// At once, for most of each is waiting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_lost_is_reported_again() {
    tokio::join!(
        an_older_record_from_disk_hears_again_what_it_has_lost(),
        slots_that_an_older_record_does_not_hold_are_not_used_after_a_report(),
        an_outage_before_the_older_record_changes_nothing(),
        a_connection_made_anew_costs_no_question(),
    );
}

async fn an_older_record_from_disk_hears_again_what_it_has_lost() {
    let Some(mut server) = LoopbackRedis::for_test_on_disk("fleet::an_older_record_from_disk") else {
        return;
    };
    let limiter = || fleet(&server).limiter("a", quota(10, 60_000));
    let (one, two, three) = (limiter(), limiter(), limiter());
    some(&one, 2).await;
    save(&server).await;
    some(&two, 4).await;
    some(&one, 1).await;
    // Nobody sees it.
    restart(&mut server);
    // Whoever comes reports first. Only what those who have not come have released is missing.
    assert_eq!(all(&two).await, 4);
    assert_eq!(all(&one).await, 0, "it has reported one more");
    assert_eq!((all(&two).await, all(&three).await), (0, 0));
    for limiter in [one, two] {
        assert_eq!(limiter.snapshot().fleet, Some(FleetState::Connected));
    }
}

async fn slots_that_an_older_record_does_not_hold_are_not_used_after_a_report() {
    let test = "fleet::slots_that_an_older_record_does_not_hold";
    let Some(mut server) = LoopbackRedis::for_test_on_disk(test) else { return };
    let late = || fleet(&server).with_lateness(ms(1000)).unwrap();
    let quota = quota(10, 60_000);
    let leases = late().with_lease(6).unwrap().limiter("a", quota);
    let other = late().limiter("a", quota);
    some(&other, 1).await;
    save(&server).await;
    // It has five more.
    some(&leases, 1).await;
    restart(&mut server);
    let mut released = 2;
    released += all(&other).await;
    assert_eq!(released, 11, "one release has not been reported");
    // It asks for two more than it holds, and has to give that back first.
    timeout(ms(150), leases.acquire_many(7)).await.unwrap_err();
    assert_eq!(all(&leases).await, 0);
    assert_eq!(all(&other).await, 0);
}

#[test]
fn two_runtimes_report_once_for_each_connection() {
    let test = "fleet::two_runtimes_report_once_for_each_connection";
    let Some(mut server) = LoopbackRedis::for_test_on_disk(test) else { return };
    let runtime =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (first, second) = (runtime(), runtime());
    let limiter = fleet(&server).limiter("a", quota(10, 60_000));
    let take = |runtime: &tokio::runtime::Runtime, permits| runtime.block_on(some(&limiter, permits));
    take(&first, 1);
    first.block_on(save(&server));
    for _ in 0..2 {
        take(&second, 1);
        take(&first, 1);
    }
    restart(&mut server);
    // Each has its connection made anew, with the record in between.
    take(&second, 1);
    take(&first, 1);
    // A second time.
    restart(&mut server);
    take(&first, 1);
    assert_eq!(second.block_on(all(&limiter)), 2);
    assert_eq!(first.block_on(all(&limiter)), 0);
}

async fn an_outage_before_the_older_record_changes_nothing() {
    tokio::join!(
        outage(Fallback::Refuse, 0),
        outage(Fallback::Allow, 1),
        outage(Fallback::local(quota(7, 60_000)), 1),
    );
}

/// In which so many of one call are released.
async fn outage(fallback: Fallback, away: usize) {
    let test = "fleet::an_outage_before_the_older_record_changes_nothing";
    let Some(mut server) = LoopbackRedis::for_test_on_disk(test) else { return };
    let fleet = fleet(&server).with_notice(ms(300)).unwrap();
    let limiter = fleet.clone().with_fallback(fallback).limiter("a", quota(10, 60_000));
    some(&limiter, 2).await;
    save(&server).await;
    some(&limiter, 3).await;
    server.kill().unwrap();
    let called = timeout(LONG, limiter.acquire()).await.unwrap();
    assert!(why(&limiter).is_some());
    assert_eq!(usize::from(called.is_ok()), away);
    server.restart().unwrap();
    until("connected", || limiter.snapshot().fleet == Some(FleetState::Connected)).await;
    let other = fleet.limiter("a", quota(10, 60_000));
    assert_eq!(all(&other).await, 5 - away);
    assert_eq!(all(&limiter).await, 0);
}

async fn a_connection_made_anew_costs_no_question() {
    let Some(server) = server("a_connection_made_anew_costs_no_question") else { return };
    let limiter = fleet(&server).limiter("a", quota(100, 60_000));
    some(&limiter, 1).await;
    let mut client = client(&server).await;
    let before = scripts(&mut client).await;
    for _ in 0..10 {
        let mut kill = redis::cmd("CLIENT");
        kill.arg("KILL").arg("TYPE").arg("normal").arg("SKIPME").arg("yes");
        let _: i64 = kill.query_async(&mut client).await.unwrap();
        some(&limiter, 1).await;
    }
    assert_eq!(scripts(&mut client).await - before, 10);
    let recorded: u64 = redis::cmd("ZCARD").arg("{rate-limit:a}:log").query_async(&mut client).await.unwrap();
    assert_eq!(recorded, 11);
}

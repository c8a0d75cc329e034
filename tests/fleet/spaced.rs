//! Spaced slots that are given back are there for others.

use loopback_redis::LoopbackRedis;
use rate_limit::redis::Fleet;
use rate_limit::{Limiter, Quota};
use redis::aio::MultiplexedConnection;
use tokio::time::{Duration, Instant, sleep, timeout};

use crate::common::{client, ms, quota, server, some};

/// At once, for most of each is waiting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_given_back_is_there_for_others() {
    tokio::join!(
        of_a_limiter_that_is_dropped(),
        of_quotas_that_have_changed(),
        behind_which_somebody_waits(),
        of_a_record_without_its_head(),
    );
}

fn fleet(server: &LoopbackRedis) -> Fleet {
    Fleet::new(&server.url()).unwrap().with_lateness(ms(50)).unwrap()
}

/// How long the next takes.
async fn next(limiter: &Limiter) -> Duration {
    let begun = Instant::now();
    timeout(ms(6000), limiter.acquire()).await.unwrap().unwrap();
    begun.elapsed()
}

/// Ten per second, 30 of which can be leased.
fn spaced() -> Quota {
    quota(30, 3000).spaced()
}

async fn of_a_limiter_that_is_dropped() {
    let Some(server) = server("of_a_limiter_that_is_dropped") else { return };
    let leases = fleet(&server).with_lease(30).unwrap().limiter("a", spaced());
    some(&leases, 2).await;
    drop(leases);
    let other = fleet(&server).limiter("a", spaced());
    let waited = next(&other).await;
    assert!(waited < ms(1500), "{waited:?}");
}

async fn of_quotas_that_have_changed() {
    let Some(server) = server("of_quotas_that_have_changed") else { return };
    let (slow, fast) = (quota(5, 3000).spaced(), quota(100, 1000).spaced());
    // As without a server, the slot of the old quota is the first of the new one.
    for limiter in [fleet(&server).with_lease(5).unwrap().limiter("a", slow), Limiter::new(slow)] {
        some(&limiter, 1).await;
        let begun = Instant::now();
        timeout(ms(100), limiter.acquire()).await.unwrap_err();
        limiter.set_quotas(fast).unwrap();
        next(&limiter).await;
        let waited = begun.elapsed();
        assert!((ms(595)..ms(1500)).contains(&waited), "{waited:?}");
    }
}

async fn behind_which_somebody_waits() {
    let Some(server) = server("behind_which_somebody_waits") else { return };
    let leases = fleet(&server).with_lease(30).unwrap().limiter("a", spaced());
    some(&leases, 1).await;
    let other = fleet(&server).limiter("a", spaced());
    let waiting = tokio::spawn(async move { next(&other).await });
    sleep(ms(100)).await;
    drop(leases);
    // It has a slot in 3 s, and asks now and then whether there is an earlier one.
    let waited = waiting.await.unwrap();
    assert!(waited < ms(2000), "{waited:?}");
}

async fn of_a_record_without_its_head() {
    let Some(server) = server("of_a_record_without_its_head") else { return };
    let quota = quota(5, 1000).spaced();
    let (one, other) = (fleet(&server).limiter("a", quota), fleet(&server).limiter("a", quota));
    let begun = Instant::now();
    some(&one, 1).await;
    let _: () =
        redis::cmd("DEL").arg("{rate-limit:a}:head").query_async(&mut client(&server).await).await.unwrap();
    next(&other).await;
    assert!(begun.elapsed() >= ms(150), "{:?}", begun.elapsed());
}

/// In us.
const INTERVAL: i64 = 100_000;
const LATENESS: i64 = 20_000;

/// One who asks the script itself.
struct Asker {
    prefix: String,
    id: i64,
    slots: Vec<Slot>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    id: i64,
    cost: i64,
    at: i64,
    /// When it is used at the latest, but for the lateness.
    from: i64,
}

struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        i64::try_from(self.0 % n).unwrap()
    }
}

impl Asker {
    async fn ask(
        &mut self,
        client: &mut MultiplexedConnection,
        returns: &[Slot],
        moves: bool,
        costs: &[i64],
        arrival: i64,
    ) {
        let script = redis::Script::new(include_str!("../../crates/rate-limit/src/redis/reserve.lua"));
        let mut asked = script.key("{a}:log");
        asked.key("{a}:head");
        // No deadline, all that is wanted, whatever record it is; told nothing; one quota, and no reports.
        for number in [0, LATENESS, arrival, INTERVAL, 0, 100, 0, 0] {
            asked.arg(number);
        }
        asked.arg(&self.prefix).arg(self.id);
        for number in [0, 1, 30, 30 * INTERVAL, 0] {
            asked.arg(number);
        }
        let all = |slot: &Slot| slot.id..slot.id + slot.cost;
        asked.arg(returns.iter().map(|slot| slot.cost).sum::<i64>());
        for id in returns.iter().flat_map(all) {
            asked.arg(id);
        }
        // Those that are far ahead: it has the answer long before they can be used.
        let mut moved: Vec<Slot> =
            self.slots.iter().filter(|slot| moves && slot.from == slot.at).copied().collect();
        moved.sort_by_key(|slot| slot.at);
        asked.arg(moved.len());
        for slot in &moved {
            asked.arg(slot.id).arg(slot.cost).arg(slot.at).arg(slot.from + LATENESS);
        }
        asked.arg(costs.len());
        for cost in costs {
            asked.arg(*cost);
        }
        let reply: Vec<i64> = asked.invoke_async(client).await.unwrap();
        let (now, waits) = (reply[0], &reply[4..]);
        let from = |at: i64| at.max(now + arrival);
        for (moved, &wait) in moved.iter().zip(waits).filter(|&(_, &wait)| wait >= 0) {
            let slot = self.slots.iter_mut().find(|slot| slot.id == moved.id).unwrap();
            assert!(now + wait < slot.at, "none gets later");
            (slot.at, slot.from) = (now + wait, from(now + wait));
        }
        for (&cost, &wait) in costs.iter().zip(&waits[moved.len()..]) {
            self.slots.push(Slot { id: self.id, cost, at: now + wait, from: from(now + wait) });
            self.id += cost;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_interval_is_shortened_by_what_is_given_back() {
    let Some(server) = server("no_interval_is_shortened_by_what_is_given_back") else { return };
    let mut client = client(&server).await;
    for seed in 1..=4 {
        let mut random = Random(seed * 0x9e37_79b9);
        let mut askers = ["x:", "y:", "z:"].map(|prefix| Asker {
            prefix: format!("{seed}{prefix}"),
            id: 0,
            slots: Vec::new(),
        });
        for _ in 0..100 {
            let asker = &mut askers[usize::try_from(random.below(3)).unwrap()];
            // It may give all back, or some.
            let few = random.below(3);
            let (returns, kept) =
                std::mem::take(&mut asker.slots).into_iter().partition(|_| random.below(3) > few);
            asker.slots = kept;
            let returns: Vec<Slot> = returns;
            let costs: Vec<i64> =
                (0..random.below(5)).map(|_| 1 + random.below(4) * random.below(2)).collect();
            let (moves, arrival) = (random.below(2) == 0, random.below(2) * 30_000);
            asker.ask(&mut client, &returns, moves, &costs, arrival).await;
            let mut slots: Vec<Slot> = askers.iter().flat_map(|asker| asker.slots.clone()).collect();
            slots.sort_by_key(|slot| slot.at);
            for two in slots.windows(2) {
                assert!(
                    two[1].at >= two[0].from + INTERVAL * two[0].cost,
                    "seed {seed}: {two:?} of {slots:?}"
                );
            }
        }
        // When all have given all back, the next is free at once.
        for asker in &mut askers {
            let returns = std::mem::take(&mut asker.slots);
            asker.ask(&mut client, &returns, false, &[], 0).await;
        }
        askers[0].ask(&mut client, &[], false, &[1], 0).await;
        let (seconds, micros): (i64, i64) = redis::cmd("TIME").query_async(&mut client).await.unwrap();
        let slot = askers[0].slots.pop().expect("a slot");
        assert!(slot.at <= seconds * 1_000_000 + micros, "{slot:?}");
        askers[0].ask(&mut client, &[slot], false, &[], 0).await;
    }
}

//! Each thing that can be wrong with a server: what every fallback does meanwhile, and that all is well soon after.

use loopback_redis::LoopbackRedis;
use rate_limit::redis::{Away, Fallback, Fleet, FleetState};
use rate_limit::{BoxError, Limiter};
use redis::aio::MultiplexedConnection;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, timeout};

use crate::common::{LONG, client, ms, quota, server, until, until_async, why};
use crate::proxy::{Proxy, Says};

/// A limiter with each fallback.
struct Limiters {
    refuse: Limiter,
    local: Limiter,
    allow: Limiter,
}

impl Limiters {
    fn new(url: &str) -> Self {
        Self::named(url, "")
    }

    fn named(url: &str, names: &str) -> Self {
        let limiter = |name, fallback| {
            let fleet = Fleet::new(url).unwrap().with_lateness(ms(100)).unwrap();
            fleet.with_fallback(fallback).limiter(&format!("{name}{names}"), quota(100, 1000))
        };
        Self {
            refuse: limiter("refuse", Fallback::Refuse),
            local: limiter("local", Fallback::local(quota(3, 60_000))),
            allow: limiter("allow", Fallback::Allow),
        }
    }

    fn all(&self) -> [&Limiter; 3] {
        [&self.refuse, &self.local, &self.allow]
    }

    /// All are released by the server.
    async fn are_well(&self) {
        let begun = Instant::now();
        for limiter in self.all() {
            until("connected", || limiter.snapshot().fleet == Some(FleetState::Connected)).await;
        }
        assert!(begun.elapsed() < ms(2000), "{:?}", begun.elapsed());
        for limiter in self.all() {
            timeout(LONG, limiter.acquire()).await.unwrap().unwrap();
        }
    }

    /// All come to know that it is that, and do as was declared.
    async fn notice(&self, is: &[Away]) {
        for limiter in self.all() {
            let mut last = None;
            let known = until_async("known", async || {
                let begun = Instant::now();
                // None is released locally for a minute, at some time.
                let called = timeout(ms(1500), limiter.acquire()).await;
                assert!(begun.elapsed() < ms(3000));
                last = why(limiter);
                drop(called);
                last.is_some_and(|why| is.contains(&why))
            });
            timeout(LONG, known).await.unwrap_or_else(|_| panic!("{last:?}, not {is:?}"));
        }
        let refused = timeout(LONG, self.refuse.acquire()).await.unwrap().unwrap_err();
        assert!(refused.away().is_some() && refused.retry_after() <= ms(500), "{refused}");
        let begun = Instant::now();
        for _ in 0..300 {
            timeout(LONG, self.allow.acquire()).await.unwrap().unwrap();
        }
        assert!(begun.elapsed() < ms(1500), "{:?}", begun.elapsed());
        let mut released = 0;
        while timeout(ms(20), self.local.acquire()).await.is_ok() {
            released += 1;
        }
        assert!(released <= 3, "{released} in a minute, at 3");
    }
}

/// All are well, then the server is told what makes something wrong, then what mends it.
async fn through(server: &LoopbackRedis, wrong: &[&str], is: &[Away], mended: &[&str]) {
    let limiters = Limiters::new(&server.url());
    for limiter in limiters.all() {
        limiter.acquire().await.unwrap();
    }
    let mut client = client(server).await;
    tell(&mut client, wrong).await;
    limiters.notice(is).await;
    tell(&mut client, mended).await;
    limiters.are_well().await;
}

async fn tell(client: &mut MultiplexedConnection, commands: &[&str]) {
    for command in commands {
        let mut words = command.split(' ');
        let mut told = redis::cmd(words.next().unwrap());
        words.for_each(|word| _ = told.arg(word.trim_matches('"')));
        let _: redis::Value = told.query_async(client).await.unwrap();
    }
}

/// Connections stay as they are if nobody ends them.
const END_THEM: &str = "CLIENT KILL TYPE normal SKIPME yes";

/// At once, for most of each is waiting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_is_noticed_and_outlived() {
    tokio::join!(
        another_password(),
        no_permission(),
        no_room(),
        no_memory(),
        another_type(),
        a_failover(),
        a_script_of_somebody_elses(),
        what_it_says(),
    );
}

async fn another_password() {
    let Some(server) = server("another_password") else { return };
    let wrong = ["CONFIG SET requirepass other", END_THEM];
    through(&server, &wrong, &[Away::Denied], &["CONFIG SET requirepass \"\""]).await;
}

async fn no_permission() {
    let Some(server) = server("no_permission") else { return };
    let wrong = ["ACL SETUSER default -evalsha"];
    through(&server, &wrong, &[Away::Denied], &["ACL SETUSER default +evalsha"]).await;
}

async fn no_room() {
    let Some(server) = server("no_room") else { return };
    let wrong = ["CONFIG SET maxclients 1", END_THEM];
    let is = [Away::Refused, Away::Unreachable];
    through(&server, &wrong, &is, &["CONFIG SET maxclients 100"]).await;
}

async fn no_memory() {
    let Some(server) = server("no_memory") else { return };
    let wrong = ["CONFIG SET maxmemory 1"];
    through(&server, &wrong, &[Away::Refused], &["CONFIG SET maxmemory 0"]).await;
}

async fn another_type() {
    let Some(server) = server("another_type") else { return };
    let keys = ["refuse", "local", "allow"].map(|name| format!("{{rate-limit:{name}}}:log"));
    let [wrong, mended] =
        ["SET KEY mine", "DEL KEY"].map(|told| keys.each_ref().map(|key| told.replace("KEY", key)));
    let [wrong, mended] = [&wrong, &mended].map(|told| told.each_ref().map(String::as_str));
    through(&server, &wrong, &[Away::WrongType], &mended).await;
}

async fn a_failover() {
    let Some(server) = server("a_failover") else { return };
    // Of a master that is not there. What a replica says whose data is stale is something else.
    let wrong = ["CONFIG SET replica-serve-stale-data yes", "REPLICAOF 127.0.0.1 1"];
    through(&server, &wrong, &[Away::NotWritable], &["REPLICAOF NO ONE"]).await;
}

async fn a_script_of_somebody_elses() {
    let Some(server) = server("a_script_of_somebody_elses") else { return };
    let limiters = Limiters::new(&server.url());
    for limiter in limiters.all() {
        limiter.acquire().await.unwrap();
    }
    let mut other = client(&server).await;
    tell(&mut other, &["CONFIG SET lua-time-limit 50"]).await;
    let endless = tokio::spawn(async move {
        let _: Result<(), _> =
            redis::cmd("EVAL").arg("while true do end").arg(0).query_async(&mut other).await;
    });
    limiters.notice(&[Away::Refused]).await;
    tell(&mut client(&server).await, &["SCRIPT KILL"]).await;
    limiters.are_well().await;
    endless.await.unwrap();
}

async fn what_it_says() {
    let Some(server) = server("what_it_says") else { return };
    let script = |answer| Says { to: "EVALSHA", answer };
    let all = |answer| Says { to: "", answer };
    let says = [
        (script(b"-MOVED 866 127.0.0.1:7001\r\n"), Away::NotWritable),
        (script(b"-ASK 866 127.0.0.1:7001\r\n"), Away::NotWritable),
        (script(b"-CLUSTERDOWN The cluster is down\r\n"), Away::NotWritable),
        (script(b"-MASTERDOWN Link with MASTER is down\r\n"), Away::NotWritable),
        (script(b"-MISCONF Redis is configured to save RDB snapshots\r\n"), Away::Refused),
        (script(b"-BUSY Redis is busy running a script\r\n"), Away::Refused),
        (script(b"-LOADING Redis is loading the dataset in memory\r\n"), Away::Loading),
        (all(b"-LOADING Redis is loading the dataset in memory\r\n"), Away::Loading),
        (script(b"-NOSCRIPT No matching script\r\n"), Away::Refused),
        // Something that is not a number, too few of them, and none.
        (script(b"*1\r\n+OK\r\n"), Away::Refused),
        (script(b"*2\r\n:1\r\n:2\r\n"), Away::Refused),
        (script(b"$-1\r\n"), Away::Refused),
        (script(b"+OK\r\n"), Away::Refused),
        // Another protocol, and half an answer.
        (script(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Away::Refused),
        (all(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Away::Refused),
        (script(b"*5\r\n:1\r\n"), Away::Silent),
        (all(b""), Away::Silent),
    ];
    let (here, mut all) = (LocalSet::new(), JoinSet::new());
    for (number, (says, is)) in says.into_iter().enumerate() {
        let proxy = Proxy::start(&server).await;
        all.spawn_local_on(
            async move {
                println!("{:?} to {:?}", String::from_utf8_lossy(says.answer), says.to);
                let limiters = Limiters::named(&proxy.url(), &number.to_string());
                for limiter in limiters.all() {
                    limiter.acquire().await.unwrap();
                }
                proxy.say(Some(says));
                limiters.notice(&[is]).await;
                proxy.say(None);
                limiters.are_well().await;
            },
            &here,
        );
    }
    here.run_until(all.join_all()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_quotas_at_one_key() -> Result<(), BoxError> {
    let Some(server) = server("two_quotas_at_one_key") else { return Ok(()) };
    let limiter = |n, millis| {
        let fleet =
            Fleet::new(&server.url()).unwrap().with_lateness(ms(100)).unwrap().with_notice(ms(1000)).unwrap();
        fleet.limiter("a", quota(n, millis))
    };
    let (two, four, soon) = (limiter(2, 60_000), limiter(4, 60_000), limiter(10, 500));
    let more = async |limiter: &Limiter| timeout(ms(100), limiter.acquire()).await.is_ok();
    // Each counts what all have released.
    for limiter in [&four, &two, &four, &four] {
        timeout(LONG, limiter.acquire()).await??;
    }
    assert!(!more(&four).await);
    // It has reserved the one to come. A shorter window makes nobody forget what is in a longer one.
    for _ in 0..5 {
        timeout(LONG, soon.acquire()).await??;
    }
    tokio::time::sleep(ms(600)).await;
    timeout(LONG, soon.acquire()).await??;
    assert!(!more(&two).await && !more(&four).await);
    Ok(())
}

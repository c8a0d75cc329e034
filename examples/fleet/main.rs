//! Several processes share 10 calls per second through Redis.
//!
//! ```text
//! cargo run -p fleet-example --example fleet
//! ```
//!
//! It needs the program redis-server (or valkey-server): `apt-get install redis-server`. It starts one of its own, on a
//! free port of loopback, and a fake of the API, whose log proves the rate: four processes call as often as the limit lets
//! them; a fifth arrives; one is killed; then Redis is killed, everybody has a share of its own meanwhile, and Redis is
//! started again, with no data. It takes some 16 s, and fails if the API ever saw more than 10 calls in a second while
//! Redis was there.
//!
//! `process.rs` is what a program of yours would have: a `Fleet`, its limiter, a layer. The rest is this story.

mod log;
mod process;

use std::error::Error;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use fake_ovh::FakeOvh;
use loopback_redis::{INSTALL, LoopbackRedis};
use tokio::time::{Instant, sleep};

use crate::log::Log;
use crate::process::Process;

type Failed = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<ExitCode, Failed> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [name, redis, api] = &arguments[..] {
        process::run(name, redis, api).await?;
        return Ok(ExitCode::SUCCESS);
    }
    match LoopbackRedis::start() {
        Ok(redis) => story(redis).await,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            eprintln!("this example needs the program redis-server: {INSTALL}");
            Ok(ExitCode::FAILURE)
        }
        Err(error) => Err(error.into()),
    }
}

async fn story(mut redis: LoopbackRedis) -> Result<ExitCode, Failed> {
    let api = FakeOvh::new();
    let server = api.serve().await?;
    let start = |name: &str| Process::start(name, &redis.url(), &server.base());

    let mut log = Log::new();
    let mut processes = ["a", "b", "c", "d"].map(start).into_iter().collect::<Result<Vec<_>, _>>()?;
    log.note("four processes: a, b, c, d");
    seconds(4).await;
    processes.push(start("e")?);
    log.note("a fifth arrives: e");
    seconds(3).await;
    // With a slot that was reserved for it, perhaps: that one is lost.
    processes.remove(0).kill()?;
    log.note("a is killed");
    seconds(3).await;

    let killed = Instant::now();
    redis.kill()?;
    log.note("Redis is killed: each process has 2 per second of its own");
    seconds(2).await;
    redis.restart()?;
    log.note("Redis is started again, with no data");
    let settled = Instant::now() + Duration::from_secs(2);
    seconds(4).await;
    drop(processes);
    server.shutdown().await;

    let calls = api.calls();
    log.print(&calls);
    let (before, after) = (log::worst(&calls, ..killed), log::worst(&calls, settled..));
    println!("the most calls in any second, as the API saw them:");
    println!("  {before:2} until Redis was killed");
    println!("  {:2} in all", log::worst(&calls, ..));
    println!("  {after:2} from 2 s after its start");
    let busy = log::count(&calls, ..killed);
    println!("{busy} calls in the first 10 s");
    // Of 10 s at 10 in 1.05 s, and a second for four processes to start on a busy machine.
    let good = before <= 10 && after <= 10 && after > 0 && busy >= 70;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn seconds(seconds: u64) {
    sleep(Duration::from_secs(seconds)).await;
}

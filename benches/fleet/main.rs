//! Four processes, one quota, one server: `cargo bench -p benches --bench fleet`.
//!
//! Each run has four processes of 25 callers that call as fast as they may, for 30 s, at 200 per second. Releases are
//! measured on the server's clock, which on one machine is the system's; arrivals where a third party would see them, at
//! another process' socket. `-- --quick` takes 10 s for each run; further arguments choose runs by their names.

mod report;

use std::env;
use std::error::Error;
use std::io::{self, Write as _};
use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use loopback_redis::{INSTALL, LoopbackRedis};
use rate_limit::redis::{Fallback, Fleet, FleetState};
use rate_limit::{Limiter, Quota};
use redis::aio::MultiplexedConnection;
use tokio::time::{Instant, sleep, timeout_at};

use crate::report::{Crash, Report};

const PROCESSES: u32 = 4;
const CALLERS: usize = 25;
const PER_SECOND: u32 = 200;

/// A run, and what it should reach.
struct Run {
    name: &'static str,
    lease: u32,
    guard: Duration,
    /// The server is killed, and started again.
    crash: bool,
    fallback: &'static str,
    throughput: f64,
    trips: f64,
    /// The longest that a call may take while the server is away.
    longest: Duration,
}

const STEADY: Run = Run {
    name: "unleased",
    lease: 1,
    guard: Duration::ZERO,
    crash: false,
    fallback: "local",
    throughput: 0.98,
    trips: 1.05,
    longest: Duration::from_millis(750),
};

/// A call may take the notice of a quarter of a second, twice if it came while a question was under way, and what a busy
/// machine adds. If each process has a quota of its own, half a second more for its callers, and one in which it may have
/// released that before.
const CRASHED: Run = Run {
    name: "killed, refuse",
    crash: true,
    fallback: "refuse",
    throughput: 0.0,
    trips: f64::MAX,
    ..STEADY
};

const RUNS: [Run; 6] = [
    STEADY,
    Run { name: "leased", lease: 10, trips: 0.15, ..STEADY },
    Run { name: "guarded", guard: Duration::from_millis(50), throughput: 0.95, ..STEADY },
    Run { name: "killed, local", fallback: "local", longest: Duration::from_millis(2250), ..CRASHED },
    CRASHED,
    Run { name: "killed, allow", fallback: "allow", ..CRASHED },
];

type Failed = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failed> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--child", url, seconds, lease, guard, fallback, port] => {
            let child = Work {
                seconds: seconds.parse()?,
                lease: lease.parse()?,
                guard: guard.parse()?,
                fallback: match fallback {
                    "refuse" => Fallback::Refuse,
                    "allow" => Fallback::Allow,
                    _ => Fallback::local(Quota::per_second(PER_SECOND / PROCESSES)?),
                },
                port: port.parse()?,
            };
            runtime.block_on(child.run(url))
        }
        _ => runtime.block_on(all(&arguments)),
    }
}

async fn all(arguments: &[String]) -> Result<(), Failed> {
    let seconds = if arguments.iter().any(|argument| argument == "--quick") { 10 } else { 30 };
    let names: Vec<_> = arguments.iter().filter(|argument| !argument.starts_with("--")).collect();
    println!("{PROCESSES} processes of {CALLERS} callers, {PER_SECOND} per second, {seconds} s\n");
    for run in RUNS.iter().filter(|run| names.is_empty() || names.iter().any(|name| run.name.contains(*name)))
    {
        match LoopbackRedis::start() {
            Ok(server) => measure(run, server, seconds).await?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                println!("there is no redis-server: {INSTALL}");
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

async fn measure(run: &Run, mut server: LoopbackRedis, seconds: u64) -> Result<(), Failed> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let port = socket.local_addr()?.port();
    let arrivals = thread::spawn(move || receive(&socket));
    let mut children = Vec::new();
    for _ in 0..PROCESSES {
        children.push(spawn(run, &server, seconds, port)?);
    }
    let begun = Instant::now();
    let mut crash = None;
    if run.crash {
        sleep(Duration::from_secs(seconds) * 2 / 5).await;
        let killed = now();
        server.kill()?;
        sleep(Duration::from_secs(seconds) / 5).await;
        server.restart()?;
        crash = Some(Crash { killed, restarted: now() });
    }
    let mut report = Report::default();
    for child in children {
        report.read(child)?;
    }
    let took = begun.elapsed();
    let scripts = scripts(&mut client(&server).await?).await?;
    UdpSocket::bind("127.0.0.1:0")?.send_to(&[], ("127.0.0.1", port))?;
    let mut arrived = arrivals.join().map_err(|_| "the arrivals were not received")??;
    report.released.sort_unstable();
    report.refused.sort_unstable();
    arrived.sort_unstable();
    report.print(run, &arrived, crash, scripts, seconds);
    println!("  {} permits, {scripts} scripts, {took:.1?}\n", report.released.len());
    Ok(())
}

fn spawn(run: &Run, server: &LoopbackRedis, seconds: u64, port: u16) -> io::Result<Child> {
    Command::new(env::current_exe()?)
        .args(["--child", &server.url()])
        .args([
            seconds.to_string(),
            run.lease.to_string(),
            run.guard.as_millis().to_string(),
            run.fallback.to_string(),
            port.to_string(),
        ])
        .stdout(Stdio::piped())
        .spawn()
}

/// When each datagram came, until an empty one.
fn receive(socket: &UdpSocket) -> io::Result<Vec<u64>> {
    let mut arrived = Vec::new();
    while socket.recv(&mut [0; 8])? > 0 {
        arrived.push(now());
    }
    Ok(arrived)
}

/// What one process does.
struct Work {
    seconds: u64,
    lease: u32,
    guard: u64,
    fallback: Fallback,
    port: u16,
}

impl Work {
    async fn run(&self, url: &str) -> Result<(), Failed> {
        let quota = Quota::per_second(PER_SECOND)?.with_guard(Duration::from_millis(self.guard))?;
        let fleet = Fleet::new(url)?.with_lease(self.lease)?.with_fallback(self.fallback.clone());
        fleet.check().await?;
        let limiter = fleet.limiter("bench", quota);
        let end = Instant::now() + Duration::from_secs(self.seconds);
        let mut tasks = Vec::new();
        for _ in 0..CALLERS {
            tasks.push(tokio::spawn(calls(limiter.clone(), end, self.port)));
        }
        tasks.push(tokio::spawn(states(limiter, end)));
        let (instant, system) = (Instant::now(), now());
        let mut out = io::stdout().lock();
        for task in tasks {
            for (what, at, waited) in task.await?? {
                // Instants and the system's clock run alike over half a minute.
                let at = system as i128 + at.saturating_duration_since(instant).as_nanos() as i128
                    - instant.saturating_duration_since(at).as_nanos() as i128;
                writeln!(out, "{what} {at} {}", waited.as_nanos())?;
            }
        }
        Ok(())
    }
}

type Events = Vec<(&'static str, Instant, Duration)>;

async fn calls(limiter: Limiter, end: Instant, port: u16) -> Result<Events, Failed> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(("127.0.0.1", port))?;
    let mut events = Events::new();
    loop {
        let begun = Instant::now();
        let Ok(permit) = timeout_at(end, limiter.acquire()).await else { return Ok(events) };
        let (what, at) = match &permit {
            Ok(permit) => ("released", permit.at()),
            Err(refused) if refused.away().is_some() => ("refused", Instant::now()),
            Err(refused) => return Err(refused.to_string().into()),
        };
        events.push((what, at, at.saturating_duration_since(begun)));
        if what == "released" {
            socket.send(&[1; 8])?;
        }
        if matches!(limiter.snapshot().fleet, Some(FleetState::Away { .. })) {
            // What nobody limits need not be done as fast as it can be.
            sleep(Duration::from_millis(10)).await;
        }
    }
}

/// When the server was noticed to be away, and back.
async fn states(limiter: Limiter, end: Instant) -> Result<Events, Failed> {
    let (mut events, mut was) = (Events::new(), true);
    while Instant::now() < end {
        let connected = !matches!(limiter.snapshot().fleet, Some(FleetState::Away { .. }));
        if connected != was {
            events.push((if connected { "back" } else { "away" }, Instant::now(), Duration::ZERO));
            was = connected;
        }
        sleep(Duration::from_millis(1)).await;
    }
    Ok(events)
}

/// The system's clock, which is that of the server on the same machine.
#[expect(clippy::disallowed_methods, reason = "it is the clock that is measured on")]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

async fn client(server: &LoopbackRedis) -> redis::RedisResult<MultiplexedConnection> {
    redis::Client::open(server.url())?.get_multiplexed_async_connection().await
}

/// How many scripts the server has run.
async fn scripts(client: &mut MultiplexedConnection) -> redis::RedisResult<u64> {
    let stats: String = redis::cmd("INFO").arg("commandstats").query_async(client).await?;
    let lines = stats.lines().filter(|line| line.starts_with("cmdstat_eval"));
    Ok(lines.filter_map(|line| u64::from_str(line.split_once("calls=")?.1.split(',').next()?).ok()).sum())
}

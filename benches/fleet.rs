//! Four processes, one quota, one server: `cargo bench -p benches --bench fleet`.
//!
//! Each run has four processes of 25 callers that call as fast as they may, for 30 s, at 200 per second. Releases are
//! measured on the server's clock, which on one machine is the system's; arrivals where a third party would see them, at
//! another process' socket. `-- --quick` takes 5 s for each run; further arguments choose runs by their names.

use std::env;
use std::error::Error;
use std::io::{self, BufRead as _, BufReader, Write as _};
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

const PROCESSES: u32 = 4;
const CALLERS: usize = 25;
const PER_SECOND: u32 = 200;
const SECOND: u64 = 1_000_000_000;

/// A run, and what it should reach.
struct Run {
    name: &'static str,
    lease: u32,
    guard: Duration,
    crash: bool,
    throughput: f64,
    trips: f64,
}

const RUNS: [Run; 4] = [
    Run { name: "unleased", lease: 1, guard: Duration::ZERO, crash: false, throughput: 0.98, trips: 1.05 },
    Run { name: "leased", lease: 10, guard: Duration::ZERO, crash: false, throughput: 0.98, trips: 0.15 },
    Run {
        name: "guarded",
        lease: 1,
        guard: Duration::from_millis(50),
        crash: false,
        throughput: 0.95,
        trips: 1.05,
    },
    Run { name: "killed", lease: 1, guard: Duration::ZERO, crash: true, throughput: 0.0, trips: f64::MAX },
];

type Failed = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failed> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--child", url, seconds, lease, guard, port] => {
            let child = Work {
                seconds: seconds.parse()?,
                lease: lease.parse()?,
                guard: guard.parse()?,
                port: port.parse()?,
            };
            runtime.block_on(child.run(url))
        }
        _ => runtime.block_on(all(&arguments)),
    }
}

async fn all(arguments: &[String]) -> Result<(), Failed> {
    let seconds = if arguments.iter().any(|argument| argument == "--quick") { 5 } else { 30 };
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
    let mut killed = None;
    if run.crash {
        sleep(Duration::from_secs(seconds) * 2 / 5).await;
        let at = now();
        server.kill()?;
        sleep(Duration::from_secs(seconds) / 5).await;
        server.restart()?;
        killed = Some((at, now()));
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
    arrived.sort_unstable();
    report.print(run, &arrived, killed, scripts, seconds, took);
    Ok(())
}

fn spawn(run: &Run, server: &LoopbackRedis, seconds: u64, port: u16) -> io::Result<Child> {
    Command::new(env::current_exe()?)
        .args(["--child", &server.url()])
        .args([
            seconds.to_string(),
            run.lease.to_string(),
            run.guard.as_millis().to_string(),
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
    port: u16,
}

impl Work {
    async fn run(&self, url: &str) -> Result<(), Failed> {
        let quota = Quota::per_second(PER_SECOND)?.with_guard(Duration::from_millis(self.guard))?;
        let share = Quota::per_second(PER_SECOND / PROCESSES)?;
        let fleet = Fleet::new(url)?.with_lease(self.lease)?.with_fallback(Fallback::local(share));
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
        let at = permit?.at();
        socket.send(&[1; 8])?;
        events.push(("released", at, at.saturating_duration_since(begun)));
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

#[derive(Default)]
struct Report {
    released: Vec<u64>,
    away: Vec<u64>,
    back: Vec<u64>,
    longest: u64,
}

impl Report {
    fn read(&mut self, mut child: Child) -> Result<(), Failed> {
        let Some(stdout) = child.stdout.take() else { return Err("a process has no output".into()) };
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            let [what, at, waited] = line.split(' ').collect::<Vec<_>>()[..] else { continue };
            let at = at.parse()?;
            match what {
                "released" => {
                    self.released.push(at);
                    self.longest = self.longest.max(waited.parse()?);
                }
                "away" => self.away.push(at),
                "back" => self.back.push(at),
                _ => {}
            }
        }
        if child.wait()?.success() { Ok(()) } else { Err("a process has failed".into()) }
    }

    fn print(
        &self,
        run: &Run,
        arrived: &[u64],
        killed: Option<(u64, u64)>,
        scripts: u64,
        seconds: u64,
        took: Duration,
    ) {
        let permits = self.released.len() as f64;
        println!("{} (lease {}, guard {:?})", run.name, run.lease, run.guard);
        match killed {
            None => {
                let worst = worst(&self.released);
                says("worst second of the releases", &worst.to_string(), worst <= PER_SECOND as usize);
                let worst = self::worst(arrived);
                let bound = run.guard.is_zero() || worst <= PER_SECOND as usize;
                says("worst second of the arrivals", &worst.to_string(), bound);
                // The first second's worth is free at once.
                let possible = f64::from(PER_SECOND) * seconds as f64;
                let end = self.released.first().map_or(0, |first| first + seconds * SECOND);
                let reached = self.released.partition_point(|&at| at < end) as f64 / possible;
                says("throughput", &format!("{:.1} %", reached * 100.0), reached >= run.throughput);
                let trips = scripts as f64 / permits;
                says("round trips per permit", &format!("{trips:.3}"), trips <= run.trips);
            }
            Some((killed, restarted)) => {
                let latest = |times: &[u64], since: u64| {
                    times.iter().map(|&at| at.saturating_sub(since)).max().unwrap_or(u64::MAX) as f64 / 1e9
                };
                let noticed = latest(&self.away, killed);
                says("all have noticed within", &format!("{noticed:.2} s"), noticed < 2.0);
                let back = latest(&self.back, restarted);
                says("all are back within", &format!("{back:.2} s"), back <= 2.0);
                let before: Vec<_> = self.released.iter().copied().filter(|&at| at < killed).collect();
                let worst = worst(&before);
                says("worst second before", &worst.to_string(), worst <= PER_SECOND as usize);
                let settled = self.back.iter().max().copied().unwrap_or(u64::MAX).saturating_add(SECOND);
                let after: Vec<_> = self.released.iter().copied().filter(|&at| at >= settled).collect();
                let worst = self::worst(&after);
                says("worst second from a window after", &worst.to_string(), worst <= PER_SECOND as usize);
                println!("  worst second of all                {}", self::worst(&self.released));
                says(
                    "longest wait",
                    &format!("{:.2} s", self.longest as f64 / 1e9),
                    self.longest < 3 * SECOND,
                );
            }
        }
        println!("  {permits} permits, {scripts} scripts, {took:.1?}\n");
    }
}

fn says(what: &str, figure: &str, reached: bool) {
    println!("  {what:34} {:>10}  {}", figure, if reached { "ok" } else { "MISS" });
}

/// The most in any second.
fn worst(sorted: &[u64]) -> usize {
    let within = |at: usize| sorted[at..].partition_point(|&other| other < sorted[at] + SECOND);
    (0..sorted.len()).map(within).max().unwrap_or(0)
}

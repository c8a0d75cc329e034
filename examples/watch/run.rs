//! From the command line to the exit code.

use std::env;
use std::error::Error;
use std::future::{Future, pending};
use std::io::{self, IsTerminal as _, Write as _};
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use error_stats::ErrorStats;
use flaky_tls::Running;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, Registry, fmt};

use crate::args::{self, Args, Command, HELP};
use crate::attempts::Attempts;
use crate::board::Board;
use crate::calls::Calls;
use crate::clock::Clock;
use crate::demo;
use crate::endpoint::Endpoint;
use crate::interrupt;
use crate::live::{self, Live};
use crate::screen::{Log, Screen};
use crate::stack::Settings;
use crate::summary::Summary;
use crate::watch::{PATH, Watch, query};

/// How long the demo lasts.
const DEMO: Duration = Duration::from_secs(12);

/// How long a call that is under way at the end may take.
const GRACE: Duration = Duration::from_secs(2);

/// The whole program.
#[must_use]
pub fn main() -> ExitCode {
    let args = match args::parse(env::args_os().skip(1)) {
        Ok(Command::Help) => return say(HELP),
        Ok(Command::Version) => return say(concat!("watch ", env!("CARGO_PKG_VERSION"), "\n")),
        Ok(Command::Watch(args)) => args,
        Err(message) => return refuse(&message),
    };
    // Over a real endpoint repeats are rare and take seconds; in the demo they come many a second.
    let default = if args.endpoint.is_some() { "warn" } else { "error" };
    let screen = Screen::of_stdout();
    if let Err(message) = log(default, screen.as_ref()) {
        return refuse(&message);
    }
    let draws = screen.is_some();
    match run(&args, screen) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        // Whoever read the output (`head`, say) has seen enough.
        Err(error) if error.downcast_ref().is_some_and(|error| has_gone(error, draws)) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "watch: {error}");
            ExitCode::FAILURE
        }
    }
}

fn say(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if has_gone(&error, io::stdout().is_terminal()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Whether nobody is there any more to read the output.
fn has_gone(error: &io::Error, terminal: bool) -> bool {
    // What a terminal whose window was closed answers, on every Unix: EIO.
    let closed = cfg!(unix) && terminal && error.raw_os_error() == Some(5);
    closed || error.kind() == io::ErrorKind::BrokenPipe
}

fn refuse(message: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "watch: {message}");
    ExitCode::from(2)
}

/// Sends the layers' events to stderr, and spares the table.
fn log(default: &str, screen: Option<&Screen>) -> Result<(), String> {
    let wanted =
        env::var_os("RUST_LOG").filter(|wanted| !wanted.is_empty()).unwrap_or_else(|| default.into());
    let targets = wanted.to_str().and_then(|wanted| wanted.parse::<Targets>().ok());
    let targets = targets.ok_or_else(|| {
        format!("RUST_LOG {wanted:?} is no filter; accepted: LEVEL or TARGET=LEVEL, by commas")
    })?;
    let lines = lines(live::colour() && io::stderr().is_terminal(), screen.cloned());
    tracing_subscriber::registry().with(lines.with_filter(targets)).init();
    Ok(())
}

fn lines(ansi: bool, screen: Option<Screen>) -> impl tracing_subscriber::Layer<Registry> {
    // Its own failures would go to stderr by a macro that panics where stderr has gone, too.
    fmt::layer().with_ansi(ansi).log_internal_errors(false).with_writer(move || Log::above(screen.as_ref()))
}

/// Answers whether all is well, as the help defines it.
#[tokio::main]
async fn run(args: &Args, screen: Option<Screen>) -> Result<bool, Box<dyn Error>> {
    let stats = ErrorStats::new();
    // The demo's are joined, one by one, with what its server did to them.
    let attempts = if args.endpoint.is_none() { Attempts::default() } else { Attempts::recent() };
    let calls = Calls::default();
    let start = stats.snapshot().at;

    let (endpoint, server) = match &args.endpoint {
        Some(endpoint) => (endpoint.clone(), None),
        None => {
            let server = demo::start(args.seed).await?;
            (Endpoint::parse(&demo::base(&server))?, Some(server))
        }
    };
    let settings = match &server {
        Some(server) => Settings::demo(args.seed, server)?,
        None => Settings::real(args.seed)?,
    };
    let interval = args.interval.unwrap_or(Duration::from_millis(if server.is_some() { 250 } else { 5000 }));
    let plans = match &*args.plans {
        [] => demo::PLANS.map(String::from).to_vec(),
        given => given.to_vec(),
    };
    let seconds = args.seconds.or_else(|| server.is_some().then_some(DEMO));
    // Before the first word, so that whoever has read that can end it.
    let interrupted = interrupt::listen(screen.is_some())?;
    introduce(args.seed, &plans, interval, seconds, &endpoint, server.as_ref())?;

    let (quotas, clock) = (settings.quotas(), Clock::new(start));
    let api = settings.stack(&stats, &attempts);
    let live = screen.map(|screen| Live {
        screen,
        board: Board::new(&plans),
        calls: calls.clone(),
        attempts: attempts.clone(),
        stats: stats.clone(),
        quotas: quotas.clone(),
        start: start.instant,
        seconds,
        colour: live::colour(),
    });
    let (stop, stopped) = watch::channel(false);
    let mut watches = JoinSet::new();
    for plan in &plans {
        let watch = Watch {
            url: endpoint.url(&format!("{PATH}?{}", query(plan, &args.datacenters, &args.options)))?,
            plan: Arc::from(&**plan),
            interval,
            api: api.clone(),
            calls: calls.clone(),
            attempts: attempts.clone(),
            clock,
            board: live.as_ref().map(|live| live.board.clone()),
        };
        watches.spawn(watch.run(stopped.clone()));
    }
    tokio::select! {
        over = until_over(&mut watches, &stop, seconds, interrupted) => over?,
        failed = live::run(live.as_ref()) => match failed? {},
    }
    if let Some(live) = live {
        live.finish()?;
    }

    let truth = match server {
        Some(server) => Some(server.shutdown().await),
        None => None,
    };
    let elapsed = start.instant.elapsed();
    let snapshot = stats.snapshot();
    let summary = Summary::new(elapsed, clock, calls.counts(), &attempts, quotas, &snapshot, truth.as_ref());
    write!(io::stdout(), "{summary}")?;
    Ok(summary.is_good())
}

fn introduce(
    seed: u64,
    plans: &[String],
    interval: Duration,
    seconds: Option<Duration>,
    endpoint: &Endpoint,
    server: Option<&Running>,
) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if server.is_some() {
        writeln!(
            out,
            "demo: a server of its own on loopback, which cuts a good quarter of its connections (seed {seed});"
        )?;
        writeln!(
            out,
            "      waits of 50 to 500 ms before each repeat, where they are 2 to 10 s over a real endpoint"
        )?;
    }
    let plans = plans.join(", ");
    write!(out, "watching {plans} at {endpoint}, every {interval:?} ")?;
    match seconds {
        Some(seconds) => writeln!(out, "for {seconds:?}"),
        None => writeln!(out, "until Ctrl-C"),
    }
}

/// Lets the watches go on until the time is up, if there is an end to it, somebody stops them, or one of them fails; then ends
/// them all.
async fn until_over(
    watches: &mut JoinSet<io::Result<()>>,
    stop: &watch::Sender<bool>,
    seconds: Option<Duration>,
    interrupted: impl Future<Output = ()>,
) -> Result<(), Box<dyn Error>> {
    let mut interrupted = pin!(interrupted);
    let time_is_up = async {
        match seconds {
            Some(seconds) => time::sleep(seconds).await,
            None => pending().await,
        }
    };
    tokio::select! {
        biased;
        () = &mut interrupted => {}
        ended = watches.join_next() => if let Some(ended) = ended { ended?? },
        () = time_is_up => {
            // `send` fails if nobody listens any more, and then there is nothing to stop.
            let _ = stop.send(true);
            tokio::select! {
                biased;
                () = &mut interrupted => {}
                ended = all(watches) => ended?,
                () = time::sleep(GRACE) => {}
            }
        }
    }
    watches.shutdown().await;
    Ok(())
}

async fn all(watches: &mut JoinSet<io::Result<()>>) -> Result<(), Box<dyn Error>> {
    while let Some(ended) = watches.join_next().await {
        ended??;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It is a panic where the crate is built without colours.
    #[test]
    fn the_log_can_have_colours() {
        drop(lines(true, None));
    }
}

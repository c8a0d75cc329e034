//! Watches, scrapes, compares.

use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use error_stats::{ErrorStats, Side};
use fake_ovh::{Failure, FakeOvh};
use flaky_tls::{CutBy, CutPoint, FlakyTls, Mix, Running, Scenario, Script};
use http::Uri;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use jittered_backoff::{Backoff, Limits, Seeds};
use ovh_auth::Config;
use retry_on_tls_eof::RetryOnTlsEofLayer;
use serde_json::Value;
use tokio::time::Instant;
use tower::BoxError;
use tower_ovh::{Connector, OvhClient, OvhStack, Roots};

use crate::args::{Args, HELP, parse};
use crate::exporter::Exporter;
use crate::exposition::Exposition;
use crate::truth::{Expected, promtool};

const SEED: u64 = 6;
const PLANS: [&str; 3] = ["24sk10", "24rise01", "24adv01-v3"];

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    let args = match parse(std::env::args_os().skip(1)) {
        Ok(Some(args)) => args,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(refused) => {
            eprintln!("{refused}");
            return ExitCode::from(2);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.map_err(BoxError::from).and_then(|runtime| runtime.block_on(run(args))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<(), BoxError> {
    let api = FakeOvh::new().with_seed(SEED).with_failure_rate(Failure::BadGateway, 0.1)?;
    let server = FlakyTls::new().with_script(Script::seeded(SEED, mix()?)).serve(api.router()).await?;
    let exporter = Exporter::start(args.port).await?;
    println!("for {:?}: curl {}", args.seconds, exporter.url());

    // After the exporter: descriptions go to the recorder that is there.
    let stats = ErrorStats::new().with_metrics(Side::Client).on_alarm(|alarm| println!("{alarm}"));
    let ovh = client(&server, stats.clone())?;
    let (calls, changes) = watch(&ovh, args.seconds).await;
    // No attempt is under way: nothing changes any more, on either side.
    let text = scrape(&exporter.url()).await?;
    let url: Uri = server.url().parse()?;
    let truth = server.shutdown().await;

    let scraped = Exposition::read(&text)?;
    let expected = Expected::of(&api, &truth, url.host().unwrap_or_default(), calls)?;
    expected.check(&scraped, &stats.snapshot())?;
    let verdict = promtool(&text)?;
    println!("{}\n", stats.snapshot());
    println!(
        "{changes} changes of stock in {calls} calls; {expected}: so it is exported; promtool: {verdict}"
    );
    Ok(())
}

/// A connection for each call: two thirds go well.
fn mix() -> Result<Mix, BoxError> {
    let cuts = [
        (CutPoint::Accept, CutBy::Fin),
        (CutPoint::ClientHello, CutBy::Rst),
        (CutPoint::ServerHello, CutBy::Fin),
        (CutPoint::Request, CutBy::Fin),
    ];
    let cuts = cuts.map(|(at, by)| (Scenario::Cut { at, by }, 1));
    Ok(Mix::new(cuts.into_iter().chain([(Scenario::Healthy, 8)]))?)
}

fn client(server: &Running, stats: ErrorStats) -> Result<OvhClient, BoxError> {
    // Milliseconds, because the server is our own. Over the real API: `Backoff::default()`, 2 to 10 s.
    let backoff = Backoff::exponential(Duration::from_millis(50)..=Duration::from_millis(500))?;
    let retry = RetryOnTlsEofLayer::new(backoff)
        .with_limits(Limits::new().with_attempts(5)?)
        .with_seeds(Seeds::new(SEED));
    let stack = OvhStack::watcher().with_stats(stats).with_retry(retry);
    let roots = Roots::none().with_pem(server.authority().pem())?;
    let connector = Connector::trusting(roots)?.with_idle_per_host(0);
    let config = Config::new(format!("{}/1.0", server.url()).parse()?, None)?;
    Ok(OvhClient::connect(&config, stack, &connector)?)
}

/// Asks for one plan after the other, as often as the limit allows. How many calls, and how many changes they showed.
async fn watch(ovh: &OvhClient, time: Duration) -> (u64, u64) {
    let end = Instant::now() + time;
    let mut known: [Option<Value>; PLANS.len()] = Default::default();
    let (mut calls, mut changes) = (0, 0);
    while Instant::now() < end {
        let at = calls as usize % PLANS.len();
        calls += 1;
        let path = "/dedicated/server/datacenter/availabilities";
        match ovh.get::<Value>(path).query("planCode", PLANS[at]).await {
            Ok(stock) => {
                let before = known[at].replace(stock);
                changes += u64::from(before.is_some() && before != known[at]);
            }
            Err(error) => println!("{}: {error}", PLANS[at]),
        }
    }
    (calls, changes)
}

/// What Prometheus would get.
async fn scrape(url: &str) -> Result<String, BoxError> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let response = client.get(url.parse()?).await?;
    let format = response.headers().get("content-type").map(|value| value.to_str()).transpose()?;
    if format != Some("text/plain; version=0.0.4; charset=utf-8") {
        return Err(format!("exported as {format:?}").into());
    }
    Ok(String::from_utf8(response.into_body().collect().await?.to_bytes().into())?)
}

//! Signed calls through `OvhClient`, over reqwest, to an API that keeps cutting connections.
//!
//! ```text
//! cargo run -p reqwest-client-example --example reqwest_client
//! ```
//!
//! The API is a fake on loopback, behind a TLS server that ends every connection sooner or later, most of them before the
//! first answer. No call fails, and the client's count of what arrived is the server's.
//!
//! Against the real API the configuration is `Config::load()?`, and the builder needs neither `no_proxy` nor a certificate.

use std::error::Error;
use std::time::Duration;

use fake_ovh::{APPLICATION_KEY, APPLICATION_SECRET, CONSUMER_KEY, FakeOvh};
use flaky_tls::{CutBy, CutPoint, FlakyTls, Mix, RequestFault, RequestPoint, Running, Scenario, Script};
use http::Method;
use jittered_backoff::{Backoff, Limits};
use ovh_auth::{ApplicationKeys, Config, Credentials};
use retry_on_tls_eof::RetryOnTlsEofLayer;
use serde::Deserialize;
use tower_ovh::{OvhClient, OvhStack, ReqwestTransport};
use wire_fault::Delivery;

const ROUNDS: u64 = 6;

#[derive(Deserialize)]
struct Me {
    nichandle: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stock {
    plan_code: String,
    datacenters: Vec<serde::de::IgnoredAny>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // Its clock is an hour ahead: calls are signed with the server's time, which is fetched once.
    let api = FakeOvh::new().with_skew(3_600);
    let server = FlakyTls::new().with_script(Script::seeded(5, cuts()?)).serve(api.router()).await?;
    let ovh = client(&server)?;

    for round in 1..=ROUNDS {
        let me: Me = ovh.get("/me").await?;
        let stock: Vec<Stock> = ovh
            .get("/dedicated/server/datacenter/availabilities")
            .query("planCode", "24adv01-v3")
            .query("datacenters", "gra,rbx")
            .await?;
        assert!(!stock.is_empty() && stock.iter().all(|one| one.plan_code == "24adv01-v3"));
        let places: usize = stock.iter().map(|one| one.datacenters.len()).sum();
        println!(
            "{round}: {}; 24adv01-v3 has {} configurations in {places} places",
            me.nichandle,
            stock.len()
        );
    }

    let counted = ovh.stats().snapshot();
    let truth = server.shutdown().await;
    let (calls, attempts) = (&counted.calls, &counted.attempts);
    let never_sent = attempts.faults.iter().filter(|fault| fault.delivery == Delivery::NeverSent);
    let never_sent: u64 = never_sent.map(|fault| fault.count).sum();
    println!("\n{counted}\n");
    println!(
        "{} calls, {} attempts, {} cuts healed, {never_sent} of them before anything was sent",
        calls.started, attempts.started, attempts.failed
    );
    let cut = truth.connections().iter().filter(|connection| connection.carried_out).count();
    println!(
        "the server: {} connections, {cut} of them cut, {} requests",
        truth.accepted(),
        truth.total().received
    );

    assert_eq!((calls.succeeded, calls.failed), (2 * ROUNDS, 0));
    assert!(attempts.failed > 0, "nothing was cut");
    assert_eq!(attempts.failed, u64::try_from(cut)?);
    assert_eq!(attempts.started - never_sent, truth.total().received);
    assert!(api.received(&Method::GET, "/me") >= ROUNDS);
    assert_eq!(api.tally().bad_signatures + api.tally().out_of_time, 0);
    Ok(())
}

/// The stack as it is recommended, but that an example need not wait for seconds before it repeats.
fn client(server: &Running) -> Result<OvhClient, Box<dyn Error>> {
    let keys = ApplicationKeys::new(APPLICATION_KEY, APPLICATION_SECRET)?.with_consumer_key(CONSUMER_KEY)?;
    let endpoint = format!("{}/1.0", server.url()).parse()?;
    let config = Config::new(endpoint, Some(Credentials::Application(keys)))?;

    let backoff = Backoff::exponential(Duration::from_millis(5)..=Duration::from_millis(50))?;
    let retry = RetryOnTlsEofLayer::new(backoff).with_limits(Limits::new().with_attempts(8)?);
    let stack = OvhStack::new().with_retry(retry);
    let tls = server.authority().client_config()?;
    let transport =
        ReqwestTransport::new(reqwest::Client::builder().no_proxy().tls_backend_preconfigured(tls))?;
    Ok(OvhClient::with_stack(&config, stack, transport)?)
}

/// Every cut, but the one right after the handshake: there it is a matter of timing whether the client has sent its
/// request, which this server would not have read, and the counts could not be compared.
fn cuts() -> Result<Mix, flaky_tls::InvalidMix> {
    let cuts = Scenario::cuts().filter(|cut| !matches!(cut, Scenario::Cut { at: CutPoint::Handshake, .. }));
    let later = RequestFault::Cut { at: RequestPoint::Request, by: CutBy::Fin };
    Mix::new(cuts.map(|cut| (cut, 1)).chain([(Scenario::After { requests: 2, then: later }, 18)]))
}

//! A fake OVHcloud API behind cuts, and calls of it.

use std::error::Error;
use std::time::Duration;

use fake_ovh::{APPLICATION_KEY, APPLICATION_SECRET, CONSUMER_KEY, FakeOvh};
use flaky_tls::{FlakyTls, Mix, Running, Script};
use http::Method;
use jittered_backoff::{Backoff, Limits};
use ovh_auth::{ApplicationKeys, Config, Credentials};
use retry_on_tls_eof::RetryOnTlsEofLayer;
use serde::Deserialize;
use tower_ovh::{OvhClient, OvhStack};

use crate::account::account;
use crate::cuts::cuts;

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

/// The API on loopback, behind a TLS server that ends every connection sooner or later, most of them before the first
/// answer.
#[derive(Debug)]
pub struct Demo {
    api: FakeOvh,
    server: Running,
}

impl Demo {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// If the server can't be started.
    pub async fn start() -> Result<Self, Box<dyn Error>> {
        // Its clock is an hour ahead: calls are signed with the server's time, which is fetched once.
        let api = FakeOvh::new().with_skew(3_600);
        let script = Script::seeded(5, Mix::new(cuts())?);
        let server = FlakyTls::new().with_script(script).serve(api.router()).await?;
        Ok(Self { api, server })
    }

    /// The server, to be trusted.
    #[must_use]
    pub fn server(&self) -> &Running {
        &self.server
    }

    /// What `Config::load()` would find, had the user an account there.
    ///
    /// # Errors
    ///
    /// For none of the fixed values here.
    pub fn config(&self) -> Result<Config, Box<dyn Error>> {
        let keys =
            ApplicationKeys::new(APPLICATION_KEY, APPLICATION_SECRET)?.with_consumer_key(CONSUMER_KEY)?;
        let endpoint = format!("{}/1.0", self.server.url()).parse()?;
        Ok(Config::new(endpoint, Some(Credentials::Application(keys)))?)
    }

    /// The stack as it is recommended, but that an example need not wait for seconds before it repeats.
    ///
    /// # Errors
    ///
    /// For none of the fixed values here.
    pub fn stack(&self) -> Result<OvhStack, Box<dyn Error>> {
        let backoff = Backoff::exponential(Duration::from_millis(5)..=Duration::from_millis(50))?;
        let retry = RetryOnTlsEofLayer::new(backoff).with_limits(Limits::new().with_attempts(8)?);
        Ok(OvhStack::new().with_retry(retry))
    }

    /// Makes some signed calls and accounts for them.
    ///
    /// # Errors
    ///
    /// If a call fails.
    ///
    /// # Panics
    ///
    /// If the client's figures and the server's don't agree.
    pub async fn run(self, ovh: &OvhClient) -> Result<(), Box<dyn Error>> {
        for round in 1..=ROUNDS {
            let me: Me = ovh.get("/me").await?;
            let stock: Vec<Stock> = ovh
                .get("/dedicated/server/datacenter/availabilities")
                .query("planCode", "24adv01-v3")
                .query("datacenters", "gra,rbx")
                .await?;
            assert!(!stock.is_empty() && stock.iter().all(|one| one.plan_code == "24adv01-v3"));
            let places: usize = stock.iter().map(|one| one.datacenters.len()).sum();
            let configurations = stock.len();
            println!(
                "{round}: {}; 24adv01-v3 has {configurations} configurations in {places} places",
                me.nichandle
            );
        }

        let counted = ovh.stats().snapshot();
        let truth = self.server.shutdown().await;
        account(&counted, &truth);
        assert_eq!((counted.calls.succeeded, counted.calls.failed), (2 * ROUNDS, 0));
        assert!(self.api.received(&Method::GET, "/me") >= ROUNDS);
        assert_eq!(self.api.tally().bad_signatures + self.api.tally().out_of_time, 0);
        Ok(())
    }
}

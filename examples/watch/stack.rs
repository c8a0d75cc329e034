//! The recommended stack, with this program's record of attempts in it.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use error_stats::ErrorStats;
use flaky_tls::Running;
use http::{Request, Response};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use jittered_backoff::{Backoff, Limits, Seeds};
use rate_limit::Quotas;
use retry_on_tls_eof::RetryOnTlsEofLayer;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Layer as _};
use tower_ovh::{Connector, OvhStack, Roots};

use crate::attempts::{Attempts, note_connection};

pub(crate) type Api = BoxCloneSyncService<Request<Full<Bytes>>, Response<Bytes>, BoxError>;

/// What differs between the demo and a real endpoint.
#[derive(Debug)]
pub(crate) struct Settings {
    stack: OvhStack,
    connector: Connector,
}

impl Settings {
    /// The watcher's preset, over the environment's proxy, trusting whom the platform trusts.
    pub(crate) fn real(seed: u64) -> Result<Self, Box<dyn Error>> {
        let stack = OvhStack::watcher();
        let retry = stack.retry().clone().with_seeds(Seeds::new(seed));
        Ok(Self { stack: stack.with_retry(retry), connector: Connector::new()? })
    }

    /// The same, but so quick that twelve seconds show something.
    pub(crate) fn demo(seed: u64, server: &Running) -> Result<Self, Box<dyn Error>> {
        let backoff = Backoff::exponential(Duration::from_millis(50)..=Duration::from_millis(500))?;
        let limits = Limits::new().with_attempts(5)?.with_deadline(Duration::from_secs(30));
        let retry = RetryOnTlsEofLayer::new(backoff).with_limits(limits).with_seeds(Seeds::new(seed));
        Ok(Self {
            stack: OvhStack::watcher().with_retry(retry).with_attempt_timeout(Duration::from_secs(1))?,
            connector: Connector::trusting(Roots::none().with_pem(server.authority().pem())?)?,
        })
    }

    /// At what pace attempts are released.
    pub(crate) fn quotas(&self) -> Quotas {
        self.stack.limiter().quotas()
    }

    /// The stack over hyper-util's client.
    pub(crate) fn stack(self, stats: &ErrorStats, attempts: &Attempts) -> Api {
        // One attempt is one connection, so that it can be joined with what the server did to it: no idle pool, and no
        // repeats that nobody counts.
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .retry_canceled_requests(false)
            .build(self.connector.on_tcp(note_connection));
        let stack = self.stack.with_stats(stats.clone()).with_attempt_layer(attempts.clone());
        Api::new(stack.layer().over_hyper_util().layer(client))
    }
}

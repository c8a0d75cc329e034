//! The layers, composed by hand.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use error_stats::ErrorStats;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jittered_backoff::{Backoff, Limits, Seeds};
use rate_limit::{Quota, RateLimitLayer};
use retry_on_tls_eof::{AttemptTimeoutLayer, RetryOnTlsEofLayer};
use rustls::{ClientConfig, RootCertStore};
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceBuilder};
use wire_fault::{Cause, Delivery, Fault, Healing, Mark, Phase};

use crate::attempts::{Attempts, PortRecorder};

pub(crate) type Api = BoxCloneSyncService<Request<Empty<Bytes>>, Response<Bytes>, BoxError>;

/// The longest answer that is taken. The unfiltered availabilities are 4.3 MB.
const LONGEST_BODY: usize = 16 * 1024 * 1024;

/// What differs between the demo and a real endpoint.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) backoff: Backoff,
    pub(crate) limits: Limits,
    pub(crate) attempt_timeout: Duration,
    pub(crate) quota: Quota,
    pub(crate) seed: u64,
    pub(crate) tls: ClientConfig,
}

impl Settings {
    /// What OVH users wait today, spread: three attempts, 2 to 10 s apart, 30 s for each, 10 per second.
    pub(crate) fn real(seed: u64) -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            backoff: Backoff::default(),
            limits: Limits::new(),
            attempt_timeout: Duration::from_secs(30),
            quota: quota()?,
            seed,
            tls: platform_tls()?,
        })
    }

    /// So quick that twelve seconds show something.
    pub(crate) fn demo(seed: u64, tls: ClientConfig) -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            backoff: Backoff::exponential(Duration::from_millis(50)..=Duration::from_millis(500))?,
            limits: Limits::new().with_attempts(5)?,
            attempt_timeout: Duration::from_secs(1),
            quota: quota()?,
            seed,
            tls,
        })
    }
}

/// 10 per second is what users of the API keep to. The guard allows for what lies between the limiter and the wire: the
/// second is the server's to measure.
fn quota() -> Result<Quota, rate_limit::InvalidQuota> {
    Quota::per_second(10)?.with_guard(Duration::from_millis(50))
}

/// The layers over hyper-util's client, outermost first.
pub(crate) fn stack(
    settings: Settings,
    stats: &ErrorStats,
    attempts: &Attempts,
) -> Result<Api, Box<dyn Error>> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(Duration::from_secs(5)));
    let https = HttpsConnectorBuilder::new()
        .with_tls_config(settings.tls)
        .https_only()
        .enable_http1()
        .wrap_connector(PortRecorder(tcp));
    // One attempt is one connection, so that it can be joined with what the server did to it: no idle pool, and no
    // repeats that nobody counts.
    let client = Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(0)
        .retry_canceled_requests(false)
        .build(https);

    let retry = RetryOnTlsEofLayer::new(settings.backoff)
        .with_limits(settings.limits)
        .with_seeds(Seeds::new(settings.seed));

    Ok(ServiceBuilder::new()
        .boxed_clone_sync()
        .layer(stats.calls())
        .layer(retry)
        .layer(RateLimitLayer::new(settings.quota))
        .layer(stats.attempts())
        // Above the time limit, so that it sees an attempt run out of time.
        .layer(attempts.clone())
        .layer(AttemptTimeoutLayer::new(settings.attempt_timeout)?.over_hyper_util())
        .and_then(collect)
        .service(client))
}

/// Reads the body, so that a cut in it is an error the retry can see.
async fn collect(response: Response<Incoming>) -> Result<Response<Bytes>, BoxError> {
    let (head, body) = response.into_parts();
    match Limited::new(body, LONGEST_BODY).collect().await {
        Ok(body) => Ok(Response::from_parts(head, body.to_bytes())),
        Err(error) if error.is::<LengthLimitError>() => {
            // It would be as long the next time.
            let fault = Fault::new(Phase::Body, Delivery::Answered, Cause::Other, Healing::Permanent);
            Err(Mark::fault(fault).with_source(error).into())
        }
        Err(error) => Err(error),
    }
}

/// TLS 1.2 and 1.3 by ring, trusting whom the platform trusts.
fn platform_tls() -> Result<ClientConfig, rustls::Error> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "reading the platform's certificates");
    }
    let mut roots = RootCertStore::empty();
    // Stores hold certificates that rustls does not take; the others serve.
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        tracing::warn!("the platform has no root certificates: every TLS handshake will fail");
    }
    Ok(ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

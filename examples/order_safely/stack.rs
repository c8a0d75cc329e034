//! The layers, composed by hand: two stacks over one client.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jittered_backoff::{Backoff, Limits, Seeds};
use ovh_auth::{ApplicationKeys, Endpoint, ServerClock, SignLayer};
use retry_on_tls_eof::{AttemptTimeoutLayer, CollectBodyLayer, CollectedBody, Look, RetryOnTlsEofLayer};
use rustls::ClientConfig;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceBuilder};
use wire_fault::Boxed;

use crate::client::{Api, Client};
use crate::look::look;

/// How long is waited for what.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For the answer to one attempt, body included: 1 ms to 1 hour.
    pub attempt: Duration,
    /// For a call, repeats and looks included.
    pub call: Duration,
}

impl Default for Patience {
    /// On loopback none of it is used up, but once in some thousand calls that of an attempt: hyper may lose a request
    /// whose connection ends just then, and never answers it.
    fn default() -> Self {
        Self { attempt: Duration::from_secs(5), call: Duration::from_secs(90) }
    }
}

/// The longest answer that is taken: the list of orders grows by ten bytes with each run.
const LONGEST_BODY: usize = 16 * 1024 * 1024;

/// So many that a run of cuts does not use them up: here nearly every second attempt is cut.
const ATTEMPTS: u32 = 64;

/// The stack for a purchase, whose unknown outcomes are looked after through a second one.
pub(crate) fn stack(
    endpoint: &Endpoint,
    keys: &ApplicationKeys,
    tls: ClientConfig,
    patience: Patience,
    seed: u64,
) -> Result<Client, BoxError> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let https =
        HttpsConnectorBuilder::new().with_tls_config(tls).https_only().enable_http1().wrap_connector(tcp);
    // Every repeat is to be the retry layer's.
    let hyper = HyperClient::builder(TokioExecutor::new()).retry_canceled_requests(false).build(https);

    // Milliseconds, because the server is our own. Over the real API: `Backoff::default()`, 2 to 10 s.
    let backoff = Backoff::exponential(Duration::from_millis(1)..=Duration::from_millis(4))?;
    let limits = Limits::new().with_attempts(ATTEMPTS)?.with_deadline(patience.call);
    let layers = Layers {
        retry: RetryOnTlsEofLayer::new(backoff)
            .with_limits(limits)
            .with_seeds(Seeds::new(seed))
            .over_attempt_timeout(),
        timeout: AttemptTimeoutLayer::new(patience.attempt)?.over_hyper_util(),
        collect: CollectBodyLayer::new(LONGEST_BODY)?,
        hyper,
    };

    let clock = ServerClock::new::<_, Full<Bytes>, _>(endpoint, layers.unsigned());
    let sign = SignLayer::new(endpoint.clone(), keys.clone(), clock);
    // The hook looks through a stack of its own: it only reads, so any cut of its calls is healed by a repeat, and through
    // the buying stack it could come to wait for itself.
    let looks =
        Client { endpoint: endpoint.clone(), api: layers.signed(layers.retry.clone(), sign.clone())? };
    let retry = layers.retry.clone().with_reconcile(move |call| look(looks.clone(), call));
    Ok(Client { endpoint: endpoint.clone(), api: layers.signed(retry, sign)? })
}

struct Layers {
    retry: RetryOnTlsEofLayer<Boxed>,
    timeout: AttemptTimeoutLayer,
    collect: CollectBodyLayer,
    hyper: HyperClient<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Layers {
    /// Each attempt is signed afresh, at the server's time. A limiter would go below the retry.
    fn signed<H>(&self, retry: RetryOnTlsEofLayer<Boxed, H>, sign: SignLayer) -> Result<Api, BoxError>
    where
        H: Look<Response<Bytes>> + Send + Sync + 'static,
    {
        Ok(ServiceBuilder::new()
            .boxed_clone_sync()
            .layer(retry)
            .layer(self.timeout)
            .and_then(whole)
            .layer(self.collect)
            .layer(sign)
            .service(self.hyper.clone()))
    }

    /// For the server's time itself.
    fn unsigned(&self) -> Unsigned {
        ServiceBuilder::new()
            .boxed_clone_sync()
            .map_response(|response: Response<Bytes>| response.map(Full::new))
            .layer(self.retry.clone())
            .layer(self.timeout)
            .and_then(whole)
            .layer(self.collect)
            .service(self.hyper.clone())
    }
}

type Unsigned = BoxCloneSyncService<Request<Full<Bytes>>, Response<Full<Bytes>>, BoxError>;

/// The body as bytes: the hook answers with a response of its own making, and both must be of one type.
async fn whole<B>(response: Response<CollectedBody<B>>) -> Result<Response<Bytes>, BoxError> {
    let (head, body) = response.into_parts();
    match body.as_whole() {
        Some(bytes) => Ok(Response::from_parts(head, bytes.clone())),
        None => Err(format!("an answer of more than {LONGEST_BODY} bytes").into()),
    }
}

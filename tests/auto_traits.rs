//! Which of the layers and services are `Send`, `Sync` and `Clone`: all of them, over a transport that is.

use std::time::Duration;

use bytes::Bytes;
use error_stats::ErrorStats;
use http::{Request, Response};
use http_body_util::Full;
use jittered_backoff::{Backoff, BackoffLayer, Decision};
use rate_limit::{Quota, RateLimitLayer};
use retry_on_tls_eof::{AttemptTimeoutLayer, CollectBodyLayer, RetryOnTlsEofLayer};
use tower::{BoxError, Layer, Service};
use tower_ovh::OvhStack;
use wire_fault::Boxed;

type Transport = tower_test::mock::Mock<Request<Full<Bytes>>, Response<Full<Bytes>>>;

fn layer<L>(layer: &L)
where
    L: Layer<Transport> + Clone + Send + Sync + 'static,
    L::Service: Service<Request<Full<Bytes>>> + Clone + Send + Sync + 'static,
    <L::Service as Service<Request<Full<Bytes>>>>::Future: Send + 'static,
{
    let _ = layer.clone();
}

#[test]
fn every_layer_its_service_and_its_future() {
    let stats = ErrorStats::new();
    layer(&stats.calls::<Boxed>());
    layer(&stats.attempts::<Boxed>());
    layer(&RetryOnTlsEofLayer::<Boxed>::new(Backoff::default()));
    layer(&AttemptTimeoutLayer::new(Duration::from_secs(30)).expect("in range"));
    layer(&CollectBodyLayer::new(1024).expect("in range"));
    layer(&OvhStack::new().layer());
    layer(&RateLimitLayer::new(Quota::per_second(10).expect("in range")));
    layer(&BackoffLayer::new(
        Backoff::default(),
        |_: &Request<Full<Bytes>>, _: Result<&Response<Full<Bytes>>, &BoxError>| Decision::Done,
    ));
}

//! The client: what tonic would generate, over the layers.

use std::error::Error;
use std::time::Duration;

use error_stats::ErrorStats;
use flaky_tls::Running;
use http::uri::PathAndQuery;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use jittered_backoff::{Backoff, Limits, Seeds};
use prost::Message;
use rate_limit::{Quota, RateLimitLayer};
use retry_on_tls_eof::{AttemptTimeoutLayer, CollectBodyLayer, RetryOnTlsEofLayer, RetrySafety};
use tonic::Status;
use tonic::body::Body;
use tonic::client::Grpc;
use tonic_prost::ProstCodec;
use tower::util::BoxCloneService;
use tower::{BoxError, ServiceBuilder};
use tower_ovh::{Connector, Roots};

use crate::messages::{FIND, LOOK, Order, PLACE, Placed, Plan, Servers};

/// The most attempts in any second.
pub(crate) const PER_SECOND: u32 = 50;

type Channel = BoxCloneService<Request<Body>, Response<Body>, BoxError>;

pub(crate) struct Client(Grpc<Channel>);

impl Client {
    pub(crate) fn new(server: &Running, stats: &ErrorStats) -> Result<Self, Box<dyn Error>> {
        Ok(Self(Grpc::with_origin(channel(server, stats)?, server.url().parse()?)))
    }

    /// Changes nothing, so it may be repeated: gRPC's POST doesn't say so, the extension does.
    pub(crate) async fn look(&mut self, plan: &str) -> Result<Servers, Status> {
        self.call(LOOK, Plan { code: plan.to_owned() }, Some(RetrySafety::Idempotent)).await
    }

    /// Orders: by its method it is repeated only where it provably was not carried out.
    pub(crate) async fn place(&mut self, reference: &str) -> Result<Placed, Status> {
        self.call(PLACE, Order { reference: reference.to_owned() }, None).await
    }

    /// Looks an order up: as repeatable as [`look`](Self::look).
    pub(crate) async fn find(&mut self, reference: &str) -> Result<Placed, Status> {
        self.call(FIND, Order { reference: reference.to_owned() }, Some(RetrySafety::Idempotent)).await
    }

    async fn call<Q, A>(
        &mut self,
        path: PathAndQuery,
        ask: Q,
        safety: Option<RetrySafety>,
    ) -> Result<A, Status>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let mut request = tonic::Request::new(ask);
        if let Some(safety) = safety {
            request.extensions_mut().insert(safety);
        }
        self.0.ready().await.map_err(Status::from_error)?;
        let answer = self.0.unary(request, path, ProstCodec::<Q, A>::default()).await?;
        Ok(answer.into_inner())
    }
}

/// The layers in their usual order, over HTTP/2.
fn channel(server: &Running, stats: &ErrorStats) -> Result<Channel, Box<dyn Error>> {
    let roots = Roots::none().with_pem(server.authority().pem())?;
    let connector = Connector::trusting(roots)?.with_http2();
    let retry =
        RetryOnTlsEofLayer::new(Backoff::exponential(Duration::from_millis(5)..=Duration::from_millis(50))?)
            .with_limits(Limits::new().with_attempts(8)?)
            .with_seeds(Seeds::new(7));

    Ok(ServiceBuilder::new()
        .boxed_clone()
        .map_response(|response: Response<_>| response.map(Body::new))
        // tonic's body is a stream; a unary request's is short, and collected it can be sent again.
        .filter_async(collected)
        .layer(stats.calls().for_grpc())
        .layer(retry)
        .layer(RateLimitLayer::new(Quota::per_second(PER_SECOND)?.with_guard(Duration::from_millis(50))?))
        .layer(stats.attempts().for_grpc())
        .layer(AttemptTimeoutLayer::new(Duration::from_secs(1))?.over_hyper_util())
        // So that a cut between the head and the trailers is a failure that the retry sees.
        .layer(CollectBodyLayer::new(64 * 1024)?)
        .service(connector.client()))
}

async fn collected(request: Request<Body>) -> Result<Request<Full<bytes::Bytes>>, BoxError> {
    let (head, body) = request.into_parts();
    Ok(Request::from_parts(head, Full::new(body.collect().await?.to_bytes())))
}

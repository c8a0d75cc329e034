//! The layer.

use std::marker::PhantomData;

use tower_layer::Layer;

use crate::grpc::GrpcRecord;
use crate::layer::RecordLayer;

/// Counts gRPC calls, or attempts, by the status in their trailers: made by
/// [`RecordLayer::for_grpc`](crate::RecordLayer::for_grpc).
///
/// `M` and `N` tell how the service's error and that of its response bodies are read
/// ([`AsFault`](wire_fault::AsFault)); the compiler infers both where the service is called.
///
/// # Clone
///
/// Clones, and all services they make, count into the same handle.
#[derive(Clone, Debug)]
pub struct GrpcRecordLayer<M, N> {
    heads: RecordLayer<M>,
    marker: PhantomData<fn() -> N>,
}

impl<M> RecordLayer<M> {
    /// The same for gRPC over HTTP/2, where the head says 200 and the outcome comes in the trailers.
    ///
    /// [`GrpcRecord`] tells what is read where, [`GrpcCode`](crate::GrpcCode) what is a failure. Requests that are no gRPC
    /// are counted as without this, so it can stand over services that take both.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use error_stats::{ErrorStats, GrpcCode};
    /// use http::{HeaderMap, Request, Response};
    /// use http_body_util::{BodyExt, Full};
    /// use tower::{BoxError, ServiceBuilder, ServiceExt};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), BoxError> {
    /// let stats = ErrorStats::new();
    /// let service = ServiceBuilder::new()
    ///     .layer(stats.calls().for_grpc())
    ///     .layer(stats.attempts().for_grpc())
    ///     .service_fn(async |_: Request<()>| {
    ///         let trailers = HeaderMap::from_iter([("grpc-status".parse()?, "14".parse()?)]);
    ///         let body = Full::<Bytes>::default().with_trailers(async { Some(Ok(trailers)) });
    ///         Ok::<_, BoxError>(Response::new(body))
    ///     });
    ///
    /// let request = Request::post("/shop.Stock/Look").header("content-type", "application/grpc").body(())?;
    /// let response = service.oneshot(request).await?;
    /// assert_eq!(stats.snapshot().calls.in_flight, 1);
    /// response.into_body().collect().await?;
    /// assert_eq!(stats.snapshot().calls.grpc, [(GrpcCode::Unavailable, 1)]);
    /// assert_eq!(stats.snapshot().calls.failed, 1);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn for_grpc<N>(self) -> GrpcRecordLayer<M, N> {
        GrpcRecordLayer { heads: self, marker: PhantomData }
    }
}

impl<S, M, N> Layer<S> for GrpcRecordLayer<M, N> {
    type Service = GrpcRecord<S, M, N>;

    fn layer(&self, inner: S) -> Self::Service {
        GrpcRecord::new(self.heads.layer(inner))
    }
}

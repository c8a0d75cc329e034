//! A service of hyper, as one of tower.

use std::task::{Context, Poll};

/// Lets a [`hyper::service::Service`], such as `hyper::service::service_fn` makes, be served.
///
/// ```
/// use std::convert::Infallible;
/// use flaky_tls::{FlakyTls, HyperService, RequestBody};
/// use http::{Request, Response};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let echo = hyper::service::service_fn(async |request: Request<RequestBody>| {
///     Ok::<_, Infallible>(Response::new(request.into_body()))
/// });
/// let server = FlakyTls::new().serve(HyperService(echo)).await?;
/// assert_eq!(server.shutdown().await.accepted(), 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct HyperService<S>(pub S);

impl<S, R> tower_service::Service<R> for HyperService<S>
where
    S: hyper::service::Service<R>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> Self::Future {
        self.0.call(request)
    }
}

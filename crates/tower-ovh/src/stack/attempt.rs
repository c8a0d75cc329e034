//! One attempt: what a caller's own layer is put around.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use ovh_auth::{Bearer, Sign, SignableBody};
use pin_project_lite::pin_project;
use retry_on_tls_eof::AttemptTimeout;
use tower::BoxError;
use tower::util::Either;
use tower_service::Service;

use super::collect::Collect;

/// Signed, with a token, or as it is.
pub(super) type Authenticated<S> = Either<Collect<Sign<S>>, Either<Collect<Bearer<S>>, Collect<S>>>;
type Timed<S> = AttemptTimeout<Authenticated<S>>;

/// One attempt over the transport `S`, authenticated, within its time limit, body included: what the layer of
/// [`OvhStack::with_attempt_layer`](crate::OvhStack::with_attempt_layer) is put around.
///
/// A request that arrives here has been released by the limiter; it is not signed yet.
///
/// # Errors
///
/// [`AttemptTimedOut`](retry_on_tls_eof::AttemptTimedOut), [`BodyCut`](retry_on_tls_eof::BodyCut),
/// [`BodyTooLong`](crate::BodyTooLong), [`AuthError`](ovh_auth::AuthError), or the transport's own.
///
/// # Cancellation
///
/// Dropping the future drops the attempt; whether the server acted nobody can know then.
///
/// # Clone
///
/// A clone is never ready.
pub struct OvhAttempt<S> {
    inner: Timed<S>,
}

impl<S> OvhAttempt<S> {
    pub(super) fn new(inner: Timed<S>) -> Self {
        Self { inner }
    }
}

impl<S, B, R> Service<Request<B>> for OvhAttempt<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    B: SignableBody,
    R: Body<Data = Bytes> + Unpin,
    R::Error: Into<BoxError>,
{
    type Response = Response<Bytes>;
    type Error = BoxError;
    type Future = OvhAttemptFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        OvhAttemptFuture { inner: self.inner.call(request) }
    }
}

impl<S: Clone> Clone for OvhAttempt<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<S> fmt::Debug for OvhAttempt<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OvhAttempt").finish_non_exhaustive()
    }
}

pin_project! {
    /// The future of an attempt through [`OvhAttempt`].
    #[must_use = "futures do nothing unless polled"]
    pub struct OvhAttemptFuture<S, B>
    where
        Timed<S>: Service<Request<B>>,
    {
        #[pin]
        inner: <Timed<S> as Service<Request<B>>>::Future,
    }
}

impl<S, B> Future for OvhAttemptFuture<S, B>
where
    Timed<S>: Service<Request<B>, Response = Response<Bytes>, Error = BoxError>,
{
    type Output = Result<Response<Bytes>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().inner.poll(cx)
    }
}

impl<S, B> fmt::Debug for OvhAttemptFuture<S, B>
where
    Timed<S>: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OvhAttemptFuture").finish_non_exhaustive()
    }
}

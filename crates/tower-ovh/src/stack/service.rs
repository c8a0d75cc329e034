//! The service.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use error_stats::Record;
use http::{Request, Response};
use http_body::Body;
use jittered_backoff::Replay;
use ovh_auth::{Bearer, ServerClock, Sign, SignableBody};
use pin_project_lite::pin_project;
use rate_limit::RateLimit;
use retry_on_tls_eof::{AttemptTimeout, RetryOnTlsEof};
use tower::BoxError;
use tower::util::Either;
use tower_service::Service;
use wire_fault::Boxed;

use super::collect::Collect;
use super::gate::Gate;

/// One attempt, below its time limit.
pub(super) type Attempted<S> = Either<Collect<Sign<S>>, Either<Collect<Bearer<S>>, Collect<S>>>;
type Paced<S> = RateLimit<Record<AttemptTimeout<S>, Boxed>>;
type Inner<S> = Record<RetryOnTlsEof<Gate<Paced<Attempted<S>>>, Boxed>, Boxed>;

/// A transport under the recommended stack: made by [`OvhLayer`](crate::OvhLayer).
///
/// # Errors
///
/// [`OutcomeUnknown`](retry_on_tls_eof::OutcomeUnknown) if the call may have been carried out,
/// [`Exhausted`](retry_on_tls_eof::Exhausted), [`RateLimited`](rate_limit::RateLimited),
/// [`AuthError`](ovh_auth::AuthError), [`BodyTooLong`](crate::BodyTooLong), or the transport's own. An answer with an error's
/// status is an answer.
///
/// # Cancellation
///
/// Dropping the future drops the attempt under way, leaves the limiters' queues, and ends the wait before a repeat.
///
/// # Clone
///
/// A clone shares everything, and is never ready.
pub struct Ovh<S> {
    inner: Inner<S>,
    clock: Option<ServerClock>,
}

impl<S> Ovh<S> {
    pub(super) fn new(inner: Inner<S>, clock: Option<ServerClock>) -> Self {
        Self { inner, clock }
    }

    /// The server's clock by which calls are signed, if they are.
    #[must_use]
    pub fn clock(&self) -> Option<&ServerClock> {
        self.clock.as_ref()
    }
}

impl<S, B, R> Service<Request<B>> for Ovh<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    B: Replay + SignableBody,
    R: Body<Data = Bytes>,
    R::Error: Into<BoxError>,
{
    type Response = Response<Bytes>;
    type Error = BoxError;
    type Future = ResponseFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ResponseFuture { inner: self.inner.call(request) }
    }
}

impl<S: Clone> Clone for Ovh<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), clock: self.clock.clone() }
    }
}

impl<S> fmt::Debug for Ovh<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ovh").field("clock", &self.clock).finish_non_exhaustive()
    }
}

pin_project! {
    /// The future of a call through [`Ovh`].
    pub struct ResponseFuture<S, B>
    where
        Inner<S>: Service<Request<B>>,
    {
        #[pin]
        inner: <Inner<S> as Service<Request<B>>>::Future,
    }
}

impl<S, B> Future for ResponseFuture<S, B>
where
    Inner<S>: Service<Request<B>, Response = Response<Bytes>, Error = BoxError>,
{
    type Output = Result<Response<Bytes>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().inner.poll(cx)
    }
}

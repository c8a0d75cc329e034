//! The service.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use error_stats::Record;
use http::{Request, Response};
use http_body_util::Full;
use jittered_backoff::Replay;
use ovh_auth::{ServerClock, SignableBody};
use pin_project_lite::pin_project;
use retry_on_tls_eof::{Look, NoReconcile, RetryOnTlsEof};
use tower::BoxError;
use tower_service::Service;
use wire_fault::Boxed;

use super::gate::Gate;

type Inner<T, H> = Record<RetryOnTlsEof<Gate<T>, Boxed, H>, Boxed>;

/// A transport under the recommended stack: made by [`OvhLayer`](crate::OvhLayer).
///
/// `T` makes one attempt: an [`OvhAttempt`](crate::OvhAttempt), in the caller's own layer if there is one. `H` says whether a hook
/// looks at the server ([`with_reconcile`](retry_on_tls_eof::RetryOnTlsEofLayer::with_reconcile)). `B` is the body of the requests.
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
pub struct Ovh<T, H = NoReconcile, B = Full<Bytes>> {
    inner: Inner<T, H>,
    clock: Option<ServerClock>,
    /// Named, so that `ready()` needs not be told which requests it is for.
    body: PhantomData<fn(B)>,
}

impl<T, H, B> Ovh<T, H, B> {
    pub(super) fn new(inner: Inner<T, H>, clock: Option<ServerClock>) -> Self {
        Self { inner, clock, body: PhantomData }
    }

    /// The server's clock, if calls are signed by an application's keys.
    #[must_use]
    pub fn clock(&self) -> Option<&ServerClock> {
        self.clock.as_ref()
    }
}

impl<T, H, B> Service<Request<B>> for Ovh<T, H, B>
where
    T: Service<Request<B>, Response = Response<Bytes>, Error = BoxError> + Clone,
    H: Look<Response<Bytes>>,
    B: Replay + SignableBody,
{
    type Response = Response<Bytes>;
    type Error = BoxError;
    type Future = ResponseFuture<T, H, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ResponseFuture { inner: self.inner.call(request) }
    }
}

impl<T: Clone, H: Clone, B> Clone for Ovh<T, H, B> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), clock: self.clock.clone(), body: PhantomData }
    }
}

impl<T, H, B> fmt::Debug for Ovh<T, H, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ovh").field("clock", &self.clock).finish_non_exhaustive()
    }
}

pin_project! {
    /// The future of a call through [`Ovh`].
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<T, H, B>
    where
        Inner<T, H>: Service<Request<B>>,
    {
        #[pin]
        inner: <Inner<T, H> as Service<Request<B>>>::Future,
    }
}

impl<T, H, B> Future for ResponseFuture<T, H, B>
where
    Inner<T, H>: Service<Request<B>, Response = Response<Bytes>, Error = BoxError>,
{
    type Output = Result<Response<Bytes>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().inner.poll(cx)
    }
}

//! The service.

use std::fmt;
use std::marker::PhantomData;
use std::mem;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use jittered_backoff::Replay;
use tower::BoxError;
use tower_service::Service;
use wire_fault::AsFault;

use crate::call::{Call, Settings};
use crate::future::ResponseFuture;

/// Repeats calls that failed where that is safe.
///
/// | the request | repeated after |
/// |---|---|
/// | any, but [`RetrySafety::Never`](crate::RetrySafety::Never) | a failure that can heal, if the request was provably never sent, or refused by protocol |
/// | any, but `Never` | an answer that a layer below marked as [`Unprocessed`](wire_fault::Unprocessed), once |
/// | idempotent | any failure that can heal, and answers 408, 429, 500, 502, 503, 504 |
///
/// Failures that no repeat can heal (certificates, most TLS alerts, names that don't exist, …) are handed on at once.
/// How each failure is read is told in [`wire_fault::Fault`].
///
/// # Errors
///
/// - [`OutcomeUnknown`](crate::OutcomeUnknown) if the call may have landed;
/// - [`Exhausted`](crate::Exhausted) if it could have been repeated, but the limits were used up;
/// - else the error of the service below, untouched. After a last answer of the kinds above, that answer is handed on.
///
/// # Cancellation
///
/// Dropping the future drops the attempt under way, or ends the wait; nothing is sent afterwards. Whether a dropped attempt
/// landed nobody can know, as with every client.
///
/// # Clone
///
/// A clone shares the settings and is never ready. A repeat takes the readiness of the very service that made the attempt
/// before, after that attempt's future has been dropped, so that a `ConcurrencyLimit(1)` below never waits for itself.
///
/// # Memory
///
/// One copy of the request per call while an attempt is under way that may be followed by another. Bodies of shared bytes
/// ([`bytes::Bytes`]) are not copied.
pub struct RetryOnTlsEof<S, M> {
    inner: S,
    settings: Settings,
    marker: PhantomData<fn() -> M>,
}

impl<S, M> RetryOnTlsEof<S, M> {
    pub(crate) fn new(inner: S, settings: Settings) -> Self {
        Self { inner, settings, marker: PhantomData }
    }

    /// The service below.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S, M, B, R> Service<Request<B>> for RetryOnTlsEof<S, M>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: AsFault<M> + Into<BoxError>,
    B: Replay,
{
    type Response = Response<R>;
    type Error = BoxError;
    type Future = ResponseFuture<S, B, M>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(ready!(self.inner.poll_ready(cx)).map_err(Into::into))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let clone = self.inner.clone();
        let ready = mem::replace(&mut self.inner, clone);
        let call = Call::begin(&mut request, &self.settings);
        ResponseFuture::start(ready, call, request)
    }
}

// By hand, because `M` need not be `Clone` or `Debug`.
impl<S: Clone, M> Clone for RetryOnTlsEof<S, M> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.settings.clone())
    }
}

impl<S: fmt::Debug, M> fmt::Debug for RetryOnTlsEof<S, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { inner, settings, .. } = self;
        f.debug_struct("RetryOnTlsEof").field("inner", inner).field("settings", settings).finish()
    }
}

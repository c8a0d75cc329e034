//! The service.

use std::fmt;
use std::marker::PhantomData;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use jittered_backoff::Replay;
use tower::BoxError;
use tower_service::Service;
use wire_fault::AsFault;

use crate::call::Call;
use crate::future::ResponseFuture;
use crate::reconcile::{Look, NoReconcile};
use crate::settings::Settings;

/// Repeats calls that failed where that is safe.
///
/// | the request | repeated after |
/// |---|---|
/// | any, but [`RetrySafety::Never`](crate::RetrySafety::Never) | a failure that can heal, if the request was provably never sent, or refused by protocol |
/// | any, but `Never` | an answer that a layer below marked as [`Unprocessed`](wire_fault::Unprocessed), at once and once; the limit of attempts does not count it |
/// | any, but `Never` | an answer whose status the caller declared a refusal ([`repeat_refused`](crate::RetryOnTlsEofLayer::repeat_refused)) |
/// | any, but `Never` | a hook's word that it has not landed ([`with_reconcile`](crate::RetryOnTlsEofLayer::with_reconcile)) |
/// | idempotent | any failure that can heal, and answers 408, 429, 500, 502, 503, 504 |
///
/// The wait is the backoff's; `Retry-After`, or else the `RateLimit` fields of a 429 or 503, are a floor under it, also where
/// the answer's body was cut ([`CollectBody`](crate::CollectBody)).
///
/// Failures that no repeat can heal (certificates, most TLS alerts, names that don't exist, …) are handed on at once.
/// How each failure is read is told in [`wire_fault::Fault`].
///
/// # Errors
///
/// - [`OutcomeUnknown`](crate::OutcomeUnknown) if the call may have landed;
/// - [`Exhausted`](crate::Exhausted) if it could have been repeated, but the limits were used up, or if its deadline passed;
/// - [`DeadlinePassed`](crate::DeadlinePassed) if it passed before the call began: nothing was sent;
/// - else the error of the service below, untouched. One from its `poll_ready` between two attempts ends the call,
///   attempts left or not: by tower's contract such a service is to be discarded. After a last answer of the kinds above,
///   that answer is handed on.
///
/// # Cancellation
///
/// Dropping the future drops the attempt under way, or ends the wait or the hook's look; nothing is sent afterwards, and a
/// permit of the budget whose repeat was not sent goes back. Whether a dropped attempt
/// landed nobody can know, as with every client.
///
/// # Panics
///
/// A call with a deadline, and there is one by default, needs a tokio runtime with its timer enabled when it is made, and so do
/// its waits, as [`tokio::time::sleep`] does.
///
/// # Clone
///
/// A clone shares the settings and is never ready. A repeat takes the readiness of the very service that made the attempt
/// before, after that attempt's future has been dropped, so that a `ConcurrencyLimit(1)` below never waits for itself.
///
/// # Memory
///
/// One copy of the request per call while an attempt is under way that may be followed by another. Bodies of shared bytes
/// ([`bytes::Bytes`]) are not copied; [`Untouched`](jittered_backoff::Untouched) streams aren't either. Beside it the last
/// error of the service below, the last 16 attempts in some hundred bytes each, and, with a hook, the request's extensions
/// and, while it looks, the answer in question.
pub struct RetryOnTlsEof<S, M, H = NoReconcile> {
    inner: S,
    settings: Arc<Settings>,
    hook: H,
    marker: PhantomData<fn() -> M>,
}

impl<S, M, H> RetryOnTlsEof<S, M, H> {
    pub(crate) fn new(inner: S, settings: Arc<Settings>, hook: H) -> Self {
        Self { inner, settings, hook, marker: PhantomData }
    }

    /// The service below.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S, M, H, B, R> Service<Request<B>> for RetryOnTlsEof<S, M, H>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: AsFault<M> + Into<BoxError>,
    B: Replay,
    H: Look<Response<R>>,
{
    type Response = Response<R>;
    type Error = BoxError;
    type Future = ResponseFuture<S, B, M, H>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(ready!(self.inner.poll_ready(cx)).map_err(Into::into))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let clone = self.inner.clone();
        let ready = mem::replace(&mut self.inner, clone);
        let call = Call::begin(&mut request, &self.settings, H::LOOKS);
        ResponseFuture::start(ready, call, request, self.hook.clone())
    }
}

// By hand, because `M` need not be `Clone` or `Debug`.
impl<S: Clone, M, H: Clone> Clone for RetryOnTlsEof<S, M, H> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), Arc::clone(&self.settings), self.hook.clone())
    }
}

impl<S: fmt::Debug, M, H> fmt::Debug for RetryOnTlsEof<S, M, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { inner, settings, .. } = self;
        f.debug_struct("RetryOnTlsEof").field("inner", inner).field("settings", settings).finish()
    }
}

//! The service.

use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;
use wire_fault::{AsFault, QueryId};

use crate::future::ResponseFuture;
use crate::lease::Leases;
use crate::outcome;
use crate::pending::Pending;
use crate::role::Role;

/// Counts what goes through the service it wraps, and changes nothing of it: made by a
/// [`RecordLayer`](crate::RecordLayer).
///
/// Errors and readiness are the inner service's own. The layer of calls gives each request a
/// [`CallId`](wire_fault::CallId) if it has none, where its handle has made a layer of attempts, or somebody
/// listens to its DEBUG events: without either there is nothing to join.
///
/// # Cancellation
///
/// A future that is dropped before its outcome, even before its first poll, counts as cancelled. So does a
/// call whose service panics, when its future is dropped; it counts as panicked besides.
///
/// # Clone
///
/// A clone counts into the same handle.
#[derive(Clone, Debug)]
pub struct Record<S, M> {
    inner: S,
    shared: Arc<Leases>,
    role: Role,
    marker: PhantomData<fn() -> M>,
}

impl<S, M> Record<S, M> {
    pub(crate) fn new(inner: S, shared: Arc<Leases>, role: Role) -> Self {
        Self { inner, shared, role, marker: PhantomData }
    }

    /// Calls the inner service. The call is counted before that: if it panics, that counts all the same.
    #[inline]
    pub(crate) fn start<B, F>(
        &mut self,
        mut request: Request<B>,
        future: impl FnOnce(S::Future, Pending) -> F,
    ) -> F
    where
        S: Service<Request<B>>,
    {
        let pending = Pending::start(&self.shared, self.role, &mut request);
        future(self.inner.call(request), pending)
    }
}

impl<S, M, ReqBody, ResBody> Service<Request<ReqBody>> for Record<S, M>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    S::Error: AsFault<M>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, M>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let ready = self.inner.poll_ready(cx);
        if let Poll::Ready(Err(error)) = &ready {
            let query_id = QueryId::of(error.as_error());
            self.shared.not_ready(self.role, outcome::reason(error), query_id);
        }
        ready
    }

    #[inline]
    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        self.start(request, ResponseFuture::new)
    }
}

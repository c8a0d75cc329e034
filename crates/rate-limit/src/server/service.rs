//! The service.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use super::body::RejectBody;
use super::fields::{self, Fields};
use super::future::ResponseFuture;
use crate::assign::{Assign, Assigned};

/// A service that answers calls itself, at once, if they find no permit.
///
/// Such an answer has status 429; `Retry-After`, rounded up to whole seconds, at least 1 (but none if the call costs
/// more than the quota, and so will never be served); and a body of `application/problem+json` with the draft's type.
/// It and, unless [told otherwise](super::RejectLayer::only_when_refused), every other response has the fields
///
/// - `RateLimit-Policy: "default";q=10;w=1`: 10 calls in any second;
/// - `RateLimit: "default";r=3;t=1`: 3 calls can be made now, and in 1 s (rounded up) there will be more.
///
/// A permit is taken when the service is called; one that is ready and dropped takes none. The inner service's error
/// passes through untouched, and this service has none of its own, so it works in an axum `Router` as is. A client of
/// gRPC takes the status 429 for `UNAVAILABLE`.
///
/// # Clone
///
/// A clone shares the quota, or quotas. It is as ready as the inner service's clone.
#[derive(Clone, Debug)]
pub struct Reject<S, A> {
    inner: S,
    assign: A,
    name: Arc<str>,
    always: bool,
}

impl<S, A> Reject<S, A> {
    pub(super) fn new(inner: S, assign: A, name: Arc<str>, always: bool) -> Self {
        Self { inner, assign, name, always }
    }
}

impl<S, A, ReqBody, ResBody> Service<Request<ReqBody>> for Reject<S, A>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    A: Assign<Request<ReqBody>>,
{
    type Response = Response<RejectBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, ResBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let (limiter, cost, permit) = match self.assign.assign(&request) {
            Ok(Assigned { limiter, cost }) => {
                let permit = limiter.try_acquire_many(cost);
                (Some(limiter), cost, permit.map(drop))
            }
            Err(refused) => (None, 1, Err(refused)),
        };
        let told = limiter.as_ref().filter(|_| self.always || permit.is_err());
        let fields = told.map(|limiter| Fields::of(&self.name, limiter));
        match permit {
            Ok(()) => ResponseFuture::released(self.inner.call(request), fields),
            Err(refused) => {
                tracing::debug!(%refused, "call rejected");
                let violated = fields::violated(&self.name, limiter.as_ref(), cost);
                ResponseFuture::refused(fields::refusal(&refused, &violated, fields))
            }
        }
    }
}

//! The service.

use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use super::body::RejectBody;
use super::fields::{self, Fields};
use super::future::ResponseFuture;
use super::waiting::{self, Waiting};
use crate::assign::Assign;

/// A service that answers calls itself, at once, if they find no permit.
///
/// Such an answer has status 429; `Retry-After`, rounded up to whole seconds, at least 1 (but none if the call costs
/// more than the quota, and so will never be served); and a body of `application/problem+json` with the draft's type.
/// It and, unless [told otherwise](super::RejectLayer::only_when_refused), every other response has the fields
///
/// - `RateLimit-Policy: "default";q=10;w=1`: 10 calls in any second;
/// - `RateLimit: "default";r=3;t=1`: 3 calls can be made now, and in 1 s (rounded up) there will be more.
///
/// A permit is taken when the service is called; one that is ready and dropped takes none. Only the permits of a fleet
/// (feature `redis`) are had from elsewhere: if none is at hand, the call waits for as long as an answer may take
/// (`Fleet::with_notice`, 250 ms unless said otherwise) for a permit that comes within that time, unless it is known that
/// none will, and is rejected after that. Meanwhile it holds the inner service's readiness. What `RateLimit` tells of a fleet
/// is what its server last answered, less what was used here since. If a call is refused because that server is away, no
/// client is to blame: the answer has status 503 and the draft's type for that, `Retry-After`, and neither of the fields.
///
/// With keys, that of a call is in use until it is answered (its body need not have been sent): see
/// [`KeyedLimiter`](crate::KeyedLimiter). If a call's key is new and there is no room for it, it is rejected as well, without
/// the two fields.
///
/// The inner service's error passes through untouched, and this service has none of its own, so it works in an axum
/// `Router` as is. A client of gRPC takes the statuses 429 and 503 for `UNAVAILABLE`.
///
/// # Clone
///
/// A clone shares the quota, or quotas. It is as ready as the inner service's clone. For a call that waits, the inner service
/// is cloned.
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
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    A: Assign<Request<ReqBody>>,
{
    type Response = Response<RejectBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, ReqBody, ResBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let assigned = match self.assign.assign(&request) {
            Ok(assigned) => assigned,
            Err(refused) => {
                return ResponseFuture::refused(fields::refusal(&self.name, &refused, None), None);
            }
        };
        let (limiter, cost) = (assigned.limiter(), assigned.cost());
        match limiter.try_take(cost) {
            Ok(_) => {
                let fields = self.always.then(|| Fields::of(&self.name, limiter));
                ResponseFuture::released(self.inner.call(request), fields, assigned.kept(false))
            }
            Err(refused) => match waiting::time(limiter, &refused) {
                Some(most) => {
                    // The clone is not ready; this one is.
                    let clone = self.inner.clone();
                    let ready = mem::replace(&mut self.inner, clone);
                    let name = Arc::clone(&self.name);
                    let waiting =
                        Waiting::new(limiter.clone(), cost, most, ready, request, name, self.always);
                    ResponseFuture::waiting(waiting)
                }
                None => {
                    let refusal = fields::refusal(&self.name, &refused, Some((limiter, cost)));
                    ResponseFuture::refused(refusal, assigned.kept(false))
                }
            },
        }
    }
}

//! A service that is ready once a limiter has a permit for its call.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rate_limit::{Acquire, Limiter, Permit};
use tower::BoxError;
use tower_service::Service;

/// Ready once the inner service is, and its limiter has given a permit. Below another rate limit this makes one of the two:
/// that one releases a call in the very poll in which this one has given its permit, so both quotas are exact.
///
/// A readiness that is dropped gives its permit back.
///
/// # Clone
///
/// A clone is never ready.
pub(crate) struct Permitted<S> {
    inner: S,
    /// `None`: the limit above is the same limiter, and a call takes one permit of it.
    limiter: Option<Limiter>,
    acquire: Option<Acquire>,
    permit: Option<Permit>,
    /// Its turn had come, but the inner service was not ready. It waits for that one now.
    unready: bool,
}

impl<S> Permitted<S> {
    pub(super) fn new(inner: S, limiter: Option<Limiter>) -> Self {
        Self { inner, limiter, acquire: None, permit: None, unready: false }
    }
}

impl<S, Req> Service<Req> for Permitted<S>
where
    S: Service<Req, Error = BoxError> + Clone,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        let Some(limiter) = &self.limiter else { return self.inner.poll_ready(cx) };
        if self.permit.is_some() {
            return Poll::Ready(Ok(()));
        }
        if self.unready {
            ready!(self.inner.poll_ready(cx))?;
        }
        let acquire = self.acquire.get_or_insert_with(|| limiter.acquire());
        let Poll::Ready(permit) = Pin::new(acquire).poll(cx) else {
            if mem::take(&mut self.unready) {
                // Ready, but no permit: what it holds of the inner service others can use meanwhile.
                self.inner = self.inner.clone();
            }
            return Poll::Pending;
        };
        self.acquire = None;
        let permit = permit?;
        if !mem::take(&mut self.unready) {
            match self.inner.poll_ready(cx) {
                Poll::Ready(ready) => {
                    if let Err(error) = ready {
                        permit.give_back();
                        return Poll::Ready(Err(error));
                    }
                }
                Poll::Pending => {
                    permit.give_back();
                    self.unready = true;
                    return Poll::Pending;
                }
            }
        }
        self.permit = Some(permit);
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Req) -> S::Future {
        // Used: it counts from when it was given, which is this poll of the limit above.
        drop(self.permit.take());
        self.inner.call(request)
    }
}

impl<S> Drop for Permitted<S> {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take() {
            permit.give_back();
        }
    }
}

impl<S: Clone> Clone for Permitted<S> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.limiter.clone())
    }
}

impl<S: fmt::Debug> fmt::Debug for Permitted<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permitted")
            .field("inner", &self.inner)
            .field("permit", &self.permit)
            .finish_non_exhaustive()
    }
}

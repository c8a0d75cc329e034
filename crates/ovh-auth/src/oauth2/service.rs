//! The service.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use tower_service::Service;

use super::future::BearerFuture;
use super::holder::Holder;
use crate::failure::BoxError;
use crate::sending::Sending;

/// Puts `Authorization: Bearer …` on each request, marked sensitive.
///
/// Calls that the API takes unsigned, and those marked so, pass as they are: see [`Unsigned`](crate::Unsigned). A
/// request that leads out of the endpoint is refused and not sent, as by [`Sign`](crate::Sign).
///
/// A call that waits here for a token has passed what stands above; one with a [`Basis`](crate::Basis) does not wait.
///
/// After a 401 the token is dropped, and the next attempt fetches another; one that is refused again is kept for a while
/// ([`Tokens`](crate::Tokens)). The response is handed on: whether a 401 was about the token or about the caller's rights it does
/// not say, so it is not marked as repeatable.
///
/// # Errors
///
/// [`AuthError`](crate::AuthError) for a request that got no token, and so was not sent; else the error of the service
/// below, untouched.
///
/// # Cancellation
///
/// Dropping the future drops the attempt, or the wait for the token, which goes on for others who wait.
///
/// # Clone
///
/// A clone shares the token, and is never ready. A call that has to wait for a token gives its readiness back
/// meanwhile.
#[derive(Clone, Debug)]
pub struct Bearer<S> {
    inner: S,
    holder: Arc<Holder>,
}

impl<S> Bearer<S> {
    pub(super) fn new(inner: S, holder: Arc<Holder>) -> Self {
        Self { inner, holder }
    }

    /// The service below.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S, B, R> Service<Request<B>> for Bearer<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
{
    type Response = Response<R>;
    type Error = BoxError;
    type Future = BearerFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(ready!(self.inner.poll_ready(cx)).map_err(Into::into))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let sending = Sending::begin(&mut self.inner, &self.holder, request);
        BearerFuture::new(sending, self.holder.clone())
    }
}

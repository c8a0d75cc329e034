//! The future of a call: the attempt, a look at its status.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::holder::Holder;
use super::token::Token;
use crate::failure::BoxError;
use crate::sending::Sending;

pin_project! {
    /// The future of a call through [`Bearer`](crate::Bearer).
    ///
    /// # Panics
    ///
    /// If it is polled after it was done.
    #[must_use = "futures do nothing unless polled"]
    pub struct BearerFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        sending: Sending<S, B, Token, Holder>,
        holder: Arc<Holder>,
    }
}

impl<S, B> BearerFuture<S, B>
where
    S: Service<Request<B>>,
{
    pub(super) fn new(sending: Sending<S, B, Token, Holder>, holder: Arc<Holder>) -> Self {
        Self { sending, holder }
    }
}

impl<S, B, R> Future for BearerFuture<S, B>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
{
    type Output = Result<Response<R>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (response, generation) = ready!(this.sending.poll(cx))?;
        if let (Some(generation), StatusCode::UNAUTHORIZED) = (generation, response.status()) {
            this.holder.tokens.invalidate(generation);
        }
        Poll::Ready(Ok(response))
    }
}

impl<S, B> fmt::Debug for BearerFuture<S, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerFuture").finish_non_exhaustive()
    }
}

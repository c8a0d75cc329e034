//! The future of a call: the attempt, a look at a 400.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::response::Parts;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;
use wire_fault::Unprocessed;

use super::body::{Ahead, ResponseBody};
use super::rejected;
use super::signable::SignableBody;
use super::signer::Signer;
use crate::anchor::Anchor;
use crate::failure::BoxError;
use crate::sending::{Sending, polled_again};

pin_project! {
    /// The future of a call through [`Sign`](crate::Sign).
    ///
    /// # Panics
    ///
    /// If it is polled after it was done.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, B, R>
    where
        S: Service<Request<B>>,
        R: Body,
    {
        #[pin]
        sending: Sending<S, B, Anchor, Signer>,
        // Once the response is there, if it must be looked at.
        look: Option<Look<R>>,
        signer: Arc<Signer>,
    }
}

/// A response that may say that the timestamp was not accepted.
struct Look<R: Body> {
    head: Parts,
    body: Ahead<R>,
    generation: u64,
}

impl<S, B, R> ResponseFuture<S, B, R>
where
    S: Service<Request<B>>,
    R: Body,
{
    pub(crate) fn new(sending: Sending<S, B, Anchor, Signer>, signer: Arc<Signer>) -> Self {
        Self { sending, look: None, signer }
    }
}

impl<S, B, R> Future for ResponseFuture<S, B, R>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    B: SignableBody,
    R: Body<Data = Bytes>,
{
    type Output = Result<Response<ResponseBody<R>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if this.look.is_none() {
            let (response, generation) = ready!(this.sending.poll(cx))?;
            let Some(generation) = generation.filter(|_| rejected::may_be(&response)) else {
                return Poll::Ready(Ok(response.map(ResponseBody::untouched)));
            };
            let (head, body) = response.into_parts();
            *this.look = Some(Look { head, body: Ahead::new(body), generation });
        }
        if let Some(look) = this.look {
            ready!(look.body.poll_read(cx));
        }
        let Some(Look { mut head, body, generation }) = this.look.take() else { polled_again() };
        if body.whole().is_some_and(|body| rejected::is_query_time_out(&body)) {
            this.signer.clock.forget(generation);
            head.extensions.insert(Unprocessed);
        }
        Poll::Ready(Ok(Response::from_parts(head, ResponseBody::read(body))))
    }
}

impl<S, B, R> fmt::Debug for ResponseFuture<S, B, R>
where
    S: Service<Request<B>>,
    R: Body,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

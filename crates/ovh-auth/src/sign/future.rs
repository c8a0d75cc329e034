//! The future of a call: the time if need be, the attempt, a look at a 400.

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
use crate::clock::{Anchor, TimeFlight, Timestamp};
use crate::error::AuthError;
use crate::failure::BoxError;
use crate::late::{Late, Sendable, polled_again};

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
        state: State<S, B, S::Future, R>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, B, F, R: Body> {
        Refused { error: Option<AuthError> },
        // Boxed: it is rare, and would make every call's future larger.
        Late { late: Box<Late<S, B, Anchor>>, signer: Arc<Signer> },
        Unsigned { #[pin] future: F },
        Signed { #[pin] future: F, signer: Arc<Signer>, at: Timestamp },
        Look { look: Option<Look<R>>, signer: Arc<Signer>, at: Timestamp },
    }
}

/// A response that may say that the timestamp was not accepted.
struct Look<R: Body> {
    head: Parts,
    body: Ahead<R>,
}

impl<S, B, R> ResponseFuture<S, B, R>
where
    S: Service<Request<B>>,
    R: Body,
{
    pub(crate) fn refused(error: AuthError) -> Self {
        Self { state: State::Refused { error: Some(error) } }
    }

    pub(crate) fn unsigned(future: S::Future) -> Self {
        Self { state: State::Unsigned { future } }
    }

    pub(crate) fn signed(future: S::Future, signer: Arc<Signer>, at: Timestamp) -> Self {
        Self { state: State::Signed { future, signer, at } }
    }

    pub(crate) fn late(service: S, signer: Arc<Signer>, request: Request<B>, flight: TimeFlight) -> Self {
        Self { state: State::Late { late: Box::new(Late::new(service, request, flight)), signer } }
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
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProj::Refused { error } => {
                    return match error.take() {
                        Some(error) => Poll::Ready(Err(error.into())),
                        None => polled_again(),
                    };
                }
                StateProj::Late { late, signer } => {
                    let to_error = |failure: &_| AuthError::server_time(failure).into();
                    let Sendable { held, service, mut request } = ready!(late.poll_sendable(cx, to_error))?;
                    // After the readiness, which may have taken its time.
                    let at = Timestamp::of(held);
                    signer.sign(&mut request, at)?;
                    State::Signed { future: service.call(request), signer: signer.clone(), at }
                }
                StateProj::Unsigned { future } => {
                    let response = ready!(future.poll(cx)).map_err(Into::into)?;
                    return Poll::Ready(Ok(response.map(ResponseBody::untouched)));
                }
                StateProj::Signed { future, signer, at } => {
                    let response = ready!(future.poll(cx)).map_err(Into::into)?;
                    if !rejected::may_be(&response) {
                        return Poll::Ready(Ok(response.map(ResponseBody::untouched)));
                    }
                    let (head, body) = response.into_parts();
                    let look = Some(Look { head, body: Ahead::new(body) });
                    State::Look { look, signer: signer.clone(), at: *at }
                }
                StateProj::Look { look: slot, signer, at } => {
                    let Some(look) = slot else { polled_again() };
                    ready!(look.body.poll_read(cx));
                    let Some(Look { mut head, body }) = slot.take() else { polled_again() };
                    if body.whole().is_some_and(|body| rejected::is_query_time_out(&body)) {
                        signer.clock.invalidate(*at);
                        head.extensions.insert(Unprocessed);
                    }
                    return Poll::Ready(Ok(Response::from_parts(head, ResponseBody::read(body))));
                }
            };
            state.set(next);
        }
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

//! The future of a call.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::body::RejectBody;
use super::fields::Fields;
use super::waiting::Waiting;
use crate::shared::Shared;

pin_project! {
    /// The future of [`Reject`](super::Reject).
    ///
    /// # Panics
    ///
    /// If it is polled after it was ready. And as [`Limiter::acquire`](crate::Limiter::acquire) does, if it has to wait for a
    /// fleet's server.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, B, R>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, B, S::Future, R>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, B, F, R> {
        // In a box, for most never wait.
        Waiting { waiting: Box<Waiting<S, B>> },
        // `kept`: what a call on its way keeps of its limiter, so that its key is in use.
        Released { #[pin] response: F, fields: Option<Fields>, kept: Option<Arc<Shared>> },
        Refused { response: Option<Response<RejectBody<R>>>, kept: Option<Arc<Shared>> },
    }
}

impl<S: Service<Request<B>>, B, R> ResponseFuture<S, B, R> {
    pub(super) fn waiting(waiting: Waiting<S, B>) -> Self {
        Self { state: State::Waiting { waiting: Box::new(waiting) } }
    }

    pub(super) fn released(response: S::Future, fields: Option<Fields>, kept: Option<Arc<Shared>>) -> Self {
        Self { state: State::Released { response, fields, kept } }
    }

    pub(super) fn refused(response: Response<RejectBody<R>>, kept: Option<Arc<Shared>>) -> Self {
        Self { state: State::Refused { response: Some(response), kept } }
    }
}

impl<S, B, R> Future for ResponseFuture<S, B, R>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Output = Result<Response<RejectBody<R>>, S::Error>;

    #[expect(clippy::panic, reason = "a contract of `Future` was broken, as documented")]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                StateProj::Waiting { waiting } => match ready!(waiting.poll(cx)) {
                    Ok((response, fields)) => {
                        let kept = Some(waiting.limiter());
                        state.set(State::Released { response, fields, kept });
                    }
                    Err(response) => state.set(State::Refused { response, kept: None }),
                },
                StateProj::Released { response, fields, .. } => {
                    let mut response = ready!(response.poll(cx))?;
                    if let Some(fields) = fields.take() {
                        fields.add_to(response.headers_mut());
                    }
                    return Poll::Ready(Ok(response.map(RejectBody::inner)));
                }
                StateProj::Refused { response, .. } => match response.take() {
                    Some(response) => return Poll::Ready(Ok(response)),
                    None => panic!("a call was polled after it was answered"),
                },
            }
        }
    }
}

impl<S: Service<Request<B>>, B, R> fmt::Debug for ResponseFuture<S, B, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

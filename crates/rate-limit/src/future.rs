//! The future of a call.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tower_service::Service;

use crate::error::BoxError;
use crate::listen::{Deaf, Listen};
use crate::shared::Shared;
use crate::waiting::{Waiting, broken};

pin_project! {
    /// The future of [`RateLimit`](crate::RateLimit): waits for its turn, then for the response.
    ///
    /// # Panics
    ///
    /// As [`Limiter::acquire`](crate::Limiter::acquire) does, and if it is polled after it has failed or panicked.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, Req, L = Deaf>
    where
        S: Service<Req>,
    {
        #[pin]
        state: State<S, Req, S::Future>,
        listen: L,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, Req, F> {
        Waiting { waiting: Waiting<S, Req> },
        // `limiter`: what the response may pause, if anybody listens.
        Released { #[pin] response: F, limiter: Option<Arc<Shared>> },
        // Nothing: it was told so.
        Failed { error: Option<BoxError> },
    }
}

impl<S: Service<Req>, Req, L> ResponseFuture<S, Req, L> {
    pub(crate) fn waiting(waiting: Waiting<S, Req>, listen: L) -> Self {
        Self { state: State::Waiting { waiting }, listen }
    }

    #[inline]
    pub(crate) fn released(response: S::Future, limiter: Option<Arc<Shared>>, listen: L) -> Self {
        Self { state: State::Released { response, limiter }, listen }
    }

    pub(crate) fn failed(error: BoxError, listen: L) -> Self {
        Self { state: State::Failed { error: Some(error) }, listen }
    }
}

impl<S, Req, L> Future for ResponseFuture<S, Req, L>
where
    S: Service<Req> + Clone,
    S::Error: Into<BoxError>,
    L: Listen<S::Response>,
{
    type Output = Result<S::Response, BoxError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut state = this.state;
        loop {
            match state.as_mut().project() {
                StateProj::Released { response, limiter } => {
                    let response = ready!(response.poll(cx)).map_err(Into::into)?;
                    if let (true, Some(limiter)) = (L::LISTENS, limiter) {
                        if let Some(asked) = this.listen.heard(&response) {
                            limiter.pause(asked, this.listen.most());
                        }
                    }
                    return Poll::Ready(Ok(response));
                }
                StateProj::Waiting { waiting } => match ready!(waiting.poll_release(cx)) {
                    Ok(response) => {
                        let limiter = Some(Arc::clone(waiting.limiter()));
                        state.set(State::Released { response, limiter });
                    }
                    Err(error) => {
                        state.set(State::Failed { error: None });
                        return Poll::Ready(Err(error));
                    }
                },
                StateProj::Failed { error } => {
                    let Some(error) = error.take() else { broken("it had failed") };
                    return Poll::Ready(Err(error));
                }
            }
        }
    }
}

impl<S: Service<Req>, Req, L> fmt::Debug for ResponseFuture<S, Req, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

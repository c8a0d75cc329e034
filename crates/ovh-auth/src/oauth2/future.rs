//! The future of a call: a token if need be, the attempt, a look at its status.

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
use crate::error::AuthError;
use crate::failure::BoxError;
use crate::kept::Flight;
use crate::late::{Late, Sendable, polled_again};

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
        state: State<S, B, S::Future>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, B, F> {
        Refused { error: Option<AuthError> },
        // Boxed: it is rare, and would make every call's future larger.
        Late { late: Box<Late<S, B, Token>>, holder: Arc<Holder> },
        Plain { #[pin] future: F },
        Sent { #[pin] future: F, holder: Arc<Holder>, generation: u64 },
    }
}

impl<S, B> BearerFuture<S, B>
where
    S: Service<Request<B>>,
{
    pub(super) fn refused(error: AuthError) -> Self {
        Self { state: State::Refused { error: Some(error) } }
    }

    pub(super) fn plain(future: S::Future) -> Self {
        Self { state: State::Plain { future } }
    }

    pub(super) fn sent(future: S::Future, holder: Arc<Holder>, generation: u64) -> Self {
        Self { state: State::Sent { future, holder, generation } }
    }

    pub(super) fn late(service: S, holder: Arc<Holder>, request: Request<B>, flight: Flight<Token>) -> Self {
        Self { state: State::Late { late: Box::new(Late::new(service, request, flight)), holder } }
    }
}

impl<S, B, R> Future for BearerFuture<S, B>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
{
    type Output = Result<Response<R>, BoxError>;

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
                StateProj::Late { late, holder } => {
                    let to_error = |failure: &_| AuthError::token(failure).into();
                    let Sendable { held, service, mut request } = ready!(late.poll_sendable(cx, to_error))?;
                    held.value.authorise(&mut request);
                    State::Sent {
                        future: service.call(request),
                        holder: holder.clone(),
                        generation: held.generation,
                    }
                }
                StateProj::Plain { future } => return future.poll(cx).map_err(Into::into),
                StateProj::Sent { future, holder, generation } => {
                    let response = ready!(future.poll(cx)).map_err(Into::into)?;
                    if response.status() == StatusCode::UNAUTHORIZED {
                        holder.tokens.invalidate(*generation);
                    }
                    return Poll::Ready(Ok(response));
                }
            };
            state.set(next);
        }
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

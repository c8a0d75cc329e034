//! The future of a call.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tower_service::Service;

use crate::error::{BoxError, RateLimited};
use crate::listen::{Deaf, Listen};
use crate::rooms::Room;
use crate::told::Told;
use crate::waiter::Waiter;

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
        // Kept until the response is there, for that may pause its limiter. None, if there is no limiter for the call.
        waiter: Option<Waiter>,
        listen: L,
        told: Told,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, Req, F> {
        // `unready`: its turn had come, but the inner service was not ready. It waits for that one now. `room`: what
        // it waits in, if there is only so much.
        Waiting { room: Option<Room>, inner: S, request: Option<Req>, unready: bool },
        Released { #[pin] response: F },
        Refused { refused: Option<BoxError> },
        Failed,
    }
}

impl<S: Service<Req>, Req, L> ResponseFuture<S, Req, L> {
    pub(crate) fn new(
        inner: S,
        request: Req,
        waiter: Waiter,
        room: Option<Room>,
        listen: L,
        told: Told,
    ) -> Self {
        let state = State::Waiting { room, inner, request: Some(request), unready: false };
        Self { state, waiter: Some(waiter), listen, told }
    }

    pub(crate) fn refused(refused: RateLimited, listen: L) -> Self {
        let state = State::Refused { refused: Some(refused.into()) };
        Self { state, waiter: None, listen, told: Told::default() }
    }
}

impl<S, Req, L> Future for ResponseFuture<S, Req, L>
where
    S: Service<Req> + Clone,
    S::Error: Into<BoxError>,
    L: Listen<S::Response>,
{
    type Output = Result<S::Response, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut state = this.state;
        loop {
            match (state.as_mut().project(), &mut *this.waiter) {
                (StateProj::Waiting { inner, request, unready, .. }, Some(waiter)) => {
                    match ready!(poll_release(waiter, inner, request, unready, this.told, cx)) {
                        Ok(response) => state.set(State::Released { response }),
                        Err(error) => {
                            *this.waiter = None;
                            state.set(State::Failed);
                            return Poll::Ready(Err(error));
                        }
                    }
                }
                (StateProj::Released { response }, waiter) => {
                    let response = ready!(response.poll(cx)).map_err(Into::into)?;
                    if let (Some(asked), Some(waiter)) = (this.listen.heard(&response), waiter) {
                        waiter.shared().pause(asked, this.listen.most());
                    }
                    return Poll::Ready(Ok(response));
                }
                (StateProj::Refused { refused }, _) => {
                    let Some(refused) = refused.take() else { broken("it had failed") };
                    return Poll::Ready(Err(refused));
                }
                (StateProj::Waiting { .. } | StateProj::Failed, _) => broken("it had failed"),
            }
        }
    }
}

/// Brings the inner service's readiness and the permit together, and calls.
///
/// The inner service is asked when it seems to be the call's turn, and the permit taken after that, so that it counts from
/// the call, however long that answer took.
#[inline]
fn poll_release<S, Req>(
    waiter: &mut Waiter,
    inner: &mut S,
    request: &mut Option<Req>,
    unready: &mut bool,
    told: &Told,
    cx: &mut Context<'_>,
) -> Poll<Result<S::Future, BoxError>>
where
    S: Service<Req> + Clone,
    S::Error: Into<BoxError>,
{
    if !*unready && !waiter.seems_due() {
        ready!(waiter.poll_due(cx))?;
    }
    let is_ready = inner.poll_ready(cx).map_err(Into::into)?.is_ready();
    if *unready && !is_ready {
        return Poll::Pending;
    }
    *unready = false;
    // The short way of most.
    let free = if is_ready && request.is_some() { waiter.take_free() } else { None };
    let at = match free {
        Some(at) => at,
        None => {
            let Poll::Ready(turn) = waiter.poll_turn(cx) else {
                // No permit: what it holds of the inner service, be it a place in its queue, others can use meanwhile.
                *inner = inner.clone();
                return Poll::Pending;
            };
            let turn = turn?;
            if !is_ready {
                *unready = true;
                turn.step_aside();
                return Poll::Pending;
            }
            if request.is_none() {
                broken("its service had panicked");
            }
            turn.release()
        }
    };
    let Some(request) = request.take() else { broken("its service had panicked") };
    let response = inner.call(request);
    told.tell(|| waiter.waited(at));
    Poll::Ready(Ok(response))
}

#[cold]
#[expect(clippy::panic, reason = "a contract of `Future` was broken, as documented")]
fn broken(after: &str) -> ! {
    panic!("a call was polled after {after}")
}

impl<S: Service<Req>, Req, L> fmt::Debug for ResponseFuture<S, Req, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

//! A call that waits for its turn.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tower_service::Service;

use crate::error::BoxError;
use crate::rooms::Room;
use crate::shared::Shared;
use crate::told::Told;
use crate::waiter::Waiter;

/// All that a call needs until it is released.
pub(crate) struct Waiting<S, Req> {
    waiter: Waiter,
    /// What it waits in, if there is only so much.
    _room: Option<Room>,
    inner: S,
    /// Taken when it is released.
    request: Option<Req>,
    /// Its turn had come, but the inner service was not ready. It waits for that one now.
    unready: bool,
    told: Told,
}

impl<S, Req> Waiting<S, Req> {
    pub(crate) fn new(waiter: Waiter, room: Option<Room>, inner: S, request: Req, told: Told) -> Self {
        Self { waiter, _room: room, inner, request: Some(request), unready: false, told }
    }

    pub(crate) fn limiter(&self) -> &Arc<Shared> {
        self.waiter.shared()
    }

    /// Brings the inner service's readiness and the permit together, and calls.
    ///
    /// The inner service is asked when it seems to be the call's turn, and the permit taken after that, so that it counts from
    /// the call, however long that answer took.
    pub(crate) fn poll_release(&mut self, cx: &mut Context<'_>) -> Poll<Result<S::Future, BoxError>>
    where
        S: Service<Req> + Clone,
        S::Error: Into<BoxError>,
    {
        let Self { waiter, inner, request, unready, told, .. } = self;
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
}

#[cold]
#[expect(clippy::panic, reason = "a contract of `Future` was broken, as documented")]
pub(crate) fn broken(after: &str) -> ! {
    panic!("a call was polled after {after}")
}

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};
use tower::BoxError;

use super::error::AttemptTimedOut;
use super::note::Note;

pin_project! {
    /// The future of an attempt through [`AttemptTimeout`](crate::AttemptTimeout).
    ///
    /// Cancellation and panics: see there.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F> {
        // `None` once its time was up, or if it came too late.
        #[pin]
        attempt: Option<F>,
        #[pin]
        sleep: Sleep,
        after: Duration,
        note: Option<Note>,
    }
}

impl<F> ResponseFuture<F> {
    pub(super) fn new(attempt: F, now: Instant, until: Instant, note: Option<Note>) -> Self {
        Self { attempt: Some(attempt), sleep: sleep_until(until), after: until - now, note }
    }

    /// An attempt that came too late to be sent.
    pub(super) fn too_late(now: Instant) -> Self {
        Self { attempt: None, sleep: sleep_until(now), after: Duration::ZERO, note: None }
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<R, E>>,
    E: Into<BoxError>,
{
    type Output = Result<R, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(attempt) = this.attempt.as_mut().as_pin_mut() else {
            return Poll::Ready(Err(AttemptTimedOut::too_late().into()));
        };
        // The answer first: one that is here when the time is up is an answer.
        if let Poll::Ready(result) = attempt.poll(cx) {
            return Poll::Ready(result.map_err(Into::into));
        }
        ready!(this.sleep.poll(cx));
        let mut drop_attempt = || this.attempt.set(None);
        let unsent = match this.note {
            Some(note) => note.give_up(drop_attempt),
            None => {
                drop_attempt();
                false
            }
        };
        let error = if unsent {
            AttemptTimedOut::before_sent(*this.after)
        } else {
            AttemptTimedOut::in_flight(*this.after)
        };
        Poll::Ready(Err(error.into()))
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("after", &self.after).finish_non_exhaustive()
    }
}

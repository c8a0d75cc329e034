use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::Request;
use tokio::time::Instant;
use tower::BoxError;
use tower_service::Service;

use super::future::ResponseFuture;
use super::note::Note;
use crate::deadline::Deadline;

/// Gives each attempt a time limit.
///
/// Where the request has a [`Deadline`], the attempt gets no more time than that leaves, and isn't sent if that is none.
///
/// # Errors
///
/// [`AttemptTimedOut`](crate::AttemptTimedOut) when the time is up; else the error of the service below, untouched.
///
/// # Cancellation
///
/// Dropping the future drops the attempt. So does the time limit.
///
/// # Panics
///
/// A call needs a tokio runtime with its timer enabled, as [`tokio::time::sleep`] does.
///
/// # Clone
///
/// As the service below: each attempt has a limit of its own.
#[derive(Clone, Debug)]
pub struct AttemptTimeout<S> {
    inner: S,
    after: Duration,
    over_hyper_util: bool,
}

impl<S> AttemptTimeout<S> {
    pub(super) fn new(inner: S, after: Duration, over_hyper_util: bool) -> Self {
        Self { inner, after, over_hyper_util }
    }

    /// The service below.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S, B> Service<Request<B>> for AttemptTimeout<S>
where
    S: Service<Request<B>>,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(ready!(self.inner.poll_ready(cx)).map_err(Into::into))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let now = Instant::now();
        let mut until = now + self.after;
        if let Some(deadline) = request.extensions().get::<Deadline>() {
            if !deadline.reach() || deadline.instant() <= now {
                return ResponseFuture::too_late(now);
            }
            // The very instant, and not what is left until it, so that this timer is due with the retry's.
            until = until.min(deadline.instant());
        }
        let note = self.over_hyper_util.then(|| Note::of(&mut request));
        ResponseFuture::new(self.inner.call(request), now, until, note)
    }
}

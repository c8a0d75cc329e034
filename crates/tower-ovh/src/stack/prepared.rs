//! Ready once what its call needs is there, and the call takes it along: below the limits, so that no attempt that waits for it holds
//! a permit. Else those that wait for one fetch would all be sent at once when it has come.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use http::Request;
use ovh_auth::Basis;
use tower::BoxError;
use tower_service::Service;

use super::needed::{Fetching, Needed};

/// # Clone
///
/// A clone is never ready.
pub(crate) struct Prepared<S> {
    inner: S,
    /// `None`: nothing.
    needed: Option<Needed>,
    /// Never locked: the mutex makes it `Sync`.
    fetching: Option<Mutex<Fetching>>,
    /// For the next call, once it is ready.
    basis: Option<Basis>,
}

impl<S> Prepared<S> {
    pub(super) fn new(inner: S, needed: Option<Needed>) -> Self {
        Self { inner, needed, fetching: None, basis: None }
    }
}

impl<S, B> Service<Request<B>> for Prepared<S>
where
    S: Service<Request<B>, Error = BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        let Some(needed) = &self.needed else { return self.inner.poll_ready(cx) };
        self.basis = needed.there();
        if self.basis.is_none() {
            let fetching = self.fetching.get_or_insert_with(|| Mutex::new(needed.fetch()));
            let fetching = fetching.get_mut().unwrap_or_else(PoisonError::into_inner);
            match ready!(fetching.as_mut().poll(cx)) {
                Ok(basis) => self.basis = Some(basis),
                Err(error) => {
                    self.fetching = None;
                    return Poll::Ready(Err(error.into()));
                }
            }
        }
        self.fetching = None;
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        if let Some(basis) = self.basis.take() {
            request.extensions_mut().insert(basis);
        }
        self.inner.call(request)
    }
}

impl<S: Clone> Clone for Prepared<S> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.needed.clone())
    }
}

impl<S: fmt::Debug> fmt::Debug for Prepared<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared")
            .field("inner", &self.inner)
            .field("needed", &self.needed)
            .finish_non_exhaustive()
    }
}

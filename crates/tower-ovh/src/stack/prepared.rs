//! Ready once what its call needs is there, and the call takes it along: below the limits, so that no attempt that waits for it holds
//! a permit. Else those that wait for one fetch would all be sent at once when it has come.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use http::Request;
use ovh_auth::Basis;
use tower::BoxError;
use tower_service::Service;

use super::auth::{Auth, Fetching};

/// # Clone
///
/// A clone is never ready.
pub(crate) struct Prepared<S> {
    inner: S,
    auth: Arc<Auth>,
    /// Never locked: the mutex makes it `Sync`.
    fetching: Option<Mutex<Fetching>>,
    /// For the next call, once it is ready.
    basis: Option<Basis>,
}

impl<S> Prepared<S> {
    pub(super) fn new(inner: S, auth: Arc<Auth>) -> Self {
        Self { inner, auth, fetching: None, basis: None }
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
        self.basis = self.auth.there();
        if self.basis.is_none() {
            let fetching = self.fetching.get_or_insert_with(|| Mutex::new(self.auth.fetch()));
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
        Self::new(self.inner.clone(), Arc::clone(&self.auth))
    }
}

impl<S: fmt::Debug> fmt::Debug for Prepared<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared")
            .field("inner", &self.inner)
            .field("auth", &self.auth)
            .finish_non_exhaustive()
    }
}

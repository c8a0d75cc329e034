//! How a layer authenticates its calls, for what sends them.

use http::{HeaderMap, Request};

use crate::basis::Basis;
use crate::endpoint::Endpoint;
use crate::error::AuthError;
use crate::failure::Failure;
use crate::kept::{Held, Lookup};
use crate::unsigned::Treatment;

/// Puts what was fetched, a `T`, on requests.
pub(crate) trait Authenticate<B, T> {
    fn endpoint(&self) -> &Endpoint;

    /// What a layer above has had, if it can be used here.
    fn given(&self, basis: &Basis) -> Option<Held<T>>;

    fn look_up(&self) -> Lookup<T>;

    /// Whether [`authenticate`](Self::authenticate) will do, so that nothing is fetched for a request that can't be sent.
    fn check(&self, _: &Request<B>) -> Result<(), AuthError> {
        Ok(())
    }

    /// Whether the request would be authenticated, pass as it is, or be refused before anything is fetched.
    fn judge(&self, request: &Request<B>) -> Result<bool, AuthError> {
        if Treatment::of(request, self.endpoint())? != Treatment::Authenticate {
            return Ok(false);
        }
        self.check(request)?;
        Ok(true)
    }

    fn authenticate(&self, request: &mut Request<B>, held: &Held<T>) -> Result<(), AuthError>;

    /// For the one call that goes out with the application's name and no more.
    fn name_application(&self, _: &mut HeaderMap) {}

    /// The error of a call for which nothing could be fetched.
    fn error(failure: &Failure) -> AuthError;
}

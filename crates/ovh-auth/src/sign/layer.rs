//! The layer.

use std::sync::Arc;

use http::Request;
use tower_layer::Layer;

use super::service::Sign;
use super::signable::SignableBody;
use super::signer::Signer;
use crate::authenticate::Authenticate as _;
use crate::clock::ServerClock;
use crate::credentials::ApplicationKeys;
use crate::endpoint::Endpoint;
use crate::error::AuthError;

/// Signs requests: applies [`Sign`].
///
/// It goes below retry and rate limit, right above the transport, so that each attempt is signed afresh and no
/// timestamp grows old in a queue.
///
/// # Clone
///
/// Clones, and the services they make, share keys and clock.
#[derive(Clone, Debug)]
pub struct SignLayer {
    signer: Arc<Signer>,
}

impl SignLayer {
    /// Signs requests to `endpoint` with these keys, by this clock.
    #[must_use]
    pub fn new(endpoint: Endpoint, keys: ApplicationKeys, clock: ServerClock) -> Self {
        Self { signer: Arc::new(Signer { endpoint, keys, clock }) }
    }

    /// Whether a request would be signed (`true`) or pass as it is (`false`), for layers above: what is refused here need not wait
    /// for a rate limit, nor have anything fetched for it.
    ///
    /// # Errors
    ///
    /// The one that the service would end with, if the request leads out of the endpoint, or can't be signed.
    pub fn check<B: SignableBody>(&self, request: &Request<B>) -> Result<bool, AuthError> {
        self.signer.judge(request)
    }
}

impl<S> Layer<S> for SignLayer {
    type Service = Sign<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Sign::new(inner, self.signer.clone())
    }
}

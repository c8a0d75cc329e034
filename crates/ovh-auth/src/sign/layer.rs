//! The layer.

use std::sync::Arc;

use tower_layer::Layer;

use super::service::Sign;
use super::signer::Signer;
use crate::clock::ServerClock;
use crate::credentials::ApplicationKeys;
use crate::endpoint::Endpoint;

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
}

impl<S> Layer<S> for SignLayer {
    type Service = Sign<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Sign::new(inner, self.signer.clone())
    }
}

//! The layer.

use std::sync::Arc;

use http::Request;
use tower_layer::Layer;

use super::holder::Holder;
use super::service::Bearer;
use super::tokens::Tokens;
use crate::authenticate::Authenticate as _;
use crate::endpoint::Endpoint;
use crate::error::AuthError;

/// Puts an access token on requests: applies [`Bearer`].
///
/// It goes where [`SignLayer`](crate::SignLayer) would: below retry and rate limit.
///
/// # Clone
///
/// Clones, and the services they make, share the token.
#[derive(Clone, Debug)]
pub struct BearerLayer {
    holder: Arc<Holder>,
}

impl BearerLayer {
    /// Authenticates requests to `endpoint` with these tokens.
    #[must_use]
    pub fn new(endpoint: Endpoint, tokens: Tokens) -> Self {
        Self { holder: Arc::new(Holder { endpoint, tokens }) }
    }

    /// Whether a request would be given a token (`true`) or pass as it is (`false`), for layers above: what is refused
    /// here need not wait for a rate limit, nor have anything fetched for it.
    ///
    /// # Errors
    ///
    /// The one that the service would end with, if the request leads out of the endpoint.
    pub fn check<B>(&self, request: &Request<B>) -> Result<bool, AuthError> {
        self.holder.judge(request)
    }
}

impl<S> Layer<S> for BearerLayer {
    type Service = Bearer<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Bearer::new(inner, self.holder.clone())
    }
}

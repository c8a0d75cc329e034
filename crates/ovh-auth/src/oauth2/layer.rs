//! The layer.

use std::sync::Arc;

use tower_layer::Layer;

use super::holder::Holder;
use super::service::Bearer;
use super::tokens::Tokens;
use crate::endpoint::Endpoint;

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
}

impl<S> Layer<S> for BearerLayer {
    type Service = Bearer<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Bearer::new(inner, self.holder.clone())
    }
}

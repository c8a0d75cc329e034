//! How calls are authenticated, and what has to be fetched for it.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use ovh_auth::{AuthError, Basis, BearerLayer, Endpoint, ServerClock, SignLayer, SignableBody, Tokens};
use tower::BoxError;
use tower_service::Service;

use super::identity::Identity;

/// A layer of `ovh-auth`'s, and where what it needs comes from.
#[derive(Clone, Debug)]
pub(crate) enum Auth {
    Sign { layer: SignLayer, clock: ServerClock },
    Bearer { layer: BearerLayer, tokens: Tokens },
}

/// Boxed: it is rare.
pub(super) type Fetching = Pin<Box<dyn Future<Output = Result<Basis, AuthError>> + Send>>;

impl Auth {
    /// What is needed comes through `fetch`.
    pub(super) fn new<S, B>(endpoint: &Endpoint, identity: &Identity, fetch: S) -> Self
    where
        S: Service<Request<B>, Response = Response<Full<Bytes>>, Error = BoxError> + Clone + Send + 'static,
        S::Future: Send,
        B: Default + From<Bytes> + Send + 'static,
    {
        let tokens = match identity {
            Identity::Application(keys) => {
                let clock = ServerClock::new::<_, B, _>(endpoint, fetch);
                let layer = SignLayer::new(endpoint.clone(), keys.clone(), clock.clone());
                return Self::Sign { layer, clock };
            }
            Identity::AccessToken(token) => Tokens::given(token),
            #[expect(clippy::expect_used, reason = "a `Config` with an OAuth2 client has a token URL")]
            Identity::OAuth2(client) => {
                Tokens::fetched::<_, B, _>(endpoint, client, fetch).expect("a token URL")
            }
        };
        Self::Bearer { layer: BearerLayer::new(endpoint.clone(), tokens.clone()), tokens }
    }

    /// Whether the request will be authenticated. What the layer would refuse is refused here: below, it would have cost permits, a
    /// fetch perhaps, and be counted as an attempt.
    pub(super) fn check<B: SignableBody>(&self, request: &Request<B>) -> Result<bool, AuthError> {
        match self {
            Self::Sign { layer, .. } => layer.check(request),
            Self::Bearer { layer, .. } => layer.check(request),
        }
    }

    /// What an authenticated call needs, if it is there.
    pub(super) fn there(&self) -> Option<Basis> {
        match self {
            Self::Sign { clock, .. } => clock.try_ready(),
            Self::Bearer { tokens, .. } => tokens.try_ready(),
        }
    }

    /// Ends once it is there: one fetch for all who wait.
    pub(super) fn fetch(&self) -> Fetching {
        match self.clone() {
            Self::Sign { clock, .. } => Box::pin(async move { clock.ready().await }),
            Self::Bearer { tokens, .. } => Box::pin(async move { tokens.ready().await }),
        }
    }
}

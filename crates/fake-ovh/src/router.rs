//! The API's service: all endpoints, behind the gate.

use axum::Router;
use axum::middleware::from_fn_with_state;

use crate::answer::Refusal;
use crate::fake::FakeOvh;
use crate::gate::{Front, gate};
use crate::{auth, availabilities, carts, catalog, checkout, items, me, oauth2};

impl FakeOvh {
    /// The service, for a server that speaks TLS, such as `flaky_tls::FlakyTls::serve`: clients that sign are taken to
    /// sign `https://` and the host they send, unless [`with_base`](Self::with_base) or the request itself says
    /// otherwise.
    pub fn router(&self) -> Router {
        self.router_over("https")
    }

    pub(crate) fn router_over(&self, scheme: &'static str) -> Router {
        let version = auth::routes()
            .merge(availabilities::routes())
            .merge(catalog::routes())
            .merge(carts::routes())
            .merge(items::routes())
            .merge(checkout::routes())
            .merge(me::routes())
            .method_not_allowed_fallback(|| async { Refusal::method_not_allowed() });
        Router::new()
            .nest("/1.0", version.clone())
            .nest("/v1", version)
            .merge(oauth2::routes())
            .fallback(|| async { Refusal::not_found("Got an invalid (or empty) URL") })
            .layer(from_fn_with_state(Front { api: self.clone(), scheme }, gate))
            .with_state(self.clone())
    }
}

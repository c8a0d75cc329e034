//! The client.

use std::fmt;

use bytes::Bytes;
use error_stats::ErrorStats;
use http::{Method, Request, Response};
use http_body::Body;
use http_body_util::Full;
use ovh_auth::{Config, Endpoint, ServerClock};
use rate_limit::Limiter;
use retry_on_tls_eof::Look;
use tower::BoxError;
use tower_layer::Layer;
use tower_service::Service;

use super::api::Api;
use super::call::Call;
use crate::connector::{Connector, HyperClient};
use crate::setup_error::{SetupError, UnknownCredentials};
use crate::stack::{OvhAttempt, OvhLayer, OvhStack};

/// A client of the API: paths in, types out, through the recommended stack.
///
/// ```no_run
/// use serde::Deserialize;
/// use tower_ovh::OvhClient;
///
/// #[derive(Deserialize)]
/// struct Availability {
///     fqn: String,
/// }
///
/// #[derive(Deserialize)]
/// struct Cart {
///     #[serde(rename = "cartId")]
///     id: String,
/// }
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let ovh = OvhClient::from_env()?;
/// let stock: Vec<Availability> = ovh
///     .get("/dedicated/server/datacenter/availabilities")
///     .query("planCode", "24adv01-v3")
///     .query("datacenters", "gra,rbx")
///     .await?;
///
/// let cart: Cart = ovh.post("/order/cart").json(&serde_json::json!({ "ovhSubsidiary": "FR" })).await?;
/// match ovh.post::<serde_json::Value>(&format!("/order/cart/{}/checkout", cart.id)).await {
///     Ok(order) => println!("ordered: {order}"),
///     // Nobody can know, or a 5xx came after the order perhaps.
///     Err(error) if error.may_have_landed() => println!("look at GET /me/order before you order again: {error}"),
///     Err(error) => println!("not ordered: {error}"),
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Clone
///
/// A clone is the same client.
#[derive(Clone)]
pub struct OvhClient {
    endpoint: Endpoint,
    stats: ErrorStats,
    limiter: Limiter,
    clock: Option<ServerClock>,
    api: Api,
}

impl OvhClient {
    /// What the environment and `ovh.conf` say ([`Config::load`]), over a [`Connector::new`], with the settings of
    /// [`OvhStack::new`].
    ///
    /// # Errors
    ///
    /// If one of them can't be had.
    pub fn from_env() -> Result<Self, SetupError> {
        Ok(Self::connect(&Config::load()?, OvhStack::new(), &Connector::new()?)?)
    }

    /// Calls over this connector, through this stack. The stack's own configuration, if it has one, is replaced.
    ///
    /// # Errors
    ///
    /// If the configuration's credentials are of a kind that this version does not know.
    pub fn connect<H, L>(
        config: &Config,
        stack: OvhStack<H, L>,
        connector: &Connector,
    ) -> Result<Self, UnknownCredentials>
    where
        H: Look<Response<Bytes>> + Send + Sync + 'static,
        L: Layer<OvhAttempt<HyperClient<Full<Bytes>>>> + Clone,
        L::Service: Service<Request<Full<Bytes>>, Response = Response<Bytes>, Error = BoxError, Future: Send>
            + Clone
            + Send
            + Sync
            + 'static,
    {
        let stack = stack.with_config(config)?;
        let layer = stack.layer().over_hyper_util();
        Ok(Self::layered(config, &stack, &layer, connector.client()))
    }

    /// Calls over any transport, with the settings of [`OvhStack::new`].
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub fn new<S, R>(config: &Config, transport: S) -> Result<Self, UnknownCredentials>
    where
        S: Service<Request<Full<Bytes>>, Response = Response<R>> + Clone + Send + Sync + 'static,
        S::Future: Send,
        S::Error: Into<BoxError>,
        R: Body<Data = Bytes> + Send + Unpin + 'static,
        R::Error: Into<BoxError> + Send,
    {
        Self::with_stack(config, OvhStack::new(), transport)
    }

    /// Calls over any transport, through this stack. The stack's own configuration, if it has one, is replaced.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub fn with_stack<S, H, L>(
        config: &Config,
        stack: OvhStack<H, L>,
        transport: S,
    ) -> Result<Self, UnknownCredentials>
    where
        S: Clone,
        H: Look<Response<Bytes>> + Send + Sync + 'static,
        L: Layer<OvhAttempt<S>> + Clone,
        L::Service: Service<Request<Full<Bytes>>, Response = Response<Bytes>, Error = BoxError, Future: Send>
            + Clone
            + Send
            + Sync
            + 'static,
    {
        let stack = stack.with_config(config)?;
        let layer = stack.layer();
        Ok(Self::layered(config, &stack, &layer, transport))
    }

    fn layered<S, H, L>(
        config: &Config,
        stack: &OvhStack<H, L>,
        layer: &OvhLayer<Full<Bytes>, H, L>,
        transport: S,
    ) -> Self
    where
        S: Clone,
        H: Look<Response<Bytes>> + Send + Sync + 'static,
        L: Layer<OvhAttempt<S>>,
        L::Service: Service<Request<Full<Bytes>>, Response = Response<Bytes>, Error = BoxError, Future: Send>
            + Clone
            + Send
            + Sync
            + 'static,
    {
        let service = layer.layer(transport);
        Self {
            endpoint: config.endpoint().clone(),
            stats: stack.stats().clone(),
            limiter: stack.limiter().clone(),
            clock: service.clock().cloned(),
            api: Api::new(service),
        }
    }

    /// A `GET`. `T` is what the answer's JSON is read as.
    ///
    /// The path is as the API's documentation writes it, with a leading slash, and may begin with `/v1` or `/v2`. It is
    /// not escaped: a part that has a slash or a blank in it must be.
    pub fn get<T>(&self, path: &str) -> Call<T> {
        self.request(Method::GET, path)
    }

    /// A `POST`. Its body is empty before [`Call::json`].
    pub fn post<T>(&self, path: &str) -> Call<T> {
        self.request(Method::POST, path)
    }

    /// A `PUT`. Its body is empty before [`Call::json`].
    pub fn put<T>(&self, path: &str) -> Call<T> {
        self.request(Method::PUT, path)
    }

    /// A `DELETE`.
    pub fn delete<T>(&self, path: &str) -> Call<T> {
        self.request(Method::DELETE, path)
    }

    /// A call of any method.
    pub fn request<T>(&self, method: Method, path: &str) -> Call<T> {
        Call::new(self.endpoint.clone(), self.api.clone(), method, path)
    }

    /// The API that is called.
    #[must_use]
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The statistics of its calls and attempts.
    #[must_use]
    pub const fn stats(&self) -> &ErrorStats {
        &self.stats
    }

    /// The limiter of its attempts.
    #[must_use]
    pub const fn limiter(&self) -> &Limiter {
        &self.limiter
    }

    /// The server's clock, if calls are signed by an application's keys.
    #[must_use]
    pub const fn clock(&self) -> Option<&ServerClock> {
        self.clock.as_ref()
    }
}

impl fmt::Debug for OvhClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OvhClient")
            .field("endpoint", &self.endpoint)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

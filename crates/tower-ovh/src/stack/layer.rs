//! The layer, and how the layers are put together.

use std::fmt;
use std::marker::PhantomData;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use ovh_auth::{BearerLayer, Endpoint, ServerClock, SignLayer, Tokens};
use rate_limit::RateLimitLayer;
use retry_on_tls_eof::RetryOnTlsEofLayer;
use tower::util::Either;
use tower::{BoxError, ServiceBuilder, ServiceExt as _};
use tower_layer::Layer;
use tower_service::Service;

use super::collect::CollectLayer;
use super::gate::{Gate, Toll};
use super::service::{Attempted, Ovh};
use super::settings::{Identity, OvhStack};

/// Puts a transport under the recommended stack: made by [`OvhStack::layer`].
///
/// `B` is the body of the requests.
///
/// # Clone
///
/// Each service that it makes has a clock of its own, or tokens; limiters and statistics are the stack's.
pub struct OvhLayer<B> {
    stack: OvhStack,
    over_hyper_util: bool,
    body: PhantomData<fn(B)>,
}

impl OvhStack {
    /// The layer, for any transport of requests whose bodies are `Full<Bytes>`.
    ///
    /// Over hyper-util's client say [`OvhLayer::over_hyper_util`], and an attempt that ran out of time before it had a
    /// connection is known to be unsent.
    #[must_use]
    pub fn layer(&self) -> OvhLayer<Full<Bytes>> {
        self.layer_for()
    }

    /// The layer, for requests with other bodies: what implements [`Replay`](jittered_backoff::Replay) and
    /// [`SignableBody`](ovh_auth::SignableBody), has a default (the empty body), and can be made from bytes.
    #[must_use]
    pub fn layer_for<B>(&self) -> OvhLayer<B> {
        OvhLayer::new(self.clone())
    }
}

impl<B> OvhLayer<B> {
    fn new(stack: OvhStack) -> Self {
        Self { stack, over_hyper_util: false, body: PhantomData }
    }

    /// Declares that the requests end in hyper-util's client, such as that of
    /// [`Connector::client`](crate::Connector::client): then an attempt that ran out of time before it had a connection
    /// was provably never sent.
    ///
    /// Only true of a client whose connections this process makes itself; over anything else (reqwest, say) a missing note
    /// would be taken for that proof, and a POST could be sent twice.
    #[must_use]
    pub fn over_hyper_util(self) -> Self {
        Self { over_hyper_util: true, ..self }
    }
}

impl<S, B, R> Layer<S> for OvhLayer<B>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Default + From<Bytes> + Send + 'static,
    R: Body<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    type Service = Ovh<S>;

    fn layer(&self, transport: S) -> Ovh<S> {
        let OvhStack { stats, limiter, .. } = &self.stack;
        let timeout = match self.over_hyper_util {
            true => self.stack.attempt_timeout.over_hyper_util(),
            false => self.stack.attempt_timeout,
        };
        // What every attempt passes, and what is fetched for it, too.
        let paced = ServiceBuilder::new()
            .layer(RateLimitLayer::from(limiter.clone()))
            .layer(stats.attempts())
            .layer(timeout);

        let collect = CollectLayer::new(self.stack.body_limit);
        let (auth, toll) = match &self.stack.auth {
            None => (Auth::None, None),
            Some((endpoint, identity)) => {
                // Its body is within the time limit, too: everybody waits for it.
                let fetch =
                    paced.service(collect.layer(transport.clone())).map_response(into_body as IntoBody);
                let auth = Auth::new(endpoint, identity, fetch);
                // Without a consumer key nothing is signed, and no time is needed.
                let clock = auth.clock().filter(|_| identity.can_sign()).cloned();
                let toll =
                    Toll { endpoint: endpoint.clone(), clock, limiter: self.stack.signed_limiter.clone() };
                (auth, Some(toll))
            }
        };

        let attempted: Attempted<S> = match auth {
            Auth::Sign { layer, .. } => Either::Left(collect.layer(layer.layer(transport))),
            Auth::Bearer(layer) => Either::Right(Either::Left(collect.layer(layer.layer(transport)))),
            Auth::None => Either::Right(Either::Right(collect.layer(transport))),
        };

        let gate = Gate::new(paced.service(attempted), toll);
        let clock = gate.clock().cloned();
        let retry = RetryOnTlsEofLayer::new(self.stack.backoff)
            .with_limits(self.stack.limits)
            .with_seeds(self.stack.seeds.clone());
        let inner = ServiceBuilder::new().layer(stats.calls()).layer(retry).service(gate);
        Ovh::new(inner, clock)
    }
}

type IntoBody = fn(Response<Bytes>) -> Response<Full<Bytes>>;

fn into_body(response: Response<Bytes>) -> Response<Full<Bytes>> {
    response.map(Full::new)
}

/// By what calls are authenticated.
enum Auth {
    None,
    Sign { layer: SignLayer, clock: ServerClock },
    Bearer(BearerLayer),
}

impl Auth {
    fn new<S, B>(endpoint: &Endpoint, identity: &Identity, fetch: S) -> Self
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
        Self::Bearer(BearerLayer::new(endpoint.clone(), tokens))
    }

    fn clock(&self) -> Option<&ServerClock> {
        match self {
            Self::Sign { clock, .. } => Some(clock),
            _ => None,
        }
    }
}

// By hand, because `B` need not be `Clone` or `Debug`.
impl<B> Clone for OvhLayer<B> {
    fn clone(&self) -> Self {
        Self { stack: self.stack.clone(), over_hyper_util: self.over_hyper_util, body: PhantomData }
    }
}

impl<B> fmt::Debug for OvhLayer<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stack, over_hyper_util, .. } = self;
        f.debug_struct("OvhLayer").field("stack", stack).field("over_hyper_util", over_hyper_util).finish()
    }
}

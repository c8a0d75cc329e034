//! The layer, and how the layers are put together.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use rate_limit::{Limiter, RateLimitLayer};
use retry_on_tls_eof::NoReconcile;
use tower::util::Either;
use tower::{BoxError, ServiceExt as _};
use tower_layer::{Identity as NoLayer, Layer};
use tower_service::Service;
use wire_fault::Boxed;

use super::attempt::{Authenticated, OvhAttempt};
use super::auth::Auth;
use super::gate::Gate;
use super::pausing::Pausing;
use super::permitted::Permitted;
use super::prepared::Prepared;
use super::service::Ovh;
use super::settings::OvhStack;

/// Puts a transport under the recommended stack: made by [`OvhStack::layer`].
///
/// `B` is the body of the requests; `H` and `L` are [`OvhStack`]'s.
///
/// # Clone
///
/// Each service that it makes has a clock of its own, or tokens; limiters and statistics are the stack's.
pub struct OvhLayer<B, H = NoReconcile, L = NoLayer> {
    stack: OvhStack<H, L>,
    over_hyper_util: bool,
    body: PhantomData<fn(B)>,
}

impl<H: Clone, L: Clone> OvhStack<H, L> {
    /// The layer, for any transport of requests whose bodies are `Full<Bytes>`.
    ///
    /// Over hyper-util's client say [`OvhLayer::over_hyper_util`], and an attempt that ran out of time before it had a
    /// connection is known to be unsent.
    ///
    /// # Spawning
    ///
    /// Its services and futures are `Send` if the transport is. rustc can't see that of one kind of transport, which tests have: a
    /// closure whose error is a [`BoxError`]. In an async block that is spawned it fails with "implementation of `From` is not
    /// general enough" ([rust#110338](https://github.com/rust-lang/rust/issues/110338)); a bound that spares the question there is
    /// not. An `async fn` in place of the closure, or an error with a type of its own, will do; else box the service, as
    /// programs do anyway to give it a name:
    ///
    /// ```
    /// use bytes::Bytes;
    /// use http::{Request, Response};
    /// use http_body_util::Full;
    /// use tower::util::BoxCloneSyncService;
    /// use tower::{BoxError, Layer, Service, ServiceExt, service_fn};
    /// use tower_ovh::OvhStack;
    ///
    /// type Api = BoxCloneSyncService<Request<Full<Bytes>>, Response<Bytes>, BoxError>;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), BoxError> {
    /// let mock = service_fn(|_: Request<Full<Bytes>>| async { Ok::<_, BoxError>(Response::new(Full::from("1"))) });
    /// let mut api = Api::new(OvhStack::new().layer().layer(mock));
    ///
    /// let request = Request::get("https://eu.api.ovh.com/1.0/auth/time").body(Full::default())?;
    /// let call = tokio::spawn(async move { api.ready().await?.call(request).await });
    /// assert_eq!(call.await??.body(), "1");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn layer(&self) -> OvhLayer<Full<Bytes>, H, L> {
        self.layer_for()
    }

    /// The layer, for requests with other bodies: what implements [`Replay`](jittered_backoff::Replay) and
    /// [`SignableBody`](ovh_auth::SignableBody), has a default (the empty body), and can be made from bytes.
    #[must_use]
    pub fn layer_for<B>(&self) -> OvhLayer<B, H, L> {
        OvhLayer { stack: self.clone(), over_hyper_util: false, body: PhantomData }
    }
}

impl<B, H, L> OvhLayer<B, H, L> {
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

impl<S, B, H, L> Layer<S> for OvhLayer<B, H, L>
where
    S: Clone,
    B: Default + From<Bytes> + Send + 'static,
    H: Clone,
    L: Layer<OvhAttempt<S>>,
    L::Service: Service<Request<B>, Response = Response<Bytes>, Error = BoxError, Future: Send>
        + Clone
        + Send
        + 'static,
{
    type Service = Ovh<L::Service, H, B>;

    fn layer(&self, transport: S) -> Self::Service {
        let OvhStack { stats, retry, limiter, signed_limiter, pauses, attempt_layer, collect, .. } =
            &self.stack;
        let timeout = match self.over_hyper_util {
            true => self.stack.attempt_timeout.over_hyper_util(),
            false => self.stack.attempt_timeout,
        };
        let attempt = |authenticated: Authenticated<S>| {
            let timed = OvhAttempt::new(timeout.layer(authenticated));
            stats.attempts::<Boxed>().layer(attempt_layer.layer(timed))
        };
        let limit = |by: &Limiter, also: Option<Limiter>| {
            let stats = stats.clone();
            RateLimitLayer::from(by.clone())
                .with_listener(Pausing::new(*pauses, also))
                .on_wait(move |waited| stats.record_wait(waited))
        };
        // What every attempt passes, and what is fetched for it, too.
        let paced = limit(limiter, None);
        let open = || Either::Right(Either::Right(collect.layer(transport.clone())));

        let gate = match &self.stack.auth {
            None => Gate::new(paced.layer(attempt(open())), None),
            Some((endpoint, identity)) => {
                // The fetch's body is within the time limit, too: everybody waits for it.
                let fetch = paced.layer(attempt(open())).map_response(into_body as IntoBody);
                let auth = Arc::new(Auth::new(endpoint, identity, fetch));
                let authenticated = match &*auth {
                    Auth::Sign { layer, .. } => Either::Left(collect.layer(layer.layer(transport))),
                    Auth::Bearer { layer, .. } => {
                        Either::Right(Either::Left(collect.layer(layer.layer(transport))))
                    }
                };
                let attempted = attempt(authenticated);
                let common = (!limiter.same_limiter(signed_limiter)).then(|| limiter.clone());
                let twice_paced = limit(signed_limiter, Some(limiter.clone()))
                    .layer(Permitted::new(Prepared::new(attempted.clone(), Arc::clone(&auth)), common));
                Gate::new(paced.layer(attempted), Some((auth, twice_paced)))
            }
        };
        let clock = gate.clock().cloned();
        let retry = retry.clone().over_attempt_timeout();
        Ovh::new(stats.calls().layer(retry.layer(gate)), clock)
    }
}

type IntoBody = fn(Response<Bytes>) -> Response<Full<Bytes>>;

fn into_body(response: Response<Bytes>) -> Response<Full<Bytes>> {
    response.map(Full::new)
}

// By hand, because `B` need not be `Clone` or `Debug`.
impl<B, H: Clone, L: Clone> Clone for OvhLayer<B, H, L> {
    fn clone(&self) -> Self {
        Self { stack: self.stack.clone(), over_hyper_util: self.over_hyper_util, body: PhantomData }
    }
}

impl<B, H: fmt::Debug, L> fmt::Debug for OvhLayer<B, H, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stack, over_hyper_util, .. } = self;
        f.debug_struct("OvhLayer").field("stack", stack).field("over_hyper_util", over_hyper_util).finish()
    }
}

//! The settings.

use std::fmt;
use std::time::Duration;

use error_stats::ErrorStats;
use ovh_auth::{Config, Endpoint};
use rate_limit::{Limiter, Pauses};
use retry_on_tls_eof::{
    AttemptTimeoutLayer, InvalidBodyLimit, InvalidTimeout, NoReconcile, RetryOnTlsEofLayer,
};
use tower_layer::Identity as NoLayer;
use wire_fault::Boxed;

use super::collect::CollectLayer;
use super::identity::Identity;
use crate::setup_error::UnknownCredentials;

/// The recommended stack of layers, and what can be set of it.
///
/// ```text
///             request ↓                      ↑ response or a typed error
///  error-stats (calls)      counts what the caller sees
///  retry-on-tls-eof         repeats what may be repeated; OutcomeUnknown when nobody can know
///  gate                     refuses what can't be authenticated; waits for the server's time, or a token
///  rate-limit               every attempt is paced, in order of arrival; pauses on 429; signed ones by their consumer's quota, too
///  error-stats (attempts)   counts what the wire does
///  your attempt layer       if you have one
///  attempt timeout          starts when the limiter has released the attempt
///  collect body             makes a cut in the body visible to the retry
///  ovh-auth                 signs each attempt afresh, with the server's clock
///  your transport           any Service<http::Request<_>>
/// ```
///
/// The fetch of the server's time, and that of a token, go through the limiter, the attempts' statistics, your attempt
/// layer and the time limit like everything else that is sent.
///
/// | | [`new`](Self::new) | [`watcher`](Self::watcher) | [`buyer`](Self::buyer) |
/// |---|---|---|---|
/// | wait before a repeat | 2 s to 10 s, decorrelated | the same | the same |
/// | attempts, and until when the last may start | 3, 90 s | 3, 30 s | 6, 5 min |
/// | time for an attempt, body included | 30 s | 10 s | 60 s |
/// | every attempt | 10/s, guard 50 ms | the same, spaced evenly | as `new` |
/// | wait in a limiter's queue | until the deadline above | at most 10 s, then refused | until the deadline above |
/// | signed calls | 60/min, guard 50 ms | the same | the same |
/// | alarm after failed calls in a row | 5 | 5 | 1 |
/// | longest body | 16 MiB | the same | the same |
///
/// Where the figures come from: 2 s, 10 s, three attempts, 30 s, 10/s and the alarm at 5 are what people who patched the Python
/// client settled on; 60/min per consumer key is the only limit that OVHcloud's staff ever named (python-ovh #81); the
/// catalogue, the longest known answer, has about 12 MB. The rest are choices.
///
/// # Every knob of the layers
///
/// | layer | set by |
/// |---|---|
/// | error-stats | [`with_stats`](Self::with_stats): the handle has its thresholds, hooks, metrics, the wall clock |
/// | retry-on-tls-eof | [`with_retry`](Self::with_retry): backoff, limits, budget, seeds, `with_never`, `repeat_refused`, idempotency keys, `on_retry`, `with_reconcile` |
/// | rate-limit | [`with_limiter`](Self::with_limiter), [`with_signed_limiter`](Self::with_signed_limiter): quotas, bounds; live through the [`Limiter`]; [`with_pauses`](Self::with_pauses) |
/// | attempt timeout | [`with_attempt_timeout`](Self::with_attempt_timeout), [`OvhLayer::over_hyper_util`](crate::OvhLayer::over_hyper_util) |
/// | collect body | [`with_body_limit`](Self::with_body_limit) |
/// | ovh-auth | [`with_config`](Self::with_config); per call the [`Unsigned`](ovh_auth::Unsigned) and [`RetrySafety`](retry_on_tls_eof::RetrySafety) extensions |
///
/// Left out, because each attempt costs one permit and a call's limits are known only with its request: costs, keys and
/// backpressure of a `RateLimitLayer`. For a quota by host, say, put such a layer in as [attempt
/// layer](Self::with_attempt_layer).
///
/// ```
/// use std::time::Duration;
///
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use tower::{BoxError, Layer, Service, ServiceExt, service_fn};
/// use tower_ovh::OvhStack;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), BoxError> {
/// let stack = OvhStack::new().with_attempt_timeout(Duration::from_secs(20))?;
/// let transport = service_fn(|_: Request<Full<Bytes>>| async { Ok::<_, BoxError>(Response::new(Full::from("[]"))) });
///
/// let mut ovh = stack.layer().layer(transport);
/// let stock = Request::get("https://eu.api.ovh.com/1.0/dedicated/server/datacenter/availabilities");
/// let response = ovh.ready().await?.call(stock.body(Full::default())?).await?;
/// assert_eq!(response.body(), "[]");
/// assert_eq!(stack.stats().snapshot().attempts.succeeded, 1);
/// # Ok(())
/// # }
/// ```
///
/// # Clone
///
/// A clone shares the statistics, the limiters and the seeds; settings made later concern only itself.
#[derive(Clone)]
pub struct OvhStack<H = NoReconcile, L = NoLayer> {
    pub(super) auth: Option<(Endpoint, Identity)>,
    pub(super) stats: ErrorStats,
    pub(super) retry: RetryOnTlsEofLayer<Boxed, H>,
    pub(super) limiter: Limiter,
    pub(super) signed_limiter: Limiter,
    pub(super) pauses: Pauses,
    pub(super) attempt_layer: L,
    pub(super) attempt_timeout: AttemptTimeoutLayer,
    pub(super) collect: CollectLayer,
}

impl<H, L> OvhStack<H, L> {
    /// Authenticates calls to the configuration's endpoint by its credentials, if it has any: application keys sign, OAuth2
    /// clients and access tokens go as bearer tokens.
    ///
    /// With credentials, a call that leads out of the endpoint is refused, unless it is marked [`Unsigned`](ovh_auth::Unsigned).
    ///
    /// # Errors
    ///
    /// If the credentials are of a kind that this version does not know.
    pub fn with_config(self, config: &Config) -> Result<Self, UnknownCredentials> {
        let identity = config.credentials().map(Identity::of).transpose()?;
        Ok(Self { auth: identity.map(|identity| (config.endpoint().clone(), identity)), ..self })
    }

    /// Counts into this handle, which may have hooks and thresholds of its own, and be shared with other stacks.
    #[must_use]
    pub fn with_stats(self, stats: ErrorStats) -> Self {
        Self { stats, ..self }
    }

    /// Repeats as this layer says. Start from [`retry`](Self::retry) to keep the rest of a preset's.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use http::Response;
    /// use retry_on_tls_eof::{MayHaveLanded, Reconciled};
    /// use tower_ovh::OvhStack;
    ///
    /// # fn main() -> Result<(), retry_on_tls_eof::NoRefusal> {
    /// let stack = OvhStack::buyer();
    /// let retry = stack
    ///     .retry()
    ///     .clone()
    ///     .repeat_refused(429)?
    ///     .with_never(|_, uri| uri.path().ends_with("/pay"))
    ///     .on_retry(|failure, wait, attempt| eprintln!("attempt {attempt}: {failure}; again in {wait:?}"))
    ///     .with_reconcile(async |_: MayHaveLanded| {
    ///         // In place of a look at GET /me/order, through a stack without this hook.
    ///         Ok(Reconciled::<Response<Bytes>>::StillUnknown)
    ///     });
    /// let stack = stack.with_retry(retry);
    /// # drop(stack);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_retry<H2>(self, retry: RetryOnTlsEofLayer<Boxed, H2>) -> OvhStack<H2, L> {
        self.replacing(|_, attempt_layer| (retry, attempt_layer))
    }

    /// Paces every attempt, and every fetch of the time or a token, by this limiter. It may be shared, with other stacks or with a
    /// layer of yours ([`RateLimitLayer::limiter`](rate_limit::RateLimitLayer::limiter)), and has its own bounds.
    #[must_use]
    pub fn with_limiter(self, limiter: Limiter) -> Self {
        Self { limiter, ..self }
    }

    /// Paces the attempts of authenticated calls by this limiter, too: one for each consumer key. Others neither wait for it nor
    /// count. If it is [`limiter`](Self::limiter) itself, each attempt takes one permit of it.
    #[must_use]
    pub fn with_signed_limiter(self, limiter: Limiter) -> Self {
        Self { signed_limiter: limiter, ..self }
    }

    /// How long a 429 or 503 can pause the limiters: 60 s at most by default.
    ///
    /// An answer to an authenticated call pauses both, since whose limit was passed it does not say.
    #[must_use]
    pub fn with_pauses(self, pauses: Pauses) -> Self {
        Self { pauses, ..self }
    }

    /// Puts a layer of yours around each attempt: below the limiter and the attempts' statistics, directly above the time limit. It
    /// sees what the wire does, in order of release, fetches of the time included; a second one replaces the first.
    ///
    /// It is put around an [`OvhAttempt`](crate::OvhAttempt). Its services answer `Response<Bytes>` or a
    /// [`BoxError`](tower::BoxError), and are `Clone`; [`OvhStack::layer`] asks for that. Several go in as a
    /// [`ServiceBuilder`](tower::ServiceBuilder). It must not send a request in any way but through the service it is put
    /// around, or the time limit's proof that nothing was sent would be none. Nor may one attempt wait for another, as
    /// with a `GlobalConcurrencyLimitLayer`: a call whose token ends while it is held back there keeps its place while
    /// the next is fetched.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use http::{Request, Response};
    /// use http_body_util::Full;
    /// use tower::util::MapRequestLayer;
    /// use tower::{BoxError, Layer, ServiceExt, service_fn};
    /// use tower_ovh::OvhStack;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), BoxError> {
    /// let name = |mut request: Request<Full<Bytes>>| {
    ///     request.headers_mut().insert("user-agent", http::HeaderValue::from_static("shop/1.0"));
    ///     request
    /// };
    /// let stack = OvhStack::new().with_attempt_layer(MapRequestLayer::new(name));
    ///
    /// let transport = service_fn(async |request: Request<Full<Bytes>>| {
    ///     Ok::<_, BoxError>(Response::new(Full::from(format!("{:?}", request.headers()["user-agent"]))))
    /// });
    /// let request = Request::get("https://eu.api.ovh.com/1.0/auth/time").body(Full::default())?;
    /// let response = stack.layer().layer(transport).oneshot(request).await?;
    /// assert_eq!(response.body(), "\"shop/1.0\"");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_attempt_layer<L2>(self, attempt_layer: L2) -> OvhStack<H, L2> {
        self.replacing(|retry, _| (retry, attempt_layer))
    }

    /// Replaces the two parts that have types of their own.
    fn replacing<H2, L2>(
        self,
        parts: impl FnOnce(RetryOnTlsEofLayer<Boxed, H>, L) -> (RetryOnTlsEofLayer<Boxed, H2>, L2),
    ) -> OvhStack<H2, L2> {
        let Self {
            auth,
            stats,
            retry,
            limiter,
            signed_limiter,
            pauses,
            attempt_layer,
            attempt_timeout,
            collect,
        } = self;
        let (retry, attempt_layer) = parts(retry, attempt_layer);
        OvhStack {
            auth,
            stats,
            retry,
            limiter,
            signed_limiter,
            pauses,
            attempt_layer,
            attempt_timeout,
            collect,
        }
    }

    /// Gives each attempt this long, from its release by the limiter to the last byte of the body: 1 ms to 1 hour.
    ///
    /// # Errors
    ///
    /// If it is out of that range.
    pub fn with_attempt_timeout(self, after: Duration) -> Result<Self, InvalidTimeout> {
        Ok(Self { attempt_timeout: AttemptTimeoutLayer::new(after)?, ..self })
    }

    /// The most bytes a response's body may have: 1 to [`CollectBodyLayer::MAX`](retry_on_tls_eof::CollectBodyLayer::MAX). A body
    /// is held in memory whole.
    ///
    /// # Errors
    ///
    /// If it is out of that range.
    pub fn with_body_limit(self, bytes: usize) -> Result<Self, InvalidBodyLimit> {
        Ok(Self { collect: CollectLayer::new(bytes)?, ..self })
    }

    /// The statistics.
    #[must_use]
    pub fn stats(&self) -> &ErrorStats {
        &self.stats
    }

    /// The layer that repeats.
    #[must_use]
    pub fn retry(&self) -> &RetryOnTlsEofLayer<Boxed, H> {
        &self.retry
    }

    /// The limiter of every attempt.
    #[must_use]
    pub fn limiter(&self) -> &Limiter {
        &self.limiter
    }

    /// The limiter of authenticated calls.
    #[must_use]
    pub fn signed_limiter(&self) -> &Limiter {
        &self.signed_limiter
    }
}

impl<H: fmt::Debug, L> fmt::Debug for OvhStack<H, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OvhStack")
            .field("endpoint", &self.auth.as_ref().map(|(endpoint, _)| endpoint))
            .field("retry", &self.retry)
            .field("limiter", &self.limiter)
            .field("signed_limiter", &self.signed_limiter)
            .field("pauses", &self.pauses)
            .field("attempt_timeout", &self.attempt_timeout)
            .field("collect", &self.collect)
            .finish_non_exhaustive()
    }
}

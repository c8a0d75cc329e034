//! The settings.

use std::fmt;
use std::time::Duration;

use error_stats::{ErrorStats, InvalidThreshold};
use jittered_backoff::{Backoff, Limits, Seeds};
use ovh_auth::{ApplicationKeys, Config, Credentials, Endpoint, OAuth2Client, Secret};
use rate_limit::{Limiter, Quota};
use retry_on_tls_eof::{AttemptTimeoutLayer, InvalidTimeout};

use crate::setup_error::UnknownCredentials;

/// The recommended stack of layers, and what can be set of it.
///
/// ```text
///             request ↓                      ↑ response or a typed error
///  error-stats (calls)      counts what the caller sees
///  retry-on-tls-eof         repeats what may be repeated; OutcomeUnknown when nobody can know
///  gate                     signed calls: waits for the server's time and the consumer's turn
///  rate-limit               every attempt is paced, in order of arrival
///  error-stats (attempts)   counts what the wire does
///  attempt timeout          starts when the limiter has released the attempt
///  collect body             makes a cut in the body visible to the retry
///  ovh-auth                 signs each attempt afresh, with the server's clock
///  your transport           any Service<http::Request<_>>
/// ```
///
/// The fetch of the server's time, and that of a token, go through the limiter, the attempts' statistics and the time limit like
/// everything else that is sent.
///
/// | | [`new`](Self::new) | [`watcher`](Self::watcher) | [`buyer`](Self::buyer) |
/// |---|---|---|---|
/// | wait before a repeat | 2 s to 10 s, decorrelated | the same | the same |
/// | attempts, and until when the last may start | 3, 90 s | 3, 30 s | 6, 5 min |
/// | time for an attempt, body included | 30 s | 10 s | 60 s |
/// | every attempt | 10/s, guard 50 ms | the same, spaced evenly | as `new` |
/// | wait in a limiter's queue | any | at most 10 s, then refused | any |
/// | signed calls | 60/min, guard 50 ms | the same | the same |
/// | alarm after failed calls in a row | 5 | 5 | 1 |
/// | longest body | 16 MiB | the same | the same |
///
/// Where the figures come from: 2 s, 10 s, three attempts, 30 s, 10/s and the alarm at 5 are what people who patched the Python
/// client settled on; 60/min per consumer key is the only limit that OVHcloud's staff ever named (python-ovh #81); the
/// catalogue, the longest known answer, has about 12 MB. The rest are choices.
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
pub struct OvhStack {
    pub(super) auth: Option<(Endpoint, Identity)>,
    pub(super) stats: ErrorStats,
    pub(super) backoff: Backoff,
    pub(super) limits: Limits,
    pub(super) seeds: Seeds,
    pub(super) limiter: Limiter,
    pub(super) signed_limiter: Limiter,
    pub(super) attempt_timeout: AttemptTimeoutLayer,
    pub(super) body_limit: usize,
}

/// As whom calls are made.
#[derive(Clone)]
pub(super) enum Identity {
    Application(ApplicationKeys),
    OAuth2(OAuth2Client),
    AccessToken(Secret),
}

impl Identity {
    pub(super) fn can_sign(&self) -> bool {
        matches!(self, Self::Application(keys) if keys.has_consumer_key())
    }
}

const GUARD: Duration = Duration::from_millis(50);
/// How long a watcher's call may wait in a queue.
const PATIENCE: Duration = Duration::from_secs(10);
const EVERY_ATTEMPT: Quota = guarded(Quota::per_second(10));
const SIGNED: Quota = guarded(Quota::per_minute(60));

/// Evaluated by the compiler, so that a figure out of range would not build.
const fn guarded(quota: Result<Quota, rate_limit::InvalidQuota>) -> Quota {
    match quota {
        Ok(quota) => match quota.with_guard(GUARD) {
            Ok(quota) => quota,
            Err(_) => unreachable!(),
        },
        Err(_) => unreachable!(),
    }
}

impl OvhStack {
    /// For everything that is neither of the two below. Calls are not authenticated before
    /// [`with_config`](Self::with_config).
    #[must_use]
    pub fn new() -> Self {
        Self {
            auth: None,
            stats: ErrorStats::new(),
            backoff: Backoff::default(),
            limits: Limits::new(),
            seeds: Seeds::from_os(),
            limiter: Limiter::new(EVERY_ATTEMPT),
            signed_limiter: Limiter::new(SIGNED),
            attempt_timeout: attempt_timeout(30),
            body_limit: 16 * 1024 * 1024,
        }
    }

    /// For a program that asks the same questions over and over, and for which an old answer is worth nothing: it gives up
    /// sooner, since the next look comes anyway, refuses looks that would queue for more than 10 s, and spaces its calls by
    /// 105 ms instead of sending ten at once.
    #[must_use]
    pub fn watcher() -> Self {
        Self {
            limits: Limits::new().with_deadline(Duration::from_secs(30)),
            limiter: Limiter::new(EVERY_ATTEMPT.spaced()).with_max_wait(PATIENCE),
            signed_limiter: Limiter::new(SIGNED).with_max_wait(PATIENCE),
            attempt_timeout: attempt_timeout(10),
            ..Self::new()
        }
    }

    /// For a few calls of which each one counts: it is more patient, and waits long for an answer, because a checkout that
    /// runs out of time has an unknown outcome. The first failed call raises the alarm.
    #[must_use]
    pub fn buyer() -> Self {
        let new = Self::new();
        let stats = ErrorStats::new();
        Self {
            // Neither fails for figures above zero; were the ranges to change, the defaults would stay.
            stats: stats.clone().with_threshold(1).unwrap_or(stats),
            limits: new.limits.with_attempts(6).unwrap_or(new.limits).with_deadline(Duration::from_secs(300)),
            attempt_timeout: attempt_timeout(60),
            ..new
        }
    }

    /// Authenticates calls to the configuration's endpoint by its credentials, if it has any: application keys sign, OAuth2
    /// clients and access tokens go as bearer tokens.
    ///
    /// With credentials, a call that leads out of the endpoint is refused, unless it is marked [`Unsigned`](ovh_auth::Unsigned).
    ///
    /// # Errors
    ///
    /// If the credentials are of a kind that this version does not know.
    pub fn with_config(self, config: &Config) -> Result<Self, UnknownCredentials> {
        let auth = match config.credentials() {
            None => None,
            Some(Credentials::Application(keys)) => Some(Identity::Application(keys.clone())),
            Some(Credentials::OAuth2(client)) => Some(Identity::OAuth2(client.clone())),
            Some(Credentials::AccessToken(token)) => Some(Identity::AccessToken(token.clone())),
            Some(_) => return Err(UnknownCredentials(())),
        };
        Ok(Self { auth: auth.map(|identity| (config.endpoint().clone(), identity)), ..self })
    }

    /// Counts into this handle, which may have hooks and a threshold of its own, and be shared with other stacks.
    #[must_use]
    pub fn with_stats(self, stats: ErrorStats) -> Self {
        Self { stats, ..self }
    }

    /// Raises the alarm after this many failed calls in a row: 1 or more.
    ///
    /// # Errors
    ///
    /// For 0.
    pub fn with_alarm_at(self, failures: u64) -> Result<Self, InvalidThreshold> {
        Ok(Self { stats: self.stats.with_threshold(failures)?, ..self })
    }

    /// How long to wait before a repeat.
    #[must_use]
    pub fn with_backoff(self, backoff: Backoff) -> Self {
        Self { backoff, ..self }
    }

    /// How many attempts a call has, and until when the last may start.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Where the waits' randomness comes from, so that a test can repeat them.
    #[must_use]
    pub fn with_seeds(self, seeds: Seeds) -> Self {
        Self { seeds, ..self }
    }

    /// Paces every attempt, and every fetch of the time or a token, by this limiter; it may be shared with other stacks.
    #[must_use]
    pub fn with_limiter(self, limiter: Limiter) -> Self {
        Self { limiter, ..self }
    }

    /// Paces the attempts of authenticated calls by this limiter, before the other: one for each consumer key.
    #[must_use]
    pub fn with_signed_limiter(self, limiter: Limiter) -> Self {
        Self { signed_limiter: limiter, ..self }
    }

    /// Gives each attempt this long, from its release by the limiter to the last byte of the body: 1 ms to 1 hour.
    ///
    /// # Errors
    ///
    /// If it is out of that range.
    pub fn with_attempt_timeout(self, after: Duration) -> Result<Self, InvalidTimeout> {
        Ok(Self { attempt_timeout: AttemptTimeoutLayer::new(after)?, ..self })
    }

    /// The most bytes a response's body may have. A body is held in memory whole.
    #[must_use]
    pub fn with_body_limit(self, bytes: usize) -> Self {
        Self { body_limit: bytes, ..self }
    }

    /// The statistics.
    #[must_use]
    pub fn stats(&self) -> &ErrorStats {
        &self.stats
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

/// A literal of this file's.
fn attempt_timeout(seconds: u64) -> AttemptTimeoutLayer {
    #[expect(clippy::expect_used, reason = "10, 30 and 60 s are in range")]
    AttemptTimeoutLayer::new(Duration::from_secs(seconds)).expect("in range")
}

impl Default for OvhStack {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for OvhStack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OvhStack")
            .field("endpoint", &self.auth.as_ref().map(|(endpoint, _)| endpoint))
            .field("backoff", &self.backoff)
            .field("limits", &self.limits)
            .field("limiter", &self.limiter)
            .field("signed_limiter", &self.signed_limiter)
            .field("attempt_timeout", &self.attempt_timeout)
            .field("body_limit", &self.body_limit)
            .finish_non_exhaustive()
    }
}

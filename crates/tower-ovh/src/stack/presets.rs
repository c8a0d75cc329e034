//! The settings to start from.

use std::time::Duration;

use error_stats::ErrorStats;
use jittered_backoff::{Backoff, Limits};
use rate_limit::{Limiter, Pauses, Quota};
use retry_on_tls_eof::{AttemptTimeoutLayer, RetryOnTlsEofLayer};
use tower_layer::Identity as NoLayer;

use super::collect::CollectLayer;
use super::settings::OvhStack;

const GUARD: Duration = Duration::from_millis(50);
/// How long a watcher's call may wait in a queue.
const PATIENCE: Duration = Duration::from_secs(10);
const EVERY_ATTEMPT: Quota = guarded(Quota::per_second(10));
const SIGNED: Quota = guarded(Quota::per_minute(60));
/// The catalogue, the longest known answer, has about 12 MB.
const LONGEST_BODY: usize = 16 * 1024 * 1024;

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
        #[expect(clippy::expect_used, reason = "16 MiB are in range")]
        let collect = CollectLayer::new(LONGEST_BODY).expect("in range");
        Self {
            auth: None,
            stats: ErrorStats::new(),
            retry: RetryOnTlsEofLayer::new(Backoff::default()),
            limiter: Limiter::new(EVERY_ATTEMPT),
            signed_limiter: Limiter::new(SIGNED),
            pauses: Pauses::default(),
            attempt_layer: NoLayer::new(),
            attempt_timeout: attempt_timeout(30),
            collect,
        }
    }

    /// For a program that asks the same questions over and over, and for which an old answer is worth nothing: it gives up
    /// sooner, since the next look comes anyway, refuses looks that would queue for more than 10 s, and spaces its calls by
    /// 105 ms instead of sending ten at once.
    #[must_use]
    pub fn watcher() -> Self {
        let new = Self::new();
        Self {
            retry: new.retry.with_limits(Limits::new().with_deadline(Duration::from_secs(30))),
            limiter: Limiter::new(EVERY_ATTEMPT.spaced()).with_max_wait(PATIENCE),
            signed_limiter: Limiter::new(SIGNED).with_max_wait(PATIENCE),
            attempt_timeout: attempt_timeout(10),
            ..new
        }
    }

    /// For a few calls of which each one counts: it is more patient, and waits long for an answer, because a checkout that
    /// runs out of time has an unknown outcome. The first failed call raises the alarm.
    #[must_use]
    pub fn buyer() -> Self {
        let new = Self::new();
        // Neither fails for figures above zero; were the ranges to change, the defaults would stay.
        let limits = Limits::new().with_attempts(6).unwrap_or_default();
        let stats = ErrorStats::new();
        Self {
            stats: stats.clone().with_threshold(1).unwrap_or(stats),
            retry: new.retry.with_limits(limits.with_deadline(Duration::from_secs(300))),
            attempt_timeout: attempt_timeout(60),
            ..new
        }
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

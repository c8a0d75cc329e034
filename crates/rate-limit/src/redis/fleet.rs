//! Limiters whose quota several processes share.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use jittered_backoff::Seeds;
use tokio::time::Instant;

use super::driver::Driver;
use super::fallback::Fallback;
use super::feed::Feed;
use super::invalid::{Flaw, FleetError, InvalidFleet};
use super::leased::Leased;
use super::link::Link;
use super::settings::Settings;
use super::stream::{Target, Tls};
use crate::bounds::Bounds;
use crate::keyed::{InvalidKeys, KeyedLimiter};
use crate::limiter::Limiter;
use crate::quotas::Quotas;
use crate::shared::Shared;

/// The most slots of one lease.
const MOST_LEASE: u32 = 100;
/// The longest key prefix, in bytes.
const MOST_PREFIX: usize = 200;
const LATENESS: (Duration, Duration) = (Duration::from_millis(1), Duration::from_secs(1));
const NOTICE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(10));

/// A server of Redis or Valkey, over which processes share quotas.
///
/// Limiters of the same [prefix](Self::with_prefix) and name, in whatever process, are one limit; within a process, clone
/// the [`Limiter`] rather than make two, or each has a queue of its own. All limiters of a `Fleet` and its clones use one
/// connection for each Tokio runtime, which is made when the first call waits there. See the [module](super) for what is promised.
///
/// ```no_run
/// use rate_limit::redis::{Fallback, Fleet};
/// use rate_limit::{BoxError, Quota, RateLimitLayer};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let fleet = Fleet::new("redis://127.0.0.1/")?
///     .with_prefix("shop")?
///     // Four processes: each has a quarter while Redis is away.
///     .with_fallback(Fallback::local(Quota::new(10, std::time::Duration::from_secs(4))?));
/// fleet.check().await?;
/// let limiter = fleet.limiter("ovh", Quota::per_second(10)?);
/// limiter.acquire().await?;
/// let layer = RateLimitLayer::from(limiter.clone());
/// // … and at the end:
/// limiter.flush().await?;
/// # drop(layer);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Fleet {
    settings: Settings,
}

impl Fleet {
    /// The server at this URL: `redis[s]://[[user]:password@]host[:port][/database]`, `valkey[s]://…` or `unix:///path`. A
    /// password must be percent-encoded. Nothing is connected yet.
    ///
    /// `rediss` takes the feature `redis-tls`: rustls with ring, and the platform's roots. For a configuration of your own
    /// there is `over_tls`.
    ///
    /// # Errors
    ///
    /// If it is no such URL.
    ///
    /// ```
    /// use rate_limit::redis::Fleet;
    ///
    /// let refused = Fleet::new("http://anne:secret@localhost/").unwrap_err();
    /// assert!(refused.to_string().starts_with("the URL of a fleet's server is not one"));
    /// assert!(!refused.to_string().contains("secret"));
    /// ```
    pub fn new(url: &str) -> Result<Self, InvalidFleet> {
        Target::parse(url, Tls::default()).map(Self::at)
    }

    /// The same, over TLS with this configuration: client certificates, say, or roots of your own. Name its provider of
    /// cryptography: rustls has no default if a program has two.
    ///
    /// # Errors
    ///
    /// If it is no such URL, or not one of `rediss` or `valkeys`.
    #[cfg(feature = "redis-tls")]
    pub fn over_tls(url: &str, config: Arc<rustls::ClientConfig>) -> Result<Self, InvalidFleet> {
        Target::parse(url, Some(config)).map(Self::at)
    }

    fn at(target: Target) -> Self {
        let settings = Settings {
            link: Arc::new(Link::new(target, Seeds::from_os())),
            news: Arc::default(),
            prefix: "rate-limit".to_owned(),
            lease: 1,
            lateness: None,
            notice: Duration::from_millis(250),
            fallback: Fallback::Refuse,
        };
        Self { settings }
    }

    /// What the names of its keys begin with: `{prefix:name}:log` and `{prefix:name}:head`. Default: `rate-limit`.
    ///
    /// # Errors
    ///
    /// Unless it has from 1 to 200 bytes, no colon and no braces. (A limiter's name may have any: the prefix ends at the first
    /// colon, so no two limiters are one.)
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Result<Self, InvalidFleet> {
        let prefix = prefix.into();
        if prefix.is_empty() || prefix.len() > MOST_PREFIX || prefix.contains([':', '{', '}']) {
            return Err(InvalidFleet(Flaw::Prefix(prefix)));
        }
        self.settings.prefix = prefix;
        Ok(self)
    }

    /// Reserves `slots` at a time, 1 to 100, even if fewer callers wait: fewer questions, and less waiting for answers.
    /// Default: 1, which reserves for callers only.
    ///
    /// If a process crashes, what it has reserved is lost to the fleet for a window after its time: at most `slots` of
    /// what a call costs, or as many as the quota has if that is fewer, and as many as callers waited and were free at once. All but the first of a lease are
    /// no further ahead than the shortest window, so that the others have nothing for two windows at most. Slots that go by
    /// unused are given back, and so is all that a limiter holds when it is dropped; before a process ends,
    /// [`Limiter::flush`] waits for that.
    ///
    /// # Errors
    ///
    /// Unless it is from 1 to 100.
    pub fn with_lease(mut self, slots: u32) -> Result<Self, InvalidFleet> {
        if slots == 0 || slots > MOST_LEASE {
            return Err(InvalidFleet(Flaw::Lease { lease: slots, most: MOST_LEASE }));
        }
        self.settings.lease = slots as usize;
        Ok(self)
    }

    /// How late a slot may be used; from 1 ms to 1 s. By default a tenth of the shortest window, but from 5 ms to 50 ms.
    ///
    /// A process that does not come to its slot within this time (a busy machine, a blocked thread) gives it back and asks
    /// for another. Until it has reported when it used a slot, which it does with its next question, the slot counts as if
    /// used so late, after its time or, if it was free at once, after the time that a slow answer took of late; so much
    /// throughput a longer lateness costs, if reports come late.
    ///
    /// # Errors
    ///
    /// Unless it is in that range.
    pub fn with_lateness(mut self, lateness: Duration) -> Result<Self, InvalidFleet> {
        self.settings.lateness = Some(in_range("a lateness", lateness, LATENESS)?);
        Ok(self)
    }

    /// How long an answer is waited for before the [fallback](Self::with_fallback) holds; from 10 ms to 10 s. Default: 250
    /// ms.
    ///
    /// # Errors
    ///
    /// Unless it is in that range.
    pub fn with_notice(mut self, notice: Duration) -> Result<Self, InvalidFleet> {
        self.settings.notice = in_range("a notice", notice, NOTICE)?;
        Ok(self)
    }

    /// What holds while the server is away. Default: [`Fallback::Refuse`].
    #[must_use]
    pub fn with_fallback(mut self, fallback: Fallback) -> Self {
        self.settings.fallback = fallback;
        self
    }

    /// The seed of the waits between tries to reach the server: one seed, one row of waits. By default from the operating
    /// system. The connection is not shared with the fleet that this was cloned from.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        let target = self.settings.link.target().clone();
        self.settings.link = Arc::new(Link::new(target, Seeds::new(seed)));
        self.settings.news = Arc::default();
        self
    }

    /// Connects, and finds out whether the server can be used, so that a wrong password shows at the start. It need not be
    /// called.
    ///
    /// # Errors
    ///
    /// If it can't: with the reason. At the latest after a second for the connection, and one for the answer; if
    /// [`with_notice`](Self::with_notice) is longer, after that.
    ///
    /// # Cancellation
    ///
    /// Nothing is lost.
    ///
    /// # Panics
    ///
    /// As Tokio does, outside a runtime of its that has time and I/O enabled.
    pub async fn check(&self) -> Result<(), FleetError> {
        let checked = self.settings.link.check(self.settings.notice).await;
        checked.map_err(|failure| FleetError::new(failure.why, failure.error))
    }

    /// The limiter of this name, which others can read in the server and in the log: it is not to be a secret. Its task is started by the first call that waits, in that call's Tokio runtime, which must
    /// have time and I/O enabled. Each other runtime whose calls wait has one, too, so that none depends on another. (Without
    /// I/O Tokio panics in the task, and for that runtime the server is away.)
    ///
    /// In the server it takes some 100 bytes per call within the longest window in use, and is there until the longest that
    /// it ever had after the last one. A window is in use for its own length after it was last asked for, by any process; of
    /// what is older than the caller's own, no more is kept than the largest quota in use needs.
    #[must_use]
    pub fn limiter(&self, name: &str, quotas: impl Into<Quotas>) -> Limiter {
        Limiter::of(shared(&self.settings, name, quotas.into()), Bounds::default())
    }

    /// A limiter for each key: `name` tells that of its record in the server, and must not be a secret, either.
    ///
    /// A key that is not used leaves this process, and its record stays. Each key that is used has a task, and another in each
    /// further Tokio runtime that waits for it: [`memory`](KeyedLimiter::memory) counts one, and each of the others takes
    /// some 3 KiB more.
    ///
    /// # Errors
    ///
    /// As [`KeyedLimiter::new`].
    pub fn keyed<K, F>(
        &self,
        quotas: impl Into<Quotas>,
        keys: usize,
        name: F,
    ) -> Result<KeyedLimiter<K>, InvalidKeys>
    where
        K: Hash + Eq,
        F: Fn(&K) -> String + Send + Sync + 'static,
    {
        let (quotas, settings) = (quotas.into(), self.settings.clone());
        let fallback = settings.fallback.clone();
        let more =
            move |quotas: &Quotas| Leased::bytes(quotas, &fallback).saturating_add(Driver::task_bytes());
        KeyedLimiter::made_by(quotas, keys, more, move |key, quotas| {
            shared(&settings, &name(key), quotas.clone())
        })
    }
}

fn shared(settings: &Settings, name: &str, quotas: Quotas) -> Arc<Shared> {
    let feed = Feed::new(settings.clone(), name);
    let now = Instant::now();
    let admission = Leased::new(Arc::clone(&feed), quotas.clone(), now);
    Shared::over(quotas, Box::new(admission), Box::new(Driver::new(feed)), now)
}

fn in_range(
    of: &'static str,
    time: Duration,
    (least, most): (Duration, Duration),
) -> Result<Duration, InvalidFleet> {
    let range = least..=most;
    if range.contains(&time) { Ok(time) } else { Err(InvalidFleet(Flaw::Time { of, time, range })) }
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fleet").field("settings", &self.settings).finish()
    }
}

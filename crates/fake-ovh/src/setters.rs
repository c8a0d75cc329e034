//! What can be set, before calls come in and while they do.

use std::time::{Duration, SystemTime};

use http::Uri;

use crate::answer::ErrorShape;
use crate::credentials::{AccessRule, CredentialState};
use crate::error::{Flaw, InvalidSetting};
use crate::failure::Failure;
use crate::fake::FakeOvh;
use crate::throttle::Throttle;

const DAYS_365: Duration = Duration::from_secs(365 * 24 * 60 * 60);

impl FakeOvh {
    /// The base URL that clients sign, whatever host and scheme they send. It must end in `/1.0`.
    ///
    /// Without it, signed URLs begin with the scheme of [`router`](Self::router) or [`serve`](Self::serve) and the
    /// `Host` header, as a client without proxies and mappings sends it.
    ///
    /// # Errors
    ///
    /// If it is no such URL.
    pub fn with_base(self, base: &str) -> Result<Self, InvalidSetting> {
        let invalid = || InvalidSetting(Flaw::Base(base.to_owned()));
        let origin = base.strip_suffix("/1.0").ok_or_else(invalid)?;
        let uri: Uri = origin.parse().map_err(|_| invalid())?;
        match (uri.scheme_str(), uri.authority()) {
            (Some(scheme @ ("http" | "https")), Some(authority))
                if origin == format!("{scheme}://{authority}") => {}
            _ => return Err(invalid()),
        }
        self.shared.settings.write().origin = Some(origin.to_owned());
        Ok(self)
    }

    /// Makes it this time now, before the skew. The clock then goes on with tokio's. Default: the machine's time.
    #[must_use]
    pub fn with_time(self, now: SystemTime) -> Self {
        self.shared.clock.set(now);
        self
    }

    /// How far the server's clock is ahead (or behind, if negative), in seconds; beyond all times it stays at the last
    /// or first. Default 0.
    #[must_use]
    pub fn with_skew(self, seconds: i64) -> Self {
        self.set_skew(seconds);
        self
    }

    /// As [`with_skew`](Self::with_skew), while it runs. A smaller skew makes the server's time go backwards.
    pub fn set_skew(&self, seconds: i64) {
        self.shared.clock.set_skew(seconds);
    }

    /// How far a timestamp may be from the server's time, before or after, in whole seconds (rounded down), the bound
    /// included. Default 120 s, which is made up: the real window is unknown, but below 8 minutes.
    #[must_use]
    pub fn with_timestamp_window(self, window: Duration) -> Self {
        self.shared.settings.write().timestamp_window = window;
        self
    }

    /// How errors are written. Default: [`ErrorShape::Mixed`].
    #[must_use]
    pub fn with_error_shape(self, shape: ErrorShape) -> Self {
        self.shared.settings.write().shape = shape;
        self
    }

    /// What stock, failures, identifiers and keys are drawn from: the same seed and the same order of calls give the
    /// same answers, on every machine. Any is as good as another. Default 0.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        self.shared.settings.write().seed = seed;
        self
    }

    /// How long an entry of the stock keeps its value, from 1 ms to 365 days; then it is drawn anew, and changes in
    /// about one of three cases. The turns are spread: of one plan's 224 entries, with the default of 480 s, one is
    /// drawn every 2.1 s. The age counts from [`new`](Self::new), on tokio's clock.
    ///
    /// # Errors
    ///
    /// If it is out of range.
    pub fn with_stock_period(self, period: Duration) -> Result<Self, InvalidSetting> {
        if !(Duration::from_millis(1)..=DAYS_365).contains(&period) {
            return Err(InvalidSetting(Flaw::StockPeriod(period)));
        }
        self.shared.settings.write().stock_period = period;
        Ok(self)
    }

    /// One more application.
    ///
    /// # Errors
    ///
    /// If key or secret is empty.
    pub fn with_application(self, key: &str, secret: &str) -> Result<Self, InvalidSetting> {
        self.shared.credentials.lock().add_application(key, secret)?;
        Ok(self)
    }

    /// One more consumer key, validated, of an application that is known.
    ///
    /// # Errors
    ///
    /// If the application is unknown or the key empty.
    pub fn with_consumer_key(
        self,
        application: &str,
        key: &str,
        rules: impl IntoIterator<Item = AccessRule>,
    ) -> Result<Self, InvalidSetting> {
        let (rules, state) = (rules.into_iter().collect(), CredentialState::Validated);
        self.shared.credentials.lock().add_consumer(application, key, rules, state)?;
        Ok(self)
    }

    /// Changes what has become of a consumer key: what a user does at the validation URL, or time.
    ///
    /// # Errors
    ///
    /// If the key is unknown.
    pub fn set_credential(&self, consumer_key: &str, state: CredentialState) -> Result<(), InvalidSetting> {
        self.shared.credentials.lock().set_state(consumer_key, state)
    }

    /// A client for `/auth/oauth2/token`. There is none at the start. Its tokens may call everything.
    ///
    /// # Errors
    ///
    /// If id or secret is empty.
    pub fn with_oauth2_client(self, id: &str, secret: &str) -> Result<Self, InvalidSetting> {
        self.shared.credentials.lock().add_client(id, secret)?;
        Ok(self)
    }

    /// How long tokens are good, from 1 s to 365 days. Default 3599 s.
    ///
    /// # Errors
    ///
    /// If it is out of range.
    pub fn with_token_lifetime(self, lifetime: Duration) -> Result<Self, InvalidSetting> {
        if !(Duration::from_secs(1)..=DAYS_365).contains(&lifetime) {
            return Err(InvalidSetting(Flaw::TokenLifetime(lifetime)));
        }
        self.shared.settings.write().token_lifetime = lifetime;
        Ok(self)
    }

    /// A bearer token that is good for ever.
    ///
    /// # Errors
    ///
    /// If it is empty.
    pub fn with_access_token(self, token: &str) -> Result<Self, InvalidSetting> {
        self.shared.credentials.lock().add_token(token, None)?;
        Ok(self)
    }

    /// Takes all tokens back, those of [`with_access_token`](Self::with_access_token) too.
    pub fn revoke_tokens(&self) {
        self.shared.credentials.lock().tokens.clear();
    }

    /// Which share of all calls fails in this way, from 0 to 1; all rates together are at most 1. Default 0.
    ///
    /// # Errors
    ///
    /// If the rate is no such number.
    pub fn with_failure_rate(self, failure: Failure, rate: f64) -> Result<Self, InvalidSetting> {
        self.set_failure_rate(failure, rate)?;
        Ok(self)
    }

    /// As [`with_failure_rate`](Self::with_failure_rate), while it runs.
    ///
    /// # Errors
    ///
    /// If the rate is no such number.
    pub fn set_failure_rate(&self, failure: Failure, rate: f64) -> Result<(), InvalidSetting> {
        self.shared.failures.lock().set_rate(failure, rate)
    }

    /// Makes the next call fail whose path below the version fits the pattern, in which each `*` stands for any text:
    /// `/order/cart/*/checkout`. May be asked for several times over; each hits one call, in the order asked for.
    pub fn fail_next(&self, pattern: &str, failure: Failure) {
        self.shared.failures.lock().queue(pattern.to_owned(), failure);
    }

    /// Throttles by a quota. Default: none.
    #[must_use]
    pub fn with_throttle(self, throttle: Throttle) -> Self {
        self.set_throttle(Some(throttle));
        self
    }

    /// As [`with_throttle`](Self::with_throttle), while it runs; what was counted is forgotten. `None` ends it.
    pub fn set_throttle(&self, throttle: Option<Throttle>) {
        self.shared.windows.lock().set(throttle);
    }

    /// Of how many calls details are kept; beyond it only totals are. Default 100,000, which is some 30 MB when full.
    #[must_use]
    pub fn with_record_limit(self, calls: usize) -> Self {
        self.shared.ledger.lock().limit = calls;
        self
    }
}

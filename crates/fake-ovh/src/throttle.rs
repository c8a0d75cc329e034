//! The quota that the API measures by itself.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use tokio::time::Instant;

use crate::answer::{Refusal, with_type};
use crate::clock::http_date;
use crate::error::{Flaw, InvalidSetting};

/// What a 429 says of when to come back.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RetryAfter {
    /// Nothing.
    Absent,
    /// Whole seconds, rounded up, at least 1.
    #[default]
    Seconds,
    /// A date by the server's own clock, skew included, rounded up.
    Date,
}

/// At most so many calls in any sliding period; what comes above is answered 429 and not counted.
///
/// The period is half open: a call is let through again at the very moment at which the one that blocks it is a period
/// old. It is measured on tokio's clock, from arrival to arrival.
///
/// How the real API throttles, and what its 429 looks like, is unverified.
///
/// ```
/// use std::time::Duration;
/// use fake_ovh::{FakeOvh, RetryAfter, Throttle};
///
/// let throttle = Throttle::new(60, Duration::from_secs(60))?.per_consumer_key().with_retry_after(RetryAfter::Date);
/// let api = FakeOvh::new().with_throttle(throttle);
/// # Ok::<(), fake_ovh::InvalidSetting>(())
/// ```
#[derive(Clone, Debug)]
pub struct Throttle {
    calls: u32,
    period: Duration,
    retry_after: RetryAfter,
    body: Option<(HeaderValue, Bytes)>,
    per_consumer_key: bool,
}

impl Throttle {
    /// So many calls (at least 1) in any period (above zero, at most a day), for all callers together.
    ///
    /// # Errors
    ///
    /// If one of them is out of its range.
    pub fn new(calls: u32, period: Duration) -> Result<Self, InvalidSetting> {
        if calls == 0 {
            return Err(InvalidSetting(Flaw::ThrottleCalls));
        }
        if period.is_zero() || period > Duration::from_secs(24 * 60 * 60) {
            return Err(InvalidSetting(Flaw::ThrottlePeriod(period)));
        }
        Ok(Self { calls, period, retry_after: RetryAfter::default(), body: None, per_consumer_key: false })
    }

    /// Default: in seconds.
    #[must_use]
    pub fn with_retry_after(self, retry_after: RetryAfter) -> Self {
        Self { retry_after, ..self }
    }

    /// The body of a 429. Default: an error as the API writes them.
    ///
    /// # Errors
    ///
    /// If the content type is no header value.
    pub fn with_body(self, content_type: &str, body: impl Into<Bytes>) -> Result<Self, InvalidSetting> {
        let kind = HeaderValue::from_str(content_type)
            .map_err(|_| InvalidSetting(Flaw::ThrottleBody(content_type.to_owned())))?;
        Ok(Self { body: Some((kind, body.into())), ..self })
    }

    /// Counts the calls of each consumer key by themselves, and all calls without one together.
    #[must_use]
    pub fn per_consumer_key(self) -> Self {
        Self { per_consumer_key: true, ..self }
    }

    /// The 429, of a server whose clock shows this.
    pub(crate) fn response(&self, wait: Duration, unix: i64) -> Response {
        let seconds = i64::try_from(wait.as_nanos().div_ceil(1_000_000_000)).unwrap_or(i64::MAX).max(1);
        let mut response = match &self.body {
            Some((kind, body)) => with_type(StatusCode::TOO_MANY_REQUESTS, kind.clone(), body.clone()),
            None => Refusal::too_many_requests().into_response(),
        };
        let retry_after = match self.retry_after {
            RetryAfter::Absent => None,
            RetryAfter::Seconds => Some(seconds.to_string()),
            // The clock shows whole seconds, rounded down: one more is surely not too early.
            RetryAfter::Date => http_date(unix.saturating_add(seconds).saturating_add(1)),
        };
        if let Some(value) = retry_after.and_then(|text| HeaderValue::try_from(text).ok()) {
            response.headers_mut().insert(header::RETRY_AFTER, value);
        }
        response
    }
}

/// The calls that were let through within the last period.
#[derive(Debug, Default)]
pub(crate) struct Windows {
    throttle: Option<Throttle>,
    admitted: HashMap<String, VecDeque<Instant>>,
}

impl Windows {
    /// Forgets what was counted.
    pub(crate) fn set(&mut self, throttle: Option<Throttle>) {
        *self = Self { throttle, admitted: HashMap::new() };
    }

    /// Lets the call through, or says by which throttle it is refused and for how long.
    pub(crate) fn admit(&mut self, consumer: Option<&str>, now: Instant) -> Result<(), (Throttle, Duration)> {
        let Some(throttle) = &self.throttle else { return Ok(()) };
        let key = consumer.filter(|_| throttle.per_consumer_key).unwrap_or_default();
        let window = self.admitted.entry(key.to_owned()).or_default();
        while window.front().is_some_and(|first| now.saturating_duration_since(*first) >= throttle.period) {
            window.pop_front();
        }
        match window.front() {
            Some(first) if window.len() >= throttle.calls as usize => {
                Err((throttle.clone(), throttle.period - now.saturating_duration_since(*first)))
            }
            _ => {
                window.push_back(now);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_slides_and_is_half_open() {
        let mut windows = Windows::default();
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        assert!(windows.admit(None, at(0)).is_ok(), "no throttle");
        windows.set(Some(Throttle::new(2, Duration::from_secs(1)).unwrap()));
        assert!(windows.admit(None, at(0)).is_ok());
        assert!(windows.admit(None, at(900)).is_ok());
        let refused =
            |windows: &mut Windows, millis| windows.admit(None, at(millis)).unwrap_err().1.as_millis();
        assert_eq!(refused(&mut windows, 901), 99);
        assert_eq!(refused(&mut windows, 999), 1);
        // The refused ones did not count: 0 is a period old, 900 is not.
        assert!(windows.admit(None, at(1_000)).is_ok());
        assert_eq!(refused(&mut windows, 1_001), 899);
        assert!(windows.admit(None, at(1_900)).is_ok());
    }

    #[test]
    fn keys_may_have_their_own() {
        let mut windows = Windows::default();
        let throttle = Throttle::new(1, Duration::from_secs(1)).unwrap();
        let now = Instant::now();
        let admitted = |windows: &mut Windows| {
            [Some("a"), Some("a"), Some("b"), None, None].map(|key| windows.admit(key, now).is_ok())
        };
        windows.set(Some(throttle.clone()));
        assert_eq!(admitted(&mut windows), [true, false, false, false, false]);
        windows.set(Some(throttle.per_consumer_key()));
        assert_eq!(admitted(&mut windows), [true, false, true, true, false]);
    }

    #[test]
    fn retry_after_is_rounded_up() {
        let header = |retry_after, wait| {
            let throttle = Throttle::new(1, Duration::from_secs(1)).unwrap().with_retry_after(retry_after);
            let response = throttle.response(wait, 1_566_485_767);
            response.headers().get(header::RETRY_AFTER).map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(header(RetryAfter::Seconds, Duration::from_nanos(1)).as_deref(), Some("1"));
        assert_eq!(header(RetryAfter::Seconds, Duration::from_millis(1_001)).as_deref(), Some("2"));
        assert_eq!(header(RetryAfter::Absent, Duration::from_secs(1)), None);
        let date = header(RetryAfter::Date, Duration::from_secs(2));
        assert_eq!(date.as_deref(), Some("Thu, 22 Aug 2019 14:56:10 GMT"));
    }

    #[test]
    fn what_can_not_be_is_refused() {
        assert!(Throttle::new(0, Duration::from_secs(1)).is_err());
        assert!(Throttle::new(1, Duration::ZERO).is_err());
        assert!(Throttle::new(1, Duration::from_secs(86_401)).is_err());
        assert!(Throttle::new(1, Duration::from_secs(1)).unwrap().with_body("a\nb", "").is_err());
    }
}

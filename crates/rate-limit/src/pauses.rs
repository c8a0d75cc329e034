//! HTTP responses that ask for a pause.

use std::time::Duration;

use http::header::{DATE, HeaderMap, RETRY_AFTER};
use http::{Response, StatusCode};
use sfv::{BareItem, List, ListEntry, Parser};

use crate::listen::{Listen, MOST};

/// Pauses the limiter when the server answers 429 or 503 and says for how long.
///
/// What is read, the first that is there:
///
/// 1. `Retry-After` ([RFC 9110, section 10.2.3]): seconds, or a date. A date is measured against the response's
///    own `Date`, not this machine's clock; without one it is ignored.
/// 2. `RateLimit` ([draft-ietf-httpapi-ratelimit-headers-10], section 4.2): the longest `t` of those policies that have
///    nothing remaining (`r=0`).
/// 3. `RateLimit-Reset`, if `RateLimit-Remaining` is 0 (versions 00 to 06 of that draft): seconds.
///
/// `X-RateLimit-…` is not read: servers don't agree whether its reset is a time or a wait.
///
/// [`RateLimitLayer::http`](crate::RateLimitLayer::http) listens so by itself; to others it is told:
///
/// ```
/// use std::time::Duration;
///
/// use rate_limit::{Digest, KeyedLimiter, Pauses, Quota, RateLimitLayer, host};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let limiter = KeyedLimiter::<Option<Digest>>::new(Quota::per_second(10)?, 1000)?;
/// let layer = RateLimitLayer::keyed(limiter, host::<String>)
///     .with_listener(Pauses::default().with_most(Duration::from_secs(10)));
/// # drop(layer);
/// # Ok(())
/// # }
/// ```
///
/// [RFC 9110, section 10.2.3]: https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
/// [draft-ietf-httpapi-ratelimit-headers-10]: https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-10
#[derive(Clone, Copy, Debug)]
pub struct Pauses {
    most: Duration,
}

impl Pauses {
    /// The longest pause that calls wait for: 60 s by default. If the server asks for more, calls fail that long at
    /// once; then they are released again, since one bad header must not stop everything for a day.
    #[must_use]
    pub fn with_most(mut self, most: Duration) -> Self {
        self.most = most;
        self
    }

    /// How long a response with this status and these headers asks to wait.
    #[must_use]
    pub fn asked(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
        if !matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            return None;
        }
        let asked = match headers.contains_key(RETRY_AFTER) {
            true => retry_after(headers),
            false => rate_limit(headers).or_else(|| reset(headers)),
        };
        asked.filter(|asked| !asked.is_zero())
    }
}

impl Default for Pauses {
    fn default() -> Self {
        Self { most: MOST }
    }
}

impl<B> Listen<Response<B>> for Pauses {
    fn heard(&self, response: &Response<B>) -> Option<Duration> {
        Self::asked(response.status(), response.headers())
    }

    fn most(&self) -> Duration {
        self.most
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let asked = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Some(seconds) = seconds(asked) {
        return Some(seconds);
    }
    let until = httpdate::parse_http_date(asked).ok()?;
    let now = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()?;
    until.duration_since(now).ok()
}

/// Digits only, as the field's grammar has it. More than fit are a very long time.
fn seconds(text: &str) -> Option<Duration> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| Duration::from_secs(text.parse().unwrap_or(u64::MAX)))
}

fn rate_limit(headers: &HeaderMap) -> Option<Duration> {
    let lines: Option<Vec<_>> = headers.get_all("ratelimit").iter().map(|line| line.to_str().ok()).collect();
    let list: List = Parser::new(&lines?.join(", ")).parse().ok()?;
    let waits = list.iter().filter_map(|entry| {
        let ListEntry::Item(item) = entry else { return None };
        let number = |name: &str| match item.params.get(name) {
            Some(BareItem::Integer(number)) => u64::try_from(i64::from(*number)).ok(),
            _ => None,
        };
        (number("r")? == 0).then(|| number("t").map(Duration::from_secs))?
    });
    waits.max()
}

fn reset(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| Some(headers.get(name)?.to_str().ok()?.trim());
    (text("ratelimit-remaining")? == "0").then(|| seconds(text("ratelimit-reset")?))?
}

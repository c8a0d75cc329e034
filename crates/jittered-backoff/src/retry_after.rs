//! What a server asked for.

use std::time::Duration;

use http::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

/// How long the server asks to wait, from the response's `Retry-After` ([RFC 9110, section 10.2.3]).
///
/// Either form: seconds, or an HTTP date. A date is measured against the response's own `Date`, never against this
/// machine's clock, which may be wrong by hours: both stamps are the server's. A date in the past is zero. Where both
/// stamps are whole seconds, so is the difference.
///
/// A date without a `Date` is passed over, and the caller's own wait holds: this machine's clock is no stand-in. One that lags
/// would wait for nothing until the deadline, one that is ahead would not wait at all, and clocks that drift are among the
/// faults this crate is used against. Servers with a clock must send `Date` with a 429 and may leave it out of a 503
/// ([RFC 9110, section 6.6.1]).
///
/// `None` if there is no such field, if it is neither form (`-1`, `1.5`, a word), or if it is a date and the response has
/// no valid `Date` to measure it against. Of several fields, the first counts.
///
/// What the server says is not capped here: seconds beyond `u64` are `u64::MAX` seconds. What is too long is for
/// [`Limits::fits`](crate::Limits::fits) to refuse.
///
/// ```
/// use std::time::Duration;
///
/// use http::header::{DATE, HeaderMap, HeaderValue, RETRY_AFTER};
/// use jittered_backoff::retry_after;
///
/// let mut headers = HeaderMap::new();
/// headers.insert(RETRY_AFTER, HeaderValue::from_static("120"));
/// assert_eq!(retry_after(&headers), Some(Duration::from_secs(120)));
///
/// headers.insert(RETRY_AFTER, HeaderValue::from_static("Fri, 31 Dec 1999 23:59:59 GMT"));
/// assert_eq!(retry_after(&headers), None, "no Date to measure it against");
///
/// headers.insert(DATE, HeaderValue::from_static("Fri, 31 Dec 1999 23:59:49 GMT"));
/// assert_eq!(retry_after(&headers), Some(Duration::from_secs(10)));
/// ```
///
/// [RFC 9110, section 6.6.1]: https://www.rfc-editor.org/rfc/rfc9110#section-6.6.1
/// [RFC 9110, section 10.2.3]: https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
#[must_use]
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let asked = text(headers, RETRY_AFTER)?;
    if !asked.is_empty() && asked.bytes().all(|byte| byte.is_ascii_digit()) {
        // Digits fail to parse only by being too many.
        return Some(Duration::from_secs(asked.parse().unwrap_or(u64::MAX)));
    }
    let until = httpdate::parse_http_date(asked).ok()?;
    let now = httpdate::parse_http_date(text(headers, DATE)?).ok()?;
    Some(until.duration_since(now).unwrap_or_default())
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

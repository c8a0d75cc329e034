//! When a server's rate limit starts afresh.

use std::time::Duration;

use http::header::{HeaderMap, HeaderName};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// How long until the server's rate limit leaves room again, from the fields of the IETF's draft
/// ([draft-ietf-httpapi-ratelimit-headers], not an RFC yet), in each of the forms it has had:
///
/// - `RateLimit: "minute";r=0;t=30, "day";r=900;t=50000` (since 08);
/// - `RateLimit: limit=60, remaining=0, reset=30` (07);
/// - `RateLimit-Remaining: 0` and `RateLimit-Reset: 30` (until 06).
///
/// All of them count seconds from the response. A limit that has something left is no reason to wait and is passed over;
/// where the field doesn't say what is left, it counts as nothing. Of several limits that are used up, the last one to
/// reset decides. `None` if there is no such field, or none that can be read.
///
/// For responses that a limit may be the reason of: 429 and 503. Where the server says [`Retry-After`](crate::retry_after())
/// too, the draft gives that the last word:
///
/// ```
/// use std::time::Duration;
///
/// use http::HeaderMap;
/// use jittered_backoff::{rate_limit_reset, retry_after};
///
/// let mut headers = HeaderMap::new();
/// headers.insert("ratelimit", r#""minute";r=0;t=30, "day";r=900;t=50000"#.parse().unwrap());
/// let floor = retry_after(&headers).or_else(|| rate_limit_reset(&headers));
/// assert_eq!(floor, Some(Duration::from_secs(30)));
/// ```
///
/// A Unix time, as some servers send in fields of the same name, is taken for what the draft says it is: a very long wait,
/// which no [`Limits`](crate::Limits) let pass.
///
/// [draft-ietf-httpapi-ratelimit-headers]: https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
#[must_use]
pub fn rate_limit_reset(headers: &HeaderMap) -> Option<Duration> {
    let fields = headers.get_all(RATE_LIMIT).into_iter().filter_map(|value| value.to_str().ok());
    let seconds = fields.filter_map(field).max().or_else(|| {
        let number = |name| headers.get(name)?.to_str().ok().and_then(number);
        let used_up = number(REMAINING).is_none_or(|left| left == 0);
        number(RESET).filter(|_| used_up)
    })?;
    Some(Duration::from_secs(seconds))
}

/// The seconds that one `RateLimit` field tells.
fn field(value: &str) -> Option<u64> {
    let members = || split(value, b',');
    let listed = members().filter_map(|member| {
        let parameter = |name| split(member, b';').skip(1).find_map(|part| pair(part, name));
        let used_up = parameter("r").is_none_or(|left| left == 0);
        parameter("t").filter(|_| used_up)
    });
    listed.max().or_else(|| {
        let member = |name| members().find_map(|member| pair(member, name));
        let used_up = member("remaining").is_none_or(|left| left == 0);
        member("reset").filter(|_| used_up)
    })
}

/// The value of `name=value`, if the text is that.
fn pair(text: &str, name: &str) -> Option<u64> {
    number(text.trim().strip_prefix(name)?.strip_prefix('=')?)
}

/// A whole number, up to its parameters if it has any. Digits fail to parse only by being too many.
fn number(text: &str) -> Option<u64> {
    let digits = text.split(';').next()?.trim();
    let valid = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    valid.then(|| digits.parse().unwrap_or(u64::MAX))
}

/// The parts of a structured field between separators that stand outside of quotes.
fn split(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |char: char| {
        let separates = char == char::from(separator) && !quoted;
        quoted ^= char == '"' && !escaped;
        escaped = char == '\\' && quoted && !escaped;
        separates
    })
}

//! Keys made of text, in a size that is known.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use http::header::HOST;
use http::{HeaderName, Request, Uri};

/// Stands for some bytes, a header's value say, as a key of 16 bytes however many they are.
///
/// Two SipHashes with secret keys that are drawn once per process, so that nobody finds two values with the same digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digest([u64; 2]);

static SECRETS: LazyLock<[RandomState; 2]> = LazyLock::new(|| [RandomState::new(), RandomState::new()]);

impl Digest {
    /// The digest of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self([SECRETS[0].hash_one(bytes), SECRETS[1].hash_one(bytes)])
    }
}

/// Keys requests by the value of a header. All requests without it are one key.
///
/// ```
/// use http::{HeaderName, Request};
/// use rate_limit::{Digest, KeyedLimiter, Quota, RateLimitLayer, header};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let limiter = KeyedLimiter::<Option<Digest>>::new(Quota::per_minute(60)?, 1000)?;
/// let key = header::<String>(HeaderName::from_static("x-ovh-consumer"));
/// let anne = Request::builder().header("X-Ovh-Consumer", "anne").body(String::new())?;
/// assert!(key(&anne).is_some() && key(&anne) == key(&anne));
/// assert_eq!(key(&Request::new(String::new())), None);
/// let layer = RateLimitLayer::keyed(limiter, key);
/// # drop(layer);
/// # Ok(())
/// # }
/// ```
pub fn header<B>(name: HeaderName) -> impl Fn(&Request<B>) -> Option<Digest> + Clone {
    move |request| request.headers().get(&name).map(|value| Digest::of(value.as_bytes()))
}

/// Keys requests by the host they go to, and its port: those of the URI, or else of the `Host` header.
///
/// The case of letters doesn't matter, nor whether the default port of the URI's scheme (80 for `http`, 443 for `https`) is
/// written out. A `Host` header alone tells no scheme, so its port is taken as it is.
///
/// ```
/// use http::Request;
/// use rate_limit::host;
///
/// # fn main() -> Result<(), http::Error> {
/// let key = |uri: &str| Ok::<_, http::Error>(host(&Request::get(uri).body(())?));
/// assert_eq!(key("https://eu.api.ovh.com/v1/me")?, key("https://EU.api.ovh.com:443/v1/cloud")?);
/// assert_ne!(key("https://eu.api.ovh.com/v1/me")?, key("https://eu.api.ovh.com:8443/v1/me")?);
/// # Ok(())
/// # }
/// ```
pub fn host<B>(request: &Request<B>) -> Option<Digest> {
    let text = match request.uri().authority() {
        Some(authority) => match authority.port_u16() {
            Some(port) if Some(port) != default_port(request.uri()) => format!("{}:{port}", authority.host()),
            _ => authority.host().to_owned(),
        },
        None => request.headers().get(HOST)?.to_str().ok()?.to_owned(),
    };
    Some(Digest::of(text.to_ascii_lowercase().as_bytes()))
}

fn default_port(uri: &Uri) -> Option<u16> {
    match uri.scheme_str()? {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

//! The signature itself.

use std::fmt::{self, Write};

use http::{HeaderValue, Method, Uri};
use sha1::{Digest, Sha1};

use crate::secret::Secret;

/// What every signature begins with: the scheme's version.
const PREFIX: &[u8; 3] = b"$1$";

/// The value of `X-Ovh-Signature`, marked sensitive: `"$1$" + hex(sha1(AS+CK+METHOD+URL+BODY+TS))`, the parts joined by
/// `+`.
///
/// `url` is the absolute URL with its query exactly as it is sent, `body` the exact bytes, `timestamp` in seconds since
/// the Unix epoch on the server's clock, the same as in `X-Ovh-Timestamp`. SHA-1 is the scheme's choice; the official
/// clients (python-ovh, go-ovh, …) are its only specification.
///
/// Most users want [`SignLayer`](crate::SignLayer). This is for checking signatures, or for a client without tower.
///
/// ```
/// use http::{Method, Uri};
/// use ovh_auth::{Secret, signature};
///
/// let secret = Secret::new("9ufkBmLaTQ9nz5yMUlg79taH0GNnzDjk")?;
/// let consumer = Secret::new("5mBuy6SUQcRw2ZUxg0cG68BoDKpED4KY")?;
/// let url = Uri::from_static("https://eu.api.ovh.com/1.0/auth");
/// let signature = signature(&secret, &consumer, &Method::GET, &url, b"", 1_457_018_875);
/// assert_eq!(signature, "$1$e9556054b6309771395efa467c22e627407461ad");
/// # Ok::<(), ovh_auth::InvalidSecret>(())
/// ```
#[must_use]
pub fn signature(
    application_secret: &Secret,
    consumer_key: &Secret,
    method: &Method,
    url: &Uri,
    body: &[u8],
    timestamp: u64,
) -> HeaderValue {
    let mut hash = Hash(Sha1::new());
    // Writing into a hash can't fail.
    let _ = write!(hash, "{}+{}+{method}+{url}+", application_secret.expose(), consumer_key.expose());
    hash.0.update(body);
    let _ = write!(hash, "+{timestamp}");
    let mut text = [0; PREFIX.len() + 2 * 20];
    text[..PREFIX.len()].copy_from_slice(PREFIX);
    for (pair, byte) in text[PREFIX.len()..].chunks_exact_mut(2).zip(hash.0.finalize()) {
        pair[0] = hex(byte >> 4);
        pair[1] = hex(byte & 0xf);
    }
    sensitive(&text)
}

const fn hex(digit: u8) -> u8 {
    b"0123456789abcdef"[digit as usize]
}

fn sensitive(ascii: &[u8]) -> HeaderValue {
    // ASCII without control characters is always a header value.
    let mut value = HeaderValue::from_bytes(ascii).unwrap_or_else(|_| HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

struct Hash(Sha1);

impl Write for Hash {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        self.0.update(part);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of the official clients' own tests.
    #[test]
    fn vectors() {
        let secret = Secret::new("9ufkBmLaTQ9nz5yMUlg79taH0GNnzDjk").unwrap();
        let consumer = Secret::new("5mBuy6SUQcRw2ZUxg0cG68BoDKpED4KY").unwrap();
        let url = Uri::from_static("https://eu.api.ovh.com/1.0/auth");
        let sign =
            |method: &Method, body: &[u8]| signature(&secret, &consumer, method, &url, body, 1_457_018_875);
        assert_eq!(sign(&Method::GET, b""), "$1$e9556054b6309771395efa467c22e627407461ad");
        assert_eq!(
            sign(&Method::POST, br#"{"a":"b","c":"d"}"#),
            "$1$ec2fb5c7a81f64723c77d2e5b609ae6f58a84fc1"
        );
        assert!(sign(&Method::GET, b"").is_sensitive());
    }
}

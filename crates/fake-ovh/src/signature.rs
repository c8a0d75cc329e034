//! OVH's signature, written from its description and not from the client that is tested against it.

use http::Method;
use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};

/// The value of `X-Ovh-Signature`: `$1$` and the SHA-1, in lower-case hexadecimal, of application secret, consumer key,
/// method, URL, body and timestamp, joined by `+`.
///
/// `url` is absolute, with its query, as it is sent; `body` are the bytes that are sent; `timestamp` is the text of
/// `X-Ovh-Timestamp`. Nothing is normalised.
///
/// ```
/// use http::Method;
///
/// // A vector of OVH's own clients.
/// let (secret, consumer) = ("9ufkBmLaTQ9nz5yMUlg79taH0GNnzDjk", "5mBuy6SUQcRw2ZUxg0cG68BoDKpED4KY");
/// let url = "https://eu.api.ovh.com/1.0/auth";
/// let signature = fake_ovh::signature(secret, consumer, &Method::GET, url, b"", "1457018875");
/// assert_eq!(signature, "$1$e9556054b6309771395efa467c22e627407461ad");
/// ```
#[must_use]
pub fn signature(
    secret: &str,
    consumer: &str,
    method: &Method,
    url: &str,
    body: &[u8],
    timestamp: &str,
) -> String {
    let mut hash = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    let parts = [
        secret.as_bytes(),
        consumer.as_bytes(),
        method.as_str().as_bytes(),
        url.as_bytes(),
        body,
        timestamp.as_bytes(),
    ];
    for (place, part) in parts.into_iter().enumerate() {
        if place > 0 {
            hash.update(b"+");
        }
        hash.update(part);
    }
    let mut text = String::from("$1$");
    for byte in hash.finish().as_ref() {
        text.push(hex(byte >> 4));
        text.push(hex(byte & 0xf));
    }
    text
}

fn hex(digit: u8) -> char {
    char::from(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_the_official_clients() {
        let sign = |method: Method, body: &str| {
            let (secret, consumer) = ("9ufkBmLaTQ9nz5yMUlg79taH0GNnzDjk", "5mBuy6SUQcRw2ZUxg0cG68BoDKpED4KY");
            let url = "https://eu.api.ovh.com/1.0/auth";
            signature(secret, consumer, &method, url, body.as_bytes(), "1457018875")
        };
        assert_eq!(sign(Method::GET, ""), "$1$e9556054b6309771395efa467c22e627407461ad");
        assert_eq!(sign(Method::POST, r#"{"a":"b","c":"d"}"#), "$1$ec2fb5c7a81f64723c77d2e5b609ae6f58a84fc1");
    }
}

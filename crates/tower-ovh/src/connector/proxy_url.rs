//! A proxy's URL, read to the letter.
//!
//! Of `http://user:1234#x@proxy` a URL's rules make the host `user`, the port 1234 and a fragment, and a program that
//! went there would hand a piece of a password to a name server. So what is special must be percent-encoded, and the rest
//! is an error.

use http::uri::Authority;

use super::invalid_proxy::{ProxyFlaw, without_credentials};

/// The URL with its scheme and without a slash at the end.
pub(super) fn read(url: &str) -> Result<String, ProxyFlaw> {
    let shown = || without_credentials(url);
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) if scheme.bytes().all(|b| b.is_ascii_alphanumeric()) => {
            (scheme.to_ascii_lowercase(), rest)
        }
        _ => ("http".to_owned(), url),
    };
    if !matches!(&*scheme, "http" | "https") {
        return Err(ProxyFlaw::Scheme { shown: shown(), scheme });
    }
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let host = match rest.rsplit_once('@') {
        Some((credentials, host)) => {
            if let Some(special) = credentials.chars().find(|c| "/?#@[]\\".contains(*c)) {
                return Err(ProxyFlaw::Unescaped { shown: shown(), special });
            }
            let user = credentials.split(':').next().unwrap_or_default();
            match (decoded(user), decoded(credentials)) {
                (Some(user), _) if user.contains(':') => return Err(ProxyFlaw::ColonInUser),
                (Some(_), Some(_)) => host,
                _ => return Err(ProxyFlaw::Escape { shown: shown() }),
            }
        }
        None => rest,
    };
    if host.contains(['/', '?', '#']) {
        return Err(ProxyFlaw::Tail { shown: shown() });
    }
    let authority = host.parse::<Authority>().ok().filter(|authority| !authority.host().is_empty());
    let Some(authority) = authority else { return Err(ProxyFlaw::NotAUrl { shown: shown() }) };
    let names_a_port = authority.host() != authority.as_str();
    if names_a_port && authority.port_u16().is_none_or(|port| port == 0) {
        return Err(ProxyFlaw::Port { shown: shown() });
    }
    Ok(format!("{scheme}://{rest}"))
}

/// `None`: a `%` without two hexadecimal digits after it, or something that is no UTF-8.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    bytes.extend(parts.next().unwrap_or_default().bytes());
    for part in parts {
        let digits = part.get(..2).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::invalid_proxy::InvalidProxy;

    #[test]
    fn what_can_be_a_proxy() {
        for (url, expected) in [
            ("proxy", "http://proxy"),
            ("proxy:3128", "http://proxy:3128"),
            ("http://proxy:3128/", "http://proxy:3128"),
            ("HTTPS://proxy", "https://proxy"),
            ("http://[::1]:3128", "http://[::1]:3128"),
            ("http://user@proxy:1", "http://user@proxy:1"),
            ("http://u:p%23%2F%3F%40%25:x@proxy:65535", "http://u:p%23%2F%3F%40%25:x@proxy:65535"),
            ("http://%C3%BC:!$&'()*+,;=@proxy", "http://%C3%BC:!$&'()*+,;=@proxy"),
        ] {
            assert_eq!(read(url).unwrap(), expected);
        }
    }

    /// Each of these `http::Uri` takes for something.
    #[test]
    fn what_would_mean_something_else_is_refused_by_its_flaw_and_no_secret_told() {
        for (url, flaw) in [
            ("http://user:12345/s3cret@proxy:3128", "`http://…@proxy:3128`: the `/` in its user or password"),
            ("http://user:s3cret#x@proxy:3128", "`http://…@proxy:3128`: the `#` in its user or password"),
            ("http://user:s3cret?x@proxy:3128", "`http://…@proxy:3128`: the `?` in its user or password"),
            ("http://user:s3cret@x@proxy:3128", "`http://…@proxy:3128`: the `@` in its user or password"),
            ("user:s3cret/@proxy", "`…@proxy`: the `/` in its user or password"),
            ("http://user:s3cret%zz@proxy", "`http://…@proxy`: in its user or password a `%`"),
            ("http://user:s3cret%4@proxy", "`http://…@proxy`: in its user or password a `%`"),
            ("http://user:s3cret%FF@proxy", "`http://…@proxy`: in its user or password a `%`"),
            ("http://us%3Aer:s3cret@proxy", "a proxy's user name can't hold a colon"),
            (
                "http://user:s3cret@proxy:3128/path",
                "`http://…@proxy:3128/path` has more than a host and a port",
            ),
            ("http://user:s3cret@proxy?x=y", "`http://…@proxy?x=y` has more than a host and a port"),
            ("http://proxy:3128#x", "`http://proxy:…` has more than a host and a port"),
            ("http://proxy:99999", "`http://proxy:99999`: its port is not accepted: 1 to 65535 are"),
            ("http://proxy:0", "`http://proxy:0`: its port is not accepted"),
            ("http://proxy:", "`http://proxy:`: its port is not accepted"),
            ("http://user:s3cret@proxy:99999/", "`http://…@proxy:99999/`: its port is not accepted"),
            // The host was forgotten.
            ("http://user:s3cret", "`http://user:…`"),
            ("http://user:s3cret@", "`http://…@` is no proxy's URL"),
            ("http://proxy:31 28", "`http://proxy:…` is no proxy's URL"),
        ] {
            let told = InvalidProxy::new(read(url).unwrap_err()).to_string();
            assert!(told.starts_with(flaw) && !told.contains("s3cret"), "{url}: {told}");
        }
    }
}

//! What can't be a proxy.

use std::error::Error;
use std::fmt;

/// A proxy that can't be. The message names the variable it came from, and its URL without what stands before the `@`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidProxy {
    variable: Option<&'static str>,
    flaw: ProxyFlaw,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ProxyFlaw {
    NotAUrl { shown: String },
    Unescaped { shown: String, special: char },
    Escape { shown: String },
    Tail { shown: String },
    Port { shown: String },
    Scheme { shown: String, scheme: String },
    NotText,
    ColonInUser,
    NoProxyToAuthenticate,
}

impl InvalidProxy {
    pub(super) fn new(flaw: ProxyFlaw) -> Self {
        Self { variable: None, flaw }
    }

    pub(super) fn in_variable(self, variable: &'static str) -> Self {
        Self { variable: Some(variable), ..self }
    }
}

/// A proxy's URL, less its credentials. Where it can't be told what they are, all up to the last `@` is left out; and
/// where there is none, what stands in the place of a port and is no number may be a password.
pub(super) fn without_credentials(url: &str) -> String {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) if scheme.bytes().all(|b| b.is_ascii_alphanumeric()) => (Some(scheme), rest),
        _ => (None, url),
    };
    let rest = match rest.rsplit_once('@') {
        Some((_, rest)) => format!("…@{rest}"),
        None => match rest.split_once(':') {
            Some((host, port)) if !host.starts_with('[') && !is_port(port) => format!("{host}:…"),
            _ => rest.to_owned(),
        },
    };
    match scheme {
        Some(scheme) => format!("{scheme}://{rest}"),
        None => rest,
    }
}

fn is_port(text: &str) -> bool {
    text.strip_suffix('/').unwrap_or(text).bytes().all(|b| b.is_ascii_digit())
}

impl fmt::Display for InvalidProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(variable) = self.variable {
            write!(f, "{variable}: ")?;
        }
        match &self.flaw {
            ProxyFlaw::NotAUrl { shown } => write!(
                f,
                "`{shown}` is no proxy's URL: accepted is [http(s)://][user:password@]host[:port], with what is special \
                 in user and password percent-encoded"
            ),
            ProxyFlaw::Unescaped { shown, special } => write!(
                f,
                "`{shown}`: the `{special}` in its user or password has a meaning of its own in a URL: accepted is \
                 `%{:02X}` in its place",
                u32::from(*special)
            ),
            ProxyFlaw::Escape { shown } => write!(
                f,
                "`{shown}`: in its user or password a `%` is not followed by two hexadecimal digits, or what they stand \
                 for is not UTF-8: accepted is `%25` for a percent sign itself"
            ),
            ProxyFlaw::Tail { shown } => write!(
                f,
                "`{shown}` has more than a host and a port: accepted is [http(s)://][user:password@]host[:port]"
            ),
            ProxyFlaw::Port { shown } => {
                write!(f, "`{shown}`: its port is not accepted: 1 to 65535 are, or none")
            }
            ProxyFlaw::Scheme { shown, scheme } => {
                write!(
                    f,
                    "`{shown}`: a proxy that speaks {scheme} is not supported: accepted are http and https"
                )
            }
            ProxyFlaw::NotText => f.write_str("its value is not UTF-8"),
            ProxyFlaw::ColonInUser => f.write_str("a proxy's user name can't hold a colon (RFC 7617)"),
            ProxyFlaw::NoProxyToAuthenticate => f.write_str("credentials were given, but no proxy"),
        }
    }
}

impl Error for InvalidProxy {}

#[cfg(test)]
mod tests {
    use super::without_credentials;

    #[test]
    fn credentials_are_left_out() {
        for url in [
            "http://user:s3cret@proxy:3128",
            "user:s3cret@proxy:3128",
            "http://us@er:s3cret@proxy:3128",
            "user:s3cret://x@proxy:3128",
            "socks5://s3cret@proxy",
        ] {
            let shown = without_credentials(url);
            assert!(!shown.contains("s3cret"), "{shown}");
            assert!(shown.contains("proxy"), "{shown}");
        }
        assert_eq!(without_credentials("http://user:s3cret"), "http://user:…");
        assert_eq!(without_credentials("http://[::1]:3128"), "http://[::1]:3128");
        assert_eq!(without_credentials("http://proxy:3128"), "http://proxy:3128");
    }
}

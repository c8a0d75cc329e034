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

/// A proxy's URL, less its credentials. Where it can't be told what they are, all up to the last `@` is left out.
pub(super) fn without_credentials(url: &str) -> String {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) if scheme.bytes().all(|b| b.is_ascii_alphanumeric()) => (Some(scheme), rest),
        _ => (None, url),
    };
    let rest = match rest.rsplit_once('@') {
        Some((_, rest)) => format!("…@{rest}"),
        None => rest.to_owned(),
    };
    match scheme {
        Some(scheme) => format!("{scheme}://{rest}"),
        None => rest,
    }
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
        assert_eq!(without_credentials("http://proxy:3128"), "http://proxy:3128");
    }
}

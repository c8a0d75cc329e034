//! Which connections go through a proxy.

use std::ffi::OsString;
use std::fmt;
use std::sync::Arc;

use http::Uri;
use hyper_util::client::proxy::matcher::Intercept;

use super::invalid_proxy::{InvalidProxy, ProxyFlaw, without_credentials};
use super::no_proxy::Exceptions;
use super::proxy_url;

/// Where the proxy of `https` URLs is looked for: the first that is set and not empty counts, as for curl.
const PROXY: [&str; 4] = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
const NO_PROXY: [&str; 2] = ["no_proxy", "NO_PROXY"];

/// The proxy that connections go through, and which don't.
///
/// `https` connections are tunnelled through it by `CONNECT`, so TLS is spoken with the server and not with the proxy. Plain
/// `http`, which a [`Connector`](crate::Connector) speaks only if told to, goes direct. A URL without a port means 80, or
/// 443 where the proxy itself is reached by TLS (`https://…`).
///
/// ```
/// use tower_ovh::Proxy;
///
/// let proxy = Proxy::new("http://proxy.example:3128")?
///     .with_credentials("aladdin", "open sesame")?
///     .with_no_proxy("localhost, .internal, 10.0.0.0/8");
/// assert!(proxy.applies_to("eu.api.ovh.com"));
/// assert!(!proxy.applies_to("stats.internal"));
/// assert!(!proxy.applies_to("10.1.2.3"));
/// assert!(!format!("{proxy:?}").contains("sesame"));
/// # Ok::<(), tower_ovh::InvalidProxy>(())
/// ```
#[derive(Clone)]
pub struct Proxy {
    /// With credentials, if there are any.
    url: Option<String>,
    no_proxy: String,
    exceptions: Arc<Exceptions>,
}

impl Proxy {
    /// No proxy, whatever the environment says.
    #[must_use]
    pub fn none() -> Self {
        Self::of(None, String::new())
    }

    /// The proxy with this URL: `http://host:port` or `https://host:port`; without a scheme, `http` is meant. User and
    /// password may stand in it (`http://user:password@host`), percent-encoded; they are sent as Basic credentials. A slash may
    /// stand at the end, and nothing else.
    ///
    /// # Errors
    ///
    /// If it is no such URL. One in whose password a `#`, `/`, `?`, `@` or `%` is not percent-encoded is refused, too: by
    /// a URL's rules the proxy would be another host.
    ///
    /// ```
    /// let error = tower_ovh::Proxy::new("http://user:12#34@proxy.example:3128").unwrap_err();
    /// assert!(error.to_string().starts_with("`http://…@proxy.example:3128`: the `#` in its user or password"));
    /// tower_ovh::Proxy::new("http://user:12%2334@proxy.example:3128")?;
    /// # Ok::<(), tower_ovh::InvalidProxy>(())
    /// ```
    pub fn new(url: impl AsRef<str>) -> Result<Self, InvalidProxy> {
        let url = proxy_url::read(url.as_ref()).map_err(InvalidProxy::new)?;
        let proxy = Self::of(Some(url), String::new());
        // What the matcher can't read it leaves out, which would be a direct connection that nobody asked for.
        match &proxy.url {
            Some(url) if !proxy.applies_to("host.invalid") => {
                Err(InvalidProxy::new(ProxyFlaw::NotAUrl { shown: without_credentials(url) }))
            }
            _ => Ok(proxy),
        }
    }

    /// What the environment says: the proxy in `https_proxy`, `HTTPS_PROXY`, `all_proxy` or `ALL_PROXY`, and the
    /// exceptions in `no_proxy` or `NO_PROXY`. The first that is set counts; one that is empty counts as unset.
    ///
    /// # Errors
    ///
    /// If the proxy named there can't be. It is not skipped: that would be a direct connection nobody asked for.
    pub fn from_env() -> Result<Self, InvalidProxy> {
        Self::from_variables(|name| std::env::var_os(name))
    }

    fn from_variables(get: impl Fn(&str) -> Option<OsString>) -> Result<Self, InvalidProxy> {
        let first = |names: &[&'static str]| {
            let set = names.iter().filter_map(|&name| get(name).map(|value| (name, value)));
            match set.into_iter().find(|(_, value)| !value.is_empty()) {
                Some((name, value)) => match value.into_string() {
                    Ok(value) => Ok(Some((name, value))),
                    Err(_) => Err(InvalidProxy::new(ProxyFlaw::NotText).in_variable(name)),
                },
                None => Ok(None),
            }
        };
        let proxy = match first(&PROXY)? {
            Some((name, url)) => Self::new(url).map_err(|error| error.in_variable(name))?,
            None => return Ok(Self::none()),
        };
        Ok(match first(&NO_PROXY)? {
            Some((_, rules)) => proxy.with_no_proxy(rules),
            None => proxy,
        })
    }

    /// The same, with these Basic credentials ([RFC 7617](https://www.rfc-editor.org/rfc/rfc7617)) and no others.
    ///
    /// # Errors
    ///
    /// If the user's name holds a colon, or this is no proxy.
    pub fn with_credentials(self, user: &str, password: &str) -> Result<Self, InvalidProxy> {
        if user.contains(':') {
            return Err(InvalidProxy::new(ProxyFlaw::ColonInUser));
        }
        let Some(url) = self.url else {
            return Err(InvalidProxy::new(ProxyFlaw::NoProxyToAuthenticate));
        };
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", &url));
        let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
        let url = format!("{scheme}://{}:{}@{host}", PercentEncoded(user), PercentEncoded(password));
        Ok(Self::of(Some(url), self.no_proxy))
    }

    /// The same, with these exceptions and no others, separated by commas or blanks:
    ///
    /// | rule | excepted is |
    /// |---|---|
    /// | `example.com`, `.example.com`, `*.example.com` | the domain and all below it |
    /// | `10.1.2.3`, `::1`, `[::1]` | that address, where the URL has it: names are not resolved for this |
    /// | `10.0.0.0/8`, `fd00::/8` | addresses in that network |
    /// | `example.com:8443`, `10.1.2.3:8443`, `[::1]:8443` | the same at that port (443 where the URL names none) |
    /// | `*` | everything |
    ///
    /// That is curl's way (7.88), and in three points more: curl takes no rule with a port for anything (Python's requests does),
    /// none that begins with `*.`, and `*` only where it stands alone. A rule that is none of these excepts nothing, as with curl.
    #[must_use]
    pub fn with_no_proxy(self, rules: impl AsRef<str>) -> Self {
        Self::of(self.url, rules.as_ref().trim().to_owned())
    }

    /// Whether a connection to this host would go through it. The host may have a port; without one it is 443.
    #[must_use]
    pub fn applies_to(&self, host: &str) -> bool {
        let url = Uri::builder().scheme("https").authority(host).path_and_query("/").build();
        url.is_ok_and(|url| self.intercept(&url).is_some())
    }

    /// The proxy for this destination, if there is one.
    pub(super) fn intercept(&self, destination: &Uri) -> Option<Intercept> {
        self.exceptions.intercept(destination)
    }

    fn of(url: Option<String>, no_proxy: String) -> Self {
        Self { exceptions: Arc::new(Exceptions::new(url.as_deref(), &no_proxy)), url, no_proxy }
    }
}

/// Every byte encoded, so that none means anything in a URL.
struct PercentEncoded<'a>(&'a str);

impl fmt::Display for PercentEncoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.bytes().try_for_each(|byte| write!(f, "%{byte:02X}"))
    }
}

/// The proxy's address and the exceptions; whether there are credentials, and not which.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(url) = &self.url else {
            return f.write_str("Proxy(none)");
        };
        f.debug_struct("Proxy")
            .field("url", &without_credentials(url))
            .field("no_proxy", &self.no_proxy)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<Proxy, InvalidProxy> {
        Proxy::from_variables(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        })
    }

    fn proxy_for(proxy: &Proxy, url: &'static str) -> Option<(String, Option<String>)> {
        let intercept = proxy.intercept(&Uri::from_static(url))?;
        let auth = intercept.basic_auth().map(|auth| auth.to_str().unwrap().to_owned());
        Some((intercept.uri().to_string(), auth))
    }

    #[test]
    fn the_first_variable_that_is_set_counts() {
        let all = [
            ("https_proxy", "http://a:1"),
            ("HTTPS_PROXY", "http://b:2"),
            ("all_proxy", "http://c:3"),
            ("ALL_PROXY", "d:4"),
        ];
        for (first, expected) in
            ["http://a:1/", "http://b:2/", "http://c:3/", "http://d:4/"].iter().enumerate()
        {
            let proxy = of(&all[first..]).unwrap();
            assert_eq!(proxy_for(&proxy, "https://eu.api.ovh.com/1.0"), Some((expected.to_string(), None)));
        }
        assert!(!of(&[]).unwrap().applies_to("eu.api.ovh.com"));
        let empty = of(&[("https_proxy", ""), ("HTTPS_PROXY", "http://b:2")]).unwrap();
        assert!(empty.applies_to("eu.api.ovh.com"), "empty is unset");
        // That variable is another scheme's, and a CGI's client can set it.
        assert!(!of(&[("HTTP_PROXY", "http://a:1"), ("http_proxy", "http://a:1")]).unwrap().applies_to("x"));
    }

    #[test]
    fn exceptions() {
        let proxy = |rules: &str| of(&[("https_proxy", "http://a:1"), ("no_proxy", rules)]).unwrap();
        for rules in ["ovh.com", ".ovh.com", "*.ovh.com", "*", "x, OVH.com ,y", "eu.api.ovh.com"] {
            assert!(!proxy(rules).applies_to("eu.api.ovh.com"), "{rules}");
        }
        for rules in ["", "vh.com", "ca.api.ovh.com", "10.0.0.0/8"] {
            assert!(proxy(rules).applies_to("eu.api.ovh.com"), "{rules}");
        }
        assert!(
            !proxy("ovh.com:443").applies_to("eu.api.ovh.com")
                && proxy("ovh.com:443").applies_to("ovh.com:8443")
        );
        assert!(!proxy("127.0.0.0/8").applies_to("127.0.0.1:8443"));
        assert!(!proxy("::1").applies_to("[::1]:8443"));
        assert!(proxy("127.0.0.2").applies_to("127.0.0.1"));
        let upper = of(&[("https_proxy", "http://a:1"), ("NO_PROXY", "ovh.com")]).unwrap();
        assert!(!upper.applies_to("eu.api.ovh.com"));
    }

    #[test]
    fn credentials_are_basic() {
        let in_url = Proxy::new("http://Aladdin:open%20sesame@proxy:3128").unwrap();
        let given =
            Proxy::new("http://x:y@proxy:3128").unwrap().with_credentials("Aladdin", "open sesame").unwrap();
        for proxy in [in_url, given] {
            let (uri, auth) = proxy_for(&proxy, "https://eu.api.ovh.com").unwrap();
            // RFC 7617, section 2, by the same words.
            assert_eq!(
                (&*uri, auth.as_deref()),
                ("http://proxy:3128/", Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="))
            );
            let shown = format!("{proxy:?} {proxy:#?}");
            assert!(
                !shown.contains("sesame") && !shown.contains("QWxh") && !shown.contains("%6F"),
                "{shown}"
            );
        }
        // Whatever is special in a URL.
        let odd = Proxy::new("proxy").unwrap().with_credentials("ü@/", ":@%#?/é").unwrap();
        let (_, auth) = proxy_for(&odd, "https://eu.api.ovh.com").unwrap();
        assert_eq!(auth.as_deref(), Some("Basic w7xALzo6QCUjPy/DqQ=="));
        assert!(Proxy::new("proxy").unwrap().with_credentials("a:b", "c").is_err());
        assert!(Proxy::none().with_credentials("a", "c").is_err());
    }

    #[test]
    fn what_can_not_be_a_proxy_is_refused_with_its_variable_and_no_secret() {
        for url in [
            "http://user:pass word@proxy:3128",
            "socks5://user:pass word@proxy",
            "socks5://user:pword@proxy:1",
            "ftp://x",
            "http://",
            "http://user:pword@",
            "::::",
            "/proxy",
        ] {
            let error = of(&[("ALL_PROXY", url)]).unwrap_err().to_string();
            assert!(error.starts_with("ALL_PROXY: `"), "{error}");
            assert!(!error.contains("pword") && !error.contains("pass word"), "{error}");
        }
        let error = of(&[("ALL_PROXY", "socks5://proxy:1080")]).unwrap_err().to_string();
        assert_eq!(
            error,
            "ALL_PROXY: `socks5://proxy:1080`: a proxy that speaks socks5 is not supported: accepted are http and https"
        );
    }

    #[test]
    fn plain_http_goes_direct() {
        let proxy = Proxy::new("proxy:3128").unwrap();
        assert_eq!(proxy_for(&proxy, "http://127.0.0.1/"), None);
    }
}

//! Which of OVHcloud's APIs is meant, and where it is.

use std::fmt;
use std::str::FromStr;

use http::Uri;
use http::uri::{Authority, PathAndQuery};

use crate::invalid_endpoint::{EndpointFlaw, InvalidEndpoint, InvalidPath};
use crate::known::{MAX_LEN, TABLE};

/// One of OVHcloud's APIs, by name, or any base URL (a local mock, say).
///
/// | name | base |
/// |---|---|
/// | `ovh-eu`, `ovh-ca` | `https://eu.api.ovh.com/1.0`, `https://ca.api.ovh.com/1.0` |
/// | `ovh-us` | `https://api.us.ovhcloud.com/1.0` |
/// | `kimsufi-eu`, `kimsufi-ca` | `https://eu.api.kimsufi.com/1.0`, `https://ca.api.kimsufi.com/1.0` |
/// | `soyoustart-eu`, `soyoustart-ca` | `https://eu.api.soyoustart.com/1.0`, `https://ca.api.soyoustart.com/1.0` |
///
/// The table is that of the official clients (python-ovh, go-ovh). Whatever has a `/` is taken as a base URL. What is
/// signed is the URL as it is sent, so a base that clients would write anew is refused: a host with capitals, its
/// scheme's own port, a port that begins with a zero.
///
/// ```
/// use ovh_auth::Endpoint;
///
/// let endpoint: Endpoint = "ovh-eu".parse()?;
/// assert_eq!(endpoint.url("/me")?.to_string(), "https://eu.api.ovh.com/1.0/me");
/// assert_eq!(endpoint.url("/v2/iam/policy?x=1")?.to_string(), "https://eu.api.ovh.com/v2/iam/policy?x=1");
///
/// let mock: Endpoint = "http://127.0.0.1:8080/1.0".parse()?;
/// assert_eq!(mock.url("/auth/time")?.to_string(), "http://127.0.0.1:8080/1.0/auth/time");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    name: Option<&'static str>,
    base: Uri,
    token_url: Option<Uri>,
}

/// The version that a path may bring itself.
const V1_0: &str = "/1.0";

impl Endpoint {
    /// All names, in the order of the table.
    pub fn names() -> impl Iterator<Item = &'static str> {
        TABLE.iter().map(|known| known.name)
    }

    /// The name, if it was given by name.
    #[must_use]
    pub const fn name(&self) -> Option<&'static str> {
        self.name
    }

    /// The base URL, without a slash at its end (but for one that has no path, whose `Uri` shows the root).
    #[must_use]
    pub const fn base(&self) -> &Uri {
        &self.base
    }

    /// Where access tokens for client credentials are had, if the API takes them: the three `ovh-*` do, by name or by
    /// URL.
    #[must_use]
    pub const fn token_url(&self) -> Option<&Uri> {
        self.token_url.as_ref()
    }

    /// The same with another place for access tokens: for a mock.
    #[must_use]
    pub fn with_token_url(self, token_url: Uri) -> Self {
        Self { token_url: Some(token_url), ..self }
    }

    /// The absolute URL of a path with its query. Nothing is escaped or normalised.
    ///
    /// If the base ends in `/1.0` and the path starts with `/v1/` or `/v2/`, the `/1.0` is dropped, as the official
    /// clients do.
    ///
    /// # Errors
    ///
    /// If the path does not start with `/`, has a fragment, or has characters that a URL must escape (a blank, say).
    pub fn url(&self, path_and_query: &str) -> Result<Uri, InvalidPath> {
        let refused = || InvalidPath::new(path_and_query);
        if !path_and_query.starts_with('/') || path_and_query.contains('#') {
            return Err(refused());
        }
        let prefix = match self.unversioned() {
            Some(root) if brings_version(path_and_query) => root,
            _ => self.prefix(),
        };
        let full = PathAndQuery::from_maybe_shared(format!("{prefix}{path_and_query}").into_bytes());
        let mut parts = self.base.clone().into_parts();
        parts.path_and_query = Some(full.map_err(|_| refused())?);
        Uri::from_parts(parts).map_err(|_| refused())
    }

    /// The URL of a path of the API's that this crate calls itself.
    #[expect(
        clippy::expect_used,
        reason = "the path is a literal of this crate's, and the base leaves room for it"
    )]
    pub(crate) fn own_url(&self, path: &'static str) -> Uri {
        self.url(path).expect("a short, plain path")
    }

    /// The path of `url` relative to the base, as the API's documentation writes it; `None` if it leads elsewhere:
    /// another scheme, host or port (to the letter), or a path that is not under the base.
    ///
    /// `/v1/…` names the same calls as `/1.0/…`, so that prefix is taken off; `/v2/…` keeps it.
    pub(crate) fn relative<'u>(&self, url: &'u Uri) -> Option<&'u str> {
        // As text, since `Authority` compares without regard to case.
        let authority = url.authority().map(Authority::as_str);
        if url.scheme() != self.base.scheme() || authority != self.base.authority().map(Authority::as_str) {
            return None;
        }
        let path = url.path();
        let under = |prefix: &str| path.strip_prefix(prefix).filter(|rest| rest.starts_with('/'));
        let versioned = self.unversioned().and_then(under).filter(|rest| brings_version(rest));
        let relative = under(self.prefix()).or(versioned)?;
        Some(relative.strip_prefix("/v1").filter(|rest| rest.starts_with('/')).unwrap_or(relative))
    }

    /// The base's path, without a slash at its end.
    fn prefix(&self) -> &str {
        self.base.path().trim_end_matches('/')
    }

    /// The base's path less its version, if that is the one that paths may replace.
    fn unversioned(&self) -> Option<&str> {
        self.prefix().strip_suffix(V1_0)
    }
}

fn brings_version(path: &str) -> bool {
    path.starts_with("/v1/") || path.starts_with("/v2/")
}

impl FromStr for Endpoint {
    type Err = InvalidEndpoint;

    /// Takes a name or a base URL.
    fn from_str(text: &str) -> Result<Self, InvalidEndpoint> {
        if text.contains('/') {
            return from_url(text);
        }
        let known = TABLE.iter().find(|known| known.name == text);
        let known = known.ok_or_else(|| InvalidEndpoint::new(text, EndpointFlaw::UnknownName))?;
        Ok(Endpoint { name: Some(known.name), ..from_url(known.base)? })
    }
}

fn from_url(text: &str) -> Result<Endpoint, InvalidEndpoint> {
    let refuse = |flaw| Err(InvalidEndpoint::new(text, flaw));
    if text.len() > MAX_LEN {
        return refuse(EndpointFlaw::TooLong);
    }
    let Ok(base) = text.parse::<Uri>() else {
        return refuse(EndpointFlaw::NotAUrl);
    };
    let (Some("http" | "https"), Some(authority)) = (base.scheme_str(), base.authority()) else {
        return refuse(EndpointFlaw::NotAUrl);
    };
    if authority.as_str().contains('@') {
        return refuse(EndpointFlaw::UserInformation);
    }
    // `Uri` lets a colon pass that no number follows.
    if base.port_u16().is_none() && Some(authority.as_str()) != base.host() {
        return refuse(EndpointFlaw::NotAUrl);
    }
    if matches!((base.scheme_str(), base.port_u16()), (Some("http"), Some(80)) | (Some("https"), Some(443))) {
        return refuse(EndpointFlaw::DefaultPort);
    }
    if base.host().is_some_and(|host| host.contains(|c: char| c.is_ascii_uppercase())) {
        return refuse(EndpointFlaw::Capitals);
    }
    if base.port().is_some_and(|port| port.as_str().starts_with('0')) {
        return refuse(EndpointFlaw::LeadingZero);
    }
    if text.contains(['?', '#']) {
        return refuse(EndpointFlaw::Query);
    }
    if text.ends_with('/') {
        return refuse(EndpointFlaw::TrailingSlash);
    }
    let known = TABLE.iter().find(|known| known.base == text);
    let token_url = known.and_then(|known| known.token_url).and_then(|url| url.parse().ok());
    Ok(Endpoint { name: None, base, token_url })
}

/// The name, or else the base URL.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.name, self.base.authority()) {
            (Some(name), _) => f.write_str(name),
            (None, Some(host)) => {
                let scheme = self.base.scheme_str().unwrap_or_default();
                write!(f, "{scheme}://{host}{}", self.prefix())
            }
            (None, None) => self.base.fmt(f),
        }
    }
}

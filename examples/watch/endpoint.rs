//! Where the calls go.

use std::fmt;

use http::Uri;
use ovh_auth::Endpoint as Known;

/// What is accepted, for messages.
const ACCEPTED: &str = "accepted: https://HOST[:PORT][/PATH] with no slash at the end, such as https://eu.api.ovh.com/1.0, or a name";

/// The base of all URLs: `https`, a host, perhaps a port and a path, and no slash at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint(String);

impl Endpoint {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let bad = |why: &str| Err(format!("{text:?} {why}; {ACCEPTED}"));
        if Known::names().any(|name| name == text) {
            let known = text.parse::<Known>().map_err(|error| error.to_string())?;
            return Ok(Self(known.base().to_string()));
        }
        if !text.contains('/') {
            let names: Vec<_> = Known::names().collect();
            return bad(&format!("is no URL, and none of {}", names.join(", ")));
        }
        let Ok(uri) = text.parse::<Uri>() else { return bad("is no URL") };
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return bad("is no URL");
        };
        if scheme != "https" {
            return bad("is not https");
        }
        if text.contains(['?', '#', '@']) {
            return bad("has more than a host, a port and a path");
        }
        if text.ends_with('/') {
            return bad("ends with a slash");
        }
        // An authority may carry any digits; as a port only these can be connected to.
        let host_only = authority.host() == authority.as_str();
        if authority.host().is_empty() {
            return bad("has no host");
        }
        if !(host_only || authority.port_u16().is_some_and(|port| port > 0)) {
            return bad("has no port from 1 to 65535");
        }
        Ok(Self(text.to_owned()))
    }

    /// The URL of this path and query, which begin with a slash.
    pub(crate) fn url(&self, path_and_query: &str) -> Result<Uri, http::uri::InvalidUri> {
        format!("{}{path_and_query}", self.0).parse()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Endpoint, Known};

    #[test]
    fn a_base_takes_a_path() {
        for base in ["https://eu.api.ovh.com/1.0", "https://localhost:8443", "https://[::1]:1/a/b"] {
            let url = Endpoint::parse(base).unwrap().url("/x?y=z").unwrap();
            assert_eq!(url.to_string(), format!("{base}/x?y=z"));
        }
    }

    #[test]
    fn a_name_is_its_base() {
        for name in Known::names() {
            let url = Endpoint::parse(name).unwrap().url("/x?y=z").unwrap();
            assert!(url.path() == "/1.0/x" && url.scheme_str() == Some("https"), "{name}: {url}");
        }
        assert_eq!(Endpoint::parse("ovh-eu").unwrap().to_string(), "https://eu.api.ovh.com/1.0");
    }

    #[test]
    fn what_is_no_base_is_refused_by_name() {
        for (text, why) in [
            ("", "is no URL"),
            ("ovh-moon", "is no URL, and none of ovh-eu, "),
            ("OVH-EU", "is no URL, and none of ovh-eu, "),
            ("eu.api.ovh.com", "is no URL"),
            ("/1.0", "is no URL"),
            ("https://", "is no URL"),
            ("https://a b/1.0", "is no URL"),
            ("http://eu.api.ovh.com/1.0", "is not https"),
            ("ftp://eu.api.ovh.com/1.0", "is not https"),
            ("https://eu.api.ovh.com/1.0/", "ends with a slash"),
            ("https://eu.api.ovh.com/", "ends with a slash"),
            ("https://eu.api.ovh.com/1.0?a=b", "more than"),
            ("https://eu.api.ovh.com/1.0#a", "more than"),
            ("https://me:secret@eu.api.ovh.com/1.0", "more than"),
            ("https://localhost:0", "port"),
            ("https://localhost:65536", "port"),
            ("https://localhost:/1.0", "port"),
        ] {
            let message = Endpoint::parse(text).unwrap_err();
            assert!(message.starts_with(&format!("{text:?} ")), "{message}");
            assert!(message.contains(why), "{text:?}: {message}");
        }
    }
}

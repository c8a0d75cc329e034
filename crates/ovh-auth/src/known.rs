//! The endpoints that have names.

pub(crate) struct Known {
    pub(crate) name: &'static str,
    pub(crate) base: &'static str,
    /// None: the API takes no OAuth2.
    pub(crate) token_url: Option<&'static str>,
}

const fn known(name: &'static str, base: &'static str, token_url: Option<&'static str>) -> Known {
    Known { name, base, token_url }
}

/// From python-ovh (`ENDPOINTS`, `OAUTH2_TOKEN_URLS`) and go-ovh (`Endpoints`, `tokensURLs`).
#[rustfmt::skip]
pub(crate) const TABLE: [Known; 7] = [
    known("ovh-eu", "https://eu.api.ovh.com/1.0", Some("https://www.ovh.com/auth/oauth2/token")),
    known("ovh-ca", "https://ca.api.ovh.com/1.0", Some("https://ca.ovh.com/auth/oauth2/token")),
    known("ovh-us", "https://api.us.ovhcloud.com/1.0", Some("https://us.ovhcloud.com/auth/oauth2/token")),
    known("kimsufi-eu", "https://eu.api.kimsufi.com/1.0", None),
    known("kimsufi-ca", "https://ca.api.kimsufi.com/1.0", None),
    known("soyoustart-eu", "https://eu.api.soyoustart.com/1.0", None),
    known("soyoustart-ca", "https://ca.api.soyoustart.com/1.0", None),
];

/// The longest base URL: far below the 64 KiB that a `Uri` can hold, so that a path always fits behind it.
pub(crate) const MAX_LEN: usize = 2048;

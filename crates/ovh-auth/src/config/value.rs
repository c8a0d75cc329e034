//! The configuration itself.

use std::collections::BTreeMap;

use super::error::{ConfigError, ConfigErrorKind};
use super::found::Searched;
use super::setting::{Origin, Setting};
use crate::credentials::Credentials;
use crate::endpoint::Endpoint;
use crate::oauth2::NoTokenUrl;

/// Which API is called, and as whom.
///
/// The configuration that all of OVHcloud's clients share: `OVH_ENDPOINT` and its siblings in the environment, and
/// `ovh.conf`:
///
/// ```ini
/// [default]
/// endpoint=ovh-eu
///
/// [ovh-eu]
/// application_key=7kbG7Bk7S9Nt7ZSV
/// application_secret=EXEgWIz07P0HYwtQDs7cNIqCiQaWSuHF
/// consumer_key=MtSwSrPpNjqfVSmJhLbPyr2i45lSwPU1
/// ```
///
/// or, for OAuth2, `client_id` and `client_secret`, or `access_token`. The section is called as the endpoint is given:
/// by its name, or by its URL. A comment takes a whole line, after `;` or `#`.
///
/// `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct Config {
    endpoint: Endpoint,
    credentials: Option<Credentials>,
    origins: BTreeMap<Setting, Origin>,
    searched: Option<Searched>,
}

impl Config {
    /// A configuration made by hand.
    ///
    /// # Errors
    ///
    /// [`NoOAuth2`](ConfigErrorKind::NoOAuth2) if the credentials are an OAuth2 client's and the endpoint takes none.
    pub fn new(endpoint: Endpoint, credentials: Option<Credentials>) -> Result<Self, ConfigError> {
        if matches!(credentials, Some(Credentials::OAuth2(_))) && endpoint.token_url().is_none() {
            return Err(ConfigError::new(ConfigErrorKind::NoOAuth2, NoTokenUrl(endpoint.to_string())));
        }
        Ok(Self { endpoint, credentials, origins: BTreeMap::new(), searched: None })
    }

    /// The API.
    #[must_use]
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// As whom, if that is known.
    #[must_use]
    pub const fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    /// As whom.
    ///
    /// # Errors
    ///
    /// [`NoCredentials`](ConfigErrorKind::NoCredentials) if nobody: the message tells where they were looked for.
    pub fn require_credentials(&self) -> Result<&Credentials, ConfigError> {
        self.credentials.as_ref().ok_or_else(|| {
            let text = match &self.searched {
                Some(searched) => format!(
                    "no credentials for endpoint {}: give `application_key` and `application_secret` (with \
                     `consumer_key`), `client_id` and `client_secret`, or `access_token`; looked for {}",
                    self.endpoint,
                    searched.places(Setting::ApplicationKey)
                ),
                None => format!("no credentials for endpoint {}", self.endpoint),
            };
            ConfigError::new(ConfigErrorKind::NoCredentials, text)
        })
    }

    /// Where a setting was found; `None` if it was not, or the configuration was made by hand.
    #[must_use]
    pub fn origin(&self, setting: Setting) -> Option<&Origin> {
        self.origins.get(&setting)
    }

    /// The same, with where its parts were found.
    pub(super) fn found(self, origins: BTreeMap<Setting, Origin>, searched: Searched) -> Self {
        Self { origins, searched: Some(searched), ..self }
    }
}

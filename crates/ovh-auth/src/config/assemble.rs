//! From what was found to credentials.

use std::collections::BTreeMap;

use super::error::{ConfigError, ConfigErrorKind};
use super::found::{Found, Searched};
use super::setting::{Place, Setting};
use super::value::Config;
use crate::credentials::{ApplicationKeys, Credentials, OAuth2Client};
use crate::endpoint::Endpoint;
use crate::secret::Secret;

pub(super) fn assemble(
    endpoint: Endpoint,
    found: &BTreeMap<Setting, Found>,
    searched: Searched,
) -> Result<Config, ConfigError> {
    let credentials = Parts { found, searched: &searched }.credentials()?;
    let config = Config::new(endpoint, credentials).map_err(|error| match found.get(&Setting::ClientId) {
        Some(id) => {
            let place = Place(Setting::ClientId, &id.origin);
            ConfigError::new(error.kind(), format_args!("{place}: {error}"))
        }
        None => error,
    })?;
    let origins = found.iter().map(|(&setting, found)| (setting, found.origin.clone())).collect();
    Ok(config.found(origins, searched))
}

/// What was found, to be put together.
struct Parts<'a> {
    found: &'a BTreeMap<Setting, Found>,
    searched: &'a Searched,
}

impl Parts<'_> {
    fn credentials(&self) -> Result<Option<Credentials>, ConfigError> {
        use Setting::{AccessToken, ApplicationKey, ApplicationSecret, ClientId, ClientSecret, ConsumerKey};
        let methods = [
            self.first([ApplicationKey, ApplicationSecret, ConsumerKey]),
            self.first([ClientId, ClientSecret]),
            self.first([AccessToken]),
        ];
        let mut methods = methods.into_iter().flatten();
        if let (Some(one), Some(other)) = (methods.next(), methods.next()) {
            return Err(ConfigError::new(
                ConfigErrorKind::MixedMethods,
                format_args!(
                    "two ways to authenticate are mixed, and only one is accepted: {one}, and {other}"
                ),
            ));
        }
        if let Some(token) = self.secret(AccessToken)? {
            return Ok(Some(Credentials::AccessToken(token)));
        }
        if let Some((id, secret)) = self.pair(ClientId, ClientSecret, None)? {
            return Ok(Some(Credentials::OAuth2(OAuth2Client { id, secret })));
        }
        let consumer = self.secret(ConsumerKey)?;
        let presence = consumer.as_ref().map(|_| ConsumerKey);
        let pair = self.pair(ApplicationKey, ApplicationSecret, presence)?;
        Ok(pair.map(|(key, secret)| Credentials::Application(ApplicationKeys { key, secret, consumer })))
    }

    /// Both halves or none; a third key that is there asks for both.
    fn pair(
        &self,
        one: Setting,
        other: Setting,
        third: Option<Setting>,
    ) -> Result<Option<(Secret, Secret)>, ConfigError> {
        let (present, missing) = match (self.secret(one)?, self.secret(other)?) {
            (Some(one), Some(other)) => return Ok(Some((one, other))),
            (Some(_), None) => (one, other),
            (None, Some(_)) => (other, one),
            (None, None) => match third {
                Some(third) => (third, one),
                None => return Ok(None),
            },
        };
        let place = self.first([present]).map(|place| place.to_string()).unwrap_or_default();
        Err(ConfigError::new(
            ConfigErrorKind::HalfPair,
            format_args!(
                "{place} is set, but `{}` is not: looked for {}",
                missing.key(),
                self.searched.places(missing)
            ),
        ))
    }

    fn secret(&self, setting: Setting) -> Result<Option<Secret>, ConfigError> {
        let Some(found) = self.found.get(&setting) else { return Ok(None) };
        let invalid = |error| {
            let place = Place(setting, &found.origin);
            ConfigError::new(ConfigErrorKind::InvalidValue, format_args!("{place}: {error}"))
        };
        Secret::new(&found.value).map(Some).map_err(invalid)
    }

    fn first<const N: usize>(&self, settings: [Setting; N]) -> Option<Place<'_>> {
        settings
            .into_iter()
            .find_map(|setting| self.found.get(&setting).map(|found| Place(setting, &found.origin)))
    }
}

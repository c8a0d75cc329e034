//! As whom calls are made.

use ovh_auth::{ApplicationKeys, Credentials, OAuth2Client, Secret};

use crate::setup_error::UnknownCredentials;

#[derive(Clone)]
pub(super) enum Identity {
    Application(ApplicationKeys),
    OAuth2(OAuth2Client),
    AccessToken(Secret),
}

impl Identity {
    pub(super) fn of(credentials: &Credentials) -> Result<Self, UnknownCredentials> {
        match credentials {
            Credentials::Application(keys) => Ok(Self::Application(keys.clone())),
            Credentials::OAuth2(client) => Ok(Self::OAuth2(client.clone())),
            Credentials::AccessToken(token) => Ok(Self::AccessToken(token.clone())),
            _ => Err(UnknownCredentials(())),
        }
    }
}

//! Who may call what.

use std::collections::HashMap;

use http::Method;
use tokio::time::Instant;

use crate::error::{Flaw, InvalidSetting};
use crate::pattern::fits;

/// What a consumer key may call: a method, and a path below the version in which each `*` stands for any text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessRule {
    pub(crate) method: Method,
    pub(crate) path: String,
}

impl AccessRule {
    /// `AccessRule::new(Method::GET, "/me*")`.
    ///
    /// # Errors
    ///
    /// If the path begins with neither a slash nor a star.
    pub fn new(method: Method, path: impl Into<String>) -> Result<Self, InvalidSetting> {
        let path = path.into();
        if path.starts_with(['/', '*']) {
            Ok(Self { method, path })
        } else {
            Err(InvalidSetting(Flaw::RulePath(path)))
        }
    }

    /// Every path with GET, POST, PUT and DELETE.
    #[must_use]
    pub fn everything() -> Vec<Self> {
        [Method::GET, Method::POST, Method::PUT, Method::DELETE]
            .map(|method| Self { method, path: "/*".into() })
            .to_vec()
    }

    pub(crate) fn grants(&self, method: &Method, path: &str) -> bool {
        self.method == *method && fits(&self.path, path)
    }
}

/// What has become of a consumer key.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CredentialState {
    /// Asked for; the user has not logged in at its validation URL yet.
    PendingValidation,
    /// Good.
    Validated,
    /// The user said no, or took it back.
    Refused,
    /// Over.
    Expired,
}

impl CredentialState {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::PendingValidation => "pendingValidation",
            Self::Validated => "validated",
            Self::Refused => "refused",
            Self::Expired => "expired",
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Consumer {
    pub(crate) id: u64,
    pub(crate) application: String,
    pub(crate) rules: Vec<AccessRule>,
    pub(crate) state: CredentialState,
}

/// Everything secret.
#[derive(Default)]
pub(crate) struct Credentials {
    /// Secrets by key.
    pub(crate) applications: HashMap<String, String>,
    pub(crate) consumers: HashMap<String, Consumer>,
    /// Secrets by id.
    pub(crate) clients: HashMap<String, String>,
    /// When they end, if they do.
    pub(crate) tokens: HashMap<String, Option<Instant>>,
    issued: u64,
}

impl Credentials {
    pub(crate) fn add_application(&mut self, key: &str, secret: &str) -> Result<(), InvalidSetting> {
        let (key, secret) = (filled("application key", key)?, filled("application secret", secret)?);
        self.applications.insert(key, secret);
        Ok(())
    }

    pub(crate) fn add_consumer(
        &mut self,
        application: &str,
        key: &str,
        rules: Vec<AccessRule>,
        state: CredentialState,
    ) -> Result<(), InvalidSetting> {
        if !self.applications.contains_key(application) {
            return Err(InvalidSetting(Flaw::UnknownApplication(application.to_owned())));
        }
        let key = filled("consumer key", key)?;
        let id = self.next();
        self.consumers.insert(key, Consumer { id, application: application.to_owned(), rules, state });
        Ok(())
    }

    pub(crate) fn set_state(&mut self, key: &str, state: CredentialState) -> Result<(), InvalidSetting> {
        match self.consumers.get_mut(key) {
            Some(consumer) => {
                consumer.state = state;
                Ok(())
            }
            None => Err(InvalidSetting(Flaw::UnknownConsumer(key.to_owned()))),
        }
    }

    pub(crate) fn add_client(&mut self, id: &str, secret: &str) -> Result<(), InvalidSetting> {
        let (id, secret) = (filled("client id", id)?, filled("client secret", secret)?);
        self.clients.insert(id, secret);
        Ok(())
    }

    pub(crate) fn add_token(&mut self, token: &str, until: Option<Instant>) -> Result<(), InvalidSetting> {
        self.tokens.insert(filled("access token", token)?, until);
        Ok(())
    }

    /// A number that no credential or token had before.
    pub(crate) fn next(&mut self) -> u64 {
        self.issued += 1;
        self.issued
    }
}

fn filled(what: &'static str, value: &str) -> Result<String, InvalidSetting> {
    if value.is_empty() { Err(InvalidSetting(Flaw::Empty(what))) } else { Ok(value.to_owned()) }
}

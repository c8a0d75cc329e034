//! What is wrong with a configuration.

use std::error::Error;
use std::fmt;

use super::setting::Setting;

/// A configuration that can't be used. The message names the file, section and key, or the variable; never a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    kind: ConfigErrorKind,
    text: String,
}

/// What is wrong with it.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConfigErrorKind {
    /// A file that may have what is needed is there, but can't be read.
    UnreadableFile,
    /// A file that may have what is needed, or a section of it, is no INI.
    MalformedFile,
    /// The endpoint is neither a known name nor a base URL.
    UnknownEndpoint,
    /// A value has characters that it can't have.
    InvalidValue,
    /// One half of a pair is there, the other is not.
    HalfPair,
    /// There are credentials of more than one kind.
    MixedMethods,
    /// The endpoint takes no OAuth2 client credentials.
    NoOAuth2,
    /// There are no credentials.
    NoCredentials,
}

impl ConfigError {
    pub(super) fn new(kind: ConfigErrorKind, text: impl fmt::Display) -> Self {
        Self { kind, text: text.to_string() }
    }

    /// The error of a file, told because it may have this.
    pub(super) fn while_looking_for(&self, setting: Setting) -> Self {
        let text = format!("{} (while looking for key `{}`)", self.text, setting.key());
        Self { kind: self.kind, text }
    }

    /// What is wrong.
    #[must_use]
    pub const fn kind(&self) -> ConfigErrorKind {
        self.kind
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for ConfigError {}

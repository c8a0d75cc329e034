//! What can be set, and where it was.

use std::fmt;
use std::path::PathBuf;

/// Something that can be configured, under the names that the official clients use.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Setting {
    /// `endpoint`, in section `[default]`.
    Endpoint,
    /// `application_key`, in the endpoint's section, as all below.
    ApplicationKey,
    /// `application_secret`.
    ApplicationSecret,
    /// `consumer_key`.
    ConsumerKey,
    /// `client_id`.
    ClientId,
    /// `client_secret`.
    ClientSecret,
    /// `access_token`.
    AccessToken,
}

impl Setting {
    /// The key in a file: `application_key`, say.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Endpoint => "endpoint",
            Self::ApplicationKey => "application_key",
            Self::ApplicationSecret => "application_secret",
            Self::ConsumerKey => "consumer_key",
            Self::ClientId => "client_id",
            Self::ClientSecret => "client_secret",
            Self::AccessToken => "access_token",
        }
    }

    /// The environment variable: `OVH_APPLICATION_KEY`, say.
    #[must_use]
    pub const fn variable(self) -> &'static str {
        match self {
            Self::Endpoint => "OVH_ENDPOINT",
            Self::ApplicationKey => "OVH_APPLICATION_KEY",
            Self::ApplicationSecret => "OVH_APPLICATION_SECRET",
            Self::ConsumerKey => "OVH_CONSUMER_KEY",
            Self::ClientId => "OVH_CLIENT_ID",
            Self::ClientSecret => "OVH_CLIENT_SECRET",
            Self::AccessToken => "OVH_ACCESS_TOKEN",
        }
    }
}

/// Where a setting was found.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was given in code.
    Argument,
    /// In its environment variable.
    Environment,
    /// In a file.
    File {
        /// Which.
        path: PathBuf,
        /// In which section of it.
        section: String,
    },
    /// Nowhere: it is the default.
    Default,
}

/// A setting and where it was found, in words.
pub(super) struct Place<'a>(pub(super) Setting, pub(super) &'a Origin);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(setting, origin) = self;
        let key = setting.key();
        match origin {
            Origin::Argument => write!(f, "argument `{key}`"),
            Origin::Environment => write!(f, "environment variable {}", setting.variable()),
            Origin::File { path, section } => {
                write!(f, "key `{key}` in section [{section}] of {}", path.display())
            }
            Origin::Default => write!(f, "default of `{key}`"),
        }
    }
}

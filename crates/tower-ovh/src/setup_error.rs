//! What can go wrong before the first call.

use std::error::Error;
use std::fmt;

use ovh_auth::ConfigError;
use tower::BoxError;

use crate::connector::{InvalidProxy, InvalidRoots};

/// Something could not be set up. Each variant's own message names what, and what is accepted.
#[non_exhaustive]
#[derive(Debug)]
pub enum SetupError {
    /// The endpoint or the credentials.
    Config(ConfigError),
    /// Credentials of a kind that [`OvhStack`](crate::OvhStack) can't use.
    Credentials(UnknownCredentials),
    /// The trusted certificates.
    Roots(InvalidRoots),
    /// The proxy.
    Proxy(InvalidProxy),
    /// The TLS configuration.
    Tls(BoxError),
}

impl SetupError {
    pub(crate) fn tls(error: rustls::Error) -> Self {
        Self::Tls(error.into())
    }

    fn inner(&self) -> &(dyn Error + 'static) {
        match self {
            Self::Config(error) => error,
            Self::Credentials(error) => error,
            Self::Roots(error) => error,
            Self::Proxy(error) => error,
            Self::Tls(error) => &**error,
        }
    }
}

impl From<ConfigError> for SetupError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<UnknownCredentials> for SetupError {
    fn from(error: UnknownCredentials) -> Self {
        Self::Credentials(error)
    }
}

impl From<InvalidRoots> for SetupError {
    fn from(error: InvalidRoots) -> Self {
        Self::Roots(error)
    }
}

impl From<InvalidProxy> for SetupError {
    fn from(error: InvalidProxy) -> Self {
        Self::Proxy(error)
    }
}

/// The variant's own.
impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.inner(), f)
    }
}

impl Error for SetupError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.inner().source()
    }
}

/// Credentials of a kind that ovh-auth knows and [`OvhStack`](crate::OvhStack) does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownCredentials(pub(crate) ());

impl fmt::Display for UnknownCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "credentials of this kind are not supported: accepted are application keys, OAuth2 clients and access tokens",
        )
    }
}

impl Error for UnknownCredentials {}

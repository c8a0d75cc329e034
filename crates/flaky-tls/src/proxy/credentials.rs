//! The credentials that a proxy asks for (RFC 7617).

use std::error::Error;
use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// What the header must hold after `Basic `. Not shown by `Debug`.
#[derive(Clone)]
pub(crate) struct Credentials(Box<str>);

impl Credentials {
    pub(crate) fn new(user: &str, password: &str) -> Result<Self, InvalidCredentials> {
        if user.contains(':') {
            return Err(InvalidCredentials { user: user.into() });
        }
        Ok(Self(BASE64_STANDARD.encode(format!("{user}:{password}")).into()))
    }

    /// Whether a `Proxy-Authorization` has them.
    pub(crate) fn are_in(&self, header: &str) -> bool {
        header
            .split_once(' ')
            .is_some_and(|(scheme, token)| scheme.eq_ignore_ascii_case("basic") && *token.trim() == *self.0)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}

/// A user name with a colon in it, which Basic credentials can't carry (RFC 7617, section 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidCredentials {
    user: Box<str>,
}

impl fmt::Display for InvalidCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the user name {:?} has a colon in it; a name in Basic credentials must have none",
            self.user
        )
    }
}

impl Error for InvalidCredentials {}

//! A secret, and what keeps it out of logs.

use std::error::Error;
use std::fmt;

use http::HeaderValue;

/// A key, secret or token: shown by nothing but [`expose`](Self::expose).
///
/// It is kept as a header value marked sensitive, for that is how most of them travel: its `Debug` prints no content,
/// there is no `Display`, and HTTP/2 does not index it.
///
/// Memory is not wiped when it is dropped: the environment, the file's buffer and the connection's write buffer hold
/// copies that this crate can't reach, so wiping one would promise what it can't keep.
///
/// # Clone
///
/// A clone shares the bytes.
///
/// ```
/// use ovh_auth::Secret;
///
/// let secret = Secret::new("5mBuy6SUQcRw2ZUxg0cG68BoDKpED4KY")?;
/// assert_eq!(format!("{secret:?}"), "Secret(..)");
/// assert_eq!(secret.expose(), "5mBuy6SUQcRw2ZUxg0cG68BoDKpED4KY");
/// assert!(Secret::new("two words").is_err());
/// # Ok::<(), ovh_auth::InvalidSecret>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(HeaderValue);

impl Secret {
    /// The longest secret taken, in bytes: common servers take 8 KiB of header lines.
    pub const MAX_LEN: usize = 8192;

    /// Takes a secret: 1 to 8192 visible ASCII characters without quotes.
    ///
    /// OVHcloud's keys are letters and digits, its tokens base64 with dots; a blank or a quote was typed by mistake.
    ///
    /// # Errors
    ///
    /// If it is something else. The error does not quote it.
    pub fn new(secret: impl AsRef<str>) -> Result<Self, InvalidSecret> {
        let secret = secret.as_ref();
        if secret.is_empty() || secret.len() > Self::MAX_LEN {
            return Err(InvalidSecret(Flaw::Length(secret.len())));
        }
        let misfit = |c: char| !c.is_ascii_graphic() || c == '"' || c == '\'';
        if let Some(position) = secret.chars().position(misfit) {
            return Err(InvalidSecret(Flaw::Character(position + 1)));
        }
        let Ok(mut value) = HeaderValue::from_str(secret) else {
            return Err(InvalidSecret(Flaw::Character(1)));
        };
        value.set_sensitive(true);
        Ok(Self(value))
    }

    /// The secret itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        // Visible ASCII, as `new` saw to it: it is always a string.
        self.0.to_str().unwrap_or_default()
    }

    pub(crate) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

/// "Secret(..)".
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// What can't be a key, secret or token. Tells where it is wrong, and never what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidSecret(Flaw);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    Length(usize),
    Character(usize),
}

impl fmt::Display for InvalidSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Flaw::Length(length) => {
                write!(f, "its length is {length}; accepted are 1 to {}", Secret::MAX_LEN)
            }
            Flaw::Character(position) => {
                write!(f, "its character {position} is not accepted: visible ASCII without quotes is")
            }
        }
    }
}

impl Error for InvalidSecret {}

//! By what a caller is known to the API.

use crate::secret::{InvalidSecret, Secret};

/// One of the three ways to authenticate. Nothing of it is shown by `Debug`.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// Application key and secret, with a consumer key: calls are signed ([`SignLayer`](crate::SignLayer)).
    Application(ApplicationKeys),
    /// OAuth2 client credentials, for which tokens are fetched ([`BearerLayer`](crate::BearerLayer)).
    OAuth2(OAuth2Client),
    /// An access token from elsewhere, used until somebody changes it ([`BearerLayer`](crate::BearerLayer)).
    AccessToken(Secret),
}

/// An application's key and secret, and the key of the consumer it acts for.
///
/// ```
/// use ovh_auth::ApplicationKeys;
///
/// let keys = ApplicationKeys::new("7kbG7Bk7S9Nt7ZSV", "EXEgWIz07P0HYwtQDs7cNIqCiQaWSuHF")?
///     .with_consumer_key("MtSwSrPpNjqfVSmJhLbPyr2i45lSwPU1")?;
/// assert!(keys.has_consumer_key());
/// assert!(!format!("{keys:?}").contains("EXEg"));
/// # Ok::<(), ovh_auth::InvalidSecret>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplicationKeys {
    pub(crate) key: Secret,
    pub(crate) secret: Secret,
    pub(crate) consumer: Option<Secret>,
}

impl ApplicationKeys {
    /// Takes the application's pair. Without a consumer key only unsigned calls can be made, and a consumer key be
    /// asked for ([`CredentialRequest`](crate::CredentialRequest)).
    ///
    /// # Errors
    ///
    /// If one of them can't be a [`Secret`].
    pub fn new(key: impl AsRef<str>, secret: impl AsRef<str>) -> Result<Self, InvalidSecret> {
        Ok(Self { key: Secret::new(key)?, secret: Secret::new(secret)?, consumer: None })
    }

    /// The same, acting for this consumer.
    ///
    /// # Errors
    ///
    /// If it can't be a [`Secret`].
    pub fn with_consumer_key(self, consumer_key: impl AsRef<str>) -> Result<Self, InvalidSecret> {
        Ok(Self { consumer: Some(Secret::new(consumer_key)?), ..self })
    }

    /// Whether calls can be signed.
    #[must_use]
    pub const fn has_consumer_key(&self) -> bool {
        self.consumer.is_some()
    }
}

/// The id and secret of an OAuth2 client (a service account).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuth2Client {
    pub(crate) id: Secret,
    pub(crate) secret: Secret,
}

impl OAuth2Client {
    /// Takes the pair.
    ///
    /// # Errors
    ///
    /// If one of them can't be a [`Secret`].
    pub fn new(id: impl AsRef<str>, secret: impl AsRef<str>) -> Result<Self, InvalidSecret> {
        Ok(Self { id: Secret::new(id)?, secret: Secret::new(secret)? })
    }
}

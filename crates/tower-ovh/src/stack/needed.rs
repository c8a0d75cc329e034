//! What has to be fetched before an authenticated call can be sent.

use std::future::Future;
use std::pin::Pin;

use ovh_auth::{AuthError, Basis, ServerClock, Tokens};

/// The server's time, to sign by, or an access token.
#[derive(Clone, Debug)]
pub(crate) enum Needed {
    Time(ServerClock),
    Token(Tokens),
}

/// Boxed: it is rare.
pub(super) type Fetching = Pin<Box<dyn Future<Output = Result<Basis, AuthError>> + Send>>;

impl Needed {
    /// What is there.
    pub(super) fn there(&self) -> Option<Basis> {
        match self {
            Self::Time(clock) => clock.try_ready(),
            Self::Token(tokens) => tokens.try_ready(),
        }
    }

    /// Ends once it is there: one fetch for all who wait.
    pub(super) fn fetch(&self) -> Fetching {
        match self.clone() {
            Self::Time(clock) => Box::pin(async move { clock.ready().await }),
            Self::Token(tokens) => Box::pin(async move { tokens.ready().await }),
        }
    }
}

//! What a call is authenticated by, had before it is made.

use std::fmt;

use crate::anchor::Anchor;
use crate::kept::Held;
use crate::oauth2::Token;

/// What a call is authenticated by: the server's time, or a token. A request extension.
///
/// A layer above a rate limit waits for it ([`ServerClock::ready`](crate::ServerClock::ready),
/// [`Tokens::ready`](crate::Tokens::ready)) and puts it into the request that is released; then [`Sign`](crate::Sign) or
/// [`Bearer`](crate::Bearer) uses it, and such a call waits for nothing below the limit. Without it they look up their
/// own, and fetch it if need be: a call that waits there has been released already, and the time of its attempt runs.
///
/// It is a time to reckon from, not a timestamp, so a request that is held back is signed by the time at which it is let
/// go. A token that has ended by then is not used, nor is one where a time is needed.
///
/// ```
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use ovh_auth::{BearerLayer, Endpoint, OAuth2Client, Tokens};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// let endpoint: Endpoint = "ovh-eu".parse()?;
/// let server = service_fn(|request: Request<Full<Bytes>>| async move {
///     Ok::<_, std::io::Error>(Response::new(Full::<Bytes>::from(match request.uri().path() {
///         "/auth/oauth2/token" => r#"{"access_token":"t","token_type":"Bearer","expires_in":3599}"#,
///         _ => request.headers()["authorization"].to_str().unwrap(),
///     }.to_owned())))
/// });
/// let tokens = Tokens::fetched(&endpoint, &OAuth2Client::new("EU.id", "secret")?, server)?;
///
/// let mut request = Request::get(endpoint.url("/me")?).body(Full::default())?;
/// request.extensions_mut().insert(tokens.ready().await?);
/// // Here it would queue for its turn.
/// let response = BearerLayer::new(endpoint, tokens).layer(server).oneshot(request).await?;
/// # use http_body_util::BodyExt;
/// assert_eq!(response.into_body().collect().await?.to_bytes(), "Bearer t");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Basis(Kind);

#[derive(Clone)]
enum Kind {
    Time(Held<Anchor>),
    Token(Held<Token>),
}

impl Basis {
    pub(crate) fn time(held: Held<Anchor>) -> Self {
        Self(Kind::Time(held))
    }

    pub(crate) fn token(held: Held<Token>) -> Self {
        Self(Kind::Token(held))
    }

    pub(crate) fn as_time(&self) -> Option<Held<Anchor>> {
        match &self.0 {
            Kind::Time(held) => Some(*held),
            Kind::Token(_) => None,
        }
    }

    pub(crate) fn as_token(&self) -> Option<&Held<Token>> {
        match &self.0 {
            Kind::Token(held) => Some(held),
            Kind::Time(_) => None,
        }
    }
}

/// Shows which it is.
impl fmt::Debug for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Time(_) => "Basis(time)",
            Kind::Token(_) => "Basis(token)",
        })
    }
}

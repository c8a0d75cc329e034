//! Where tokens come from.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response};
use http_body::Body;
use tower_service::Service;

use super::token::{ANSWER, Token, read};
use crate::basis::Basis;
use crate::credentials::OAuth2Client;
use crate::endpoint::Endpoint;
use crate::error::AuthError;
use crate::exchange::{Source, exchange};
use crate::failure::BoxError;
use crate::kept::{Held, Kept, Lookup};
use crate::secret::Secret;

/// Access tokens: fetched for client credentials when one is needed, once however many wait for it, or one that is given.
///
/// A token is used until 10 s before its end, as the official clients do, or until the API answers 401 to it. One that lasts
/// less than 20 s is used for half of its time, and for a second at least.
///
/// A 401 may be about the caller's rights, and then no other token helps: one that was fetched in place of a refused one is kept for
/// 30 s, whatever is answered to it. So calls that are all refused cost two fetches at first, and one each 30 s after that.
///
/// # Cancellation, Clone
///
/// As with [`ServerClock`](crate::ServerClock).
#[derive(Clone)]
pub struct Tokens {
    origin: Origin,
}

#[derive(Clone)]
enum Origin {
    Given(Token),
    Fetched(Arc<Fetched>),
}

struct Fetched {
    kept: Kept<Token>,
    /// Whether the next token replaces one that was refused.
    refused: Arc<AtomicBool>,
}

impl Tokens {
    /// A token from elsewhere. It is used for ever: nothing can replace it.
    #[must_use]
    pub fn given(token: &Secret) -> Self {
        Self { origin: Origin::Given(Token::new(token)) }
    }

    /// Tokens for client credentials ([RFC 6749, 4.4](https://www.rfc-editor.org/rfc/rfc6749#section-4.4)), fetched
    /// from the endpoint's [token URL](Endpoint::token_url) through `service`.
    ///
    /// `service` gets a `POST` with a form that has id and secret in it. To repeat it does no harm, but by its method a
    /// retry can't know; one that fails in flight is not repeated unless the service says so. What failed, the next
    /// call tries again.
    ///
    /// # Errors
    ///
    /// If the endpoint has no token URL.
    pub fn fetched<S, B, R>(
        endpoint: &Endpoint,
        client: &OAuth2Client,
        service: S,
    ) -> Result<Self, NoTokenUrl>
    where
        S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
        S::Future: Send,
        S::Error: Into<BoxError>,
        B: From<Bytes> + Send + 'static,
        R: Body + Send + 'static,
        R::Data: Send,
        R::Error: Into<BoxError>,
    {
        let url = endpoint.token_url().cloned().ok_or_else(|| NoTokenUrl(endpoint.to_string()))?;
        let (form, source) = (form(client), Source::new(service));
        let refused = Arc::<AtomicBool>::default();
        let replaces = refused.clone();
        let kept = Kept::new(move || {
            let (service, mut request) = (source.get(), Request::new(B::from(form.clone())));
            *request.method_mut() = Method::POST;
            *request.uri_mut() = url.clone();
            let headers = request.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
            headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
            let replaces = replaces.clone();
            Box::pin(async move {
                let token = read(&exchange(service, request, ANSWER).await?)?;
                tracing::debug!(target: "ovh_auth", "an access token was fetched");
                Ok(if replaces.swap(false, Ordering::Relaxed) { token.replacing_refused() } else { token })
            })
        });
        Ok(Self { origin: Origin::Fetched(Arc::new(Fetched { kept, refused })) })
    }

    /// A token, fetched first if none is kept, or the one that is ends soon.
    ///
    /// For layers above a rate limit: see [`Basis`].
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::Token`](crate::AuthErrorKind::Token) if none can be had.
    pub async fn ready(&self) -> Result<Basis, AuthError> {
        Ok(Basis::token(match self.look_up() {
            Lookup::Held(held) => held,
            Lookup::Fetching(flight) => flight.await.map_err(|failure| AuthError::token(&failure))?,
        }))
    }

    /// A token, if one is there that can be used.
    #[must_use]
    pub fn try_ready(&self) -> Option<Basis> {
        let held = match &self.origin {
            Origin::Given(token) => Some(Held { value: token.clone(), generation: 0 }),
            Origin::Fetched(fetched) => fetched.kept.held().filter(|held| held.value.is_good()),
        };
        held.map(Basis::token)
    }

    pub(super) fn look_up(&self) -> Lookup<Token> {
        match &self.origin {
            Origin::Given(token) => Lookup::Held(Held { value: token.clone(), generation: 0 }),
            Origin::Fetched(fetched) => fetched.kept.look_up(Token::is_good),
        }
    }

    /// Drops a token that was refused, unless a newer one is there, or it is itself a fresh one in place of a refused one.
    pub(super) fn invalidate(&self, generation: u64) {
        let Origin::Fetched(fetched) = &self.origin else { return };
        let Fetched { kept, refused } = &**fetched;
        let dropped = kept.invalidate(generation, |token| {
            let useless = !token.is_fresh();
            // Under the lock, so that the fetch which follows finds it.
            refused.fetch_or(useless, Ordering::Relaxed);
            useless
        });
        if dropped {
            tracing::debug!(target: "ovh_auth", "the access token was not accepted");
        }
    }
}

/// Id and secret go into the form, as the official clients do it.
fn form(client: &OAuth2Client) -> Bytes {
    form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "client_credentials")
        .append_pair("client_id", client.id.expose())
        .append_pair("client_secret", client.secret.expose())
        .append_pair("scope", "all")
        .finish()
        .into()
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.origin {
            Origin::Given(_) => "Tokens(given)",
            Origin::Fetched(_) => "Tokens(fetched)",
        })
    }
}

/// The endpoint takes no OAuth2 client credentials, or it is not known where: see [`Endpoint::token_url`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoTokenUrl(pub(crate) String);

impl fmt::Display for NoTokenUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "OAuth2 client credentials can't be used with endpoint {}: accepted are ovh-eu, ovh-ca, ovh-us",
            self.0
        )
    }
}

impl Error for NoTokenUrl {}

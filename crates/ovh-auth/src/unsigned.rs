//! Which calls go out as they are.

use http::{Method, Request};

use crate::endpoint::Endpoint;
use crate::error::AuthError;

/// A request extension: send this call as it is, with neither signature nor token.
///
/// Some calls under `/order` fail when they are authenticated. With it a request may leave the endpoint, too.
///
/// These calls are never authenticated, whether they carry it or not; the paths are relative to the endpoint's base,
/// and `/v1` may stand before them:
///
/// - `GET /auth/time`
/// - `POST /auth/credential` (it gets `X-Ovh-Application`, and nothing else)
/// - `GET /dedicated/server/datacenter/availabilities`
/// - `GET /order/catalog/public/…`
///
/// ```
/// use ovh_auth::Unsigned;
///
/// let request = http::Request::get("https://eu.api.ovh.com/1.0/order/cart/1/eco").extension(Unsigned).body(())?;
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Unsigned;

/// What a layer does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Treatment {
    Plain,
    /// The application's key goes with it, unsigned.
    Application,
    Authenticate,
}

impl Treatment {
    pub(crate) fn of<B>(request: &Request<B>, endpoint: &Endpoint) -> Result<Self, AuthError> {
        let relative = endpoint.relative(request.uri());
        if let Some(public) = relative.and_then(|path| public(request.method(), path)) {
            return Ok(public);
        }
        if request.extensions().get::<Unsigned>().is_some() {
            return Ok(Self::Plain);
        }
        match relative {
            Some(_) => Ok(Self::Authenticate),
            None => Err(AuthError::foreign(request, endpoint)),
        }
    }
}

fn public(method: &Method, path: &str) -> Option<Treatment> {
    let plain = match path {
        "/auth/time" | "/dedicated/server/datacenter/availabilities" => true,
        _ => path.starts_with("/order/catalog/public/"),
    };
    if plain && method == Method::GET {
        Some(Treatment::Plain)
    } else if path == "/auth/credential" && method == Method::POST {
        Some(Treatment::Application)
    } else {
        None
    }
}

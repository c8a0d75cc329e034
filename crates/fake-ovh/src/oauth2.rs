//! `/auth/oauth2/token`: client credentials (RFC 6749, 4.4). The real one lives on a host of its own.

use axum::extract::State;
use axum::response::Response;
use axum::{Router, routing};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::answer::{JSON, with_type};
use crate::draw::uuid;
use crate::fake::{FakeOvh, SEED_OF_KEYS};
use crate::identify::text;
use crate::query::{first, pairs};

pub(crate) fn routes() -> Router<FakeOvh> {
    Router::new().route("/auth/oauth2/token", routing::post(token))
}

async fn token(State(api): State<FakeOvh>, headers: HeaderMap, body: Bytes) -> Response {
    let form = pairs(&body);
    if first(&form, "grant_type") != Some("client_credentials") {
        return refused(
            StatusCode::BAD_REQUEST,
            "unsupported_grant_type",
            "The grant type must be client_credentials",
        );
    }
    let basic = basic(&headers);
    let by_header = basic.is_some();
    let given = basic.or_else(|| {
        let both = (first(&form, "client_id")?, first(&form, "client_secret")?);
        Some((both.0.to_owned(), both.1.to_owned()))
    });
    let mut credentials = api.shared.credentials.lock();
    let known = given.is_some_and(|(id, secret)| credentials.clients.get(&id) == Some(&secret));
    if !known {
        // RFC 6749, 5.2: 401 if the client used the header, 400 or 401 if it did not. Which OVH answers is unverified.
        let status = if by_header { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST };
        return refused(status, "invalid_client", "Client authentication failed");
    }
    let (seed, lifetime) = {
        let settings = api.shared.settings.read();
        (settings.seed ^ SEED_OF_KEYS, settings.token_lifetime)
    };
    let token = format!("fake-{}", uuid(seed, credentials.next()));
    // Tokens that are over are forgotten, so that a long run does not pile them up.
    let now = Instant::now();
    credentials.tokens.retain(|_, until| until.is_none_or(|until| now < until));
    credentials.tokens.insert(token.clone(), Some(now + lifetime));
    drop(credentials);
    api.shared.ledger.lock().tally.tokens += 1;
    answer(
        StatusCode::OK,
        &json!({ "access_token": token, "token_type": "Bearer", "expires_in": lifetime.as_secs(), "scope": "all" }),
    )
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let encoded = text(headers, header::AUTHORIZATION.as_str())?.strip_prefix("Basic ")?;
    let decoded = String::from_utf8(BASE64_STANDARD.decode(encoded).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    // RFC 6749, 2.3.1: both are urlencoded first.
    let plain = |text: &str| pairs(format!("v={text}").as_bytes()).pop().map(|(_, value)| value);
    Some((plain(id)?, plain(secret)?))
}

fn refused(status: StatusCode, error: &str, description: &str) -> Response {
    answer(status, &json!({ "error": error, "error_description": description }))
}

fn answer(status: StatusCode, body: &Value) -> Response {
    let mut response = with_type(status, JSON, body.to_string().into());
    // RFC 6749, 5.1.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

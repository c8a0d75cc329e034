//! Whose call it is.

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, header};
use tokio::time::Instant;

use crate::answer::Refusal;
use crate::credentials::CredentialState;
use crate::fake::FakeOvh;
use crate::signature::signature;

pub(crate) const APPLICATION: &str = "x-ovh-application";
pub(crate) const CONSUMER: &str = "x-ovh-consumer";
const TIMESTAMP: &str = "x-ovh-timestamp";
const SIGNATURE: &str = "x-ovh-signature";

/// Who calls, as far as is proven.
#[derive(Clone, Debug)]
pub(crate) enum Caller {
    Nobody,
    /// A validated consumer key, and whether its rules grant this call.
    Consumer {
        key: String,
        granted: bool,
    },
    Bearer,
}

/// What of a call is signed, and `below`: its path below the version.
pub(crate) struct Signed<'a> {
    pub(crate) method: &'a Method,
    pub(crate) url: &'a str,
    pub(crate) below: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
}

/// Whether a call claims to be somebody's; the application key alone claims nothing.
pub(crate) fn claims(headers: &HeaderMap) -> bool {
    headers.contains_key(SIGNATURE) || headers.contains_key(CONSUMER) || bearer(headers).is_some()
}

pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    text(headers, header::AUTHORIZATION.as_str())?.strip_prefix("Bearer ")
}

pub(crate) fn invalid_key() -> Refusal {
    Refusal::of_authentication(StatusCode::FORBIDDEN, "INVALID_KEY", "This application key is invalid")
}

impl FakeOvh {
    /// Checks what the call claims. In which order the real API does is unverified: application key, time, consumer
    /// key, signature, state.
    pub(crate) fn identify(&self, call: &Signed<'_>) -> Result<Caller, Refusal> {
        let headers = call.headers;
        if !(headers.contains_key(SIGNATURE) || headers.contains_key(CONSUMER)) {
            return match bearer(headers) {
                Some(token) => self.identify_token(token),
                None => Ok(Caller::Nobody),
            };
        }
        let [application, consumer, timestamp, claimed] =
            [APPLICATION, CONSUMER, TIMESTAMP, SIGNATURE].map(|name| text(headers, name));
        let (Some(application), Some(key), Some(timestamp), Some(claimed)) =
            (application, consumer, timestamp, claimed)
        else {
            return Err(Refusal::not_authenticated());
        };

        let credentials = self.shared.credentials.lock();
        let Some(secret) = credentials.applications.get(application) else { return Err(invalid_key()) };
        if !self.in_time(timestamp) {
            return Err(Refusal::of_authentication(
                StatusCode::BAD_REQUEST,
                "QUERY_TIME_OUT",
                "Query out of time",
            ));
        }
        let Some(consumer) = credentials.consumers.get(key).filter(|one| one.application == application)
        else {
            let message = "This credential does not exist";
            return Err(Refusal::of_authentication(StatusCode::FORBIDDEN, "NOT_CREDENTIAL", message));
        };
        if claimed != signature(secret, key, call.method, call.url, call.body, timestamp) {
            let message = "Invalid signature";
            return Err(Refusal::of_authentication(StatusCode::BAD_REQUEST, "INVALID_SIGNATURE", message));
        }
        if consumer.state != CredentialState::Validated {
            let message = "This credential is not valid";
            return Err(Refusal::of_authentication(StatusCode::FORBIDDEN, "INVALID_CREDENTIAL", message));
        }
        let granted = consumer.rules.iter().any(|rule| rule.grants(call.method, call.below));
        Ok(Caller::Consumer { key: key.to_owned(), granted })
    }

    fn in_time(&self, timestamp: &str) -> bool {
        let window = self.shared.settings.read().timestamp_window;
        timestamp
            .parse::<i64>()
            .is_ok_and(|timestamp| self.shared.clock.unix().abs_diff(timestamp) <= window.as_secs())
    }

    fn identify_token(&self, token: &str) -> Result<Caller, Refusal> {
        let credentials = self.shared.credentials.lock();
        match credentials.tokens.get(token) {
            Some(until) if until.is_none_or(|until| Instant::now() < until) => Ok(Caller::Bearer),
            _ => Err(Refusal::not_authenticated()),
        }
    }
}

/// Taken by an endpoint that only an account may call.
#[derive(Debug)]
pub(crate) struct Account;

impl FromRequestParts<FakeOvh> for Account {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &FakeOvh) -> Result<Self, Refusal> {
        match parts.extensions.get() {
            Some(Caller::Bearer | Caller::Consumer { granted: true, .. }) => Ok(Self),
            Some(Caller::Consumer { granted: false, .. }) => {
                let message = "This call has not been granted";
                Err(Refusal::of_authentication(StatusCode::FORBIDDEN, "NOT_GRANTED_CALL", message))
            }
            Some(Caller::Nobody) | None => Err(Refusal::not_authenticated()),
        }
    }
}

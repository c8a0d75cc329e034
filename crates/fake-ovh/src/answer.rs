//! The shapes of answers.

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
const HTML: HeaderValue = HeaderValue::from_static("text/html");

/// How errors are written. The real API has both shapes; which endpoint has which is unverified.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ErrorShape {
    /// Refused authentication in the older shape, everything else in the newer one.
    #[default]
    Mixed,
    /// `{"errorCode","httpCode":"400 Bad Request","message"}`.
    Old,
    /// `{"class":"Client::BadRequest","message"}`. It has no place for an error code: a stale timestamp is told by its
    /// message alone.
    New,
}

/// An error that the API answers. It travels in the response's extensions until the gate, which knows the shape, writes
/// its body.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
    of_authentication: bool,
}

impl Refusal {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), of_authentication: false }
    }

    /// Refused authentication.
    pub(crate) fn of_authentication(status: StatusCode, code: &'static str, message: &str) -> Self {
        Self { of_authentication: true, ..Self::new(status, code, message) }
    }

    /// Nobody has logged in. Seen in the newer shape.
    pub(crate) fn not_authenticated() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "NOT_AUTHENTICATED", "You must login first")
    }

    pub(crate) fn code(&self) -> &'static str {
        self.code
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BAD_REQUEST", message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", message)
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", "Method not allowed")
    }

    pub(crate) fn too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE", "Request body too large")
    }

    pub(crate) fn too_many_requests() -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_REQUESTS", "Too many requests")
    }

    pub(crate) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_SERVER_ERROR", "Internal server error")
    }

    /// The body, in the shape that is set.
    pub(crate) fn body(&self, shape: ErrorShape) -> Bytes {
        let old = match shape {
            ErrorShape::Mixed => self.of_authentication,
            ErrorShape::Old => true,
            ErrorShape::New => false,
        };
        let reason = self.status.canonical_reason().unwrap_or_default();
        let body = if old {
            let http_code = format!("{} {reason}", self.status.as_str());
            json!({ "errorCode": self.code, "httpCode": http_code, "message": self.message })
        } else {
            let side = if self.status.is_server_error() { "Server" } else { "Client" };
            let class = format!("{side}::{}", reason.replace(' ', ""));
            json!({ "class": class, "message": self.message })
        };
        body.to_string().into()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// What an endpoint answers.
pub(crate) type Answer = Result<Response, Refusal>;

/// 200 and this value.
pub(crate) fn ok(value: &impl Serialize) -> Answer {
    match serde_json::to_vec(value) {
        Ok(body) => Ok(raw(body)),
        Err(error) => Err(Refusal { message: error.to_string(), ..Refusal::internal() }),
    }
}

/// 200 and nothing: the API writes `null`.
pub(crate) fn nothing() -> Answer {
    Ok(raw("null"))
}

/// 200 and these bytes, which are JSON.
pub(crate) fn raw(body: impl Into<Bytes>) -> Response {
    with_type(StatusCode::OK, JSON, body.into())
}

pub(crate) fn with_type(status: StatusCode, kind: HeaderValue, body: Bytes) -> Response {
    (status, [(header::CONTENT_TYPE, kind)], body).into_response()
}

/// A gateway's page.
pub(crate) fn html(status: StatusCode) -> Response {
    let reason = status.canonical_reason().unwrap_or_default();
    let title = format!("{} {reason}", status.as_str());
    let page =
        format!("<html><body><h1>{title}</h1>\nThe server could not answer your request.\n</body></html>\n");
    with_type(status, HTML, page.into())
}

/// Reads a request's JSON.
pub(crate) fn parse<T: DeserializeOwned>(body: &Bytes) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::bad_request(format!("Invalid body: {error}")))
}

/// As [`parse`], where an absent body is an empty object.
pub(crate) fn parse_or_default<T: DeserializeOwned + Default>(body: &Bytes) -> Result<T, Refusal> {
    if body.is_empty() { Ok(T::default()) } else { parse(body) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_shapes() {
        let stale =
            Refusal::of_authentication(StatusCode::BAD_REQUEST, "QUERY_TIME_OUT", "Query out of time");
        let old =
            r#"{"errorCode":"QUERY_TIME_OUT","httpCode":"400 Bad Request","message":"Query out of time"}"#;
        let new = r#"{"class":"Client::BadRequest","message":"Query out of time"}"#;
        assert_eq!(stale.body(ErrorShape::Mixed), old);
        assert_eq!(stale.body(ErrorShape::Old), old);
        assert_eq!(stale.body(ErrorShape::New), new);
        let broken = Refusal::internal();
        assert_eq!(
            broken.body(ErrorShape::Mixed),
            r#"{"class":"Server::InternalServerError","message":"Internal server error"}"#
        );
    }
}

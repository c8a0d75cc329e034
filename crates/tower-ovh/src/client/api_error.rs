//! An error that the API answered.

use std::error::Error;
use std::fmt;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Response, StatusCode};
use ovh_auth::query_id;
use serde::Deserialize;

/// The API answered with an error's status: 4xx or 5xx (or, as it follows no redirects, 3xx).
///
/// OVHcloud writes errors in two shapes, `{"errorCode", "httpCode", "message"}` and `{"class", "message"}`, and its gateways in
/// HTML; what a shape does not have is `None`.
///
/// ```
/// use bytes::Bytes;
/// use http::Response;
/// use tower_ovh::ApiError;
///
/// let response = Response::builder().status(404).header("X-Ovh-Queryid", "EU.ext-1.2.3").body(Bytes::from_static(
///     br#"{"class":"Client::NotFound","message":"No availabilities found"}"#,
/// ))?;
/// let error = ApiError::of(&response);
/// assert_eq!((error.class(), error.error_code()), (Some("Client::NotFound"), None));
/// assert_eq!(error.to_string(), "404 Not Found, Client::NotFound: No availabilities found (query id EU.ext-1.2.3)");
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    status: StatusCode,
    class: Option<String>,
    error_code: Option<String>,
    message: Option<String>,
    query_id: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Shape {
    class: Option<String>,
    error_code: Option<String>,
    message: Option<String>,
}

impl ApiError {
    /// Reads a response as an error, whatever its status.
    #[must_use]
    pub fn of(response: &Response<Bytes>) -> Self {
        let shape = serde_json::from_slice::<Shape>(response.body()).unwrap_or_default();
        let title = || is_html(response.headers()).then(|| title(response.body())).flatten();
        Self {
            status: response.status(),
            class: shape.class,
            error_code: shape.error_code,
            message: shape.message.or_else(title),
            query_id: query_id(response.headers()).map(str::to_owned),
        }
    }

    /// The status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The class, of the newer shape: `Client::NotFound`, say.
    #[must_use]
    pub fn class(&self) -> Option<&str> {
        self.class.as_deref()
    }

    /// The code, of the older shape: `QUERY_TIME_OUT`, say.
    #[must_use]
    pub fn error_code(&self) -> Option<&str> {
        self.error_code.as_deref()
    }

    /// The message, or an HTML page's title.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// What OVHcloud's support asks for.
    #[must_use]
    pub fn query_id(&self) -> Option<&str> {
        self.query_id.as_deref()
    }
}

pub(super) fn is_html(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    kind.get(..9).is_some_and(|kind| kind.eq_ignore_ascii_case(b"text/html"))
}

/// What stands between `<title>` and `</title>`, on one line and not too long.
fn title(page: &[u8]) -> Option<String> {
    const LONGEST: usize = 200;
    let page = String::from_utf8_lossy(&page[..page.len().min(4096)]);
    let lower = page.to_ascii_lowercase();
    let start = lower.find("<title>")? + "<title>".len();
    let end = start + lower[start..].find("</title>")?;
    let words: Vec<_> = page[start..end].split_whitespace().collect();
    let title: String = words.join(" ").chars().take(LONGEST).collect();
    (!title.is_empty()).then_some(title)
}

/// "404 Not Found, Client::NotFound: No availabilities found (query id EU.ext-1.2.3)".
impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        for name in [&self.class, &self.error_code].into_iter().flatten() {
            write!(f, ", {name}")?;
        }
        if let Some(message) = &self.message {
            write!(f, ": {message}")?;
        }
        match &self.query_id {
            Some(id) => write!(f, " (query id {id})"),
            None => Ok(()),
        }
    }
}

impl Error for ApiError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(status: u16, kind: &str, body: &'static str) -> ApiError {
        let response = Response::builder().status(status).header(CONTENT_TYPE, kind);
        ApiError::of(&response.body(Bytes::from_static(body.as_bytes())).unwrap())
    }

    #[test]
    fn the_older_shape() {
        let error = error(
            403,
            "application/json",
            r#"{"errorCode":"NOT_GRANTED_CALL","httpCode":"403 Forbidden","message":"This call has not been granted"}"#,
        );
        assert_eq!(error.error_code(), Some("NOT_GRANTED_CALL"));
        assert_eq!(error.to_string(), "403 Forbidden, NOT_GRANTED_CALL: This call has not been granted");
    }

    #[test]
    fn pages_and_garbage() {
        let page = "<html>\n<head><TITLE>503\n Service Unavailable</TITLE></head></html>";
        assert_eq!(error(503, "text/html; charset=utf-8", page).message(), Some("503 Service Unavailable"));
        assert_eq!(error(503, "text/plain", page).message(), None);
        for body in ["", "<title>", "<title>x", "null", "[]", "{\"message\":{}}", "\u{fffd}<title>é</title>"]
        {
            let error = error(500, "text/html", body);
            assert!(error.to_string().starts_with("500 Internal Server Error"), "{error}");
        }
    }
}

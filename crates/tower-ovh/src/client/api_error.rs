//! An error that the API answered.

use std::error::Error;
use std::fmt;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Response, StatusCode};
use retry_on_tls_eof::RetrySafety;
use serde::Deserialize;
use serde_json::Value;
use wire_fault::QueryId;

use super::escaped::Escaped;
use crate::stack::BodyTooLong;

/// The API answered with an error's status: 4xx or 5xx (or, as it follows no redirects, 3xx).
///
/// OVHcloud writes errors in two shapes, `{"errorCode", "httpCode", "message"}` and `{"class", "message"}`, and its
/// gateways in HTML; what a shape does not have is `None`. A field that is there and is no text, such as a number for a
/// code, is given as its JSON.
///
/// `Display` escapes control characters of the server's texts; the getters give them as they came.
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
    query_id: Option<Box<QueryId>>,
    safety: RetrySafety,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Shape {
    class: Value,
    error_code: Value,
    message: Value,
}

impl ApiError {
    /// Reads a response as an error, whatever its status. What it answers is taken for a call that must not be made twice.
    #[must_use]
    pub fn of(response: &Response<Bytes>) -> Self {
        Self::answered(response, RetrySafety::IfNeverSent)
    }

    /// The answer to a call of this kind.
    pub(super) fn answered(response: &Response<Bytes>, safety: RetrySafety) -> Self {
        let shape = serde_json::from_slice::<Shape>(response.body()).unwrap_or_default();
        let title = || is_html(response.headers()).then(|| title(response.body())).flatten();
        Self {
            status: response.status(),
            class: text(shape.class),
            error_code: text(shape.error_code),
            message: text(shape.message).or_else(title),
            query_id: QueryId::in_headers(response.headers(), &QueryId::HEADER).map(Box::new),
            safety,
        }
    }

    /// An answer whose body could not be had.
    pub(super) fn without_body(error: &BodyTooLong, safety: RetrySafety) -> Self {
        Self {
            status: error.status(),
            class: None,
            error_code: None,
            message: Some(error.to_string()),
            query_id: QueryId::of(error).map(Box::new),
            safety,
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

    /// Whether the call may have been carried out all the same, and would do harm if it were made again: after 5xx and 408, if it
    /// is not idempotent. Look before you call again.
    ///
    /// OVHcloud's API has answered 500 to a `POST` that had created what it asked for (terraform's provider has met it), and a
    /// gateway's 502 or 504 leaves the server at work. A 429 counts as refused, as
    /// [RFC 6585](https://www.rfc-editor.org/rfc/rfc6585#section-4) has it; for OVHcloud's that is unverified.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use http::Response;
    /// use tower_ovh::ApiError;
    ///
    /// let answered = |status: u16| Response::builder().status(status).body(Bytes::new());
    /// assert!(ApiError::of(&answered(504)?).may_have_landed());
    /// assert!(!ApiError::of(&answered(403)?).may_have_landed());
    /// # Ok::<(), http::Error>(())
    /// ```
    #[must_use]
    pub fn may_have_landed(&self) -> bool {
        let tells_nothing = self.status.is_server_error() || self.status == StatusCode::REQUEST_TIMEOUT;
        tells_nothing && self.safety != RetrySafety::Idempotent
    }

    /// What OVHcloud's support asks for.
    #[must_use]
    pub fn query_id(&self) -> Option<&str> {
        self.query_id.as_deref().map(QueryId::as_str)
    }
}

fn text(field: Value) -> Option<String> {
    match field {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
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
    let tag = lower.find("<title")? + "<title".len();
    // It may have attributes, and another element's name may begin as its own does.
    if !lower[tag..].starts_with(|c: char| c == '>' || c.is_ascii_whitespace()) {
        return None;
    }
    let start = tag + lower[tag..].find('>')? + 1;
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
            write!(f, ", {}", Escaped(name))?;
        }
        if let Some(message) = &self.message {
            write!(f, ": {}", Escaped(message))?;
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
    fn a_field_of_another_type_costs_no_other_field() {
        let shown = |body| error(400, "application/json", body).to_string();
        assert_eq!(
            shown(r#"{"class":"Client::BadRequest","message":"no such plan","errorCode":4001}"#),
            "400 Bad Request, Client::BadRequest, 4001: no such plan"
        );
        assert_eq!(
            shown(r#"{"class":"Client::BadRequest","message":["a","b"],"errorCode":null}"#),
            r#"400 Bad Request, Client::BadRequest: ["a","b"]"#
        );
        assert_eq!(shown(r#"{"class":{},"message":false}"#), "400 Bad Request, {}: false");
    }

    #[test]
    fn a_terminal_is_told_nothing() {
        let body = r#"{"errorCode":"X\u001b[2J","message":"a\u001b[31m\nERROR forged"}"#;
        let error = error(400, "application/json", body);
        assert_eq!(error.to_string(), "400 Bad Request, X\\u{1b}[2J: a\\u{1b}[31m\\nERROR forged");
        assert_eq!(error.message(), Some("a\u{1b}[31m\nERROR forged"));
    }

    #[test]
    fn what_may_have_landed() {
        let landed = |status: u16, safety| {
            let response = Response::builder().status(status).body(Bytes::new()).unwrap();
            ApiError::answered(&response, safety).may_have_landed()
        };
        for status in [408, 500, 502, 503, 504, 520] {
            assert!(
                landed(status, RetrySafety::IfNeverSent) && landed(status, RetrySafety::Never),
                "{status}"
            );
            assert!(!landed(status, RetrySafety::Idempotent), "{status}");
        }
        for status in [302, 400, 401, 403, 404, 409, 429, 460] {
            assert!(!landed(status, RetrySafety::Never), "{status}");
        }
    }

    #[test]
    fn pages_and_garbage() {
        let page = "<html>\n<head><TITLE>503\n Service Unavailable</TITLE></head></html>";
        assert_eq!(error(503, "text/html; charset=utf-8", page).message(), Some("503 Service Unavailable"));
        assert_eq!(error(503, "text/plain", page).message(), None);
        let page = "<title\nlang=\"en\" data-x>Bad Gateway</title>";
        assert_eq!(error(502, "text/html", page).message(), Some("Bad Gateway"));
        assert_eq!(error(502, "text/html", "<titles>x</title>").message(), None);
        for body in ["", "<title>", "<title>x", "null", "[]", "{\"message\":{}}", "\u{fffd}<title>é</title>"]
        {
            let error = error(500, "text/html", body);
            assert!(error.to_string().starts_with("500 Internal Server Error"), "{error}");
        }
    }
}

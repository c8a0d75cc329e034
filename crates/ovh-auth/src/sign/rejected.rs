//! Which answers say that the timestamp was not accepted.

use std::borrow::Cow;

use http::header::CONTENT_TYPE;
use http::{Response, StatusCode};
use http_body::Body;
use serde::Deserialize;

/// The longest error body that is looked into. OVHcloud's have some 100 to 300 bytes.
pub(crate) const LIMIT: usize = 4096;

/// Whether an answer is worth looking into: 400 with JSON in it, or with a short body of no stated kind.
pub(crate) fn may_be<B: Body>(response: &Response<B>) -> bool {
    if response.status() != StatusCode::BAD_REQUEST {
        return false;
    }
    match response.headers().get(CONTENT_TYPE) {
        Some(kind) => is_json(kind.as_bytes()),
        None => response.body().size_hint().upper().is_some_and(|upper| upper <= LIMIT as u64),
    }
}

/// `application/json`, `application/problem+json`, each with or without parameters.
fn is_json(content_type: &[u8]) -> bool {
    let kind = content_type.split(|&b| b == b';').next().unwrap_or_default().trim_ascii();
    let suffix = kind.len().checked_sub(4).and_then(|start| kind.get(start..));
    suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case(b"json"))
}

/// `{"errorCode":"QUERY_TIME_OUT","httpCode":"400 Bad Request","message":"Query out of time"}`.
///
/// The newer shape (`{"class":…,"message":…}`) has no place for the code; whether it is ever used for this is not known. There
/// the message must be the one above, to the letter: what it says was refused, so a repeat does no harm.
pub(crate) fn is_query_time_out(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct ApiError<'a> {
        #[serde(borrow, rename = "errorCode")]
        error_code: Option<Cow<'a, str>>,
        #[serde(borrow)]
        class: Option<Cow<'a, str>>,
        #[serde(borrow)]
        message: Option<Cow<'a, str>>,
    }
    serde_json::from_slice::<ApiError<'_>>(body).is_ok_and(|error| match error.error_code {
        Some(code) => code == "QUERY_TIME_OUT",
        None => error.class.is_some() && error.message.is_some_and(|message| message == "Query out of time"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_by_its_type() {
        for json in [
            "application/json",
            "application/json; charset=utf-8",
            "Application/JSON",
            "application/problem+json",
        ] {
            assert!(is_json(json.as_bytes()), "{json}");
        }
        for other in ["", "son", "text/html", "application/jsonp", "text/html; a=json"] {
            assert!(!is_json(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn the_code_decides() {
        assert!(is_query_time_out(
            br#"{"errorCode":"QUERY_TIME_OUT","httpCode":"400 Bad Request","message":"Query out of time"}"#
        ));
        assert!(is_query_time_out(br#"{"class":"Client::BadRequest","message":"Query out of time"}"#));
        for other in [
            &br#"{"errorCode":"INVALID_KEY","message":"QUERY_TIME_OUT"}"#[..],
            br#"{"message":"Query out of time"}"#,
            br#"{"class":"Client::BadRequest","message":"Query out of time, or not"}"#,
            br#"{"errorCode":"QUERY_TIME_OUT""#,
            b"<html>QUERY_TIME_OUT</html>",
            b"",
        ] {
            assert!(!is_query_time_out(other));
        }
    }
}

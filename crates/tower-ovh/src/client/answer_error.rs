//! An answer that is not what was asked for.

use std::error::Error;
use std::fmt;

use bytes::Bytes;
use http::{Response, StatusCode};
use ovh_auth::query_id;
use retry_on_tls_eof::RetrySafety;
use serde::de::DeserializeOwned;

use super::api_error::is_html;
use super::escaped::Escaped;
use crate::stack::BodyTooLong;

/// The API answered with success, and the body is not the type that was asked for, or longer than the stack reads
/// ([`BodyTooLong`](crate::BodyTooLong)). By its status the call has been carried out.
///
/// Texts of the body are not quoted, since it may hold a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerError {
    status: StatusCode,
    query_id: Option<String>,
    reason: String,
    safety: RetrySafety,
}

impl AnswerError {
    /// Reads a body. One that is empty is read as `null`: some calls that answer nothing send nothing.
    pub(super) fn read<T: DeserializeOwned>(
        response: &Response<Bytes>,
        safety: RetrySafety,
    ) -> Result<T, Self> {
        let body = if response.body().is_empty() { b"null" } else { &response.body()[..] };
        serde_json::from_slice(body).map_err(|error| Self {
            status: response.status(),
            query_id: query_id(response.headers()).map(str::to_owned),
            reason: if is_html(response.headers()) { "an HTML page".into() } else { reason(&error) },
            safety,
        })
    }

    /// An answer whose body could not be had.
    pub(super) fn without_body(error: &BodyTooLong, safety: RetrySafety) -> Self {
        Self {
            status: error.status(),
            query_id: error.query_id().map(str::to_owned),
            reason: error.to_string(),
            safety,
        }
    }

    /// Whether the call would do harm if it were made again: it has been carried out, and is not idempotent.
    #[must_use]
    pub fn may_have_landed(&self) -> bool {
        self.safety != RetrySafety::Idempotent
    }

    /// The status: 2xx.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// What OVHcloud's support asks for.
    #[must_use]
    pub fn query_id(&self) -> Option<&str> {
        self.query_id.as_deref()
    }
}

/// serde's own words, unless they quote a text of the body.
fn reason(error: &serde_json::Error) -> String {
    let words = error.to_string();
    if words.contains('"') || words.contains("unknown variant") {
        format!("a text where none is expected, at line {} column {}", error.line(), error.column())
    } else {
        words
    }
}

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the answer {} can't be read: {}", self.status, Escaped(&self.reason))?;
        match &self.query_id {
            Some(id) => write!(f, " (query id {})", Escaped(id)),
            None => Ok(()),
        }
    }
}

impl Error for AnswerError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: DeserializeOwned>(body: &'static str) -> Result<T, String> {
        AnswerError::read(&Response::new(Bytes::from_static(body.as_bytes())), RetrySafety::Idempotent)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_is_null() {
        assert_eq!(read::<()>(""), Ok(()));
        assert_eq!(read::<()>("null"), Ok(()));
        assert_eq!(read::<Option<u8>>(""), Ok(None));
        assert_eq!(read::<u8>("7"), Ok(7));
    }

    #[test]
    fn what_is_wrong_is_told_and_no_text_quoted() {
        #[derive(Debug, PartialEq, serde::Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Kind {
            Known,
        }
        #[derive(Debug, PartialEq, serde::Deserialize)]
        struct Order {
            #[serde(rename = "orderId")]
            id: u64,
        }
        assert_eq!(read("\"known\""), Ok(Kind::Known));
        assert!(read::<Order>("{}").unwrap_err().contains("missing field `orderId`"));
        for body in ["\"s3cret\"", "{\"orderId\":\"s3cret\"}", "s3cret"] {
            assert!(!read::<Order>(body).unwrap_err().contains("s3cret"), "{body}");
        }
        assert!(!read::<Kind>("\"s3cret\"").unwrap_err().contains("s3cret"));
    }
}

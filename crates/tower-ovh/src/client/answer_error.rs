//! An answer that is not what was asked for.

use std::error::Error;
use std::fmt;

use bytes::Bytes;
use http::{Response, StatusCode};
use retry_on_tls_eof::RetrySafety;
use serde::de::DeserializeOwned;
use wire_fault::QueryId;

use super::api_error::is_html;
use super::escaped::Escaped;
use crate::stack::BodyTooLong;

/// The API answered with success, and the body is not the type that was asked for, or longer than the stack reads
/// ([`BodyTooLong`](crate::BodyTooLong)). By its status the call has been carried out.
///
/// Nothing of the body is quoted, since it may hold a key: the text has the line and the column, and what is wrong where
/// that can be told by the type alone, such as the name of a field that is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerError {
    status: StatusCode,
    query_id: Option<Box<QueryId>>,
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
            query_id: QueryId::in_headers(response.headers(), &QueryId::HEADER).map(Box::new),
            reason: if is_html(response.headers()) { "an HTML page".into() } else { reason(&error) },
            safety,
        })
    }

    /// An answer whose body could not be had.
    pub(super) fn without_body(error: &BodyTooLong, safety: RetrySafety) -> Self {
        Self {
            status: error.status(),
            query_id: QueryId::of(error).map(Box::new),
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
        self.query_id.as_deref().map(QueryId::as_str)
    }
}

/// What is wrong, in words of which none is the body's: those of an error of the type itself (`Error::custom`, or a field
/// that is not known) may be, so nothing passes but what serde_json says of the syntax, kinds of values, and a missing
/// field's name.
fn reason(error: &serde_json::Error) -> String {
    if !error.is_data() {
        return error.to_string();
    }
    let place = format!("at line {} column {}", error.line(), error.column());
    let words = error.to_string();
    if let Some(field) = missing_field(&words, &place) {
        return format!("missing field `{field}` {place}");
    }
    let found = words.strip_prefix("invalid type: ");
    match found.and_then(|found| KINDS.into_iter().find(|kind| found.starts_with(kind))) {
        Some(kind) => format!("{kind} where another type is expected, {place}"),
        None => format!("a value that does not fit the type, {place}"),
    }
}

/// As serde names what it has found.
const KINDS: [&str; 7] = ["null", "boolean", "integer", "floating point", "string", "sequence", "map"];

/// The name of a field of the caller's type.
fn missing_field<'w>(words: &'w str, place: &str) -> Option<&'w str> {
    let name = words.strip_prefix("missing field `")?.strip_suffix(place)?.strip_suffix("` ")?;
    (!name.contains(['`', ' '])).then_some(name)
}

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the answer {} can't be read: {}", self.status, Escaped(&self.reason))?;
        match &self.query_id {
            Some(id) => write!(f, " (query id {id})"),
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
        assert!(read::<Order>("{").unwrap_err().contains("EOF while parsing an object at line 1 column 1"));
        let null = read::<Order>("{\"orderId\":null}").unwrap_err();
        assert!(null.ends_with("null where another type is expected, at line 1 column 15"), "{null}");
    }

    #[test]
    fn words_of_the_type_itself_are_not_passed_on() {
        #[derive(Debug, PartialEq, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Strict {
            a: Option<u8>,
        }
        /// Quotes what it does not take.
        #[derive(Debug, PartialEq)]
        struct Quoting;
        impl<'de> serde::Deserialize<'de> for Quoting {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = String::deserialize(from)?;
                Err(serde::de::Error::custom(text))
            }
        }
        let error = read::<Strict>("{\"s3cret\":1}").unwrap_err();
        assert!(error.ends_with("a value that does not fit the type, at line 1 column 9"), "{error}");
        for body in ["\"bad id s3cret\"", "\"missing field `a`: s3cret`\"", "\"invalid type: map s3cret\""] {
            let error = read::<Quoting>(body).unwrap_err();
            assert!(!error.contains("s3cret"), "{error}");
        }
        for body in ["[12345678]", "{\"a\":12345678}", "{\"a\":1234.5678}", "12345678"] {
            for error in [
                read::<Strict>(body).unwrap_err(),
                read::<Vec<String>>(body).unwrap_err(),
                read::<std::collections::HashMap<String, bool>>(body).unwrap_err(),
            ] {
                assert!(!error.contains("1234") && !error.contains("5678"), "{error}");
            }
        }
    }
}

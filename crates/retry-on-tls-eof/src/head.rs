//! The head of a response that says too little by itself.

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, Response, StatusCode, response};
use wire_fault::QueryId;

/// The status and headers of a response whose body was cut, or that doesn't say what became of the call: more than
/// nothing, where nobody knows.
///
/// `Debug` shows no header's value.
///
/// # Clone
///
/// Clones share the headers.
#[derive(Clone)]
pub struct ResponseHead {
    head: Arc<Head>,
}

struct Head {
    status: StatusCode,
    headers: HeaderMap,
    query_id: Option<QueryId>,
}

impl ResponseHead {
    pub(crate) fn new(parts: response::Parts) -> Self {
        Self::from_parts(parts.status, parts.headers)
    }

    pub(crate) fn of<B>(response: &Response<B>) -> Self {
        Self::from_parts(response.status(), response.headers().clone())
    }

    fn from_parts(status: StatusCode, headers: HeaderMap) -> Self {
        let query_id = QueryId::in_headers(&headers, &QueryId::HEADER);
        Self { head: Arc::new(Head { status, headers, query_id }) }
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.head.status
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// OVHcloud's id of the query (`X-Ovh-Queryid`), which its support asks for. None for a value that
    /// is no [`QueryId`].
    #[must_use]
    pub fn query_id(&self) -> Option<&str> {
        self.head.query_id.as_ref().map(QueryId::as_str)
    }
}

impl fmt::Debug for ResponseHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseHead").field("status", &self.status()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As everywhere else an id is read: what support can't be told is none.
    #[test]
    fn the_query_id_is_read_as_the_type_reads_it() {
        let longest = "x".repeat(64);
        for (value, id) in [
            ("EU.ext-1.42", Some("EU.ext-1.42")),
            (" EU.ext-1.42 ", Some("EU.ext-1.42")),
            (&longest, Some(&*longest)),
            (&"x".repeat(65), None),
            ("two words", None),
            ("", None),
        ] {
            let response = Response::builder().header(QueryId::HEADER, value).body(()).unwrap();
            assert_eq!(ResponseHead::of(&response).query_id(), id, "{value:?}");
            assert_eq!(ResponseHead::new(response.into_parts().0).query_id(), id, "{value:?}");
        }
        assert_eq!(ResponseHead::of(&Response::new(())).query_id(), None);
    }
}

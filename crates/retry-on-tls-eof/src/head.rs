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
    head: Arc<(StatusCode, HeaderMap)>,
}

impl ResponseHead {
    pub(crate) fn new(parts: response::Parts) -> Self {
        Self { head: Arc::new((parts.status, parts.headers)) }
    }

    pub(crate) fn of<B>(response: &Response<B>) -> Self {
        Self { head: Arc::new((response.status(), response.headers().clone())) }
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.head.0
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.head.1
    }

    /// OVHcloud's id of the query (`X-Ovh-Queryid`), which its support asks for.
    #[must_use]
    pub fn query_id(&self) -> Option<&str> {
        self.headers().get(QueryId::HEADER)?.to_str().ok()
    }
}

impl fmt::Debug for ResponseHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseHead").field("status", &self.status()).finish_non_exhaustive()
    }
}

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use http::response;
use tower::BoxError;
use wire_fault::{Cause, Delivery, Fault, Healing, Mark, Phase, QueryId, find};

use super::range::MAX;
use crate::head::ResponseHead;

/// A response came, and its body was cut.
///
/// The body's own error is its source, unless the body ended as if it were whole.
#[derive(Debug)]
pub struct BodyCut {
    head: ResponseHead,
    received: usize,
    /// More than that, if the body ended as if it were whole.
    announced: Option<u64>,
    mark: Mark,
}

/// Of a body that ended in order, but too soon.
const SHORT: Fault = Fault::new(Phase::Body, Delivery::Answered, Cause::Eof, Healing::Transient);

fn query_id(parts: &response::Parts) -> Option<QueryId> {
    QueryId::in_headers(&parts.headers, &QueryId::HEADER)
}

impl BodyCut {
    pub(super) fn new(parts: response::Parts, received: usize, error: impl Into<BoxError>) -> Self {
        let error: Arc<dyn Error + Send + Sync> = error.into().into();
        // Whatever the body's error makes of it, the server had the request.
        let mut fault = Fault::of(&*error);
        (fault.phase, fault.delivery) = (Phase::Body, Delivery::Answered);
        let query_id = query_id(&parts);
        let mark = || Mark::fault(fault).with_query_id(query_id).with_source(Arc::clone(&error));
        Self::bearing(&mark, ResponseHead::new(parts), received, None)
    }

    /// It ended in order, but too soon.
    pub(super) fn short(parts: response::Parts, received: usize, announced: u64) -> Self {
        let query_id = query_id(&parts);
        let mark = || Mark::fault(SHORT).with_query_id(query_id);
        Self::bearing(&mark, ResponseHead::new(parts), received, Some(announced))
    }

    fn bearing(mark: &dyn Fn() -> Mark, head: ResponseHead, received: usize, announced: Option<u64>) -> Self {
        let copy = Self { head: head.clone(), received, announced, mark: mark() };
        Self { head, received, announced, mark: mark().with_bearer(copy) }
    }

    /// The first of its kind in an error's chain of causes.
    #[must_use]
    pub fn of<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        find(error)
    }

    /// The response's status and headers.
    #[must_use]
    pub const fn head(&self) -> &ResponseHead {
        &self.head
    }

    /// How many bytes of the body had come.
    #[must_use]
    pub const fn received(&self) -> usize {
        self.received
    }
}

impl fmt::Display for BodyCut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the body of a response {} was cut after {}", self.head.status(), self.received)?;
        if let Some(announced) = self.announced {
            write!(f, " of {announced}")?;
        }
        f.write_str(" bytes")
    }
}

impl Error for BodyCut {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.mark)
    }
}

/// A limit for collected bodies out of range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidBodyLimit(pub(super) usize);

impl fmt::Display for InvalidBodyLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a limit of {} bytes for collected bodies is out of range: 1 to {MAX}", self.0)
    }
}

impl Error for InvalidBodyLimit {}

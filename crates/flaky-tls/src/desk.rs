//! What every request of a connection passes, whatever version of HTTP it came by.

use std::sync::Arc;

use bytes::Bytes;
use http::header::HeaderName;
use http::{Request, Response, StatusCode, request};
use http_body_util::Full;

use crate::ledger::{Entry, Ticket};
use crate::progress::Progress;
use crate::serve::BoxError;
use crate::served::{Erased, Served};
use crate::shared::Shared;

/// The service behind, and the books of one connection.
#[derive(Clone)]
pub(crate) struct Desk {
    service: Served,
    id_header: HeaderName,
    pub(crate) body_limit: usize,
    pub(crate) entry: Arc<Entry>,
    pub(crate) progress: Arc<Progress>,
}

impl Desk {
    pub(crate) fn new(service: Served, shared: &Shared, entry: &Arc<Entry>) -> Self {
        Self {
            service,
            id_header: shared.id_header.clone(),
            body_limit: shared.body_limit,
            entry: Arc::clone(entry),
            progress: Arc::new(Progress::new()),
        }
    }

    /// Counts a request that was read in full.
    pub(crate) fn received(&self, parts: &request::Parts) -> Ticket {
        self.entry.received(self.id(parts))
    }

    /// Counts a request that was read in full and is declared unprocessed.
    pub(crate) fn refused(&self, parts: &request::Parts) {
        self.entry.refused(self.id(parts));
    }

    /// Calls the service.
    pub(crate) async fn call(self, parts: request::Parts, body: Bytes) -> Result<Erased, BoxError> {
        self.service.call(Request::from_parts(parts, Full::new(body))).await
    }

    fn id<'a>(&self, parts: &'a request::Parts) -> Option<&'a str> {
        parts.headers.get(&self.id_header).and_then(|id| id.to_str().ok())
    }
}

/// What an early answer says.
pub(crate) fn early(status: StatusCode) -> (http::response::Parts, Bytes) {
    let mut response = Response::new(());
    *response.status_mut() = status;
    let kind = http::HeaderValue::from_static("text/plain");
    response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
    (response.into_parts().0, Bytes::from_static(b"answered before the request was read\n"))
}

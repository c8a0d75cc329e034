//! What is done to one request of a connection.

use std::time::Duration;

use http::StatusCode;

use crate::cut_by::{CutBy, Strike};
use crate::http2_error::Http2Error;

/// A fault that meets one request of a connection, or the silence after its answer.
///
/// By itself it meets the first request (`Scenario::from(fault)`);
/// [`Scenario::After`](crate::Scenario::After) lets others pass before it.
///
/// ```
/// use flaky_tls::{CutBy, RequestFault, RequestPoint, Scenario};
///
/// // The reuse race: the client writes its second request just when the server closes.
/// let race = RequestFault::Cut { at: RequestPoint::Start, by: CutBy::Rst };
/// let scenario = Scenario::After { requests: 1, then: race };
/// assert_eq!(scenario.to_string(), "after-1-cut-start-rst");
/// assert_eq!("after-1-cut-start-rst".parse(), Ok(scenario));
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestFault {
    /// The connection is ended at a point of the request.
    Cut {
        /// Where.
        at: RequestPoint,
        /// By what means.
        by: CutBy,
    },
    /// At this point the server falls silent until the client leaves, as in
    /// [`Scenario::Stall`](crate::Scenario::Stall).
    Stall(RequestPoint),
    /// The connection is ended once at least this many bytes of the request's body have been read. A body that is
    /// complete by then is served as on a healthy connection, and the fault is not carried out. hyper and h2 read in
    /// pieces of up to some 100 KB, so a body should be larger than `read` by more than that; a client is still writing
    /// by then only if it is larger than what the sockets hold, which on Linux is up to some 6 MB.
    Upload {
        /// Bytes of the body that are read first; with 0 the head only.
        read: u64,
        /// By what means.
        by: CutBy,
    },
    /// The request is answered as soon as its head has been read, with this status and a body of a few words, without
    /// the service; the rest of the request is not read, and the connection is ended. The request does not count as
    /// received. One without a body is complete with its head: it is served as on a healthy connection, and the fault
    /// is not carried out.
    Early {
        /// The status. One from 200 to 599; it is written as it is given.
        status: StatusCode,
        /// By what means.
        by: CutBy,
    },
    /// The request is answered in full, and once the connection has been idle for this long, it is ended. Requests that
    /// begin before are served, and start the wait anew. Zero: at once after the answer.
    Idle {
        /// How long it is idle, by tokio's clock.
        wait: Duration,
        /// By what means.
        by: CutBy,
    },
    /// HTTP/2 only: the request is read in full, and its stream is answered with RST_STREAM; the connection lives on.
    /// After [`Http2Error::RefusedStream`] it is counted as refused and the service is not called; after any other
    /// reason it may have been processed (RFC 9113, section 8.7): the service is called, its answer is thrown away,
    /// and it is counted as received.
    Reset(Http2Error),
    /// HTTP/2 only: the request is read in full, GOAWAY is sent, and the connection is ended.
    GoAway {
        /// Whether the last stream that GOAWAY names is this request's. If so, the service is called, its answer is
        /// thrown away, and the request is counted as received. If not, GOAWAY names the stream before it, and this
        /// request, like any that came after it, is declared unprocessed: it is counted as refused.
        covers: bool,
        /// The reason that is given.
        reason: Http2Error,
        /// By what means the connection is ended then.
        by: CutBy,
    },
}

impl RequestFault {
    /// How the connection ends; `None` if it lives on.
    pub(crate) fn strike(self) -> Option<Strike> {
        match self {
            Self::Cut { by, .. }
            | Self::Upload { by, .. }
            | Self::Early { by, .. }
            | Self::Idle { by, .. }
            | Self::GoAway { by, .. } => Some(Strike::Cut(by)),
            Self::Stall(_) => Some(Strike::Stall),
            Self::Reset(_) => None,
        }
    }

    /// The point of a cut or stall.
    pub(crate) fn point(self) -> Option<RequestPoint> {
        match self {
            Self::Cut { at, .. } | Self::Stall(at) => Some(at),
            _ => None,
        }
    }

    /// Whether the server declares the request unprocessed.
    pub(crate) fn refuses(self) -> bool {
        matches!(self, Self::Reset(Http2Error::RefusedStream) | Self::GoAway { covers: false, .. })
    }
}

/// A point in the life of one request.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RequestPoint {
    /// The first byte of the request has arrived (of its HEADERS frame, in HTTP/2); the server reads no more, and does not
    /// count it. On a connection that has been used before, this is how a client meets a server that closed while it was
    /// being reused.
    Start,
    /// As [`CutPoint::Request`](crate::CutPoint::Request).
    Request,
    /// As [`CutPoint::Head`](crate::CutPoint::Head). In HTTP/2 a HEADERS frame without END_HEADERS, which holds the first
    /// half of the header block.
    Head,
    /// As [`CutPoint::Body`](crate::CutPoint::Body). In HTTP/2 the head and one DATA frame without END_STREAM.
    Body,
    /// As [`Body`](Self::Body), but the head says nothing of the body's length: it goes on until the connection ends. A
    /// client that takes the end for the end of the body has a truncated answer and no error; after `close_notify` no
    /// client can know better. In HTTP/2 the same as [`Body`](Self::Body).
    Unframed,
}

impl RequestPoint {
    /// All points.
    pub const ALL: [Self; 5] = [Self::Start, Self::Request, Self::Head, Self::Body, Self::Unframed];
}

/// A fault, and how many requests pass before it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) requests: u32,
    pub(crate) fault: RequestFault,
}

impl Plan {
    /// The first request meets the fault.
    pub(crate) fn first(fault: RequestFault) -> Self {
        Self { requests: 0, fault }
    }
}

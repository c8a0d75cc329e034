//! What really happened.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::scenario::Scenario;

/// What the server did and received: a copy, taken at one moment.
///
/// A request counts as received when the last byte of its body has been read, before the service is called and before
/// any cut; so whatever a client learns of a request, the truth already has it. It counts as answered when the last
/// byte of its response has been handed to the operating system; a client can have read that byte a moment before.
///
/// Received means processed, or possibly processed. A request that HTTP/2 itself declares unprocessed (REFUSED_STREAM, or
/// a GOAWAY that names an earlier stream) is not among the received, nor in [`requests`](Self::requests): it is counted
/// as refused, and the service has not been called.
///
/// Details are kept for a bounded number of connections, requests and ids
/// ([`FlakyTls::with_record_limit`](crate::FlakyTls::with_record_limit)); beyond it only the totals go on, and
/// [`unrecorded`](Self::unrecorded) says how much detail is missing.
#[derive(Clone, Debug)]
pub struct Truth {
    pub(crate) started: Instant,
    pub(crate) connections: Vec<ConnectionRecord>,
    pub(crate) requests: Vec<RequestRecord>,
    pub(crate) tallies: BTreeMap<Arc<str>, Tally>,
    pub(crate) accepted: u64,
    pub(crate) total: Tally,
    pub(crate) unrecorded: u64,
}

impl Truth {
    /// When the server started.
    #[must_use]
    pub fn started(&self) -> Instant {
        self.started
    }

    /// The connections in order of accept; the place in the slice is the index.
    #[must_use]
    pub fn connections(&self) -> &[ConnectionRecord] {
        &self.connections
    }

    /// The connections that came from this port, in order of accept. A port can be used again, so there may be
    /// several.
    pub fn from_port(&self, port: u16) -> impl DoubleEndedIterator<Item = &ConnectionRecord> {
        self.connections.iter().filter(move |connection| connection.client.port() == port)
    }

    /// The complete requests in order of arrival.
    #[must_use]
    pub fn requests(&self) -> &[RequestRecord] {
        &self.requests
    }

    /// The complete requests that came over the connection with this index, in order of arrival.
    pub fn requests_on(&self, connection: u64) -> impl DoubleEndedIterator<Item = &RequestRecord> {
        self.requests.iter().filter(move |request| request.connection == connection)
    }

    /// How often the request with this id was received in full, and answered in full.
    #[must_use]
    pub fn tally(&self, id: &str) -> Tally {
        self.tallies.get(id).copied().unwrap_or_default()
    }

    /// The tallies of all ids, in order of the ids.
    pub fn tallies(&self) -> impl ExactSizeIterator<Item = (&str, Tally)> {
        self.tallies.iter().map(|(id, tally)| (&**id, *tally))
    }

    /// The tally of all requests, with an id or without.
    #[must_use]
    pub fn total(&self) -> Tally {
        self.total
    }

    /// How many connections were accepted.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.accepted
    }

    /// How many connections, requests and ids were left out of the details, because the limit was reached. Zero: the
    /// details are complete.
    #[must_use]
    pub fn unrecorded(&self) -> u64 {
        self.unrecorded
    }

    /// The most complete requests that arrived within any half-open span of this length: the worst sliding second, for
    /// one second. Zero for a span of zero.
    #[must_use]
    pub fn busiest(&self, span: Duration) -> usize {
        let mut window = VecDeque::new();
        let mut most = 0;
        for request in &self.requests {
            window.push_back(request.at);
            while window.front().is_some_and(|first| request.at.duration_since(*first) >= span) {
                window.pop_front();
            }
            most = most.max(window.len());
        }
        most
    }
}

/// How often something was received in full, answered in full, and refused.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Complete requests received: head and whole body.
    pub received: u64,
    /// Complete responses handed to the operating system.
    pub answered: u64,
    /// Complete requests that HTTP/2 declared unprocessed.
    pub refused: u64,
}

/// One complete request.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRecord {
    /// When its last byte had been read.
    pub at: Instant,
    /// The index of the connection it came over.
    pub connection: u64,
    /// Its id. `None` where the header is missing, longer than 256 bytes, or not visible ASCII.
    pub id: Option<Arc<str>>,
    /// Whether its response was written completely.
    pub answered: bool,
}

/// One connection.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionRecord {
    /// Its place in the order of accept, from 0.
    pub index: u64,
    /// The client's end.
    pub client: SocketAddr,
    /// When it was accepted.
    pub accepted_at: Instant,
    /// What was planned for it. Healthy in the short moment until the script has been asked.
    pub scenario: Scenario,
    /// Whether the fault of the scenario really struck: the cut was made, the stall began, the alert was written, the
    /// bad certificate was presented. Never true for a healthy one. Set before the client can notice.
    pub carried_out: bool,
    /// Whether the handshake was completed on the server's side.
    pub handshaken: bool,
    /// The version of HTTP that was chosen in the handshake; `None` until it is complete.
    pub protocol: Option<Protocol>,
    /// Requests and responses on this connection.
    pub tally: Tally,
    /// How it ended; `None` while it is open.
    pub end: Option<End>,
    /// The words of the error it ended with, if there was one.
    pub detail: Option<Box<str>>,
}

/// The version of HTTP that a connection speaks.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// How a connection ended.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// The scenario's fault ended it; a proxy's refusal, too.
    Struck,
    /// The client closed it, or went out of the HTTP protocol.
    ClientLeft,
    /// The TLS handshake failed, and not by a cut: the client refused the certificate, or does not speak TLS.
    HandshakeFailed,
    /// The service returned an error, or its response body did.
    ServiceFailed,
    /// The service, or the script's function, panicked.
    Panicked,
    /// The server was shut down.
    Shutdown,
}

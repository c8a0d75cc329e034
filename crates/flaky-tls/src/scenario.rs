//! What is done to one connection.

use rustls::AlertDescription;

use crate::cut_by::{CutBy, Strike};
use crate::request_fault::{Plan, RequestFault, RequestPoint};

/// What the server does to one connection.
///
/// A fault that needs a request strikes the first one of its connection; [`After`](Self::After) moves it to a later one.
/// Each scenario has a name, which [`Display`](std::fmt::Display) prints and [`FromStr`](std::str::FromStr) reads:
/// `healthy`, `cut-body-rst`, `stall-handshake`, `alert-internal-error`, `certificate-expired`, `after-2-cut-head-fin`,
/// `early-413-rst`, `h2-reset-refused-stream`.
///
/// ```
/// use flaky_tls::{CutBy, CutPoint, Scenario};
///
/// let cut = Scenario::Cut { at: CutPoint::Body, by: CutBy::Rst };
/// assert_eq!(cut.to_string(), "cut-body-rst");
/// assert_eq!("cut-body-rst".parse(), Ok(cut));
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scenario {
    /// Nothing: HTTP with keep-alive over TLS, until the client leaves.
    #[default]
    Healthy,
    /// The connection is ended at a point of the protocol.
    Cut {
        /// Where.
        at: CutPoint,
        /// By what means.
        by: CutBy,
    },
    /// At this point the server falls silent, and holds the connection open until the client leaves or the server is
    /// shut down. What the client still sends is read and thrown away.
    Stall(CutPoint),
    /// The ClientHello is answered with this fatal alert, in the clear, and a FIN.
    Alert(AlertDescription),
    /// The handshake is done with a certificate that a client which verifies must refuse. A client that accepts it is
    /// served as a healthy one.
    Certificate(BadCertificate),
    /// A certificate is demanded of the client. One without is refused: by TLS 1.3 it learns that only after its handshake,
    /// and may have sent a request by then, which is not read. One with any certificate is refused too, because no authority
    /// is trusted for it.
    ClientCertificate,
    /// The ClientHello is answered in another protocol, and a FIN.
    Protocol(WrongProtocol),
    /// The first `requests` requests of the connection are served, and the next one meets this fault. With 0 it is the
    /// first request; where that is a cut or a stall which [`Cut`](Self::Cut) or [`Stall`](Self::Stall) knows too, it
    /// does the same and has the same name, which is read back as the latter.
    After {
        /// How many requests pass before it.
        requests: u32,
        /// What the next one meets.
        then: RequestFault,
    },
    /// HTTP/2 only: the connection is ended at its opening. A client that has chosen HTTP/1.1 is served as a healthy one,
    /// and the fault is not carried out; so it is with any other fault that HTTP/1.1 doesn't have.
    Http2Cut {
        /// Where.
        at: Http2Point,
        /// By what means.
        by: CutBy,
    },
}

impl Scenario {
    /// Every cut: each point with each means, 21 in all.
    pub fn cuts() -> impl Iterator<Item = Self> + Clone {
        CutPoint::ALL.into_iter().flat_map(|at| CutBy::ALL.into_iter().map(move |by| Self::Cut { at, by }))
    }

    /// How the connection ends at `point`, if it does.
    pub(crate) fn fault_at(self, point: CutPoint) -> Option<Strike> {
        match self {
            Self::Cut { at, by } if at == point => Some(Strike::Cut(by)),
            Self::Stall(at) if at == point => Some(Strike::Stall),
            _ => None,
        }
    }

    /// What meets which request, if anything does.
    pub(crate) fn plan(self) -> Option<Plan> {
        match self {
            Self::After { requests, then } => Some(Plan { requests, fault: then }),
            Self::Cut { at, by } => Some(Plan::first(RequestFault::Cut { at: at.of_request()?, by })),
            Self::Stall(at) => Some(Plan::first(RequestFault::Stall(at.of_request()?))),
            _ => None,
        }
    }
}

/// A fault that meets the first request.
impl From<RequestFault> for Scenario {
    fn from(then: RequestFault) -> Self {
        Self::After { requests: 0, then }
    }
}

/// A point of the protocol, in the order in which a connection passes them. What the last three are in HTTP/2,
/// [`RequestPoint`] says.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CutPoint {
    /// The TCP connection stands, and the first byte of the client has arrived; nothing of it has been read. (The
    /// byte is waited for so that a client knows its TCP connection as made before it is cut.)
    Accept,
    /// The ClientHello has been read in full; nothing has been answered.
    ClientHello,
    /// Half the bytes of the server's first flight (ServerHello and what follows it) have been written. Where a
    /// `close_notify` is to follow, it is the whole ServerHello message instead, because an alert can only stand
    /// between two records.
    ServerHello,
    /// The handshake is complete on the server's side; no request has been read. A client of TLS 1.3 may have sent its
    /// request by then: the server does not read it, and does not count it. Whether the client notices before, while or
    /// after it hands its request on is a matter of timing; under TLS 1.2, where the server speaks last, tokio-rustls
    /// may see an RST here as a reset during the handshake.
    Handshake,
    /// A request has been read in full, the service has been called and has answered; the answer is thrown away.
    Request,
    /// As [`Request`](Self::Request), and the first half of the bytes of the response head has been written.
    Head,
    /// As [`Request`](Self::Request), and the whole response head and a part of the body have been written: at least
    /// one byte, and not all. The body must be longer than one byte for that; where it is not (or the answer has none,
    /// or the client is of HTTP/1.0 and the length is unknown), the answer is given in full, the connection lives on,
    /// and [`ConnectionRecord::carried_out`](crate::ConnectionRecord::carried_out) stays false.
    Body,
}

impl CutPoint {
    /// All points.
    pub const ALL: [Self; 7] = [
        Self::Accept,
        Self::ClientHello,
        Self::ServerHello,
        Self::Handshake,
        Self::Request,
        Self::Head,
        Self::Body,
    ];

    /// The same point as one of a request, if it is one.
    fn of_request(self) -> Option<RequestPoint> {
        match self {
            Self::Request => Some(RequestPoint::Request),
            Self::Head => Some(RequestPoint::Head),
            Self::Body => Some(RequestPoint::Body),
            _ => None,
        }
    }
}

/// A point in the opening of an HTTP/2 connection.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Http2Point {
    /// The client's connection preface (24 bytes, RFC 9113, section 3.4) has been read, and nothing has been sent.
    Preface,
    /// As [`Preface`](Self::Preface), and the server's SETTINGS have been sent.
    Settings,
}

impl Http2Point {
    /// All points.
    pub const ALL: [Self; 2] = [Self::Preface, Self::Settings];
}

/// A certificate that a client which verifies must refuse.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BadCertificate {
    /// Valid until the year 2001.
    Expired,
    /// Valid from the year 3000 on.
    NotYetValid,
    /// Made out to `wrong.invalid` only.
    WrongName,
    /// Signed by an authority that the client does not know.
    UnknownIssuer,
    /// Signed with its own key.
    SelfSigned,
}

/// What is spoken where TLS 1.2 or 1.3 was expected.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WrongProtocol {
    /// HTTP without TLS: an answer of status 400.
    Http,
    /// The greeting of a mail server.
    Garbage,
    /// TLS 1.0: a ServerHello of that version.
    Tls10,
}

impl WrongProtocol {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Http, Self::Garbage, Self::Tls10];
}

impl BadCertificate {
    /// All kinds.
    pub const ALL: [Self; 5] =
        [Self::Expired, Self::NotYetValid, Self::WrongName, Self::UnknownIssuer, Self::SelfSigned];
}

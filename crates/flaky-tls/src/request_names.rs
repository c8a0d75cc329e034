//! The names of faults that meet a request, written and read.

use std::fmt;
use std::time::Duration;

use http::StatusCode;

use crate::cut_by::CutBy;
use crate::http2_error::Http2Error;
use crate::request_fault::{RequestFault, RequestPoint};

impl RequestFault {
    /// Those that are listed by name, and that no scenario without a request has: one of each kind, with the reasons
    /// and sizes that tests want most.
    pub(crate) fn named() -> impl Iterator<Item = Self> {
        let statuses = [StatusCode::BAD_REQUEST, StatusCode::UNAUTHORIZED, StatusCode::PAYLOAD_TOO_LARGE];
        let reasons = [
            Http2Error::RefusedStream,
            Http2Error::Cancel,
            Http2Error::InternalError,
            Http2Error::EnhanceYourCalm,
            Http2Error::Http11Required,
            Http2Error::ProtocolError,
        ];
        let closing = CutBy::ALL.into_iter().flat_map(|by| {
            [
                Self::Cut { at: RequestPoint::Start, by },
                Self::Cut { at: RequestPoint::Unframed, by },
                Self::Upload { read: 65_536, by },
                Self::Idle { wait: Duration::ZERO, by },
                Self::Idle { wait: Duration::from_millis(50), by },
            ]
        });
        let early = statuses
            .into_iter()
            .flat_map(|status| CutBy::ALL.into_iter().map(move |by| Self::Early { status, by }));
        let away = [false, true].into_iter().flat_map(|covers| {
            [Http2Error::NoError, Http2Error::EnhanceYourCalm].into_iter().flat_map(move |reason| {
                CutBy::ALL.into_iter().map(move |by| Self::GoAway { covers, reason, by })
            })
        });
        closing
            .chain([RequestPoint::Start, RequestPoint::Unframed].map(Self::Stall))
            .chain(early)
            .chain(reasons.map(Self::Reset))
            .chain(away)
    }

    /// Reads a name.
    pub(crate) fn read(name: &str) -> Option<Self> {
        if let Some(reason) = name.strip_prefix("h2-reset-") {
            return Some(Self::Reset(reason_named(reason)?));
        }
        if let Some(at) = name.strip_prefix("stall-") {
            return Some(Self::Stall(point_named(at)?));
        }
        let (what, by) = ending(name)?;
        if let Some(at) = what.strip_prefix("cut-") {
            return Some(Self::Cut { at: point_named(at)?, by });
        }
        if let Some(read) = what.strip_prefix("upload-") {
            return Some(Self::Upload { read: whole(read)?, by });
        }
        if let Some(status) = what.strip_prefix("early-") {
            let status = u16::try_from(whole(status)?).ok().filter(|status| (200..600).contains(status))?;
            return Some(Self::Early { status: StatusCode::from_u16(status).ok()?, by });
        }
        if let Some(wait) = what.strip_prefix("idle-") {
            return Some(Self::Idle { wait: duration_named(wait)?, by });
        }
        let away = what.strip_prefix("h2-goaway-")?;
        let (covers, reason) = match away.strip_prefix("covering-") {
            Some(reason) => (true, reason),
            None => (false, away.strip_prefix("below-")?),
        };
        Some(Self::GoAway { covers, reason: reason_named(reason)?, by })
    }
}

/// Splits the means off the end of a name.
fn ending(name: &str) -> Option<(&str, CutBy)> {
    CutBy::ALL.into_iter().find_map(|by| Some((name.strip_suffix(&by.to_string())?.strip_suffix('-')?, by)))
}

fn reason_named(name: &str) -> Option<Http2Error> {
    Http2Error::ALL.into_iter().find(|reason| reason.to_string() == name)
}

fn point_named(name: &str) -> Option<RequestPoint> {
    RequestPoint::ALL.into_iter().find(|point| point.to_string() == name)
}

/// A whole number as it is printed: no sign, no zero before it.
pub(crate) fn whole(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}

fn duration_named(text: &str) -> Option<Duration> {
    let parsed = match text.strip_suffix("ns") {
        Some(nanos) => Duration::from_nanos(whole(nanos)?),
        None => Duration::from_millis(whole(text.strip_suffix("ms")?)?),
    };
    Some(parsed)
}

impl fmt::Display for RequestPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Start => "start",
            Self::Request => "request",
            Self::Head => "head",
            Self::Body => "body",
            Self::Unframed => "unframed",
        })
    }
}

/// `cut-POINT-BY`, `stall-POINT`, `upload-BYTES-BY`, `early-STATUS-BY`, `idle-WAIT-BY` (the wait in `ms`, or in `ns`
/// where it is not whole milliseconds), `h2-reset-REASON`, `h2-goaway-below-REASON-BY`, `h2-goaway-covering-REASON-BY`.
impl fmt::Display for RequestFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut { at, by } => write!(f, "cut-{at}-{by}"),
            Self::Stall(at) => write!(f, "stall-{at}"),
            Self::Upload { read, by } => write!(f, "upload-{read}-{by}"),
            Self::Early { status, by } => write!(f, "early-{}-{by}", status.as_u16()),
            Self::Idle { wait, by } if wait.subsec_nanos() % 1_000_000 == 0 => {
                write!(f, "idle-{}ms-{by}", wait.as_millis())
            }
            Self::Idle { wait, by } => write!(f, "idle-{}ns-{by}", wait.as_nanos()),
            Self::Reset(reason) => write!(f, "h2-reset-{reason}"),
            Self::GoAway { covers, reason, by } => {
                write!(f, "h2-goaway-{}-{reason}-{by}", if *covers { "covering" } else { "below" })
            }
        }
    }
}

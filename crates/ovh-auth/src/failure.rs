//! Why something that had to be fetched first (the server's time, a token) could not be.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use http::header::CONTENT_TYPE;
use http::response::Parts;
use http::{HeaderMap, StatusCode};
use wire_fault::{Cause, Delivery, Fault, Healing, Phase, QueryId};

pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// Shared by all who waited for the fetch. Nothing of what the server said is in it but what can be no secret.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// The service that the fetch goes through failed, or the body of its answer did.
    Service(Carried),
    /// The answer is an error.
    Status { answer: Seen, code: Option<&'static str> },
    /// The answer is not what was asked for.
    Unreadable { answer: Seen },
}

/// What is told of an answer.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    status: StatusCode,
    html: bool,
    query_id: Option<QueryId>,
}

impl Seen {
    pub(crate) fn of(head: &Parts) -> Self {
        let query_id = QueryId::in_headers(&head.headers, &QueryId::HEADER);
        Self { status: head.status, html: is_html(&head.headers), query_id }
    }
}

impl Failure {
    pub(crate) fn service(error: impl Into<BoxError>) -> Self {
        Self::Service(Carried(Arc::from(error.into())))
    }

    /// What the fetch itself failed by.
    pub(crate) fn fault(&self) -> Fault {
        match self {
            Self::Service(Carried(error)) => Fault::of(&**error),
            Self::Status { answer, .. } => {
                let passes = answer.status.is_server_error() || matches!(answer.status.as_u16(), 408 | 429);
                let healing = if passes { Healing::Transient } else { Healing::Permanent };
                Fault::new(Phase::Unknown, Delivery::Answered, Cause::Other, healing)
            }
            // A page of the gateway's or of a captive portal: both come and go.
            Self::Unreadable { .. } => {
                Fault::new(Phase::Unknown, Delivery::Answered, Cause::Protocol, Healing::Unknown)
            }
        }
    }

    /// The error below, if there is one.
    pub(crate) fn carried(&self) -> Option<Carried> {
        match self {
            Self::Service(carried) => Some(carried.clone()),
            _ => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (answer, code) = match self {
            Self::Service(carried) => return carried.fmt(f),
            Self::Status { answer, code } => {
                write!(f, "the answer was {}", answer.status)?;
                (answer, *code)
            }
            Self::Unreadable { answer } => {
                f.write_str("the answer is not of the expected form")?;
                (answer, None)
            }
        };
        if answer.html {
            f.write_str(", an HTML page")?;
        }
        if let Some(code) = code {
            write!(f, ", {code}")?;
        }
        match &answer.query_id {
            Some(query_id) => write!(f, " (query id {query_id})"),
            None => Ok(()),
        }
    }
}

/// An error that several callers get, as a link in the chain of each.
#[derive(Clone, Debug)]
pub(crate) struct Carried(Arc<dyn Error + Send + Sync>);

impl fmt::Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the call for it failed")
    }
}

impl Error for Carried {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

fn is_html(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    content_type.get(..9).is_some_and(|start| start.eq_ignore_ascii_case(b"text/html"))
}

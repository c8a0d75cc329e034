//! What is told to `tracing`: the levels, and the only words and fields that leave this crate.

use std::fmt;
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{Method, Request, Uri};
use tracing::Level;
use tracing::field::display;
use tracing::level_filters::{LevelFilter, STATIC_MAX_LEVEL};
use wire_fault::{CallId, QueryId};

use crate::alarm::Alarm;
use crate::failure::Reason;
use crate::grpc::GrpcCode;
use crate::outcome::Answer;
use crate::role::Role;

const TARGET: &str = "error_stats";

/// What an event tells about its request. Kept only where somebody listens; its query is never told.
pub(crate) struct RequestLine {
    method: Method,
    path: Option<PathAndQuery>,
}

impl RequestLine {
    #[inline]
    pub(crate) fn of<B>(role: Role, request: &Request<B>) -> Option<Self> {
        if is_loud(Level::ERROR) { Self::kept(role, request.method(), request.uri()) } else { None }
    }

    #[cold]
    fn kept(role: Role, method: &Method, uri: &Uri) -> Option<Self> {
        let heard = match role {
            Role::Calls => tracing::enabled!(target: TARGET, Level::ERROR),
            Role::Attempts => tracing::enabled!(target: TARGET, Level::DEBUG),
        };
        heard.then(|| Self { method: method.clone(), path: uri.path_and_query().cloned() })
    }

    fn path(&self) -> &str {
        self.path.as_ref().map_or("", PathAndQuery::path)
    }
}

impl fmt::Debug for RequestLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path())
    }
}

/// Whether anybody at all hears events of this level: one load, before anything is put together for them.
#[inline]
pub(crate) fn is_loud(level: Level) -> bool {
    level <= STATIC_MAX_LEVEL && level <= LevelFilter::current()
}

/// The call or attempt that an event is about.
#[derive(Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) role: Role,
    pub(crate) call: Option<CallId>,
    pub(crate) line: Option<&'a RequestLine>,
    /// How long it has taken.
    pub(crate) nanos: u64,
}

macro_rules! event {
    ($level:ident, $subject:expr, $($rest:tt)+) => {
        tracing::$level!(
            target: TARGET,
            call = $subject.call.map(CallId::get),
            method = $subject.line.map(|line| line.method.as_str()),
            path = $subject.line.map(RequestLine::path),
            elapsed = ?Duration::from_nanos($subject.nanos),
            $($rest)+
        )
    };
}

pub(crate) fn answered(subject: &Subject<'_>, answer: Answer) {
    let (status, grpc) = match answer {
        Answer::Http(status) => (Some(status.as_u16()), None),
        Answer::Grpc(code) => (None, Some(code.as_str())),
    };
    match subject.role {
        Role::Calls => event!(debug, subject, status, grpc, "call answered"),
        Role::Attempts => event!(debug, subject, status, grpc, "attempt answered"),
    }
}

pub(crate) fn cancelled(subject: &Subject<'_>) {
    match subject.role {
        Role::Calls => event!(debug, subject, "call cancelled"),
        Role::Attempts => event!(debug, subject, "attempt cancelled"),
    }
}

/// A panic is nobody's answer and still the call's end: told as loudly as a failure.
pub(crate) fn panicked(subject: &Subject<'_>) {
    match subject.role {
        Role::Calls => event!(error, subject, "call ended by a panic"),
        Role::Attempts => event!(debug, subject, "attempt ended by a panic"),
    }
}

pub(crate) fn failed(subject: &Subject<'_>, reason: &Reason, query_id: Option<QueryId>) {
    let (status, grpc) = (reason.status().map(|status| status.as_u16()), reason.grpc().map(GrpcCode::as_str));
    let (fault, verdict) = (reason.fault().map(display), reason.verdict().map(display));
    let query_id = query_id.as_ref().map(QueryId::as_str);
    match subject.role {
        Role::Calls => event!(error, subject, status, grpc, fault, verdict, query_id, "call failed"),
        Role::Attempts => event!(debug, subject, status, grpc, fault, verdict, query_id, "attempt failed"),
    }
}

pub(crate) fn not_ready(role: Role, reason: &Reason) {
    let (fault, verdict) = (reason.fault().map(display), reason.verdict().map(display));
    match role {
        Role::Calls => {
            tracing::error!(target: TARGET, fault, verdict, "service failed before it took a call");
        }
        Role::Attempts => {
            tracing::debug!(target: TARGET, fault, verdict, "service failed before it took an attempt");
        }
    }
}

pub(crate) fn alarm(alarm: &Alarm) {
    match alarm {
        Alarm::Raised { threshold, failures, last, .. } => {
            let call = last.call.map(CallId::get);
            let status = last.reason.status().map(|status| status.as_u16());
            let (fault, verdict) = (last.reason.fault().map(display), last.reason.verdict().map(display));
            tracing::error!(
                target: TARGET,
                threshold,
                failures,
                call,
                status,
                grpc = last.reason.grpc().map(GrpcCode::as_str),
                fault,
                verdict,
                query_id = last.query_id.as_ref().map(QueryId::as_str),
                "alarm raised: calls fail in a row"
            );
        }
        Alarm::Cleared { failures, lasted, .. } => {
            tracing::info!(target: TARGET, failures, ?lasted, "alarm cleared: calls succeed again");
        }
    }
}

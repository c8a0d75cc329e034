//! What became of a call's attempts.

use std::fmt;
use std::time::Duration;

use http::StatusCode;
use wire_fault::{Fault, QueryId};

use crate::attempt::Attempt;

/// How an attempt failed: without an answer, or with one that says "not now".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Failure {
    /// There was no answer, or not all of it.
    Fault(Fault),
    /// The server answered with this status.
    Status(StatusCode),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault(fault) => fault.fmt(f),
            Self::Status(status) => write!(f, "answered {status}"),
        }
    }
}

/// One attempt of a call, in [`Exhausted::history`](crate::Exhausted::history) and
/// [`OutcomeUnknown::history`](crate::OutcomeUnknown::history).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PastAttempt {
    pub(crate) attempt: Attempt,
    pub(crate) failure: Failure,
    pub(crate) began: Duration,
    pub(crate) wait: Option<Duration>,
    pub(crate) query_id: Option<QueryId>,
}

impl PastAttempt {
    /// Which one it was.
    #[must_use]
    pub const fn attempt(&self) -> Attempt {
        self.attempt
    }

    /// How it failed.
    #[must_use]
    pub const fn failure(&self) -> Failure {
        self.failure
    }

    /// When it was sent: counted from the call's start.
    #[must_use]
    pub const fn began(&self) -> Duration {
        self.began
    }

    /// How long was to be waited after it; `None` if it was the last.
    #[must_use]
    pub const fn wait(&self) -> Option<Duration> {
        self.wait
    }

    /// OVHcloud's id of the query (`X-Ovh-Queryid`), which its support asks for, if the head of a response came.
    #[must_use]
    pub fn query_id(&self) -> Option<&str> {
        self.query_id.as_ref().map(QueryId::as_str)
    }
}

/// The failed attempts of a call, the last [`History::KEPT`] of them. Most calls have none, and then it is empty.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    kept: Vec<PastAttempt>,
    /// Of the last attempt that has one, kept or not.
    query_id: Option<QueryId>,
}

impl History {
    pub(crate) const KEPT: usize = 16;

    pub(crate) fn push(&mut self, past: PastAttempt) {
        if self.kept.len() == Self::KEPT {
            self.kept.remove(0);
        }
        self.query_id = past.query_id.or(self.query_id);
        self.kept.push(past);
    }

    /// The last attempt is repeated after this wait.
    pub(crate) fn waits(&mut self, wait: Duration) {
        if let Some(past) = self.kept.last_mut() {
            past.wait = Some(wait);
        }
    }

    pub(crate) fn as_slice(&self) -> &[PastAttempt] {
        &self.kept
    }

    pub(crate) const fn query_id(&self) -> Option<&QueryId> {
        self.query_id.as_ref()
    }
}

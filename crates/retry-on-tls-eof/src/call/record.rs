//! Remembers how the attempts ended, and tells of the repeats and of their end.

use std::time::Duration;

use tracing::field;
use wire_fault::{Fault, QueryId};

use super::state::Call;
use crate::collect::BodyCut;
use crate::history::{Failure, PastAttempt};
use crate::limit::Limit;
use crate::summary::Summary;

impl Call {
    /// Remembers how the attempt under way ended, and what the server called it.
    pub(super) fn remember(&mut self, failure: Failure, query_id: Option<QueryId>) {
        let began = self.sent.saturating_duration_since(self.pace.started);
        self.history.push(PastAttempt { attempt: self.attempt, failure, began, wait: None, query_id });
        match failure {
            Failure::Fault(fault) => self.span.record("fault", field::display(fault)),
            Failure::Status(status) => self.span.record("status", status.as_u16()),
        };
    }

    /// Time was up while the attempt under way waited for its turn: it counts for none.
    pub(super) fn not_made(&mut self, fault: Fault) {
        self.unmade = true;
        self.span.record("fault", field::display(fault));
    }

    /// Remembers a failure after which the server may have acted, if that matters to anybody.
    pub(super) fn note(&mut self, fault: Fault, cut: Option<&BodyCut>) {
        if self.is_consequential() && fault.may_have_landed() {
            self.may_have_landed = Some(fault);
            if let Some(cut) = cut {
                self.head = Some(cut.head().clone());
            }
        }
    }

    /// A hook has promised that no attempt so far has landed.
    pub(super) fn forget_landed(&mut self) {
        self.may_have_landed = None;
        self.head = None;
    }

    /// Pays for a repeat and tells of it.
    pub(super) fn repeat(&mut self, failure: Failure, wait: Duration) -> Result<Duration, Limit> {
        let paid = self.pace.pay(&self.settings);
        let Self { id, method, attempt, .. } = self;
        let path = self.uri.path();
        if !paid {
            tracing::debug!(call = %id, %method, path, %attempt, "not repeated: the budget is used up");
            return Err(Limit::Budget);
        }
        match failure {
            Failure::Fault(fault) => {
                tracing::warn!(call = %id, %method, path, %attempt, ?wait, %fault, "repeating the call");
            }
            Failure::Status(status) => {
                let status = status.as_u16();
                tracing::warn!(call = %id, %method, path, %attempt, ?wait, status, "repeating the call");
            }
        }
        self.span.record("wait", field::debug(wait));
        self.history.waits(wait);
        self.settings.tell_of_retry(failure, wait, self.attempt);
        Ok(wait)
    }

    /// Tells that there is no repeat where one could have helped.
    pub(super) fn gives_up(&self, limit: Limit, summary: &Summary, fault: Fault) {
        let Summary { method, path, attempts, elapsed, .. } = summary;
        let (call, limit) = (self.id, limit.as_str());
        tracing::warn!(%call, %method, path, attempts, ?elapsed, limit, %fault, "gave up the call");
    }
}

//! A call that has started and not ended. Dropping it is an ending too.

use std::sync::Arc;

use http::Request;
use tokio::time::Instant;
use wire_fault::CallId;

use crate::events::{self, RequestLine, Subject};
use crate::outcome::Outcome;
use crate::role::Role;
use crate::shared::Shared;

/// Counts a start when made, and one ending: the outcome it is told, or else a cancellation.
#[derive(Debug)]
pub(crate) struct Pending {
    shared: Arc<Shared>,
    role: Role,
    call: Option<CallId>,
    line: Option<RequestLine>,
    began: Instant,
    ended: bool,
}

impl Pending {
    pub(crate) fn start<B>(shared: Arc<Shared>, role: Role, request: &mut Request<B>) -> Self {
        let call = match role {
            Role::Calls => Some(CallId::of(request.extensions_mut())),
            Role::Attempts => request.extensions().get().copied(),
        };
        let line = RequestLine::of(role, request);
        shared.ledger(role).counters.started();
        Self { shared, role, call, line, began: Instant::now(), ended: false }
    }

    pub(crate) fn end(mut self, outcome: &Outcome) {
        self.ended = true;
        self.shared.ledger(self.role).counters.ended(outcome);
        match outcome {
            Outcome::Answered(status) => events::answered(&self.subject(), *status),
            Outcome::Failed(reason) => events::failed(&self.subject(), reason),
        }
        self.shared.follow(self.role, outcome, self.call);
    }

    fn subject(&self) -> Subject<'_> {
        Subject { role: self.role, call: self.call, line: self.line.as_ref(), elapsed: self.began.elapsed() }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.ended {
            self.shared.ledger(self.role).counters.cancelled();
            events::cancelled(&self.subject());
        }
    }
}

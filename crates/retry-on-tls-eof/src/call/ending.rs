//! How a call ends without an answer, and what is asked before.

use std::mem;
use std::time::Duration;

use http::Response;
use tokio::time::Instant;
use tower::BoxError;
use wire_fault::{Cause, Delivery, Fault, Healing, Phase};

use super::state::{Call, Failed};
use crate::deadline::{DeadlinePassed, IN_FLIGHT, NOT_BEGUN};
use crate::exhausted::Exhausted;
use crate::head::ResponseHead;
use crate::history::Failure;
use crate::limit::Limit;
use crate::outcome::OutcomeUnknown;
use crate::reconcile::MayHaveLanded;
use crate::summary::Summary;

/// Of an attempt whose answer says nothing of what became of it.
pub(super) const ANSWERED: Fault =
    Fault::new(Phase::Unknown, Delivery::Answered, Cause::Other, Healing::Transient);

/// How long a hook may look at the server if the call has no deadline: as long as the default one.
const LOOK_WITHOUT_DEADLINE: Duration = Duration::from_secs(90);

impl Call {
    /// Time is up. `under_way` if it cuts an attempt, which has been dropped by now.
    pub(crate) fn cut(&mut self, under_way: bool, told_below: bool) -> BoxError {
        let unsent = match &self.deadline {
            // Nothing that keeps the deadline had it, and if it comes there now, it goes no further.
            Some(deadline) if under_way => {
                deadline.close() && told_below && self.settings.over_attempt_timeout
            }
            _ => !under_way,
        };
        let fault = if unsent { NOT_BEGUN } else { IN_FLIGHT };
        if under_way && unsent {
            self.not_made(fault);
        } else if under_way {
            self.remember(Failure::Fault(fault), None);
        }
        self.note(fault, None);
        let failed = Failed { fault, ..self.last_failure(fault) };
        match self.may_have_landed {
            Some(landed) => self.outcome_unknown(landed, failed),
            None => self.exhausted(Limit::Deadline, failed),
        }
    }

    /// Nobody can tell whether the call has landed: its answer is the end, if there is one.
    pub(crate) fn unresolved<R>(&mut self, answer: Option<Response<R>>) -> Result<Response<R>, BoxError> {
        if let Some(answer) = answer {
            return Ok(self.hand_on(answer));
        }
        let landed = self.may_have_landed.unwrap_or(Fault::UNKNOWN);
        let failed = self.last_failure(landed);
        Err(self.outcome_unknown(landed, failed))
    }

    /// What there is to ask a hook, and until when it may take to answer; `None` if there is none, or no time left for it.
    pub(crate) fn question<R>(&self, answer: Option<&Response<R>>) -> Option<(MayHaveLanded, Instant)> {
        let extensions = self.extensions.as_ref()?;
        let now = Instant::now();
        let until = self.pace.until.unwrap_or(now + LOOK_WITHOUT_DEADLINE);
        if now >= until {
            return None;
        }
        let question = MayHaveLanded {
            id: self.id,
            method: self.method.clone(),
            uri: self.uri.clone(),
            extensions: extensions.clone(),
            fault: if answer.is_some() { ANSWERED } else { self.may_have_landed? },
            status: answer.map(Response::status),
            attempts: self.attempt.get(),
            elapsed: self.pace.elapsed(),
            head: answer.map(ResponseHead::of).or_else(|| self.head.clone()),
        };
        Some((question, until))
    }

    /// The last attempt's own failure, which tells more than that time was up. That is all there is to tell if the attempts
    /// so far were answered, or are being cut.
    pub(super) fn last_failure(&mut self, fault: Fault) -> Failed {
        let passed = || Failed { fault, error: DeadlinePassed::new(self.pace.elapsed(), fault).into() };
        self.last.take().unwrap_or_else(passed)
    }

    pub(super) fn exhausted(&mut self, limit: Limit, failed: Failed) -> BoxError {
        let summary = self.summary();
        self.gives_up(limit, &summary, failed.fault);
        Exhausted::new(summary, failed.fault, failed.error).into()
    }

    fn outcome_unknown(&mut self, landed: Fault, failed: Failed) -> BoxError {
        OutcomeUnknown::new(self.summary(), landed, self.head.take(), failed.error).into()
    }

    fn summary(&mut self) -> Summary {
        Summary {
            method: self.method.clone(),
            path: self.uri.path().to_owned(),
            attempts: self.attempt.get() - u32::from(self.unmade),
            elapsed: self.pace.elapsed(),
            history: mem::take(&mut self.history),
        }
    }
}

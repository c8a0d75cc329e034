//! What follows from how an attempt ended.

use std::time::Duration;

use http::{HeaderMap, Response, StatusCode};
use jittered_backoff::{rate_limit_reset, retry_after};
use tower::BoxError;
use wire_fault::{AsFault, Delivery, Healing, QueryId, Unprocessed, Verdict, find};

use super::ending::ANSWERED;
use super::state::{Call, Failed};
use crate::collect::BodyCut;
use crate::deadline::NOT_SENT;
use crate::history::Failure;
use crate::limit::Limit;
use crate::reconcile::Reconciled;
use crate::safety::RetrySafety;
use crate::timeout::AttemptTimedOut;

/// What follows. `T` is the response's type.
#[derive(Debug)]
pub(crate) enum After<T> {
    RepeatIn(Duration),
    /// The call may have landed, and may not be repeated. It was not answered, or by what says nothing of that: somebody must
    /// look.
    Unknown(Option<T>),
    End(Result<T, BoxError>),
}

impl Call {
    /// An attempt was answered.
    ///
    /// After an answer that says "not now" only idempotent calls are repeated: OVH's API has answered 500 to calls that
    /// had created what they asked for, and whether a 429 leaves a POST undone is unverified. The caller may know better
    /// of some statuses. One that a layer below knows to be [`Unprocessed`] is repeated whatever the method, at once, but
    /// only once: it was refused for a reason that the layer has mended, and if it is refused again, the reason is another. The
    /// limit of attempts does not count that repeat.
    pub(crate) fn answered<R>(&mut self, response: Response<R>) -> After<Response<R>> {
        let status = response.status();
        let unprocessed = response.extensions().get::<Unprocessed>().is_some();
        let declared = self.settings.refusals.contain(status);
        let unclear = says_nothing(status) && !unprocessed && !declared;
        let mended = unprocessed && !self.refused_before && self.copied;
        let passing = says_nothing(status) || status == StatusCode::TOO_MANY_REQUESTS;
        let repeatable = mended || declared || (passing && self.safety == RetrySafety::Idempotent);
        if !repeatable && !unclear {
            return After::End(Ok(self.hand_on(response)));
        }
        self.remember(Failure::Status(status), QueryId::in_headers(response.headers(), &QueryId::HEADER));
        if repeatable && self.replayable && self.safety != RetrySafety::Never {
            let wait = if mended { self.at_once() } else { self.next_wait(asked(&response)) };
            if let Ok(wait) = wait.and_then(|wait| self.repeat(Failure::Status(status), wait)) {
                self.last = None;
                self.refused_before |= mended;
                if !unprocessed && !declared {
                    // "Not now" is no proof that nothing was done: a gateway's 504 leaves the server at work.
                    self.note(ANSWERED, None);
                }
                return After::RepeatIn(wait);
            }
        }
        if unclear && self.extensions.is_some() && self.is_consequential() {
            After::Unknown(Some(response))
        } else {
            After::End(Ok(self.hand_on(response)))
        }
    }

    /// An attempt failed.
    pub(crate) fn failed<T, E, M>(&mut self, error: E) -> After<T>
    where
        E: AsFault<M> + Into<BoxError>,
    {
        let mut fault = error.as_fault();
        let cut = BodyCut::of(error.as_error());
        if cut.is_some_and(|cut| self.settings.refusals.contain(cut.head().status())) {
            // That much of the answer came.
            fault.delivery = Delivery::Refused;
        }
        let timed_out = find::<AttemptTimedOut>(error.as_error());
        if self.pace.is_over() && timed_out.is_some_and(AttemptTimedOut::is_too_late) {
            self.not_made(fault);
        } else {
            self.remember(Failure::Fault(fault), QueryId::of(error.as_error()));
        }
        self.note(fault, cut);
        if Verdict::of(error.as_error()) == Some(Verdict::OutcomeUnknown) {
            return After::End(Err(error.into()));
        }
        let failed = Failed { fault, error: error.into() };
        let allowed = match self.safety {
            RetrySafety::Never => false,
            RetrySafety::IfNeverSent => fault.may_repeat(false),
            RetrySafety::Idempotent => fault.may_repeat(true),
        };
        self.go_on_or_stop(failed, allowed)
    }

    /// The service below broke before the next attempt.
    pub(crate) fn broken<T, E, M>(&mut self, error: E) -> After<T>
    where
        E: AsFault<M> + Into<BoxError>,
    {
        self.cannot_be_replayed();
        let fault = error.as_fault();
        self.stop(Failed { fault, error: error.into() }, None)
    }

    /// Somebody has looked. `answer` is what the call was answered, if it was.
    pub(crate) fn looked<R>(
        &mut self,
        shown: Reconciled<Response<R>>,
        answer: Option<Response<R>>,
    ) -> After<Response<R>> {
        match (shown, answer) {
            (Reconciled::Landed(response), answer) => {
                if answer.is_some() {
                    self.note(ANSWERED, None);
                }
                After::End(Ok(self.hand_on(response)))
            }
            (Reconciled::NotLanded, None) => self.not_landed(),
            (Reconciled::NotLanded, Some(answer)) => match self.not_landed_after(&answer) {
                Some(wait) => After::RepeatIn(wait),
                None => After::End(Ok(self.hand_on(answer))),
            },
            (Reconciled::StillUnknown, answer) => After::End(self.unresolved(answer)),
        }
    }

    fn not_landed<T>(&mut self) -> After<T> {
        self.forget_landed();
        let failed = self.last_failure(NOT_SENT);
        let allowed = self.safety != RetrySafety::Never && failed.fault.healing != Healing::Permanent;
        self.go_on_or_stop(failed, allowed)
    }

    /// `None` is: hand the answer on.
    fn not_landed_after<R>(&mut self, answer: &Response<R>) -> Option<Duration> {
        self.forget_landed();
        self.last = None;
        if !self.replayable || self.safety == RetrySafety::Never {
            return None;
        }
        let wait = self.next_wait(asked(answer)).ok()?;
        self.repeat(Failure::Status(answer.status()), wait).ok()
    }

    fn go_on_or_stop<T>(&mut self, failed: Failed, allowed: bool) -> After<T> {
        if !allowed || !self.replayable {
            return self.stop(failed, None);
        }
        match self.try_again(&failed) {
            Ok(wait) => {
                self.last = Some(failed);
                After::RepeatIn(wait)
            }
            Err(limit) => self.stop(failed, Some(limit)),
        }
    }

    /// Another attempt, if the limits allow one.
    fn try_again(&mut self, failed: &Failed) -> Result<Duration, Limit> {
        let head = BodyCut::of(&*failed.error).map(BodyCut::head);
        let wait = self.next_wait(head.and_then(|head| floor(head.status(), head.headers())))?;
        self.repeat(Failure::Fault(failed.fault), wait)
    }

    /// The call ends here, unless it may have landed. `limit`: why there is no other attempt, if one could have helped. A
    /// call that has one attempt only has not used them up.
    fn stop<T>(&mut self, failed: Failed, limit: Option<Limit>) -> After<T> {
        if self.may_have_landed.is_some() {
            self.last = Some(failed);
            return After::Unknown(None);
        }
        match limit {
            Some(limit) if self.settings.limits.attempts() > 1 => {
                After::End(Err(self.exhausted(limit, failed)))
            }
            _ => After::End(Err(failed.error)),
        }
    }

    /// As if no attempt had been made: only time counts.
    fn at_once(&self) -> Result<Duration, Limit> {
        self.pace.fits(&self.settings, 0, Duration::ZERO)
    }

    fn next_wait(&mut self, floor: Option<Duration>) -> Result<Duration, Limit> {
        self.pace.next_wait(&self.settings, self.made(), floor)
    }
}

/// Statuses by which a server, or a gateway before it, says that something went wrong, and not whether it has acted.
const fn says_nothing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 500 | 502 | 503 | 504)
}

fn asked<R>(response: &Response<R>) -> Option<Duration> {
    floor(response.status(), response.headers())
}

/// How long the server asks to be left alone. Its rate limit's reset says so only where the limit may be the reason.
fn floor(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
    let limited = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    retry_after(headers).or_else(|| rate_limit_reset(headers).filter(|_| limited))
}

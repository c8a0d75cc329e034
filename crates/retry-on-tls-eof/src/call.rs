//! One call over its attempts: what is known of it, and what follows from how an attempt ended. No I/O here.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use http::{Extensions, Method, Request, Response, StatusCode, Uri};
use jittered_backoff::{rate_limit_reset, retry_after};
use tokio::time::Instant;
use tower::BoxError;
use tracing::{Span, field};
use wire_fault::{AsFault, CallId, Cause, Delivery, Fault, Healing, Phase, Unprocessed, Verdict};

use crate::attempt::{Attempt, EarlierFault};
use crate::collect::BodyCut;
use crate::deadline::{Deadline, DeadlinePassed, IN_FLIGHT, NOT_SENT};
use crate::exhausted::Exhausted;
use crate::head::ResponseHead;
use crate::history::{Failure, History, PastAttempt};
use crate::outcome::OutcomeUnknown;
use crate::pace::Pace;
use crate::reconcile::MayHaveLanded;
use crate::safety::RetrySafety;
use crate::settings::Settings;
use crate::summary::Summary;

/// Of an attempt whose answer was repeated away.
const ANSWERED: Fault = Fault::new(Phase::Unknown, Delivery::Answered, Cause::Other, Healing::Transient);

/// How long a hook may look at the server if the call has no deadline: as long as the default one.
const LOOK_WITHOUT_DEADLINE: Duration = Duration::from_secs(90);

#[derive(Debug)]
pub(crate) struct Call {
    id: CallId,
    method: Method,
    uri: Uri,
    /// Of the request, if a hook may ask for them.
    pub(crate) extensions: Option<Extensions>,
    pub(crate) attempt: Attempt,
    /// How the last attempt failed whose request may have landed.
    pub(crate) may_have_landed: Option<Fault>,
    /// The last response whose head came and whose body was cut, of an attempt that may have landed.
    pub(crate) head: Option<ResponseHead>,
    pub(crate) history: History,
    pub(crate) span: Span,
    pub(crate) pace: Pace,
    /// Time was up before the first attempt.
    pub(crate) too_late: bool,
    /// Whether the request can be sent again at all: its body says so, before the first attempt and after each.
    replayable: bool,
    /// Whether it was repeated after an answer that was marked [`Unprocessed`].
    refused_before: bool,
    safety: RetrySafety,
    settings: Arc<Settings>,
    /// When the attempt under way was sent.
    sent: Instant,
    /// What that attempt's request was told of the deadline.
    deadline: Option<Deadline>,
    /// The last attempt's own failure, while the call goes on after it.
    last: Option<Failed>,
}

#[derive(Debug)]
struct Failed {
    fault: Fault,
    error: BoxError,
}

/// What follows from a failed attempt.
#[derive(Debug)]
pub(crate) enum After {
    RepeatIn(Duration),
    /// It may have landed, and may not be repeated: somebody must look.
    Unknown,
    End(BoxError),
}

impl Call {
    pub(crate) fn begin<B>(
        request: &mut Request<B>,
        settings: &Arc<Settings>,
        keeps_extensions: bool,
    ) -> Self {
        let given = request.extensions().get::<Deadline>();
        let pace = Pace::begin(settings, given.map(Deadline::instant));
        let too_late = given.is_some_and(|given| !given.reach()) || pace.is_over();
        if let (Some(budget), false) = (&settings.budget, too_late) {
            budget.earn();
        }
        let id = CallId::of(request.extensions_mut());
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let span = tracing::info_span!(
            "call",
            call = %id,
            %method,
            path = uri.path(),
            attempt = field::Empty,
            fault = field::Empty,
            status = field::Empty,
            wait = field::Empty,
        );
        Self {
            id,
            method,
            uri,
            extensions: keeps_extensions.then(|| request.extensions().clone()),
            attempt: Attempt::FIRST,
            may_have_landed: None,
            head: None,
            history: History::default(),
            span,
            sent: pace.started,
            pace,
            too_late,
            replayable: true,
            refused_before: false,
            safety: settings.safety_of(request),
            settings: Arc::clone(settings),
            deadline: None,
            last: None,
        }
    }

    /// Whether a copy for another attempt is worth taking.
    pub(crate) fn may_go_on(&self) -> bool {
        self.replayable
            && self.safety != RetrySafety::Never
            && self.attempt.get() < self.settings.limits.attempts()
    }

    /// The request can't be sent again, or not any more.
    pub(crate) fn cannot_be_replayed(&mut self) {
        self.replayable = false;
    }

    /// The next attempt is to be made.
    pub(crate) fn go_on(&mut self) {
        self.attempt = self.attempt.next();
    }

    /// An attempt is being sent.
    pub(crate) fn sending(&mut self, extensions: &mut Extensions) {
        self.pace.spend();
        self.sent = Instant::now();
        self.deadline = self.pace.until.map(Deadline::at);
        extensions.insert(self.attempt);
        if let Some(deadline) = &self.deadline {
            extensions.insert(deadline.clone());
        }
        self.span.record("attempt", self.attempt.get());
    }

    fn summary(&self) -> Summary {
        Summary {
            method: self.method.clone(),
            path: self.uri.path().to_owned(),
            attempts: self.attempt.get(),
            elapsed: self.pace.elapsed(),
        }
    }

    /// An attempt was answered. `None` is: hand the answer on.
    ///
    /// After an answer that says "not now" only idempotent calls are repeated: OVH's API has answered 500 to calls that
    /// had created what they asked for, and whether a 429 leaves a POST undone is unverified. The caller may know better
    /// of some statuses. One that a layer below knows to be [`Unprocessed`] is repeated whatever the method, at once, but
    /// only once: it was refused for a reason that the layer has mended, and if it is refused again, the reason is another.
    pub(crate) fn answered<R>(&mut self, response: &Response<R>) -> Option<Duration> {
        let status = response.status();
        if !self.replayable || self.safety == RetrySafety::Never {
            return None;
        }
        let passing = matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504);
        let wait = if response.extensions().get::<Unprocessed>().is_some() && !self.refused_before {
            self.refused_before = true;
            self.pace.fits(&self.settings, self.attempt.get(), Duration::ZERO)?
        } else if (passing && self.safety == RetrySafety::Idempotent)
            || self.settings.refusals.contain(status)
        {
            self.next_wait(floor(response))?
        } else {
            return None;
        };
        self.remember(Failure::Status(status));
        self.last = None;
        if response.extensions().get::<Unprocessed>().is_none() {
            // "Not now" is no proof that nothing was done: a gateway's 504 leaves the server at work.
            self.note(ANSWERED, None);
        }
        self.repeat(Failure::Status(status), wait)
    }

    /// The answer, as the caller gets it.
    pub(crate) fn hand_on<R>(&self, mut response: Response<R>) -> Response<R> {
        let extensions = response.extensions_mut();
        extensions.insert(self.attempt);
        if let Some(fault) = self.may_have_landed {
            extensions.insert(EarlierFault(fault));
        }
        response
    }

    /// An attempt failed.
    pub(crate) fn failed<E, M>(&mut self, error: E) -> After
    where
        E: AsFault<M> + Into<BoxError>,
    {
        let fault = error.as_fault();
        self.remember(Failure::Fault(fault));
        self.note(fault, BodyCut::of(error.as_error()));
        if Verdict::of(error.as_error()) == Some(Verdict::OutcomeUnknown) {
            return After::End(error.into());
        }
        let failed = Failed { fault, error: error.into() };
        let allowed = match self.safety {
            RetrySafety::Never => false,
            RetrySafety::IfNeverSent => fault.may_repeat(false),
            RetrySafety::Idempotent => fault.may_repeat(true),
        };
        if allowed {
            if let Some(after) = self.try_again(fault) {
                self.last = Some(failed);
                return after;
            }
        }
        self.stop(failed, allowed)
    }

    /// The service below broke before the next attempt.
    pub(crate) fn broken<E, M>(&mut self, error: E) -> After
    where
        E: AsFault<M> + Into<BoxError>,
    {
        self.cannot_be_replayed();
        let fault = error.as_fault();
        self.stop(Failed { fault, error: error.into() }, false)
    }

    /// Somebody has looked, and no attempt has landed.
    pub(crate) fn not_landed(&mut self) -> After {
        self.may_have_landed = None;
        self.head = None;
        let failed = self.last_failure(NOT_SENT);
        let allowed = self.safety != RetrySafety::Never && failed.fault.healing != Healing::Permanent;
        if allowed {
            if let Some(after) = self.try_again(failed.fault) {
                self.last = Some(failed);
                return after;
            }
        }
        self.stop(failed, allowed)
    }

    /// Time is up. `under_way` if it cuts an attempt, which has been dropped by now.
    pub(crate) fn cut(&mut self, under_way: bool) -> BoxError {
        let unsent = match &self.deadline {
            // Nothing that keeps the deadline had it, and if it comes there now, it goes no further.
            Some(deadline) if under_way => deadline.close() && self.settings.over_attempt_timeout,
            _ => !under_way,
        };
        let fault = if unsent { NOT_SENT } else { IN_FLIGHT };
        if under_way {
            self.remember(Failure::Fault(fault));
        }
        self.note(fault, None);
        let failed = Failed { fault, ..self.last_failure(fault) };
        match self.may_have_landed {
            Some(landed) => self.outcome_unknown(landed, failed),
            None => self.exhausted(failed),
        }
    }

    /// The last attempt's own failure, which tells more than that time was up. That is all there is to tell if the attempts
    /// so far were answered, or are being cut.
    fn last_failure(&mut self, fault: Fault) -> Failed {
        let passed = || Failed { fault, error: DeadlinePassed::new(self.pace.elapsed(), fault).into() };
        self.last.take().unwrap_or_else(passed)
    }

    /// Whether a layer below will end the attempt under way in time.
    pub(crate) fn is_kept_below(&self) -> bool {
        self.deadline.as_ref().is_some_and(Deadline::is_reached)
    }

    /// What there is to ask a hook, and until when it may take to answer; `None` if no time is left.
    pub(crate) fn question(&self) -> Option<(MayHaveLanded, Instant)> {
        let fault = self.may_have_landed?;
        let now = Instant::now();
        let until = self.pace.until.unwrap_or(now + LOOK_WITHOUT_DEADLINE);
        let question = || MayHaveLanded {
            id: self.id,
            method: self.method.clone(),
            uri: self.uri.clone(),
            extensions: self.extensions.clone().unwrap_or_default(),
            fault,
            attempts: self.attempt.get(),
            elapsed: self.pace.elapsed(),
            head: self.head.clone(),
        };
        (now < until).then(|| (question(), until))
    }

    /// The error of a call that may have landed.
    pub(crate) fn unknown(&mut self) -> BoxError {
        let landed = self.may_have_landed.unwrap_or(Fault::UNKNOWN);
        let failed = self.last_failure(landed);
        self.outcome_unknown(landed, failed)
    }

    fn outcome_unknown(&mut self, landed: Fault, failed: Failed) -> BoxError {
        let history = mem::take(&mut self.history);
        OutcomeUnknown::new(self.summary(), landed, self.head.take(), history, failed.error).into()
    }

    fn exhausted(&mut self, failed: Failed) -> BoxError {
        let history = mem::take(&mut self.history);
        Exhausted::new(self.summary(), failed.fault, history, failed.error).into()
    }

    /// The call ends here, unless it may have landed. `could_heal`: another attempt could have helped.
    fn stop(&mut self, failed: Failed, could_heal: bool) -> After {
        if self.may_have_landed.is_some() {
            self.last = Some(failed);
            After::Unknown
        } else if could_heal && self.replayable {
            After::End(self.exhausted(failed))
        } else {
            After::End(failed.error)
        }
    }

    /// Another attempt, if the request and the limits allow one.
    fn try_again(&mut self, fault: Fault) -> Option<After> {
        if !self.replayable {
            return None;
        }
        let wait = self.next_wait(None)?;
        self.repeat(Failure::Fault(fault), wait).map(After::RepeatIn)
    }

    /// Remembers how the attempt under way ended.
    fn remember(&mut self, failure: Failure) {
        let began = self.sent.saturating_duration_since(self.pace.started);
        self.history.push(PastAttempt { attempt: self.attempt, failure, began, wait: None });
        match failure {
            Failure::Fault(fault) => self.span.record("fault", field::display(fault)),
            Failure::Status(status) => self.span.record("status", status.as_u16()),
        };
    }

    /// Remembers a failure after which the server may have acted, if that matters to anybody.
    fn note(&mut self, fault: Fault, cut: Option<&BodyCut>) {
        let consequential = !self.method.is_safe() || self.safety == RetrySafety::IfNeverSent;
        if consequential && fault.may_have_landed() {
            self.may_have_landed = Some(fault);
            if let Some(cut) = cut {
                self.head = Some(cut.head().clone());
            }
        }
    }

    /// Pays for a repeat and tells of it.
    fn repeat(&mut self, failure: Failure, wait: Duration) -> Option<Duration> {
        let paid = self.pace.pay(&self.settings);
        let Self { id, method, attempt, .. } = self;
        let path = self.uri.path();
        if !paid {
            tracing::debug!(call = %id, %method, path, %attempt, "not repeated: the budget is used up");
            return None;
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
        Some(wait)
    }

    fn next_wait(&mut self, floor: Option<Duration>) -> Option<Duration> {
        self.pace.next_wait(&self.settings, self.attempt.get(), floor)
    }
}

/// How long the server asks to be left alone. Its rate limit's reset says so only where the limit may be the reason.
fn floor<R>(response: &Response<R>) -> Option<Duration> {
    let headers = response.headers();
    let limited =
        matches!(response.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    retry_after(headers).or_else(|| rate_limit_reset(headers).filter(|_| limited))
}

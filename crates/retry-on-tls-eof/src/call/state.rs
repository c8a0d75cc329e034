//! What is known of a call.

use std::sync::Arc;

use http::{Extensions, Method, Request, Response, Uri};
use tokio::time::Instant;
use tower::BoxError;
use tracing::{Span, field};
use wire_fault::{CallId, Fault};

use crate::attempt::{Attempt, EarlierFault};
use crate::deadline::Deadline;
use crate::head::ResponseHead;
use crate::history::History;
use crate::pace::Pace;
use crate::safety::RetrySafety;
use crate::settings::Settings;

#[derive(Debug)]
pub(crate) struct Call {
    pub(super) id: CallId,
    pub(super) method: Method,
    pub(super) uri: Uri,
    /// Of the request, if a hook may ask for them.
    pub(super) extensions: Option<Extensions>,
    pub(super) attempt: Attempt,
    /// How the last attempt failed whose request may have landed.
    pub(super) may_have_landed: Option<Fault>,
    /// The last response whose head came and whose body was cut, of an attempt that may have landed.
    pub(super) head: Option<ResponseHead>,
    pub(super) history: History,
    pub(crate) span: Span,
    pub(crate) pace: Pace,
    /// Time was up before the first attempt.
    pub(crate) too_late: bool,
    /// Whether the request can be sent again at all: its body says so, before the first attempt and after each.
    pub(super) replayable: bool,
    /// Whether it was repeated after an answer that was marked [`Unprocessed`](wire_fault::Unprocessed).
    pub(super) refused_before: bool,
    /// Whether a copy was kept for another attempt.
    pub(crate) copied: bool,
    /// Whether the last attempt, by its number, was cut while it waited for its turn.
    pub(super) unmade: bool,
    pub(super) safety: RetrySafety,
    pub(super) settings: Arc<Settings>,
    /// When the attempt under way was sent.
    pub(super) sent: Instant,
    /// What that attempt's request was told of the deadline.
    pub(super) deadline: Option<Deadline>,
    /// The last attempt's own failure, while the call goes on after it.
    pub(super) last: Option<Failed>,
}

/// An attempt that got no answer.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) fault: Fault,
    pub(super) error: BoxError,
}

impl Call {
    /// `looks`: whether there is a hook to ask.
    pub(crate) fn begin<B>(request: &mut Request<B>, settings: &Arc<Settings>, looks: bool) -> Self {
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
            extensions: looks.then(|| request.extensions().clone()),
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
            copied: false,
            unmade: false,
            safety: settings.safety_of(request),
            settings: Arc::clone(settings),
            deadline: None,
            last: None,
        }
    }

    /// Whether the limits leave another attempt after this one.
    pub(crate) fn may_go_on(&self) -> bool {
        self.may_repeat() && self.made() < self.settings.limits.attempts()
    }

    /// Whether it may be repeated once beyond the limits, should the server refuse it for what a layer below can mend.
    pub(crate) fn may_be_mended(&self) -> bool {
        self.may_repeat() && !self.refused_before
    }

    fn may_repeat(&self) -> bool {
        self.replayable && self.safety != RetrySafety::Never
    }

    /// The attempts so far that the limits count: all but the one that was made after a mended refusal.
    pub(super) fn made(&self) -> u32 {
        self.attempt.get() - u32::from(self.refused_before)
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

    /// Whether a layer below will end the attempt under way in time.
    pub(crate) fn is_kept_below(&self) -> bool {
        self.deadline.as_ref().is_some_and(Deadline::is_reached)
    }

    /// Whether the request under way still carries the deadline.
    pub(crate) fn is_told_below(&self) -> bool {
        self.deadline.as_ref().is_some_and(Deadline::is_held_below)
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

    /// Whether anybody minds that the call has landed without their knowing.
    pub(super) fn is_consequential(&self) -> bool {
        !self.method.is_safe() || self.safety != RetrySafety::Idempotent
    }
}

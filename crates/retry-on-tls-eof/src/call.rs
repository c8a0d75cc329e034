//! One call over its attempts: what is known of it, and what follows from how an attempt ended. No I/O here.

use std::time::Duration;

use http::{Method, Request, Response, Uri};
use jittered_backoff::{Backoff, Delays, Limits, Seeds, retry_after};
use tokio::time::Instant;
use tower::BoxError;
use wire_fault::{AsFault, CallId, Fault, Unprocessed, Verdict};

use crate::attempt::Attempt;
use crate::exhausted::Exhausted;
use crate::outcome::OutcomeUnknown;
use crate::safety::RetrySafety;
use crate::summary::Summary;

/// What all calls through one layer have in common.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) backoff: Backoff,
    pub(crate) limits: Limits,
    pub(crate) seeds: Seeds,
}

#[derive(Debug)]
pub(crate) struct Call {
    id: CallId,
    method: Method,
    uri: Uri,
    pub(crate) attempt: Attempt,
    /// How the last attempt failed whose request may have landed.
    pub(crate) may_have_landed: Option<Fault>,
    /// Whether the request can be sent again at all: its body says so when the first copy is asked for.
    pub(crate) replayable: bool,
    /// Whether it was repeated after an answer that was marked [`Unprocessed`].
    refused_before: bool,
    safety: RetrySafety,
    settings: Settings,
    started: Instant,
    /// Drawn from at the first repeat: most calls need none.
    delays: Option<Delays>,
}

/// What follows from a failed attempt.
#[derive(Debug)]
pub(crate) enum After<E> {
    RepeatIn(Duration),
    End(E),
}

impl Call {
    pub(crate) fn begin<B>(request: &mut Request<B>, settings: &Settings) -> Self {
        Self {
            id: CallId::of(request.extensions_mut()),
            method: request.method().clone(),
            uri: request.uri().clone(),
            attempt: Attempt::FIRST,
            may_have_landed: None,
            replayable: false,
            refused_before: false,
            safety: RetrySafety::of(request.method(), request.extensions()),
            settings: settings.clone(),
            started: Instant::now(),
            delays: None,
        }
    }

    /// Whether a copy for another attempt is worth taking.
    pub(crate) fn may_go_on(&self) -> bool {
        self.safety != RetrySafety::Never && self.attempt.get() < self.settings.limits.attempts()
    }

    fn summary(&self) -> Summary {
        Summary {
            method: self.method.clone(),
            path: self.uri.path().to_owned(),
            attempts: self.attempt.get(),
            elapsed: self.started.elapsed(),
        }
    }

    /// An attempt was answered. `None` is: hand the answer on.
    ///
    /// After an answer that says "not now" only idempotent calls are repeated: OVH's API has answered 500 to calls that
    /// had created what they asked for, and whether a 429 leaves a POST undone is unverified. One that a layer below
    /// knows to be [`Unprocessed`] is repeated whatever the method, at once, but only once: it was refused for a reason that
    /// the layer has mended, and if it is refused again, the reason is another.
    pub(crate) fn answered<R>(&mut self, response: &Response<R>) -> Option<Duration> {
        if !self.replayable {
            return None;
        }
        let status = response.status().as_u16();
        let wait = if response.extensions().get::<Unprocessed>().is_some() && !self.refused_before {
            self.refused_before = true;
            self.fits(Duration::ZERO)?
        } else if matches!(status, 408 | 429 | 500 | 502 | 503 | 504)
            && self.safety == RetrySafety::Idempotent
        {
            self.next_wait(retry_after(response.headers()))?
        } else {
            return None;
        };
        let Self { id, method, attempt, .. } = self;
        tracing::warn!(call = %id, %method, path = self.uri.path(), %attempt, ?wait, status, "repeating the call");
        Some(wait)
    }

    /// An attempt failed.
    pub(crate) fn failed<E, M>(&mut self, error: E) -> After<BoxError>
    where
        E: AsFault<M> + Into<BoxError>,
    {
        let fault = error.as_fault();
        self.note(fault);
        if Verdict::of(error.as_error()) == Some(Verdict::OutcomeUnknown) {
            return After::End(error.into());
        }
        let allowed = match self.safety {
            RetrySafety::Never => false,
            RetrySafety::IfNeverSent => fault.may_repeat(false),
            RetrySafety::Idempotent => fault.may_repeat(true),
        };
        if !(allowed && self.replayable) {
            return After::End(self.end(error));
        }
        match self.next_wait(None) {
            Some(wait) => {
                let Self { id, method, attempt, .. } = self;
                tracing::warn!(call = %id, %method, path = self.uri.path(), %attempt, ?wait, %fault, "repeating the call");
                After::RepeatIn(wait)
            }
            None if self.may_have_landed.is_some() => After::End(self.end(error)),
            None => After::End(Exhausted::new(self.summary(), fault, error.into()).into()),
        }
    }

    /// The error that the caller gets when the call ends here.
    pub(crate) fn end<E: Into<BoxError>>(&self, error: E) -> BoxError {
        match self.may_have_landed {
            Some(fault) => OutcomeUnknown::new(self.summary(), fault, error.into()).into(),
            None => error.into(),
        }
    }

    /// Remembers a failure after which the server may have acted, if that matters to anybody.
    fn note(&mut self, fault: Fault) {
        let consequential = !self.method.is_safe() || self.safety == RetrySafety::IfNeverSent;
        if consequential && fault.may_have_landed() {
            self.may_have_landed = Some(fault);
        }
    }

    /// The wait before the next attempt, if the limits leave room for one. A server's wish is a floor.
    fn next_wait(&mut self, floor: Option<Duration>) -> Option<Duration> {
        let Settings { backoff, seeds, .. } = &self.settings;
        let delays = self.delays.get_or_insert_with(|| backoff.delays(seeds.next_seed()));
        let wait = delays.draw().max(floor.unwrap_or_default());
        self.fits(wait)
    }

    /// The wait, if the limits leave room for it and an attempt after it.
    fn fits(&self, wait: Duration) -> Option<Duration> {
        let Settings { limits, .. } = &self.settings;
        limits.fits(self.attempt.get(), self.started.elapsed(), wait).then_some(wait)
    }
}

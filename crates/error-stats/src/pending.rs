//! A call that has started and not ended. Dropping it is an ending too.

use std::sync::Arc;

use http::{HeaderMap, Request, Response, header};
use tokio::time::Instant;
use tracing::Level;
use wire_fault::{AsFault, CallId, QueryId};

use crate::events::{self, RequestLine};
use crate::failure::Reason;
use crate::grpc::GrpcCode;
use crate::guard;
#[cfg(feature = "metrics")]
use crate::guard::shielded;
use crate::label::Label;
use crate::lease::{Lease, Leases};
#[cfg(feature = "metrics")]
use crate::metrics;
#[cfg(feature = "metrics")]
use crate::names::Names;
use crate::outcome::{Answer, reason};
use crate::role::Role;
use crate::seat;
use crate::shard::Tags;
use crate::shared::{Shared, Subject};

/// Counts a start when made, and one ending: the outcome it is told, or else a cancellation.
#[derive(Debug)]
pub(crate) struct Pending {
    shared: Arc<Lease>,
    subject: Subject,
    line: Option<RequestLine>,
    #[cfg(feature = "metrics")]
    metrics: Option<Box<metrics::Told>>,
    stage: Stage,
}

/// Where the call is. A guard that is dropped while the service is at work was dropped by its panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// In the service's `call`, or its future's `poll`.
    Inside,
    /// Between polls.
    Waiting,
    Ended,
}

impl Pending {
    #[inline]
    pub(crate) fn start<B>(leases: &Leases, role: Role, request: &mut Request<B>) -> Self {
        // First of all: what follows goes on beside what a clock read makes the processor wait for.
        let began = Instant::now();
        let seat = seat::mine();
        let shared = leases.take(seat);
        let line = RequestLine::of(role, request);
        let call = match role {
            // Only where something is joined by it, attempts or events: the extension allocates.
            Role::Calls if shared.expects_attempts() || events::is_loud(Level::DEBUG) => {
                Some(CallId::of(request.extensions_mut()))
            }
            _ => request.extensions().get().copied(),
        };
        let repeat = shared.is_repeat(role, call);
        let subject =
            Subject { role, call, tags: tags(&shared, request), began: shared.wall.offset(began), repeat };
        shared.shard(seat).side(role).start(seat, subject.tags);
        let pending = Self {
            #[cfg(feature = "metrics")]
            metrics: None,
            shared,
            subject,
            line,
            stage: Stage::Inside,
        };
        // It is counted, and so must end: were the recorder to panic, by being dropped.
        #[cfg(feature = "metrics")]
        let pending = pending.with_metrics(request);
        pending
    }

    /// Tells the facade, if it is to be told.
    #[cfg(feature = "metrics")]
    fn with_metrics<B>(mut self, request: &Request<B>) -> Self {
        if self.shared.metrics.get().is_some() {
            let on_the_wire = self.shared.is_told(self.subject.role);
            let name = |names: &Names, place: u8| names.name(place).unwrap_or_default().to_owned();
            let Tags { host, label } = self.subject.tags;
            let host = host.map(|place| name(&self.shared.hosts, place));
            let label = label.map(|place| name(&self.shared.labels, place));
            let switch = &self.shared.metrics;
            let told = || metrics::Told::started(switch, on_the_wire, request, host, label);
            self.metrics = shielded(metrics::WHOSE, told).flatten();
        }
        self
    }

    /// The service is at work, from now on.
    pub(crate) fn enter(&mut self) {
        self.go(Stage::Inside);
    }

    /// The service has returned, without an outcome.
    pub(crate) fn leave(&mut self) {
        self.go(Stage::Waiting);
    }

    /// An end is final.
    #[inline]
    fn go(&mut self, stage: Stage) {
        if self.stage != Stage::Ended {
            self.stage = stage;
        }
    }

    /// Its outcome. One it has had already stands.
    #[inline]
    pub(crate) fn end<B, E: AsFault<M>, M>(&mut self, result: &Result<Response<B>, E>) {
        if self.stage == Stage::Ended {
            return;
        }
        self.stage = Stage::Ended;
        match result {
            Ok(response) => {
                self.end_answer(Answer::Http(response.status()), || self.shared.query_id(response));
            }
            Err(error) => self.failed(reason(error), QueryId::of(error.as_error())),
        }
    }

    /// Its outcome, where that is gRPC's, from the headers or trailers that have the status.
    pub(crate) fn end_grpc(&mut self, code: GrpcCode, headers: &HeaderMap) {
        if self.stage == Stage::Ended {
            return;
        }
        self.stage = Stage::Ended;
        self.end_answer(Answer::Grpc(code), || self.shared.query_id_in(headers));
    }

    /// Its outcome, where that came after the head.
    pub(crate) fn end_error<E: AsFault<M>, M>(&mut self, error: &E) {
        if self.stage == Stage::Ended {
            return;
        }
        self.stage = Stage::Ended;
        self.failed(reason(error), QueryId::of(error.as_error()));
    }

    #[inline]
    fn end_answer(&self, answer: Answer, query_id: impl FnOnce() -> Option<QueryId>) {
        if answer.is_failure() {
            self.failed(answer.reason(), query_id());
        } else {
            self.answered(answer);
        }
    }

    #[inline]
    fn answered(&self, answer: Answer) {
        let now = self.shared.wall.fresh_now();
        let seat = seat::mine();
        self.shared.answered(self.shared.shard(seat), seat, &self.subject, answer, now);
        let crossed = if answer.proves_health() { self.shared.recovered(self.subject.role) } else { None };
        #[cfg(feature = "metrics")]
        self.tell_metrics(now, &metrics::End::Answered(answer));
        if events::is_loud(Level::DEBUG) {
            events::answered(&self.told(now), answer);
        }
        if let Some(alarm) = crossed {
            events::alarm(&alarm);
        }
    }

    #[cold]
    fn failed(&self, reason: Reason, query_id: Option<QueryId>) {
        let now = self.shared.wall.fresh_now();
        let seat = seat::mine();
        self.shared.failed(self.shared.shard(seat), seat, &self.subject, &reason, now);
        let crossed = self.shared.missed(self.subject.role, reason, self.subject.call, query_id);
        #[cfg(feature = "metrics")]
        self.tell_metrics(now, &metrics::End::Failed(&reason));
        events::failed(&self.told(now), &reason, query_id);
        if let Some(alarm) = crossed {
            events::alarm(&alarm);
        }
    }

    /// Dropped before it has ended.
    #[cold]
    fn abandoned(&self) {
        let panicked = self.stage == Stage::Inside;
        let now = self.shared.wall.fresh_now();
        let seat = seat::mine();
        self.shared.cancelled(self.shared.shard(seat), seat, &self.subject, panicked, now);
        #[cfg(feature = "metrics")]
        self.tell_metrics(now, if panicked { &metrics::End::Panicked } else { &metrics::End::Cancelled });
        let subject = self.told(now);
        guard::told(|| if panicked { events::panicked(&subject) } else { events::cancelled(&subject) });
    }

    #[cfg(feature = "metrics")]
    fn tell_metrics(&self, now: u64, end: &metrics::End<'_>) {
        if let Some(told) = &self.metrics {
            shielded(metrics::WHOSE, || told.ended(now.saturating_sub(self.subject.began), end));
        }
    }

    fn told(&self, now: u64) -> events::Subject<'_> {
        let Subject { role, call, began, .. } = self.subject;
        events::Subject { role, call, line: self.line.as_ref(), nanos: now.saturating_sub(began) }
    }
}

impl Drop for Pending {
    #[inline]
    fn drop(&mut self) {
        if self.stage != Stage::Ended {
            self.abandoned();
        }
    }
}

#[inline]
fn tags<B>(shared: &Shared, request: &Request<B>) -> Tags {
    let label = request.extensions().get::<Label>();
    Tags { host: host(shared, request), label: label.map(|label| shared.labels.place(label.as_str())) }
}

/// The place of the host that is asked: the URI's, or else, on a server, the `Host` header's, which is the
/// client's word.
#[inline]
fn host<B>(shared: &Shared, request: &Request<B>) -> Option<u8> {
    let Some(authority) = request.uri().authority() else {
        let named = request.headers().get(header::HOST)?.to_str().ok()?;
        return Some(shared.hosts.place_of_host(without_port(named)));
    };
    // Usually the authority is the host and nothing else: looked up before it is taken apart.
    let known = shared.hosts.known_place(authority.as_str());
    Some(known.unwrap_or_else(|| shared.hosts.place_of_host(authority.host())))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // An IPv6 address has colons within its brackets only.
        Some((host, port)) if !port.contains(']') => host,
        _ => host,
    }
}

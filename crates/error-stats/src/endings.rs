//! What the end of a call or attempt changes in the common state.

use wire_fault::{CallId, Delivery, Fault, Phase, QueryId};

use crate::alarm::Alarm;
use crate::counters;
use crate::events;
use crate::failure::{Failure, Reason};
#[cfg(feature = "metrics")]
use crate::guard::shielded;
use crate::history::{Facts, OPEN};
use crate::joins::{Dropped, Ended};
#[cfg(feature = "metrics")]
use crate::metrics;
use crate::outcome::Answer;
use crate::place::{CAUSES, Place, position};
use crate::role::Role;
use crate::seat::{self, Seat};
use crate::shard::Shard;
use crate::shared::{Shared, Subject, second};

/// How long a second is held open, in nanoseconds.
const OPEN_NANOS: u64 = OPEN as u64 * 1_000_000_000;

impl Shared {
    /// Whether an attempt that begins is a repeat. If so, those that were dropped before it had come to nothing.
    #[inline]
    pub(crate) fn is_repeat(&self, role: Role, call: Option<CallId>) -> bool {
        let before = if role == Role::Attempts { self.joins.attempt_begins(call) } else { None };
        match before {
            Some(dropped) => {
                self.dropped_in_vain(dropped, None);
                true
            }
            None => false,
        }
    }

    /// Counts a call that was dropped, or ended by a panic.
    pub(crate) fn cancelled(&self, shard: &Shard, seat: Seat, subject: &Subject, panicked: bool, now: u64) {
        shard.side(subject.role).cancel(seat, subject.tags, panicked);
        let second = second(subject.began);
        match (subject.role, subject.call) {
            (Role::Attempts, Some(call)) if !panicked => {
                let dropped =
                    Dropped { attempts: 1, timed: !subject.repeat, second, host: subject.tags.host };
                // Whether its call goes on is not known yet; nor will it be, without a layer of calls.
                let waits = self.expects_calls();
                let kept = if waits { dropped } else { Dropped::default() };
                self.dropped_for_good(self.joins.attempt_dropped(call, kept, now));
                if !waits {
                    self.dropped_for_good(dropped);
                }
            }
            _ if self.is_timed(subject) => self.history(now).cancelled(second, self.hour(second)),
            _ => {}
        }
        if let Some(Ended { dropped, .. }) = self.call_ended(subject, false) {
            self.dropped_for_good(dropped);
        }
    }

    /// Attempts that were dropped, and nothing came after them.
    fn dropped_for_good(&self, Dropped { timed, second, .. }: Dropped) {
        if timed {
            self.history(self.wall.present()).cancelled(second, self.hour(second));
        }
    }

    /// Attempts that were dropped for being of no use: whoever dropped them, they count as failed.
    #[cold]
    fn dropped_in_vain(&self, dropped: Dropped, reason: Option<&Reason>) {
        if dropped.attempts == 0 {
            return;
        }
        let mut history = self.history(self.wall.present());
        let place = reason.map_or(Place::Phase(Phase::Unknown), Place::of);
        let host = dropped.host.map(usize::from);
        for _ in 0..dropped.attempts {
            history.sort(place.cell(), reason.and_then(cause), host);
        }
        if dropped.timed {
            history.failed(dropped.second, self.hour(dropped.second));
        }
    }

    /// Counts a call that was answered, and not by a failure.
    #[inline]
    pub(crate) fn answered(&self, shard: &Shard, seat: Seat, subject: &Subject, answer: Answer, now: u64) {
        let took = now.saturating_sub(subject.began);
        let side = shard.side(subject.role);
        side.answered(seat, subject.tags, answer, false);
        side.latency.record(seat, took);
        if answer.proves_health() {
            side.succeeded_at(seat, now);
        }
        if self.is_timed(subject) {
            if took < OPEN_NANOS {
                shard.seconds.add(seat, second(subject.began), || drop(self.history(now)));
            } else {
                self.answered_late(subject, now);
            }
        }
        if let Some(ended) = self.call_ended(subject, true) {
            // What was dropped since the last attempt began was slower than a rival.
            self.tell_healed(ended.healed);
        }
    }

    #[cold]
    fn answered_late(&self, subject: &Subject, now: u64) {
        let second = second(subject.began);
        self.history(now).answered(second, self.hour(second));
    }

    /// What is left to do of a call, if anything is.
    #[inline]
    fn call_ended(&self, subject: &Subject, succeeded: bool) -> Option<Ended> {
        match (subject.role, subject.call) {
            (Role::Calls, Some(call)) => self.joins.call_ended(call, succeeded),
            _ => None,
        }
    }

    #[cfg(feature = "metrics")]
    fn tell_healed(&self, healed: u64) {
        if healed > 0 && self.metrics.get().is_some() {
            shielded(metrics::WHOSE, || metrics::healed(healed));
        }
    }

    #[cfg(not(feature = "metrics"))]
    fn tell_healed(&self, _: u64) {}

    /// Counts a call that failed.
    pub(crate) fn failed(&self, shard: &Shard, seat: Seat, subject: &Subject, reason: &Reason, now: u64) {
        let side = shard.side(subject.role);
        match reason {
            Reason::Status(status) => side.answered(seat, subject.tags, Answer::Http(*status), true),
            Reason::Grpc(code) => side.answered(seat, subject.tags, Answer::Grpc(*code), true),
            Reason::Error { fault, verdict } => {
                self.ledger(subject.role).errors.count(*fault, *verdict);
                side.ended(seat, subject.tags, true);
            }
        }
        side.latency.record(seat, now.saturating_sub(subject.began));
        let ended = self.call_ended(subject, false);
        if self.is_told(subject.role) || (ended.is_none() && self.failed_alone(subject)) {
            let second = second(subject.began);
            let mut history = self.history(now);
            history.sort(Place::of(reason).cell(), cause(reason), subject.tags.host.map(usize::from));
            if !subject.repeat {
                history.failed(second, self.hour(second));
            }
        }
        if subject.role == Role::Attempts {
            self.dropped_for_good(self.joins.attempt_failed(subject.call, now));
        }
        if let Some(ended) = ended {
            self.dropped_in_vain(ended.dropped, Some(reason));
        }
    }

    /// Whether a call that nothing is known of by its attempts certainly had none that came to nothing: a layer between the
    /// two refused it, or gave it up before. The history is told of it then. Not while calls succeed that had no attempt
    /// either, which it is never told of: the failed alone would look like all.
    fn failed_alone(&self, subject: &Subject) -> bool {
        let succeeded = |role| counters::succeeded(role, self.shards.all());
        subject.role == Role::Calls
            && self.joins.knows_all_since(subject.began)
            && succeeded(Role::Calls) <= succeeded(Role::Attempts)
    }

    /// Tells the streak of a success. Gives the alarm to be told, if there is one.
    #[inline]
    pub(crate) fn recovered(&self, role: Role) -> Option<Alarm> {
        let crossed = self.ledger(role).watch.succeed(|| self.wall.moment(), &self.bell);
        if crossed.is_some() {
            self.bell.ring();
        }
        crossed
    }

    /// Tells the streak of a failure. Gives the alarm to be told, if there is one.
    pub(crate) fn missed(
        &self,
        role: Role,
        reason: Reason,
        call: Option<CallId>,
        query_id: Option<QueryId>,
    ) -> Option<Alarm> {
        let failure = || Failure { reason, at: self.wall.moment(), call, query_id };
        let crossed = self.ledger(role).watch.fail(failure, &self.bell);
        if crossed.is_some() {
            self.bell.ring();
        }
        crossed
    }

    /// Counts a service that failed before it took a request.
    pub(crate) fn not_ready(&self, role: Role, reason: Reason, query_id: Option<QueryId>) {
        let seat = seat::mine();
        self.shards.at(seat).side(role).not_ready.add(seat);
        let now = self.wall.fresh_now();
        let reason = untaken(reason);
        if self.is_told(role) {
            let second = second(now);
            let mut history = self.history(now);
            history.sort(Place::of(&reason).cell(), cause(&reason), None);
            history.failed(second, self.hour(second));
        }
        let crossed = self.missed(role, reason, None, query_id);
        events::not_ready(role, &reason);
        if let Some(alarm) = crossed {
            events::alarm(&alarm);
        }
    }
}

/// No request was taken: whatever the error says of others, the server has received none of this one.
fn untaken(reason: Reason) -> Reason {
    match reason {
        Reason::Error { fault, verdict } if fault.delivery == Delivery::Perhaps => {
            let fault = Fault::new(fault.phase, Delivery::NeverSent, fault.cause, fault.healing);
            Reason::Error { fault, verdict }
        }
        _ => reason,
    }
}

fn cause(reason: &Reason) -> Option<usize> {
    reason.fault().and_then(|fault| position(&CAUSES, &fault.cause))
}

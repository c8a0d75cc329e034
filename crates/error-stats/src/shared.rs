//! What the handle, the layers and the calls in flight hold in common.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use http::{HeaderMap, HeaderName, Response};
use wire_fault::{CallId, Delivery, Fault, Phase, QueryId};

use crate::alarm::Alarm;
use crate::bell::Bell;
use crate::counters;
use crate::events;
use crate::failure::{Failure, Reason};
use crate::guard::lock;
#[cfg(feature = "metrics")]
use crate::guard::shielded;
use crate::history::{Facts, History, OPEN};
use crate::joins::{Dropped, Ended, Joins};
use crate::latency::Latency;
use crate::ledger::Ledger;
#[cfg(feature = "metrics")]
use crate::metrics;
use crate::names::{NAMES, Names};
use crate::outcome::Answer;
use crate::pattern::Evidence;
use crate::place::{CAUSES, Place, position};
use crate::role::Role;
use crate::seat::{self, Seat};
use crate::shard::{Shard, Shards, Tags};
use crate::snapshot::{StreakReport, Tally};
use crate::threshold;
use crate::wall::{self, Wall};
use crate::watch::Watch;

pub(crate) struct Shared {
    pub(crate) calls: Ledger,
    pub(crate) attempts: Ledger,
    pub(crate) shards: Shards,
    pub(crate) hosts: Names,
    pub(crate) labels: Names,
    pub(crate) joins: Joins,
    pub(crate) bell: Bell,
    pub(crate) wall: Wall,
    history: Mutex<History>,
    /// Whether a layer of attempts was made: attempts are joined to calls then, and the history is theirs.
    attempts_seen: AtomicBool,
    /// Whether a layer of calls was made: without, nobody tells how the calls of attempts end.
    calls_seen: AtomicBool,
    query_id_header: Mutex<HeaderName>,
    #[cfg(feature = "metrics")]
    pub(crate) metrics: metrics::Switch,
}

/// A call or attempt of which the outcome is told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject {
    pub(crate) role: Role,
    pub(crate) call: Option<CallId>,
    pub(crate) tags: Tags,
    /// As the wall's offset.
    pub(crate) began: u64,
    /// A repeat of what has failed. The history does not time these: they would make failures themselves look
    /// like a higher rate.
    pub(crate) repeat: bool,
}

impl Shared {
    pub(crate) fn new(wall: Wall) -> Self {
        Self {
            calls: Ledger::new(Watch::new(vec![threshold::DEFAULT])),
            // An attempt that fails and is repeated with success is the retry's daily work: no alarm.
            attempts: Ledger::new(Watch::new(Vec::new())),
            shards: Shards::new(),
            hosts: Names::default(),
            labels: Names::default(),
            joins: Joins::new(),
            bell: Bell::default(),
            wall,
            history: Mutex::new(History::new()),
            attempts_seen: AtomicBool::new(false),
            calls_seen: AtomicBool::new(false),
            query_id_header: Mutex::new(QueryId::HEADER),
            #[cfg(feature = "metrics")]
            metrics: metrics::Switch::default(),
        }
    }

    #[inline]
    pub(crate) fn ledger(&self, role: Role) -> &Ledger {
        match role {
            Role::Calls => &self.calls,
            Role::Attempts => &self.attempts,
        }
    }

    pub(crate) fn expect_attempts(&self) {
        self.attempts_seen.store(true, Ordering::Relaxed);
    }

    pub(crate) fn expect_calls(&self) {
        self.calls_seen.store(true, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn expects_attempts(&self) -> bool {
        self.attempts_seen.load(Ordering::Relaxed)
    }

    pub(crate) fn set_query_id_header(&self, header: HeaderName) {
        *lock(&self.query_id_header) = header;
    }

    pub(crate) fn query_id<B>(&self, response: &Response<B>) -> Option<QueryId> {
        self.query_id_in(response.headers())
    }

    pub(crate) fn query_id_in(&self, headers: &HeaderMap) -> Option<QueryId> {
        QueryId::in_headers(headers, &lock(&self.query_id_header))
    }

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
                let waits = self.calls_seen.load(Ordering::Relaxed);
                let kept = if waits { dropped } else { Dropped::default() };
                self.dropped_for_good(self.joins.attempt_dropped(call, kept));
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
        if self.is_told(subject.role) {
            let second = second(subject.began);
            let mut history = self.history(now);
            history.sort(Place::of(reason).cell(), cause(reason), subject.tags.host.map(usize::from));
            if !subject.repeat {
                history.failed(second, self.hour(second));
            }
        }
        if subject.role == Role::Attempts {
            self.dropped_for_good(self.joins.attempt_failed(subject.call));
        }
        if let Some(ended) = self.call_ended(subject, false) {
            self.dropped_in_vain(ended.dropped, Some(reason));
        }
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
            self.bell.tell(&alarm);
        }
    }

    pub(crate) fn waited(&self, waited: Duration) {
        let seat = seat::mine();
        let nanos = u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX);
        self.shards.at(seat).waits.record(seat, nanos);
        #[cfg(feature = "metrics")]
        if self.metrics.get().is_some() {
            shielded(metrics::WHOSE, || metrics::waited(waited));
        }
    }

    pub(crate) fn waits(&self) -> Latency {
        Latency::of(self.shards.all().map(|shard| &shard.waits))
    }

    /// The streak first: so that its failures are among the counted.
    pub(crate) fn tally(&self, role: Role) -> Tally {
        let ledger = self.ledger(role);
        let streak = ledger.watch.read();
        let last_success = self.shards.all().filter_map(|shard| shard.side(role).last_success()).max();
        Tally {
            streak: StreakReport {
                current: streak.current,
                began: streak.began,
                longest: streak.longest,
                longest_began: streak.longest_began,
                alarmed: streak.raised > 0,
            },
            last_failure: streak.last,
            last_success: last_success.map(|offset| self.wall.at(self.wall.instant(offset))),
            ..counters::read(role, &ledger.errors, &self.shards.all(), &self.hosts, &self.labels)
        }
    }

    /// What has happened when, up to now.
    pub(crate) fn evidence(&self) -> Evidence {
        let now = self.wall.now();
        let history = lock(&self.history).clone().close(second(self.wall.offset(now.instant)), self);
        let hosts = self.hosts.known().map(str::to_owned).collect();
        Evidence { history, hosts, beginning: self.wall.at(self.wall.instant(0)), now }
    }

    /// Whose outcomes make the history: the attempts' where they are counted, since it is they that met the
    /// server.
    #[inline]
    pub(crate) fn is_told(&self, role: Role) -> bool {
        self.expects_attempts() == (role == Role::Attempts)
    }

    #[inline]
    fn is_timed(&self, subject: &Subject) -> bool {
        self.is_told(subject.role) && !subject.repeat
    }

    /// The history, which has been told of all seconds that are complete.
    #[cold]
    fn history(&self, now: u64) -> MutexGuard<'_, History> {
        let mut history = lock(&self.history);
        history.settle(second(now).saturating_sub(OPEN), self);
        history
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

/// How long a second is held open, in nanoseconds.
const OPEN_NANOS: u64 = OPEN as u64 * 1_000_000_000;

#[inline]
fn second(offset: u64) -> u32 {
    u32::try_from(offset / 1_000_000_000).unwrap_or(u32::MAX)
}

impl Facts for Shared {
    fn answered(&self) -> impl Iterator<Item = (u32, u32)> {
        self.shards.all().flat_map(|shard| shard.seconds.counts())
    }

    fn hour(&self, second: u32) -> u32 {
        wall::hour(self.wall.at(self.wall.instant(u64::from(second) * 1_000_000_000)).wall)
    }

    fn hosts(&self) -> [u64; NAMES + 1] {
        let role = if self.expects_attempts() { Role::Attempts } else { Role::Calls };
        let sides = || self.shards.all().map(|shard| shard.side(role));
        std::array::from_fn(|place| sides().map(|side| side.hosts[place].succeeded.get()).sum())
    }
}

/// The streaks. The counts are a snapshot's, and too many for a line of a log.
impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (calls, attempts) = (&self.calls.watch, &self.attempts.watch);
        f.debug_struct("Shared").field("calls", calls).field("attempts", attempts).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::ROOM;

    /// What the crate's documentation states, but for what is on the heap: the history's 49 KiB, the joins' 24.
    #[test]
    fn a_handle_is_of_the_stated_size() {
        let heap = (crate::history::MINUTES + crate::history::HOURS) * size_of::<crate::history::Span>()
            + crate::history::STRATA * size_of::<crate::rates::Stratum>()
            + crate::joins::HEAP;
        assert!(size_of::<Shared>() + heap <= 90 << 10, "{} and {heap} bytes", size_of::<Shared>());
        assert!(size_of::<Shard>() <= 17 << 10, "{} bytes", size_of::<Shard>());
        // A line of alarms, and as many that are being told.
        assert!(2 * ROOM * size_of::<Alarm>() <= 5 << 19, "{} bytes", size_of::<Alarm>());
    }
}

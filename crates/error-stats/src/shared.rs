//! What the handle, the layers and the calls in flight hold in common.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use http::{HeaderMap, HeaderName, Response};
use wire_fault::{CallId, QueryId};

use crate::bell::Bell;
use crate::counters;
use crate::guard::lock;
#[cfg(feature = "metrics")]
use crate::guard::shielded;
use crate::history::{Facts, History, OPEN};
use crate::joins::Joins;
use crate::latency::Latency;
use crate::ledger::Ledger;
#[cfg(feature = "metrics")]
use crate::metrics;
use crate::names::{NAMES, Names};
use crate::pattern::Evidence;
use crate::role::Role;
use crate::seat;
use crate::shard::{Shards, Tags};
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

    pub(crate) fn expects_calls(&self) -> bool {
        self.calls_seen.load(Ordering::Relaxed)
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
        Tally {
            streak: StreakReport {
                current: streak.current,
                began: streak.began,
                longest: streak.longest,
                longest_began: streak.longest_began,
                alarmed: streak.raised > 0,
            },
            last_failure: streak.last,
            last_success: self.last_success(role).map(|offset| self.wall.at(self.wall.instant(offset))),
            ..counters::read(role, &ledger.errors, &self.shards.all(), &self.hosts, &self.labels)
        }
    }

    /// As the wall's offset.
    fn last_success(&self, role: Role) -> Option<u64> {
        self.shards.all().filter_map(|shard| shard.side(role).last_success()).max()
    }

    /// What has happened when, up to now; so many calls and attempts have not ended.
    pub(crate) fn evidence(&self, calls: u64, attempts: u64) -> Evidence {
        let now = self.wall.now();
        let history = lock(&self.history).clone().close(second(self.wall.offset(now.instant)), self);
        let hosts = self.hosts.known().map(str::to_owned).collect();
        // Of either: a call may go well without an attempt.
        let last_success = self.last_success(Role::Attempts).max(self.last_success(Role::Calls)).map(second);
        let under_way = if self.expects_attempts() { attempts } else { calls };
        let beginning = self.wall.at(self.wall.instant(0));
        Evidence { history, hosts, beginning, now, last_success, under_way }
    }

    /// Whose outcomes make the history: the attempts' where they are counted, since it is they that met the
    /// server. (Calls that fail without one are told besides.)
    #[inline]
    pub(crate) fn is_told(&self, role: Role) -> bool {
        self.expects_attempts() == (role == Role::Attempts)
    }

    #[inline]
    pub(crate) fn is_timed(&self, subject: &Subject) -> bool {
        self.is_told(subject.role) && !subject.repeat
    }

    /// The history, which has been told of all seconds that are complete.
    #[cold]
    pub(crate) fn history(&self, now: u64) -> MutexGuard<'_, History> {
        let mut history = lock(&self.history);
        history.settle(second(now).saturating_sub(OPEN), self);
        history
    }
}

#[inline]
pub(crate) fn second(offset: u64) -> u32 {
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
    use crate::alarm::Alarm;
    use crate::line::ROOM;
    use crate::shard::Shard;

    /// What the crate's documentation states, but for what is on the heap: the history's 48 KiB, the joins' 24.
    #[test]
    fn a_handle_is_of_the_stated_size() {
        let heap = (crate::history::MINUTES + crate::history::HOURS)
            * size_of::<crate::history::span::Span>()
            + crate::history::STRATA * size_of::<crate::rates::Stratum>()
            + crate::joins::HEAP;
        assert!(size_of::<Shared>() + heap <= 90 << 10, "{} and {heap} bytes", size_of::<Shared>());
        assert!(size_of::<Shard>() <= 17 << 10, "{} bytes", size_of::<Shard>());
        // A line of alarms, and as many that are being told.
        assert!(2 * ROOM * size_of::<Alarm>() <= 5 << 19, "{} bytes", size_of::<Alarm>());
    }
}

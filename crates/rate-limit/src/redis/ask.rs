//! What is asked of the server, and what it answers: the two sides of `reserve.lua`.

use std::ops::Range;
use std::time::Duration;

use ::redis::{Script, ScriptInvocation};
use tokio::time::Instant;

use super::clock::ServerClock;
use crate::quotas::Quotas;

/// The most permits that one question reserves, reports, gives back or moves, so that the server is never long at one
/// script: each takes it some 2 us. So it is the most that a call can cost, too.
pub(super) const MOST: usize = 2048;

/// Where a limiter's record lies.
#[derive(Debug)]
pub(super) struct Place {
    log: String,
    head: String,
    /// What the numbers of this process' permits begin with.
    own: String,
}

impl Place {
    pub(super) fn new(prefix: &str, name: &str, own: String) -> Self {
        // One hash tag, so that a cluster has both at one node; not an empty one, which would be none. The prefix has no colon,
        // so no other prefix and name are the same.
        let key = |part: &str| format!("{{{prefix}:{name}}}:{part}");
        Self { log: key("log"), head: key("head"), own }
    }

    /// The prefix and the name: between the braces, with the first colon between them.
    pub(super) fn limiter(&self) -> (&str, &str) {
        let tag = self.log.strip_prefix('{').and_then(|log| log.strip_suffix("}:log"));
        tag.and_then(|tag| tag.split_once(':')).unwrap_or_default()
    }
}

/// A question. All instants are local ones, until it is sent.
#[derive(Debug)]
pub(super) struct Ask {
    /// Which question this is, of this limiter's; from 1 on.
    pub(super) number: u64,
    /// Until when an answer is waited for. None: nobody waits.
    pub(super) deadline: Option<Instant>,
    pub(super) quotas: Quotas,
    /// A slot may be used this much after its time.
    pub(super) lateness: Duration,
    /// How long the answer may take. A slot that is free at once begins to last when it is there.
    pub(super) arrival: Duration,
    /// As many slots as are wanted are reserved this far ahead, and further ahead only the first `least`: of these, the first
    /// wherever it is, the others within the shortest window.
    pub(super) horizon: Duration,
    pub(super) least: usize,
    /// The record that was reported to, and whether anything lies there that is not told again now: reports, and slots.
    pub(super) epoch: i64,
    pub(super) known: bool,
    /// The record is known to have all that only over connections up to this one. A server that is asked over one made later
    /// may have been restarted since, from what it had saved, or be another one that was behind. One made earlier, that works
    /// yet, has been there all the time.
    pub(super) over: u64,
    /// Slots that are far ahead.
    pub(super) moves: Vec<Move>,
    /// The number of the first permit.
    pub(super) first: u64,
    /// The permits of each slot that is wanted.
    pub(super) wants: Vec<u32>,
    /// Permits that were used, and when.
    pub(super) reports: Vec<(u64, Instant)>,
    /// Permits that will not be used.
    pub(super) returns: Vec<u64>,
    /// The server is away; this is to find out whether it is back.
    pub(super) probe: bool,
}

/// A slot that was reserved: would there be an earlier one? By the server's clock, in us.
#[derive(Clone, Copy, Debug)]
pub(super) struct Move {
    pub(super) first: u64,
    pub(super) cost: u32,
    pub(super) at: i64,
    pub(super) end: i64,
}

/// An answer; all but `epoch` in us.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) now: i64,
    pub(super) status: Status,
    pub(super) epoch: i64,
    /// How long until one more permit would be free, when this was answered.
    pub(super) next: i64,
    /// How long until each slot that could be moved; -1 if it was not.
    pub(super) moved: Vec<i64>,
    /// How long until each slot that was reserved: they are the first that were wanted.
    pub(super) waits: Vec<i64>,
    /// What each quota has free beside these, and how long until it has more; 0 if all is free.
    #[cfg(feature = "server")]
    pub(super) standings: Vec<(u64, i64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Done,
    /// The question came when nobody waited for the answer any more; nothing was done.
    Late,
    /// The record is another than the one that was reported to; nothing was reserved.
    Unknown,
}

impl Ask {
    pub(super) fn script() -> Script {
        Script::new(include_str!("reserve.lua"))
    }

    /// The last one: it gives back, up to [`MOST`] permits. By the script, for the record knows how many it holds.
    pub(super) fn farewell(quotas: Quotas, returns: Vec<u64>) -> Self {
        Self {
            number: 0,
            deadline: None,
            quotas,
            lateness: Duration::ZERO,
            arrival: Duration::ZERO,
            horizon: Duration::ZERO,
            least: 0,
            epoch: 0,
            known: false,
            over: 0,
            moves: Vec::new(),
            first: 0,
            wants: Vec::new(),
            reports: Vec::new(),
            returns,
            probe: false,
        }
    }

    /// The permits that are to be moved.
    pub(super) fn moved(&self) -> impl Iterator<Item = u64> {
        self.moves.iter().flat_map(|one| one.first..one.first + u64::from(one.cost))
    }

    /// The permits that are wanted.
    pub(super) fn permits(&self) -> Range<u64> {
        self.first..self.first + self.wants.iter().map(|&cost| u64::from(cost)).sum::<u64>()
    }

    /// How late, in us, a slot may be used by the server's clock; it includes what is not known of that clock.
    pub(super) fn lateness(&self, clock: &ServerClock, deadline: Instant) -> i64 {
        let unknown = clock.shown(deadline).map_or(0, |(least, most)| most - least);
        micros(self.lateness).saturating_add(unknown)
    }

    /// The end of a slot of that time, by the server's clock, in us, which showed `now` when it answered.
    pub(super) fn end(&self, now: i64, at: i64, lateness: i64) -> i64 {
        at.max(now.saturating_add(micros(self.arrival))).saturating_add(lateness)
    }

    /// The question as `reserve.lua` reads it. No answer is waited for after `deadline`.
    pub(super) fn invocation<'a>(
        &self,
        script: &'a Script,
        place: &Place,
        clock: &ServerClock,
        deadline: Instant,
        lateness: i64,
    ) -> ScriptInvocation<'a> {
        let mut invocation = script.key(&place.log);
        invocation.key(&place.head);
        invocation.arg(clock.shown(deadline).map_or(0, |(least, _)| least));
        invocation.arg(lateness).arg(micros(self.arrival));
        let spaced = self.quotas.iter().find(|quota| quota.is_spaced());
        invocation.arg(spaced.map_or(0, |quota| micros(quota.interval())));
        invocation.arg(micros(self.horizon)).arg(self.least);
        invocation.arg(self.epoch).arg(u8::from(self.known));
        invocation.arg(&place.own).arg(self.first);
        // Whether to tell how the quotas stand.
        invocation.arg(u8::from(cfg!(feature = "server")));
        invocation.arg(self.quotas.iter().count());
        for quota in self.quotas.iter() {
            invocation.arg(quota.n()).arg(micros(quota.window()));
        }
        invocation.arg(self.reports.len());
        for &(id, at) in &self.reports {
            invocation.arg(id).arg(clock.shown(at).map_or(0, |(_, most)| most));
        }
        invocation.arg(self.returns.len());
        for &id in &self.returns {
            invocation.arg(id);
        }
        invocation.arg(self.moves.len());
        for &Move { first, cost, at, end } in &self.moves {
            invocation.arg(first).arg(cost).arg(at).arg(end);
        }
        invocation.arg(self.wants.len());
        for &cost in &self.wants {
            invocation.arg(cost);
        }
        invocation
    }
}

impl Reply {
    /// The server's list of numbers; none if it is not what `reserve.lua` answers.
    pub(super) fn read(numbers: &[i64], ask: &Ask) -> Option<Self> {
        let [now, status, epoch, next, ref waits @ ..] = *numbers else { return None };
        let status = match status {
            0 => Status::Done,
            1 => Status::Late,
            2 => Status::Unknown,
            _ => return None,
        };
        #[cfg(feature = "server")]
        let (waits, standings) = {
            let told = waits.len().saturating_sub(2 * ask.quotas.iter().count());
            let (waits, told) = waits.split_at(told);
            let each = told.chunks_exact(2).map(|each| (u64::try_from(each[0]).unwrap_or(0), each[1]));
            (waits, each.collect())
        };
        let (moved, waits) = waits.split_at_checked(ask.moves.len()).unwrap_or_default();
        Some(Self {
            now,
            status,
            epoch,
            next,
            moved: moved.to_vec(),
            waits: waits.to_vec(),
            #[cfg(feature = "server")]
            standings,
        })
    }
}

/// Rounded up.
fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_nanos().div_ceil(1000)).unwrap_or(i64::MAX)
}

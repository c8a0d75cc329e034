//! The admission that a server feeds: slots that were reserved there, or else what the fallback allows.
//!
//! A slot is a stretch of local time within which one permit may be used: from its time, by the server's clock, until so
//! much later as the server was told it might be. Whoever is first in the queue when a slot's time has come takes it;
//! nobody owns one before. So the queue's order, bounds and cancellation are the same as without a server.

mod admit;
mod asking;
mod plan;
mod replies;
mod slots;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use self::asking::Asking;
pub(super) use self::plan::Plan;
use self::slots::Slots;
use super::away::{Away, FleetState};
use super::fallback::Fallback;
use super::feed::Feed;
use super::recent::Recent;
use crate::admission::{Admit, Log};
use crate::quota::{LONGEST, Quota};
use crate::quotas::Quotas;

/// How long a question is taken to take before one was answered.
const UNTRIED: Duration = Duration::from_millis(10);
/// When an answer may bring a permit, as far as a newcomer's patience goes: any moment. That is the granularity of tokio's
/// timer. How long the last answers took would be a better guess, but whoever is refused because of it never learns better.
const SOON: Duration = Duration::from_millis(1);

/// What it takes on the heap beside its releases, in bytes: names, what is held between two questions, and what the allocator
/// adds. Measured: some 700 (a key of few bytes, one runtime).
const HEAP: usize = 1024;

enum Mode {
    /// The server is asked.
    Fleet,
    /// It has quotas of its own. No call can have more permits of them than `most`.
    Local {
        most: u32,
        admission: Box<dyn Admit>,
    },
    Refuse(Away),
    Allow,
}

pub(crate) struct Leased {
    feed: Arc<Feed>,
    quotas: Quotas,
    lateness: Duration,
    mode: Mode,
    state: FleetState,
    /// While the server is away: when to see whether it is back.
    retry_at: Instant,
    /// That it is away is not known any more: nobody has looked in time.
    stale: bool,
    /// The question that is under way.
    asking: Option<Asking>,
    /// The number of the last question.
    asked: u64,
    /// Somebody who would not wait went without so many permits.
    tried: Option<u32>,
    held: Slots,
    recent: Recent,
    returns: Vec<u64>,
    next_id: u64,
    epoch: i64,
    /// The newest connection over which the record of that epoch was found: see [`Ask::over`](super::ask::Ask).
    over: u64,
    /// When the server would have had another permit, when it was last asked.
    next: Instant,
    /// What each quota had free beside what is held, and when it would have more; none before the first answer.
    #[cfg(feature = "server")]
    told: Vec<(u64, Option<Instant>)>,
    /// How long a question takes.
    trip: Duration,
    /// How long the last ones took that took long: one that takes longer raises it at once, and is forgotten by and by.
    slow_trip: Duration,
    ask_no_sooner: Option<Instant>,
    asked_at: Instant,
    /// What there is to show as a record; a fleet's is not here.
    no_log: Log,
}

impl Leased {
    pub(super) fn new(feed: Arc<Feed>, quotas: Quotas, now: Instant) -> Self {
        let fallback = feed.fallback();
        let (window, most) = reach(&quotas, fallback);
        Self {
            lateness: feed.lateness(&quotas),
            feed,
            mode: Mode::Fleet,
            state: FleetState::Idle,
            retry_at: now,
            stale: false,
            asking: None,
            asked: 0,
            tried: None,
            held: Slots::default(),
            recent: Recent::new(window, most),
            returns: Vec::new(),
            next_id: 0,
            epoch: 0,
            over: 0,
            next: now,
            #[cfg(feature = "server")]
            told: Vec::new(),
            trip: UNTRIED,
            slow_trip: UNTRIED,
            ask_no_sooner: None,
            asked_at: now,
            no_log: Log::new(),
            quotas,
        }
    }

    /// The most memory, over that of the local admission and without tasks, in bytes.
    pub(super) fn bytes(quotas: &Quotas, fallback: &Fallback) -> usize {
        let releases = reach(quotas, fallback).1.saturating_mul(Recent::ENTRY);
        releases.saturating_add(size_of::<Self>() + size_of::<Feed>() + HEAP)
    }

    /// When so many permits could be used, if they were taken one by one; an estimate, if that many are not held.
    /// No answer brings one in less than a `trip`.
    fn permits(&self, now: Instant, most: u64, trip: Duration) -> Instant {
        let Some(missing) = most.checked_sub(self.held.len() as u64 + 1) else {
            return self.held.time_of(most).map_or(now, |from| from.max(now));
        };
        // Somebody else may take them, or give some back: nobody but the server knows.
        let missing = u32::try_from(missing).unwrap_or(u32::MAX);
        let asked = (now + trip).max(self.next).max(self.held.last().unwrap_or(now));
        let ahead = self.quotas.interval().saturating_mul(missing).min(LONGEST);
        asked + ahead
    }
}

/// How far back releases count, and how many of them, in any of the quotas.
fn reach(quotas: &Quotas, fallback: &Fallback) -> (Duration, usize) {
    let most = |quotas: &Quotas| quotas.iter().map(Quota::n).max().unwrap_or(1) as usize;
    match fallback {
        Fallback::Local(local) => (quotas.window().max(local.window()), most(quotas).max(most(local))),
        _ => (quotas.window(), most(quotas)),
    }
}

/// What it holds goes back.
impl Drop for Leased {
    fn drop(&mut self) {
        self.feed.leave(&self.quotas, self.returns.drain(..).chain(self.held.drain()));
    }
}

impl fmt::Debug for Leased {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leased")
            .field("state", &self.state)
            .field("held", &self.held.len())
            .finish_non_exhaustive()
    }
}

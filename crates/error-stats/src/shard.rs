//! What the threads of one seat have counted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use http::StatusCode;

use crate::count::Count;
use crate::grpc::Codes;
use crate::latency::Recorder;
use crate::names::NAMES;
use crate::outcome::Answer;
use crate::role::Role;
use crate::seat::{SEATS, Seat};
use crate::seconds::Seconds;

/// Where a call is counted beside the totals: the places of its host and its label, if it has them. Small, since
/// each call in flight has one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tags {
    pub(crate) host: Option<u8>,
    pub(crate) label: Option<u8>,
}

/// On cache lines of its own, for two lines at a time are fetched on x86: what one core writes, no other
/// waits for.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Shard {
    calls: Side,
    attempts: Side,
    pub(crate) waits: Recorder,
    pub(crate) seconds: Seconds,
}

impl Shard {
    fn new() -> Self {
        Self { calls: Side::new(), attempts: Side::new(), waits: Recorder::new(), seconds: Seconds::new() }
    }

    #[inline]
    pub(crate) fn side(&self, role: Role) -> &Side {
        match role {
            Role::Calls => &self.calls,
            Role::Attempts => &self.attempts,
        }
    }
}

/// The shards of one handle, each made when the first thread sits down there.
#[derive(Debug)]
pub(crate) struct Shards([OnceLock<Arc<Shard>>; SEATS]);

impl Shards {
    pub(crate) const fn new() -> Self {
        Self([const { OnceLock::new() }; SEATS])
    }

    #[inline]
    pub(crate) fn at(&self, seat: Seat) -> &Arc<Shard> {
        self.0[seat.index()].get_or_init(|| Arc::new(Shard::new()))
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Shard> + Clone {
        self.0.iter().filter_map(OnceLock::get).map(|shard| &**shard)
    }
}

pub(crate) const STATUSES: usize = 7;
const SERVER_ERROR: usize = 4;
const ABOVE: usize = 5;
const TOO_MANY_REQUESTS: usize = 6;

/// One layer's part of a shard.
#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) started: Count,
    /// 1xx to 5xx, above, 429.
    pub(crate) statuses: [Count; STATUSES],
    pub(crate) grpc: Codes,
    pub(crate) cancelled: Count,
    /// Those of the cancelled that a panic ended.
    pub(crate) panicked: Count,
    pub(crate) not_ready: Count,
    /// When the last success was, as the wall's offset, plus one; zero is never.
    last_success: AtomicU64,
    pub(crate) latency: Recorder,
    /// By the places of [`Names`](crate::names::Names), the last for all others.
    pub(crate) hosts: [Group; NAMES + 1],
    pub(crate) labels: [Group; NAMES + 1],
}

/// The calls of one host or label.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) started: Count,
    pub(crate) succeeded: Count,
    pub(crate) failed: Count,
    pub(crate) cancelled: Count,
}

impl Side {
    fn new() -> Self {
        Self {
            started: Count::default(),
            statuses: Default::default(),
            grpc: Codes::default(),
            cancelled: Count::default(),
            panicked: Count::default(),
            not_ready: Count::default(),
            last_success: AtomicU64::new(0),
            latency: Recorder::new(),
            hosts: [const { Group::new() }; NAMES + 1],
            labels: [const { Group::new() }; NAMES + 1],
        }
    }

    #[inline]
    pub(crate) fn start(&self, seat: Seat, tags: Tags) {
        self.started.add(seat);
        self.add_to_groups(seat, tags, |group| &group.started);
    }

    #[inline]
    pub(crate) fn answered(&self, seat: Seat, tags: Tags, answer: Answer, failed: bool) {
        match answer {
            Answer::Http(status) => self.statuses[status_cell(status)].add(seat),
            Answer::Grpc(code) => self.grpc.add(seat, code),
        }
        self.ended(seat, tags, failed);
    }

    /// An ending that is counted elsewhere by its kind.
    #[inline]
    pub(crate) fn ended(&self, seat: Seat, tags: Tags, failed: bool) {
        self.add_to_groups(seat, tags, |group| if failed { &group.failed } else { &group.succeeded });
    }

    pub(crate) fn cancel(&self, seat: Seat, tags: Tags, panicked: bool) {
        self.cancelled.add(seat);
        self.add_to_groups(seat, tags, |group| &group.cancelled);
        if panicked {
            self.panicked.add(seat);
        }
    }

    /// A success at this offset of the wall. Threads that share the shard may come in any order.
    #[inline]
    pub(crate) fn succeeded_at(&self, seat: Seat, offset: u64) {
        let at = offset.saturating_add(1);
        if seat.alone() {
            self.last_success.store(at, Ordering::Relaxed);
        } else {
            self.last_success.fetch_max(at, Ordering::Relaxed);
        }
    }

    pub(crate) fn last_success(&self) -> Option<u64> {
        self.last_success.load(Ordering::Relaxed).checked_sub(1)
    }

    pub(crate) fn succeeded(&self) -> u64 {
        let cells = self.statuses.iter().enumerate();
        let succeeded = cells.filter(|(cell, _)| ![SERVER_ERROR, TOO_MANY_REQUESTS].contains(cell));
        succeeded.map(|(_, count)| count.get()).sum::<u64>() + self.grpc.succeeded()
    }

    #[inline]
    fn add_to_groups(&self, seat: Seat, tags: Tags, count: impl Fn(&Group) -> &Count) {
        if let Some(place) = tags.host {
            count(&self.hosts[usize::from(place)]).add(seat);
        }
        if let Some(place) = tags.label {
            count(&self.labels[usize::from(place)]).add(seat);
        }
    }
}

impl Group {
    const fn new() -> Self {
        Self { started: Count::new(), succeeded: Count::new(), failed: Count::new(), cancelled: Count::new() }
    }
}

#[inline]
fn status_cell(status: StatusCode) -> usize {
    match status.as_u16() {
        429 => TOO_MANY_REQUESTS,
        code @ 100..=599 => usize::from(code / 100) - 1,
        _ => ABOVE,
    }
}

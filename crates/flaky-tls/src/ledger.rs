//! Where the truth is written down while it happens.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::cut_by::Strike;
use crate::scenario::Scenario;
use crate::truth::{ConnectionRecord, End, Protocol, RequestRecord, Tally, Truth};

/// The longest id that is kept, in bytes.
const MAX_ID: usize = 256;

#[derive(Debug)]
pub(crate) struct Ledger {
    /// The truth, and how often it has been reset: entries of an earlier time are not of it.
    truth: Mutex<(Truth, u64)>,
    limit: usize,
}

impl Ledger {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { truth: Mutex::new((nothing(), 0)), limit })
    }

    /// Forgets everything.
    pub(crate) fn reset(&self) {
        let (truth, age) = &mut *self.truth.lock();
        *truth = nothing();
        *age += 1;
    }

    pub(crate) fn truth(&self) -> Truth {
        self.truth.lock().0.clone()
    }

    pub(crate) fn tally(&self, id: &str) -> Tally {
        self.truth.lock().0.tally(id)
    }

    /// Opens the record of the next connection.
    pub(crate) fn accepted(self: &Arc<Self>, client: SocketAddr) -> Entry {
        let (truth, age) = &mut *self.truth.lock();
        let index = truth.accepted;
        truth.accepted += 1;
        if truth.connections.len() < self.limit {
            truth.connections.push(ConnectionRecord {
                index,
                client,
                accepted_at: Instant::now(),
                scenario: Scenario::Healthy,
                carried_out: false,
                handshaken: false,
                protocol: None,
                tally: Tally::default(),
                end: None,
                detail: None,
            });
        } else {
            truth.unrecorded += 1;
        }
        Entry { ledger: Arc::clone(self), age: *age, index }
    }
}

/// The record of one connection. When it is dropped with no end written down, the connection's task was ended from
/// outside, or panicked.
#[derive(Debug)]
pub(crate) struct Entry {
    ledger: Arc<Ledger>,
    age: u64,
    index: u64,
}

impl Entry {
    pub(crate) fn planned(&self, scenario: Scenario) {
        self.update(|record| record.scenario = scenario);
    }

    pub(crate) fn handshaken(&self, protocol: Protocol) {
        self.update(|record| {
            record.handshaken = true;
            record.protocol = Some(protocol);
        });
    }

    pub(crate) fn carried_out(&self) {
        self.update(|record| record.carried_out = true);
    }

    /// The fault strikes now. A cut is the end of the connection at once, whatever the client does afterwards.
    pub(crate) fn struck(&self, strike: Strike) {
        self.carried_out();
        if matches!(strike, Strike::Cut(_)) {
            self.ended(End::Struck, None);
        }
    }

    /// Writes down the end; the first one stays.
    pub(crate) fn ended(&self, end: End, detail: Option<String>) {
        self.update(|record| {
            if record.end.is_none() {
                record.end = Some(end);
                record.detail = detail.map(String::into_boxed_str);
            }
        });
    }

    /// Counts a complete request that the client is told was not processed.
    pub(crate) fn refused(&self, id: Option<&str>) {
        let id: Option<Arc<str>> = id.filter(|id| id.len() <= MAX_ID).map(Arc::from);
        self.write(|truth| self.count(truth, id.as_ref(), |tally| tally.refused += 1));
    }

    /// Counts a complete request.
    pub(crate) fn received(&self, id: Option<&str>) -> Ticket {
        let id: Option<Arc<str>> = id.filter(|id| id.len() <= MAX_ID).map(Arc::from);
        let mut place = None;
        self.write(|truth| {
            self.count(truth, id.as_ref(), |tally| tally.received += 1);
            if truth.requests.len() < self.ledger.limit {
                place = Some(truth.requests.len());
                // Under the lock, so that the order of the list is the order of the instants.
                let at = Instant::now();
                let id = id.clone();
                truth.requests.push(RequestRecord { at, connection: self.index, id, answered: false });
            } else {
                truth.unrecorded += 1;
            }
        });
        Ticket { place, id }
    }

    /// Counts a complete response.
    pub(crate) fn answered(&self, ticket: &Ticket) {
        self.write(|truth| {
            truth.total.answered += 1;
            if let Some(record) = connection(truth, self.index) {
                record.tally.answered += 1;
            }
            if let Some(tally) = ticket.id.as_ref().and_then(|id| truth.tallies.get_mut(id)) {
                tally.answered += 1;
            }
            if let Some(request) = ticket.place.and_then(|place| truth.requests.get_mut(place)) {
                request.answered = true;
            }
        });
    }

    /// Changes the truth, unless it has been reset since.
    fn write(&self, change: impl FnOnce(&mut Truth)) {
        let (truth, age) = &mut *self.ledger.truth.lock();
        if *age == self.age {
            change(truth);
        }
    }

    /// Changes the tallies of the total, of this connection, and of this id.
    fn count(&self, truth: &mut Truth, id: Option<&Arc<str>>, change: impl Fn(&mut Tally)) {
        change(&mut truth.total);
        if let Some(record) = connection(truth, self.index) {
            change(&mut record.tally);
        }
        let Some(id) = id else { return };
        if let Some(tally) = truth.tallies.get_mut(id) {
            change(tally);
        } else if truth.tallies.len() < self.ledger.limit {
            change(truth.tallies.entry(Arc::clone(id)).or_default());
        } else {
            truth.unrecorded += 1;
        }
    }

    fn update(&self, change: impl FnOnce(&mut ConnectionRecord)) {
        self.write(|truth| {
            if let Some(record) = connection(truth, self.index) {
                change(record);
            }
        });
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.ended(if std::thread::panicking() { End::Panicked } else { End::Shutdown }, None);
    }
}

/// One complete request, to be marked as answered.
#[derive(Debug)]
pub(crate) struct Ticket {
    place: Option<usize>,
    id: Option<Arc<str>>,
}

fn nothing() -> Truth {
    Truth {
        started: Instant::now(),
        connections: Vec::new(),
        requests: Vec::new(),
        tallies: BTreeMap::new(),
        accepted: 0,
        total: Tally::default(),
        unrecorded: 0,
    }
}

fn connection(truth: &mut Truth, index: u64) -> Option<&mut ConnectionRecord> {
    truth.connections.get_mut(usize::try_from(index).ok()?)
}

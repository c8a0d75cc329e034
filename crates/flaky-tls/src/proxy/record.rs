//! What a proxy did.

use std::net::SocketAddr;
use std::sync::Arc;

use http::StatusCode;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::proxy::scenario::ProxyScenario;
use crate::truth::End;

/// What a proxy did to one connection.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyRecord {
    /// Its place in the order of accept, from 0.
    pub index: u64,
    /// The client's end.
    pub client: SocketAddr,
    /// When it was accepted.
    pub accepted_at: Instant,
    /// What was planned for it.
    pub scenario: ProxyScenario,
    /// Whether the fault of the scenario really struck. Never true for a plain tunnel. Set before the client can notice.
    pub carried_out: bool,
    /// The authority that CONNECT asked for.
    pub target: Option<Box<str>>,
    /// The credentials that came with it.
    pub credentials: SentCredentials,
    /// The status that CONNECT was answered with. Set before it is written.
    pub answered: Option<StatusCode>,
    /// The proxy's own end of its connection to the server: the server knows the connection by this address.
    pub upstream: Option<SocketAddr>,
    /// How it ended; `None` while it is open.
    pub end: Option<End>,
}

/// What a client sent for credentials.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SentCredentials {
    /// None, or none that were looked at.
    #[default]
    None,
    /// Wrong ones.
    Wrong,
    /// Those that were asked for.
    Right,
    /// Some, of a proxy that asks for none.
    Unasked,
}

/// The records of one proxy.
#[derive(Debug)]
pub(crate) struct Records {
    books: Mutex<Books>,
    limit: usize,
}

#[derive(Debug, Default)]
struct Books {
    accepted: u64,
    records: Vec<ProxyRecord>,
    /// How often they have been reset: entries of an earlier time are not of them.
    age: u64,
}

impl Records {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { books: Mutex::default(), limit })
    }

    pub(crate) fn all(&self) -> Vec<ProxyRecord> {
        self.books.lock().records.clone()
    }

    pub(crate) fn accepted(&self) -> u64 {
        self.books.lock().accepted
    }

    /// Forgets everything.
    pub(crate) fn reset(&self) {
        let books = &mut *self.books.lock();
        *books = Books { age: books.age + 1, ..Books::default() };
    }

    /// Opens the record of the next connection.
    pub(crate) fn open(self: &Arc<Self>, client: SocketAddr) -> Entry {
        let Books { accepted, records, age } = &mut *self.books.lock();
        let index = *accepted;
        *accepted += 1;
        if records.len() < self.limit {
            records.push(ProxyRecord {
                index,
                client,
                accepted_at: Instant::now(),
                scenario: ProxyScenario::Tunnel,
                carried_out: false,
                target: None,
                credentials: SentCredentials::None,
                answered: None,
                upstream: None,
                end: None,
            });
        }
        Entry { records: Arc::clone(self), age: *age, index }
    }
}

/// The record of one connection. When it is dropped with no end written down, the proxy was shut down.
#[derive(Debug)]
pub(crate) struct Entry {
    records: Arc<Records>,
    age: u64,
    index: u64,
}

impl Entry {
    pub(crate) fn update(&self, change: impl FnOnce(&mut ProxyRecord)) {
        let books = &mut *self.records.books.lock();
        let place = usize::try_from(self.index).ok().filter(|_| books.age == self.age);
        if let Some(record) = place.and_then(|place| books.records.get_mut(place)) {
            change(record);
        }
    }

    /// The fault strikes now.
    pub(crate) fn carried_out(&self) {
        self.update(|record| record.carried_out = true);
    }

    /// Writes down the end; the first one stays.
    pub(crate) fn ended(&self, end: End) {
        self.update(|record| record.end = record.end.or(Some(end)));
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.ended(if std::thread::panicking() { End::Panicked } else { End::Shutdown });
    }
}

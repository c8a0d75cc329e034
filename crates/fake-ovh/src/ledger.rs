//! What was received: the truth that clients are measured against.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use http::{Method, StatusCode};
use tokio::time::Instant;

use crate::failure::Failure;
use crate::pattern::fits;

const SECOND: Duration = Duration::from_secs(1);

/// A call as it was received, its body read in full.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Call {
    /// When its last byte had been read, on tokio's clock.
    pub at: Instant,
    /// The method.
    pub method: Method,
    /// The path as it was sent: `/1.0/auth/time`.
    pub path: String,
    /// The query as it was sent, without the question mark.
    pub query: Option<String>,
    /// Whether it came with a signature or a bearer token, good or bad.
    pub authenticated: bool,
    /// The failure that was inflicted on it.
    pub failure: Option<Failure>,
    /// The status it was answered with; `None` while it is in hand.
    pub status: Option<StatusCode>,
    /// The `X-Ovh-Queryid` of its answer.
    pub query_id: String,
}

/// Counts since the API was made.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Calls received, however they were answered.
    pub calls: u64,
    /// The most calls received in any sliding second (half open).
    pub worst_second: usize,
    /// Times that `/auth/time` told.
    pub time_fetches: u64,
    /// Calls refused for their signature.
    pub bad_signatures: u64,
    /// Calls refused for their timestamp.
    pub out_of_time: u64,
    /// Calls refused for anything else about their authentication.
    pub refused: u64,
    /// Calls answered 429.
    pub throttled: u64,
    /// Calls that a [`Failure`] was inflicted on.
    pub failures: u64,
    /// Tokens given out by `/auth/oauth2/token`.
    pub tokens: u64,
}

/// Details of a bounded number of calls; totals of all.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) limit: usize,
    calls: Vec<Call>,
    /// By method and path below the version.
    totals: BTreeMap<(String, String), u64>,
    /// Arrivals within the last second.
    recent: VecDeque<Instant>,
    pub(crate) tally: Tally,
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            limit: 100_000,
            calls: Vec::new(),
            totals: BTreeMap::new(),
            recent: VecDeque::new(),
            tally: Tally::default(),
        }
    }
}

/// The place of a call among the recorded ones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket(Option<usize>);

impl Ledger {
    pub(crate) fn received(&mut self, call: Call, below: &str) -> Ticket {
        self.tally.calls += 1;
        *self.totals.entry((call.method.to_string(), below.to_owned())).or_default() += 1;
        while self.recent.front().is_some_and(|first| call.at.saturating_duration_since(*first) >= SECOND) {
            self.recent.pop_front();
        }
        self.recent.push_back(call.at);
        self.tally.worst_second = self.tally.worst_second.max(self.recent.len());
        if self.calls.len() >= self.limit {
            return Ticket(None);
        }
        self.calls.push(call);
        Ticket(Some(self.calls.len() - 1))
    }

    pub(crate) fn answered(&mut self, ticket: Ticket, status: StatusCode, failure: Option<Failure>) {
        if let Some(call) = ticket.0.and_then(|at| self.calls.get_mut(at)) {
            call.status = Some(status);
            call.failure = failure;
        }
    }

    pub(crate) fn calls(&self) -> &[Call] {
        &self.calls
    }

    pub(crate) fn count(&self, method: &Method, pattern: &str) -> u64 {
        let fitting = |(one, path): &(String, String)| one == method.as_str() && fits(pattern, path);
        self.totals.iter().filter(|(key, _)| fitting(key)).map(|(_, count)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(at: Instant, path: &str) -> Call {
        Call {
            at,
            method: Method::GET,
            path: format!("/1.0{path}"),
            query: None,
            authenticated: false,
            failure: None,
            status: None,
            query_id: String::new(),
        }
    }

    #[test]
    fn totals_go_on_where_details_end() {
        let mut ledger = Ledger { limit: 2, ..Ledger::default() };
        let start = Instant::now();
        for millis in [0, 500, 999, 1_000, 1_001] {
            let ticket = ledger.received(call(start + Duration::from_millis(millis), "/me"), "/me");
            ledger.answered(ticket, StatusCode::OK, None);
        }
        assert_eq!(ledger.calls().len(), 2);
        assert!(ledger.calls().iter().all(|call| call.status == Some(StatusCode::OK)));
        assert_eq!((ledger.count(&Method::GET, "/m*"), ledger.count(&Method::POST, "/me")), (5, 0));
        // 500, 999, 1000 and 1001; at 1000, that of 0 is a second old.
        assert_eq!((ledger.tally.calls, ledger.tally.worst_second), (5, 4));
    }
}

//! Writes down every call of the watch: that it succeeded, or why not.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::time::Instant;
use wire_fault::CallId;

/// All calls of a run. A clone is the same list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Calls(Arc<Mutex<Counts>>);

/// How many of the failed calls are listed: the latest, so that a long outage fills no memory.
const LISTED: usize = 1_000;

/// What became of the calls: `started` is `succeeded`, `unlisted` and the lengths of the three lists.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) started: u64,
    pub(crate) succeeded: u64,
    pub(crate) failed: VecDeque<Failed>,
    /// Those that failed before the ones that are listed.
    pub(crate) unlisted: u64,
    /// Those that the end of the run dropped.
    pub(crate) dropped: Vec<Failed>,
    /// Those under way, and since when.
    pub(crate) open: Vec<(CallId, Instant)>,
}

#[derive(Clone, Debug)]
pub(crate) struct Failed {
    pub(crate) id: CallId,
    pub(crate) plan: Arc<str>,
    pub(crate) at: Instant,
    pub(crate) reason: String,
}

impl Calls {
    pub(crate) fn counts(&self) -> Counts {
        self.0.lock().clone()
    }

    pub(crate) fn open(&self) -> Vec<(CallId, Instant)> {
        self.0.lock().open.clone()
    }

    pub(crate) fn begin(&self, id: CallId, plan: &Arc<str>) -> Open {
        let mut counts = self.0.lock();
        counts.started += 1;
        counts.open.push((id, Instant::now()));
        drop(counts);
        Open { calls: self.clone(), id, plan: Arc::clone(plan), ended: false }
    }
}

/// A call under way. One that is dropped unended is written down as such.
#[derive(Debug)]
pub(crate) struct Open {
    calls: Calls,
    id: CallId,
    plan: Arc<str>,
    ended: bool,
}

impl Open {
    pub(crate) fn succeeded(mut self) {
        self.ended = true;
        self.calls.0.lock().succeeded += 1;
    }

    pub(crate) fn failed(mut self, reason: String) {
        self.ended = true;
        let failed = self.entry(reason);
        let mut counts = self.calls.0.lock();
        counts.failed.push_back(failed);
        if counts.failed.len() > LISTED {
            counts.failed.pop_front();
            counts.unlisted += 1;
        }
    }

    fn entry(&self, reason: String) -> Failed {
        Failed { id: self.id, plan: Arc::clone(&self.plan), at: Instant::now(), reason }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.calls.0.lock().open.retain(|(id, _)| *id != self.id);
        if !self.ended {
            let dropped = self.entry("dropped at the end of the run".into());
            self.calls.0.lock().dropped.push(dropped);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_ends_in_one_place() {
        let calls = Calls::default();
        let plan = Arc::from("24sk10");
        let open = calls.begin(CallId::next(), &plan);
        assert_eq!(calls.open().len(), 1);
        open.succeeded();
        calls.begin(CallId::next(), &plan).failed("no".into());
        drop(calls.begin(CallId::next(), &plan));
        let counts = calls.counts();
        assert_eq!((counts.started, counts.succeeded), (3, 1));
        assert_eq!(counts.failed.iter().map(|call| &*call.reason).collect::<Vec<_>>(), ["no"]);
        assert_eq!((counts.dropped.len(), counts.open.len()), (1, 0));
    }

    #[test]
    fn the_latest_failures_are_listed_and_all_counted() {
        let calls = Calls::default();
        let plan = Arc::from("24sk10");
        for n in 0..LISTED + 2 {
            calls.begin(CallId::next(), &plan).failed(n.to_string());
        }
        let counts = calls.counts();
        assert_eq!((counts.failed.len(), counts.unlisted, &*counts.failed[0].reason), (LISTED, 2, "2"));
    }
}

//! The API's log, read.

use std::collections::BTreeMap;
use std::ops::RangeBounds;
use std::time::Duration;

use fake_ovh::Call;
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

/// What has happened, and when.
pub(crate) struct Log {
    begun: Instant,
    notes: Vec<(Instant, &'static str)>,
}

impl Log {
    pub(crate) fn new() -> Self {
        Self { begun: Instant::now(), notes: Vec::new() }
    }

    pub(crate) fn note(&mut self, what: &'static str) {
        println!("{:5.1} s  {what}", self.begun.elapsed().as_secs_f64());
        self.notes.push((Instant::now(), what));
    }

    /// The calls of each second, and whose they were.
    pub(crate) fn print(&self, calls: &[Call]) {
        println!("\nsecond  calls  by process");
        let last = calls.iter().map(|call| call.at).max().unwrap_or(self.begun);
        let mut from = self.begun;
        while from <= last {
            let within: Vec<_> =
                calls.iter().filter(|call| (from..from + SECOND).contains(&call.at)).collect();
            let mut each = BTreeMap::<&str, usize>::new();
            for call in &within {
                let query = call.query.as_deref().unwrap_or_default();
                *each.entry(query.trim_start_matches("process=")).or_default() += 1;
            }
            let each: Vec<_> = each.into_iter().map(|(name, calls)| format!("{name} {calls}")).collect();
            let second = (from - self.begun).as_secs();
            println!("{second:6}  {:5}  {}", within.len(), each.join(", "));
            for (_, what) in self.notes.iter().filter(|(at, _)| (from..from + SECOND).contains(at)) {
                println!("{:15}- {what}", "");
            }
            from += SECOND;
        }
        println!();
    }
}

/// The most calls in any second within that time.
pub(crate) fn worst(calls: &[Call], time: impl RangeBounds<Instant>) -> usize {
    let mut at: Vec<_> = calls.iter().map(|call| call.at).filter(|at| time.contains(at)).collect();
    at.sort();
    let within = |index: usize| at[index..].partition_point(|&other| other < at[index] + SECOND);
    (0..at.len()).map(within).max().unwrap_or(0)
}

/// The calls within that time.
pub(crate) fn count(calls: &[Call], time: impl RangeBounds<Instant>) -> usize {
    calls.iter().filter(|call| time.contains(&call.at)).count()
}

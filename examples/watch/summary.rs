//! The account of a run.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use error_stats::Snapshot;
use flaky_tls::{Scenario, Truth};
use rate_limit::Quotas;
use wire_fault::Phase;

use crate::attempts::{Account, Attempt, Attempts, End};
use crate::calls::{Counts, Failed};
use crate::clock::Clock;
use crate::join::{Connection, Join, join};
use crate::tally::{Kind, Tally};

const SECOND: Duration = Duration::from_secs(1);

/// What a run came to. `Display` is the text.
#[derive(Debug)]
pub(crate) struct Summary {
    elapsed: Duration,
    clock: Clock,
    calls: Counts,
    attempts: Account,
    quotas: Quotas,
    /// Of the demo only.
    server: Option<Server>,
    problems: Vec<String>,
}

#[derive(Debug)]
struct Server {
    join: Join,
    connections: usize,
    struck: usize,
    /// The most arrivals within any second.
    busiest: usize,
}

impl Summary {
    pub(crate) fn new(
        elapsed: Duration,
        clock: Clock,
        calls: Counts,
        attempts: &Attempts,
        quotas: Quotas,
        stats: &Snapshot,
        truth: Option<&Truth>,
    ) -> Self {
        let calls = explained(calls, attempts);
        let account = attempts.account();
        let mut problems = differences(&calls, &account.tally, stats);
        let busiest = account.busiest;
        if busiest > quotas.most() as usize {
            problems.push(format!("{busiest} releases within a second, at a quota of {quotas}"));
        }
        let server = truth.map(|truth| Server::new(&attempts.list(), truth, &mut problems));
        Self { elapsed, clock, calls, attempts: account, quotas, server, problems }
    }

    /// Whether something was watched, and everything adds up.
    pub(crate) fn is_good(&self) -> bool {
        self.calls.succeeded > 0 && self.problems.is_empty()
    }
}

impl Server {
    fn new(attempts: &[Attempt], truth: &Truth, problems: &mut Vec<String>) -> Self {
        let connections: Vec<_> = truth.connections().iter().map(Connection::from).collect();
        let mut join = join(attempts, &connections);
        problems.append(&mut join.problems);
        if truth.unrecorded() > 0 {
            problems
                .push(format!("the server left {} connections and requests unrecorded", truth.unrecorded()));
        }
        let struck = connections.iter().filter(|connection| connection.struck).count();
        Self { join, connections: connections.len(), struck, busiest: truth.busiest(SECOND) }
    }
}

/// A call that the end of the run dropped has a reason too: what its last attempt met.
fn explained(mut calls: Counts, attempts: &Attempts) -> Counts {
    for Failed { id, reason, .. } in &mut calls.dropped {
        *reason += &match attempts.last_of(*id) {
            None => ", before its first attempt".to_owned(),
            Some(End::Open) => ", with an attempt under way".to_owned(),
            Some(End::Answered(status)) => format!(", the last attempt was answered {status}"),
            Some(End::Failed(fault)) => format!(", the last attempt: {fault}"),
        };
    }
    calls
}

/// Where error-stats has counted something else than this program.
fn differences(calls: &Counts, attempts: &Tally, stats: &Snapshot) -> Vec<String> {
    let counted: BTreeMap<Kind, u64> = stats
        .attempts
        .faults
        .iter()
        .map(|kind| ((kind.phase, kind.cause, kind.delivery), kind.count))
        .collect();
    let failed = calls.unlisted + calls.failed.len() as u64;
    let listed = calls.succeeded + failed + calls.dropped.len() as u64;
    let mut problems = Vec::new();
    let mut compare = |what: &str, here: u64, there: u64| {
        if here != there {
            problems.push(format!("{what}: {here} here, {there} elsewhere"));
        }
    };
    compare("calls that are listed, and calls", listed, calls.started);
    compare("calls, and those that error-stats counted", calls.started, stats.calls.started);
    compare("attempts, and those that error-stats counted", attempts.all(), stats.attempts.started);
    compare("calls that error-stats sees under way at the end", stats.calls.in_flight, 0);
    compare("attempts that error-stats sees under way at the end", stats.attempts.in_flight, 0);
    if attempts.faults != counted {
        problems.push(format!("faults: {:?} here, {counted:?} in error-stats", attempts.faults));
    }
    problems
}

// === in words ===

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nsummary after {:.1?}", self.elapsed)?;
        self.calls(f)?;
        self.attempts(f)?;
        let quotas = &self.quotas;
        write!(f, "pace: quota {quotas}; most releases in any sliding second: {}", self.attempts.busiest)?;
        if let Some(server) = &self.server {
            write!(f, "; most arrivals at the server: {}", server.busiest)?;
            if server.busiest > self.attempts.busiest {
                // Calls released apart can arrive together: what lies between is a handshake, and a scheduler.
                f.write_str(" (bunched on the way)")?;
            }
        }
        writeln!(f)?;
        if let Some(server) = &self.server {
            write!(f, "{server}")?;
        }
        for problem in &self.problems {
            writeln!(f, "does not add up: {problem}")?;
        }
        match (self.problems.len(), self.calls.succeeded) {
            (0, 0) => writeln!(f, "result: every attempt is accounted for, but no call succeeded"),
            (0, _) => writeln!(f, "result: every attempt is accounted for"),
            (n, _) => writeln!(f, "result: {n} that do not add up"),
        }
    }
}

impl Summary {
    fn calls(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { started, succeeded, failed, unlisted, dropped, .. } = &self.calls;
        let (lost, left) = (unlisted + failed.len() as u64, dropped.len());
        writeln!(f, "calls: {started} = {succeeded} succeeded + {lost} failed + {left} dropped at the end")?;
        if *unlisted > 0 {
            writeln!(f, "  the last {} of those that failed:", failed.len())?;
        }
        for Failed { id, plan, at, reason } in failed.iter().chain(dropped) {
            writeln!(f, "  call {id}, {plan}, {}: {reason}", self.clock.at(*at))?;
        }
        Ok(())
    }

    fn attempts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tally = &self.attempts.tally;
        let (all, whole, broken, open) = (tally.all(), tally.whole(), tally.broken(), tally.open);
        writeln!(f, "attempts: {all} = {whole} answered + {broken} broken + {open} dropped at the end")?;
        for (status, count) in &tally.answered {
            writeln!(f, "  {count:>5}  answered {status}")?;
        }
        for ((phase, cause, delivery), count) in &tally.faults {
            writeln!(f, "  {count:>5}  {phase:<17}  {cause:<18}  {delivery}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut met: BTreeMap<String, BTreeMap<Phase, u64>> = BTreeMap::new();
        let mut joined = 0;
        for (attempt, connection) in self.join.pairs.iter().filter(|(_, connection)| connection.struck) {
            joined += 1;
            let phases = met.entry(group(connection.scenario)).or_default();
            if let End::Failed(fault) = attempt.end {
                *phases.entry(fault.phase).or_default() += 1;
            }
        }
        let Self { connections, struck, .. } = self;
        writeln!(
            f,
            "server: {connections} connections, {struck} struck by a fault; joined with an attempt by port: {joined}"
        )?;
        for (scenario, phases) in met {
            let phases: Vec<_> = phases.iter().map(|(phase, count)| format!("{count} {phase}")).collect();
            writeln!(f, "  {scenario:<20}  seen as {}", phases.join(", "))?;
        }
        Ok(())
    }
}

/// The scenario without its means.
fn group(scenario: Scenario) -> String {
    match scenario {
        Scenario::Cut { at, .. } => format!("cut-{at}"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use error_stats::ErrorStats;
    use http::StatusCode;
    use tokio::time::Instant;
    use wire_fault::{CallId, Cause, Delivery, Fault, Healing};

    use super::*;

    fn attempt(end: End, released: Instant) -> Attempt {
        Attempt { call: CallId::next(), released, connected: None, end }
    }

    fn problems(quota: u32, attempts: &[Attempt]) -> Vec<String> {
        let stats = ErrorStats::new().snapshot();
        let attempts = Attempts::of(attempts);
        let clock = Clock::new(stats.at);
        let quotas = rate_limit::Quota::per_second(quota).unwrap().into();
        let summary = Summary::new(SECOND, clock, Counts::default(), &attempts, quotas, &stats, None);
        assert!(!summary.is_good(), "no call succeeded");
        for problem in &summary.problems {
            assert!(summary.to_string().contains(&format!("does not add up: {problem}")), "{summary}");
        }
        summary.problems
    }

    #[test]
    fn more_releases_than_the_quota_are_a_problem() {
        let start = Instant::now();
        let ok = End::Answered(StatusCode::OK);
        let three = [0, 500, 999].map(|millis| attempt(ok, start + Duration::from_millis(millis)));
        let broken =
            |quota| problems(quota, &three).iter().any(|problem| problem.contains("within a second"));
        assert!(broken(2));
        assert!(!broken(3));
    }

    #[test]
    fn what_error_stats_has_not_counted_is_a_problem() {
        assert_eq!(problems(10, &[]), [""; 0]);
        let fault = Fault::new(Phase::Tcp, Delivery::NeverSent, Cause::Reset, Healing::Transient);
        let found = problems(10, &[attempt(End::Failed(fault), Instant::now())]);
        assert_eq!(found.len(), 2, "one attempt, and its fault: {found:?}");
    }

    #[test]
    fn calls_that_nobody_lists_are_a_problem() {
        let stats = ErrorStats::new().snapshot();
        let calls = Counts { started: 2, succeeded: 1, ..Counts::default() };
        let found = differences(&calls, &Tally::default(), &stats);
        assert_eq!(found.len(), 2, "one is not listed, and error-stats saw none: {found:?}");
    }
}

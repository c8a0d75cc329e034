//! A snapshot in words.

use std::fmt;

use tokio::time::Instant;
use wire_fault::{Fault, Healing};

use crate::latency::Latency;
use crate::pattern::{Kind, Pattern};
use crate::snapshot::{FaultCount, Groups, Snapshot, StreakReport, Tally};
use crate::wall::Moment;

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let now = self.at.instant;
        f.write_str("calls: ")?;
        tally(f, &self.calls, now)?;
        f.write_str("\nattempts: ")?;
        tally(f, &self.attempts, now)?;
        counts(
            f,
            "of the failed",
            &[(self.healed, "healed by a repeat"), (self.unjoined, "of unknown calls")],
        )?;
        if self.alarms_left_out > 0 {
            write!(f, "\nalarms left out, for the hooks were slow: {}", self.alarms_left_out)?;
        }
        if self.waits.count > 0 {
            write!(f, "\nwaits for the rate limit: {}", Quantiles(&self.waits))?;
        }
        if self.calls.started + self.attempts.started > 0 {
            pattern(f, &self.pattern(), self.calls.streak.alarmed)?;
        }
        Ok(())
    }
}

/// "7 × TLS handshake cut by the peer; the request was never sent".
impl fmt::Display for FaultCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { phase, cause, delivery, count } = *self;
        // The sentence does not tell of the healing, which is not counted.
        write!(f, "{count} × {}", Fault::new(phase, delivery, cause, Healing::Unknown))
    }
}

fn tally(f: &mut fmt::Formatter<'_>, tally: &Tally, now: Instant) -> fmt::Result {
    let Tally { started, succeeded, failed, cancelled, in_flight, .. } = tally;
    write!(f, "{started} started = {succeeded} succeeded + {failed} failed")?;
    write!(f, " + {cancelled} cancelled + {in_flight} in flight")?;

    let responses = &tally.responses;
    counts(
        f,
        "responses",
        &[
            (responses.informational, "1xx"),
            (responses.success, "2xx"),
            (responses.redirection, "3xx"),
            (responses.client_error, "4xx"),
            (responses.too_many_requests, "429"),
            (responses.server_error, "5xx"),
            (responses.other, "other"),
        ],
    )?;
    let grpc: Vec<_> = tally.grpc.iter().map(|(code, count)| (*count, code.as_str())).collect();
    counts(f, "gRPC statuses", &grpc)?;
    for fault in &tally.faults {
        write!(f, "\n  {fault}")?;
    }
    if tally.unlisted_faults > 0 {
        write!(f, "\n  {} × failure of a kind not listed", tally.unlisted_faults)?;
    }
    let verdicts = &tally.verdicts;
    counts(
        f,
        "of the errors",
        &[
            (verdicts.refused_locally, "refused on this side"),
            (verdicts.outcome_unknown, "with unknown outcome"),
            (verdicts.exhausted, "out of repeats"),
            (verdicts.other, "with another verdict"),
        ],
    )?;
    if tally.panicked > 0 {
        write!(f, "\n  of the cancelled: {} ended by a panic", tally.panicked)?;
    }
    if tally.not_ready > 0 {
        write!(f, "\n  service not ready: {}", tally.not_ready)?;
    }
    streak(f, &tally.streak, now)?;
    if let Some(failure) = &tally.last_failure {
        write!(f, "\n  last failure {}: {}", Ago(failure.at, now), failure.reason)?;
        if let Some(id) = failure.query_id {
            write!(f, " (query id {id})")?;
        }
    }
    if let Some(success) = tally.last_success {
        write!(f, "\n  last success {}", Ago(success, now))?;
    }
    if tally.latency.count > 0 {
        write!(f, "\n  took {}", Quantiles(&tally.latency))?;
    }
    groups(f, "host", &tally.hosts)?;
    groups(f, "label", &tally.labels)
}

/// An alarm is of the last calls, a pattern of hours: where the one has no explanation for the other, it does not say that there
/// is nothing to do, or that the repeats will do.
fn pattern(f: &mut fmt::Formatter<'_>, pattern: &Pattern, alarmed: bool) -> fmt::Result {
    match &pattern.main.kind {
        kind @ (Kind::TooFew { .. } | Kind::Healthy { .. } | Kind::Sporadic { .. }) if alarmed => {
            write!(f, "\npattern: {kind}, but an alarm is raised; look at the last failure")?;
        }
        _ => write!(f, "\npattern: {}", pattern.main)?,
    }
    pattern.also.iter().try_for_each(|finding| write!(f, "\n  {finding}"))
}

/// A line for each name; no line where there is one host only, of which the totals tell all.
fn groups(f: &mut fmt::Formatter<'_>, title: &str, groups: &Groups) -> fmt::Result {
    let Groups { named, others, full } = groups;
    if title == "host" && named.len() == 1 && others.started == 0 {
        return Ok(());
    }
    for (name, count) in named {
        // Names are others' words: none of them makes up a line of this report.
        write!(f, "\n  {title} {}: {} of {} failed", name.escape_debug(), count.failed, count.started)?;
    }
    if others.started > 0 {
        write!(f, "\n  other {title}s together: {} of {} failed", others.failed, others.started)?;
    }
    if *full { write!(f, "\n  all places for {title}s are taken: new ones count together") } else { Ok(()) }
}

/// The counts that are not zero, on a line of their own; no line if all are.
fn counts(f: &mut fmt::Formatter<'_>, title: &str, counts: &[(u64, &str)]) -> fmt::Result {
    for (place, (count, name)) in counts.iter().filter(|(count, _)| *count > 0).enumerate() {
        match place {
            0 => write!(f, "\n  {title}: {count} {name}")?,
            _ => write!(f, ", {count} {name}")?,
        }
    }
    Ok(())
}

fn streak(f: &mut fmt::Formatter<'_>, streak: &StreakReport, now: Instant) -> fmt::Result {
    let StreakReport { current, began, longest, longest_began, alarmed } = *streak;
    if longest == 0 {
        return Ok(());
    }
    write!(f, "\n  failures in a row: {current}")?;
    if let Some(began) = began {
        write!(f, ", the first {}", Ago(began, now))?;
    }
    write!(f, " (longest {longest}")?;
    match longest_began {
        Some(at) if began != longest_began => write!(f, ", from {} on)", Ago(at, now))?,
        _ => f.write_str(")")?,
    }
    if alarmed { f.write_str(", alarm raised") } else { Ok(()) }
}

/// "at most 12ms (half), 30ms (90 %), …".
struct Quantiles<'a>(&'a Latency);

impl fmt::Display for Quantiles<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Latency { p50, p90, p99, max, .. } = self.0;
        write!(f, "at most {p50:.1?} (half), {p90:.1?} (90 %), {p99:.1?} (99 %), {max:.1?} (all)")
    }
}

/// "3.5s ago".
struct Ago(Moment, Instant);

impl fmt::Display for Ago {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1?} ago", self.1.saturating_duration_since(self.0.instant))
    }
}

//! The counters of one layer: shards for what happens often, one table of atomics for errors.
//!
//! An outcome is counted once, in the finest cell there is; totals are sums of cells, so no two figures can
//! disagree.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use wire_fault::{Delivery, Fault, Verdict};

use crate::count::Count;
use crate::grpc::Codes;
use crate::latency::Latency;
use crate::names::{NAMES, Names, OTHERS};
use crate::place::{CAUSES, PHASES, position};
use crate::role::Role;
use crate::shard::{Group, Shard, Side};
use crate::snapshot::{FaultCount, GroupCount, Groups, Responses, Tally, Verdicts};

const DELIVERIES: [Delivery; 4] =
    [Delivery::NeverSent, Delivery::Refused, Delivery::Perhaps, Delivery::Answered];
const VERDICTS: [Verdict; 3] = [Verdict::RefusedLocally, Verdict::OutcomeUnknown, Verdict::Exhausted];

/// The known faults. One cell more counts those of a phase, cause or delivery that wire-fault has and this
/// table has not (its enums may grow): they are never lost and never taken for another.
const FAULTS: usize = PHASES.len() * CAUSES.len() * DELIVERIES.len();

/// Errors, by kind. They are rare, or else nobody minds what counting them costs: one table for all threads.
pub(crate) struct Errors {
    faults: [AtomicU64; FAULTS + 1],
    verdicts: [AtomicU64; VERDICTS.len() + 1],
}

impl Errors {
    pub(crate) const fn new() -> Self {
        Self {
            faults: [const { AtomicU64::new(0) }; FAULTS + 1],
            verdicts: [const { AtomicU64::new(0) }; VERDICTS.len() + 1],
        }
    }

    /// `Release`, against the `Acquire` of [`read`]: who sees an ending sees its start.
    pub(crate) fn count(&self, fault: Fault, verdict: Option<Verdict>) {
        self.faults[fault_cell(fault)].fetch_add(1, Ordering::Release);
        if let Some(verdict) = verdict {
            let cell = position(&VERDICTS, &verdict).unwrap_or(VERDICTS.len());
            self.verdicts[cell].fetch_add(1, Ordering::Release);
        }
    }

    fn verdicts(&self) -> Verdicts {
        let [refused_locally, outcome_unknown, exhausted, other] = self.verdicts.each_ref().map(load);
        Verdicts { refused_locally, outcome_unknown, exhausted, other }
    }

    /// The faults that happened, most frequent first.
    fn known_faults(&self) -> Vec<FaultCount> {
        let kinds = PHASES.iter().flat_map(|&phase| {
            CAUSES
                .iter()
                .flat_map(move |&cause| DELIVERIES.iter().map(move |&delivery| (phase, cause, delivery)))
        });
        let mut faults: Vec<_> = kinds
            .zip(&self.faults)
            .map(|((phase, cause, delivery), cell)| FaultCount { phase, cause, delivery, count: load(cell) })
            .filter(|fault| fault.count > 0)
            .collect();
        faults.sort_by_key(|fault| std::cmp::Reverse(fault.count));
        faults
    }
}

impl fmt::Debug for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Four hundred cells, nearly all zero, tell nothing; `read` does.
        f.debug_struct("Errors").finish_non_exhaustive()
    }
}

/// What one layer has counted. What is a part comes first, then endings, then starts, over all shards: each
/// figure is seen no earlier than those it is a part of, so the parts never exceed the whole.
pub(crate) fn read<'a>(
    role: Role,
    errors: &Errors,
    shards: &(impl Iterator<Item = &'a Shard> + Clone),
    hosts: &Names,
    labels: &Names,
) -> Tally {
    let sides = || shards.clone().map(|shard| shard.side(role));
    let sum = |count: fn(&Side) -> &Count| sides().map(|side| count(side).get()).sum::<u64>();

    let verdicts = errors.verdicts();
    let panicked = sum(|side| &side.panicked);
    let latency = Latency::of(sides().map(|side| &side.latency));
    let hosts = groups(hosts, |place| sides().map(move |side| &side.hosts[place]));
    let labels = groups(labels, |place| sides().map(move |side| &side.labels[place]));

    let faults = errors.known_faults();
    let unlisted_faults = load(&errors.faults[FAULTS]);
    let [informational, success, redirection, client_error, server_error, other, too_many_requests] =
        std::array::from_fn(|cell| sides().map(|side| side.statuses[cell].get()).sum());
    let responses = Responses {
        informational,
        success,
        redirection,
        client_error,
        too_many_requests,
        server_error,
        other,
    };
    let grpc = Codes::read(&sides().map(|side| &side.grpc));
    let cancelled = sum(|side| &side.cancelled);
    let not_ready = sum(|side| &side.not_ready);

    let [grpc_failed, grpc_succeeded] = [true, false].map(|failed| {
        let of_kind = grpc.iter().filter(|(code, _)| code.is_failure() == failed);
        of_kind.map(|(_, count)| count).sum::<u64>()
    });
    let succeeded = informational + success + redirection + client_error + other + grpc_succeeded;
    let errors = faults.iter().map(|fault| fault.count).sum::<u64>() + unlisted_faults;
    let failed = errors + too_many_requests + server_error + grpc_failed;
    let started = sum(|side| &side.started);
    Tally {
        started,
        succeeded,
        failed,
        cancelled,
        in_flight: started.saturating_sub(succeeded + failed + cancelled),
        panicked,
        not_ready,
        responses,
        grpc,
        faults,
        unlisted_faults,
        verdicts,
        latency,
        hosts,
        labels,
        ..Tally::default()
    }
}

/// How many were answered, and not by a failure: the same figure, without the others.
pub(crate) fn succeeded<'a>(role: Role, shards: impl Iterator<Item = &'a Shard>) -> u64 {
    shards.map(|shard| shard.side(role).succeeded()).sum()
}

/// The groups by name, and all beyond the table together.
fn groups<'a, I>(names: &Names, cells: impl Fn(usize) -> I) -> Groups
where
    I: Iterator<Item = &'a Group> + Clone,
{
    let group = |place: usize| {
        let sum = |count: fn(&Group) -> &Count| cells(place).map(|group| count(group).get()).sum::<u64>();
        let (succeeded, failed) = (sum(|group| &group.succeeded), sum(|group| &group.failed));
        let cancelled = sum(|group| &group.cancelled);
        GroupCount { started: sum(|group| &group.started), succeeded, failed, cancelled }
    };
    let known = names.known().enumerate().map(|(place, name)| (name.to_owned(), group(place)));
    let known: Vec<_> = known.filter(|(_, group)| group.started > 0).collect();
    Groups { named: known, others: group(OTHERS), full: names.known().count() == NAMES }
}

fn load(cell: &AtomicU64) -> u64 {
    cell.load(Ordering::Acquire)
}

fn fault_cell(fault: Fault) -> usize {
    let known = || {
        let phase = position(&PHASES, &fault.phase)?;
        let cause = position(&CAUSES, &fault.cause)?;
        let delivery = position(&DELIVERIES, &fault.delivery)?;
        Some((phase * CAUSES.len() + cause) * DELIVERIES.len() + delivery)
    };
    known().unwrap_or(FAULTS)
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use wire_fault::{Cause, Healing, Phase};

    use super::*;
    use crate::outcome::{Answer, is_failure};
    use crate::seat;
    use crate::shard::{Shards, Tags};

    #[derive(Debug)]
    struct Rig {
        errors: Errors,
        shards: Shards,
    }

    impl Rig {
        fn new() -> Self {
            Self { errors: Errors::new(), shards: Shards::new() }
        }

        fn read(&self) -> Tally {
            let names = Names::default();
            read(Role::Calls, &self.errors, &self.shards.all(), &names, &names)
        }
    }

    #[test]
    fn each_phase_cause_and_delivery_has_a_cell_of_its_own_and_is_read_back_as_itself() {
        for phase in PHASES {
            for cause in CAUSES {
                for delivery in DELIVERIES {
                    let rig = Rig::new();
                    rig.errors.count(Fault::new(phase, delivery, cause, Healing::Permanent), None);
                    let tally = rig.read();
                    assert_eq!(tally.faults, [FaultCount { phase, cause, delivery, count: 1 }]);
                    assert_eq!((tally.failed, tally.unlisted_faults), (1, 0));
                }
            }
        }
    }

    #[test]
    fn each_status_is_counted_once_and_429_apart() {
        let (rig, seat) = (Rig::new(), seat::mine());
        let side = rig.shards.at(seat).side(Role::Calls);
        for code in 100..=999 {
            let status = StatusCode::from_u16(code).unwrap();
            side.start(seat, Tags::default());
            side.answered(seat, Tags::default(), Answer::Http(status), is_failure(status));
        }
        let tally = rig.read();
        assert_eq!(
            tally.responses,
            Responses {
                informational: 100,
                success: 100,
                redirection: 100,
                client_error: 99,
                too_many_requests: 1,
                server_error: 100,
                other: 400
            }
        );
        assert_eq!((tally.started, tally.succeeded, tally.failed, tally.in_flight), (900, 799, 101, 0));
        assert_eq!(succeeded(Role::Calls, rig.shards.all()), 799);
    }

    #[test]
    fn a_verdict_is_counted_beside_its_fault() {
        let rig = Rig::new();
        for verdict in [Verdict::RefusedLocally, Verdict::OutcomeUnknown, Verdict::OutcomeUnknown] {
            rig.errors.count(Fault::UNKNOWN, Some(verdict));
        }
        let tally = rig.read();
        let expected = Verdicts { refused_locally: 1, outcome_unknown: 2, exhausted: 0, other: 0 };
        assert_eq!((tally.verdicts, tally.failed), (expected, 3));
    }

    #[test]
    fn the_most_frequent_fault_comes_first() {
        let rig = Rig::new();
        let tls = Fault::new(Phase::TlsHandshake, Delivery::NeverSent, Cause::Eof, Healing::Transient);
        rig.errors.count(Fault::UNKNOWN, None);
        rig.errors.count(tls, None);
        rig.errors.count(tls, None);
        let order: Vec<_> = rig.read().faults.iter().map(|fault| (fault.phase, fault.count)).collect();
        assert_eq!(order, [(Phase::TlsHandshake, 2), (Phase::Unknown, 1)]);
    }
}

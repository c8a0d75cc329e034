//! The counters of one layer: a fixed table of atomics.
//!
//! An outcome is counted once, in the finest cell there is; totals are sums of cells, so no two figures can
//! disagree.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use http::StatusCode;
use wire_fault::{Cause, Delivery, Fault, Phase, Verdict};

use crate::failure::Reason;
use crate::outcome::Outcome;
use crate::snapshot::{FaultCount, Responses, Tally, Verdicts};

const PHASES: [Phase; 8] = [
    Phase::Dns,
    Phase::Tcp,
    Phase::Proxy,
    Phase::TlsHandshake,
    Phase::Pool,
    Phase::InFlight,
    Phase::Body,
    Phase::Unknown,
];
const CAUSES: [Cause; 12] = [
    Cause::Eof,
    Cause::CleanClose,
    Cause::Reset,
    Cause::Timeout,
    Cause::ConnectionRefused,
    Cause::Dns,
    Cause::Proxy,
    Cause::Certificate,
    Cause::TlsAlert,
    Cause::Protocol,
    Cause::Http2,
    Cause::Other,
];
const DELIVERIES: [Delivery; 4] =
    [Delivery::NeverSent, Delivery::Refused, Delivery::Perhaps, Delivery::Answered];
const VERDICTS: [Verdict; 3] = [Verdict::RefusedLocally, Verdict::OutcomeUnknown, Verdict::Exhausted];

/// The known faults. One cell more counts those of a phase, cause or delivery that wire-fault has and this
/// table has not (its enums may grow): they are never lost and never taken for another.
const FAULTS: usize = PHASES.len() * CAUSES.len() * DELIVERIES.len();

pub(crate) struct Counters {
    started: AtomicU64,
    cancelled: AtomicU64,
    not_ready: AtomicU64,
    /// 1xx to 5xx, above, 429.
    statuses: [AtomicU64; 7],
    faults: [AtomicU64; FAULTS + 1],
    verdicts: [AtomicU64; VERDICTS.len() + 1],
}

const ABOVE: usize = 5;
const TOO_MANY_REQUESTS: usize = 6;

impl Counters {
    pub(crate) const fn new() -> Self {
        Self {
            started: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
            not_ready: AtomicU64::new(0),
            statuses: [const { AtomicU64::new(0) }; 7],
            faults: [const { AtomicU64::new(0) }; FAULTS + 1],
            verdicts: [const { AtomicU64::new(0) }; VERDICTS.len() + 1],
        }
    }

    pub(crate) fn started(&self) {
        self.started.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn cancelled(&self) {
        self.cancelled.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn not_ready(&self) {
        self.not_ready.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an ending. `Release`, against the `Acquire` of [`read`](Self::read): who sees an ending sees
    /// its start.
    pub(crate) fn ended(&self, outcome: &Outcome) {
        match outcome {
            Outcome::Answered(status) | Outcome::Failed(Reason::Status(status)) => {
                self.statuses[status_cell(*status)].fetch_add(1, Ordering::Release);
            }
            Outcome::Failed(Reason::Error { fault, verdict }) => {
                self.faults[fault_cell(*fault)].fetch_add(1, Ordering::Release);
                if let Some(verdict) = verdict {
                    let cell = place(&VERDICTS, verdict).unwrap_or(VERDICTS.len());
                    self.verdicts[cell].fetch_add(1, Ordering::Release);
                }
            }
        }
    }

    /// Verdicts first, then endings, then starts: each figure is seen no earlier than those it is a part of,
    /// so the parts never exceed the whole.
    pub(crate) fn read(&self) -> Tally {
        let [refused_locally, outcome_unknown, exhausted, other] = self.verdicts.each_ref().map(load);
        let verdicts = Verdicts { refused_locally, outcome_unknown, exhausted, other };

        let faults = self.known_faults();
        let unlisted_faults = load(&self.faults[FAULTS]);
        let [informational, success, redirection, client_error, server_error, other, too_many_requests] =
            self.statuses.each_ref().map(load);
        let responses = Responses {
            informational,
            success,
            redirection,
            client_error,
            too_many_requests,
            server_error,
            other,
        };
        let cancelled = load(&self.cancelled);
        let not_ready = load(&self.not_ready);

        let succeeded = informational + success + redirection + client_error + other;
        let errors = faults.iter().map(|fault| fault.count).sum::<u64>() + unlisted_faults;
        let failed = errors + too_many_requests + server_error;
        let started = load(&self.started);
        Tally {
            started,
            succeeded,
            failed,
            cancelled,
            in_flight: started.saturating_sub(succeeded + failed + cancelled),
            not_ready,
            responses,
            faults,
            unlisted_faults,
            verdicts,
            ..Tally::default()
        }
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

impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Four hundred cells, nearly all zero, tell nothing; `read` does.
        f.debug_struct("Counters").field("started", &self.started).finish_non_exhaustive()
    }
}

fn load(cell: &AtomicU64) -> u64 {
    cell.load(Ordering::Acquire)
}

fn status_cell(status: StatusCode) -> usize {
    match status.as_u16() {
        429 => TOO_MANY_REQUESTS,
        code @ 100..=599 => usize::from(code / 100) - 1,
        _ => ABOVE,
    }
}

fn fault_cell(fault: Fault) -> usize {
    let known = || {
        let phase = place(&PHASES, &fault.phase)?;
        let cause = place(&CAUSES, &fault.cause)?;
        let delivery = place(&DELIVERIES, &fault.delivery)?;
        Some((phase * CAUSES.len() + cause) * DELIVERIES.len() + delivery)
    };
    known().unwrap_or(FAULTS)
}

fn place<T: PartialEq>(table: &[T], kind: &T) -> Option<usize> {
    table.iter().position(|known| known == kind)
}

#[cfg(test)]
mod tests {
    use wire_fault::Healing;

    use super::*;

    fn error(fault: Fault, verdict: Option<Verdict>) -> Outcome {
        Outcome::Failed(Reason::Error { fault, verdict })
    }

    #[test]
    fn each_phase_cause_and_delivery_has_a_cell_of_its_own_and_is_read_back_as_itself() {
        for phase in PHASES {
            for cause in CAUSES {
                for delivery in DELIVERIES {
                    let counters = Counters::new();
                    let fault = Fault::new(phase, delivery, cause, Healing::Permanent);
                    counters.ended(&error(fault, None));
                    let tally = counters.read();
                    assert_eq!(tally.faults, [FaultCount { phase, cause, delivery, count: 1 }]);
                    assert_eq!((tally.failed, tally.unlisted_faults), (1, 0));
                }
            }
        }
    }

    #[test]
    fn each_status_is_counted_once_and_429_apart() {
        let counters = Counters::new();
        for code in 100..=999 {
            counters.started();
            counters.ended(&Outcome::of_response(StatusCode::from_u16(code).unwrap()));
        }
        let tally = counters.read();
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
    }

    #[test]
    fn a_verdict_is_counted_beside_its_fault() {
        let counters = Counters::new();
        for verdict in [Verdict::RefusedLocally, Verdict::OutcomeUnknown, Verdict::OutcomeUnknown] {
            counters.ended(&error(Fault::UNKNOWN, Some(verdict)));
        }
        let tally = counters.read();
        let expected = Verdicts { refused_locally: 1, outcome_unknown: 2, exhausted: 0, other: 0 };
        assert_eq!((tally.verdicts, tally.failed), (expected, 3));
    }

    #[test]
    fn the_most_frequent_fault_comes_first() {
        let counters = Counters::new();
        let tls = Fault::new(Phase::TlsHandshake, Delivery::NeverSent, Cause::Eof, Healing::Transient);
        counters.ended(&error(Fault::UNKNOWN, None));
        counters.ended(&error(tls, None));
        counters.ended(&error(tls, None));
        let order: Vec<_> = counters.read().faults.iter().map(|fault| (fault.phase, fault.count)).collect();
        assert_eq!(order, [(Phase::TlsHandshake, 2), (Phase::Unknown, 1)]);
    }
}

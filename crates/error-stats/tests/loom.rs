//! Every order in which threads can meet at the streak's lock, by loom: the files are the crate's own, over loom's
//! primitives in place of the standard library's.
//!
//! Raised and cleared alternate, and end as the streak does, whoever crosses.

#![allow(dead_code, reason = "of the files, only what the streak needs is used")]
#![allow(unreachable_pub, reason = "what is public in the crate is not here")]

use std::num::NonZeroU64;

use http::StatusCode;
use loom::sync::Arc;
use loom::thread;

#[path = "../src/alarm.rs"]
mod alarm;
#[path = "../src/bell.rs"]
mod bell;
#[path = "../src/events.rs"]
mod events;
#[path = "../src/failure.rs"]
mod failure;
#[path = "../src/grpc/code.rs"]
mod grpc_code;
#[path = "../src/guard.rs"]
mod guard;
#[path = "../src/line.rs"]
mod line;
#[path = "../src/outcome.rs"]
mod outcome;
#[path = "../src/role.rs"]
mod role;
#[path = "../src/streak.rs"]
mod streak;
#[path = "../src/wall.rs"]
mod wall;
#[path = "../src/watch.rs"]
mod watch;

mod grpc {
    pub(crate) use crate::grpc_code::GrpcCode;
}

mod sync {
    pub(crate) use loom::sync::atomic::{AtomicBool, Ordering};
    pub(crate) use loom::sync::{Mutex, MutexGuard};

    pub(crate) fn apart(job: impl FnOnce()) {
        job();
    }
}

use crate::alarm::Alarm;
use crate::bell::Bell;
use crate::failure::{Failure, Reason};
use crate::wall::{Moment, Wall};
use crate::watch::Watch;

struct Rig {
    watch: Watch,
    bell: Bell,
    now: Moment,
    heard: std::sync::Arc<std::sync::Mutex<Vec<Alarm>>>,
}

impl Rig {
    fn new(now: Moment, thresholds: &[u64]) -> Arc<Self> {
        let heard = std::sync::Arc::<std::sync::Mutex<Vec<Alarm>>>::default();
        let (bell, ear) = (Bell::default(), heard.clone());
        bell.add(move |alarm| ear.lock().unwrap().push(*alarm));
        let thresholds = thresholds.iter().filter_map(|threshold| NonZeroU64::new(*threshold)).collect();
        Arc::new(Self { watch: Watch::new(thresholds), bell, now, heard })
    }

    fn fail(&self) {
        let reason = Reason::Status(StatusCode::BAD_GATEWAY);
        let failure = || Failure { reason, at: self.now, call: None, query_id: None };
        if self.watch.fail(failure, &self.bell).is_some() {
            self.bell.ring();
        }
    }

    fn succeed(&self) {
        if self.watch.succeed(|| self.now, &self.bell).is_some() {
            self.bell.ring();
        }
    }

    /// "R1 C2": what was heard, in order; checked to alternate and to end as the streak is.
    fn heard(&self) -> String {
        let heard = self.heard.lock().unwrap();
        let mut raised = 0;
        let short = |alarm: &Alarm| match alarm {
            Alarm::Raised { threshold, failures, .. } => {
                assert!(*threshold > raised && failures >= threshold, "{heard:?}");
                raised = *threshold;
                format!("R{threshold}")
            }
            Alarm::Cleared { failures, .. } => {
                assert!(raised > 0 && *failures >= raised, "{heard:?}");
                raised = 0;
                format!("C{failures}")
            }
        };
        let short: Vec<_> = heard.iter().map(short).collect();
        assert_eq!(raised, self.watch.read().raised);
        short.join(" ")
    }
}

/// Runs the threads in every order, and gives what was heard to `check`.
fn explore(thresholds: &'static [u64], threads: &'static [&'static str], check: fn(&str)) {
    let now = Wall::system().now();
    let mut model = loom::model::Builder::new();
    // Loom's own advice: three preemptions find nearly all that any number would.
    model.preemption_bound = Some(3);
    model.check(move || {
        let rig = Rig::new(now, thresholds);
        let run = |script: &'static str, rig: &Rig| {
            for outcome in script.chars() {
                if outcome == 'f' { rig.fail() } else { rig.succeed() }
            }
        };
        let (own, others) = threads.split_first().unwrap();
        let spawn = |script: &&'static str| {
            let (script, rig) = (*script, rig.clone());
            thread::spawn(move || run(script, &rig))
        };
        let others: Vec<_> = others.iter().map(spawn).collect();
        run(own, &rig);
        others.into_iter().for_each(|thread| thread.join().unwrap());
        check(&rig.heard());
    });
}

#[test]
fn one_failure_and_one_success_at_once() {
    explore(&[1], &["f", "s"], |heard| assert!(["R1", "R1 C1"].contains(&heard), "{heard}"));
}

#[test]
fn a_crossing_that_two_race_for_is_told_once() {
    explore(&[2], &["f", "f"], |heard| assert_eq!(heard, "R2"));
}

#[test]
fn a_success_against_two_that_cross() {
    explore(&[2], &["f", "f", "s"], |heard| assert!(["", "R2", "R2 C2"].contains(&heard), "{heard}"));
}

#[test]
fn over_and_over() {
    explore(&[1], &["fs", "fs"], |heard| {
        assert!(["R1 C1 R1 C1", "R1 C2"].contains(&heard), "{heard}");
    });
}

#[test]
fn two_thresholds_and_a_success_between() {
    explore(&[1, 2], &["ff", "s"], |heard| {
        assert!(["R1 R2", "R1 C1 R1", "R1 R2 C2"].contains(&heard), "{heard}");
    });
}

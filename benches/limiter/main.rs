//! What the limiter costs, and how fair and exact it is, beside the peers.
//!
//! ```text
//! cargo bench -p benches --bench limiter                     # some ten minutes
//! cargo bench -p benches --bench limiter -- --quick          # two seconds a cell, and fewer rounds
//! cargo bench -p benches --bench limiter -- 10000@1000       # some cells: what their names contain
//! cargo bench -p benches --bench limiter -- uncontended
//! cargo bench -p benches --bench limiter -- --workers 1      # in a runtime of one worker; of two otherwise
//! ```
//!
//! Each peer has the fairest settings it offers. Nothing is asserted: at the end each target is printed with "ok" or "miss".

mod cost;
mod crowd;
mod peers;
mod score;
mod targets;

use std::alloc::System;
use std::error::Error;
use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

use crate::targets::Targets;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What is to be run.
#[derive(Debug)]
struct Plan {
    quick: bool,
    workers: usize,
    filters: Vec<String>,
}

impl Plan {
    fn from_args() -> Result<Self, lexopt::Error> {
        let mut plan = Self { quick: false, workers: 2, filters: vec![] };
        let mut args = Parser::from_env();
        while let Some(arg) = args.next()? {
            match arg {
                Arg::Long("quick") => plan.quick = true,
                Arg::Long("workers") => plan.workers = args.value()?.parse()?,
                // cargo says so.
                Arg::Long("bench") => {}
                Arg::Value(filter) => plan.filters.push(filter.to_string_lossy().into_owned()),
                other => return Err(other.unexpected()),
            }
        }
        Ok(plan)
    }

    fn has(&self, name: &str) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|filter| name.contains(filter.as_str()))
    }

    fn rounds(&self) -> usize {
        if self.quick { 60 } else { 400 }
    }

    /// How long a cell is in its steady state.
    fn steady(&self) -> Duration {
        Duration::from_secs(if self.quick { 2 } else { 10 })
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let plan = Plan::from_args()?;
    let mut targets = Targets::default();
    if plan.has("uncontended") {
        cost::run(&plan, &mut targets)?;
    }
    crowd::run(&plan, &mut targets)?;
    targets.print();
    Ok(())
}

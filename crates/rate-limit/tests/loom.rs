//! The lane's memory orderings, by loom: the file is the crate's own, over loom's atomics in place of the standard
//! library's. (shuttle, which explores the rest, takes every access as sequentially consistent.)
//!
//! It has a `main` of its own, so that the tests in that file, which loom knows nothing of, are not run here.

#![allow(dead_code, unused_imports, reason = "of the files, only what the lane needs is used")]

use loom::sync::Arc;
use loom::thread;
use tokio::time::Instant;

#[path = "../src/lane.rs"]
mod lane;
#[path = "../src/stamp.rs"]
mod stamp;

mod sync {
    pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};
}

use crate::lane::{Keeper, Lane, Outlook};

/// The lane as whoever has the lock sees it.
struct Held<'a> {
    lane: &'a Lane,
    keeper: Keeper,
    recorded: Vec<Instant>,
}

impl Held<'_> {
    fn open(&mut self, permits: u64) {
        self.keeper.wanted();
        self.lane.open(&mut self.keeper, permits, Outlook::Free);
    }

    /// Records what was taken: no more than there was, and none before another that was taken earlier.
    fn close(&mut self, permits: u64) {
        let Some(taken) = self.lane.close(&mut self.keeper) else { return };
        assert!(taken.len() as u64 <= permits && taken.is_in_order());
        self.recorded.extend((0..taken.len()).map(|index| taken.at(index)));
    }
}

/// Opens and closes the lane with so many permits, one after the other, while each of the takers tries so many `times`; in
/// every order, and with every value that a load may read.
fn explore(openings: &'static [u64], takers: usize, times: usize) {
    let mut model = loom::model::Builder::new();
    // Loom's own advice: two or three preemptions find nearly all that any number would.
    model.preemption_bound = Some(if takers > 1 { 2 } else { 3 });
    model.check(move || {
        let lane = Arc::new(Lane::new());
        let takers: Vec<_> = {
            let taker = |_| {
                let lane = Arc::clone(&lane);
                thread::spawn(move || (0..times).filter_map(|_| lane.take()).collect::<Vec<_>>())
            };
            (0..takers).map(taker).collect()
        };
        let mut held = Held { lane: &lane, keeper: Keeper::new(), recorded: vec![] };
        let mut last = 0;
        for &permits in openings {
            held.close(last);
            held.open(permits);
            last = permits;
        }
        let mut taken: Vec<_> = takers.into_iter().flat_map(|taker| taker.join().unwrap()).collect();
        held.close(last);
        taken.sort();
        // None is lost, none is had twice, and they are recorded in the order in which they were taken.
        assert_eq!(held.recorded, taken);
    });
}

fn main() {
    for (openings, takers, times) in [(&[2, 1][..], 2, 1), (&[1, 1, 1], 1, 2)] {
        explore(openings, takers, times);
        println!("lane opened with {openings:?}, {takers} x {times} takes ... ok");
    }
}

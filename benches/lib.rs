//! What the benches share: rounds in which all contenders take turns, so that a machine that is slower for a
//! while is slower for all, and the best of the rounds, which other work on the machine has disturbed least.

use std::sync::Barrier;
use std::thread;

use tokio::time::Instant;

/// How many nanoseconds one operation of each contender took, in each round.
#[derive(Debug)]
pub struct Rounds(Vec<Vec<f64>>);

impl Rounds {
    /// Runs every contender once in each of `rounds`, after a first round that does not count.
    pub fn run(rounds: usize, contenders: &mut [&mut dyn FnMut() -> f64]) -> Self {
        contenders.iter_mut().for_each(|contender| _ = contender());
        let round = |_| contenders.iter_mut().map(|contender| contender()).collect();
        Self((0..rounds).map(round).collect())
    }

    /// The best time of a contender, in nanoseconds.
    #[must_use]
    pub fn best(&self, contender: usize) -> f64 {
        self.sorted(contender).first().copied().unwrap_or(f64::NAN)
    }

    /// The median of its times, in nanoseconds.
    #[must_use]
    pub fn median(&self, contender: usize) -> f64 {
        let sorted = self.sorted(contender);
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }

    fn sorted(&self, contender: usize) -> Vec<f64> {
        let mut times: Vec<_> = self.0.iter().map(|round| round[contender]).collect();
        times.sort_by(f64::total_cmp);
        times
    }
}

/// The time of one of `operations`, in nanoseconds, that each of `threads` does while the others do theirs: from the first start to
/// the last end, so that threads which the machine did not run side by side do not look as if they had been. The
/// operation is made in its thread.
pub fn time_on<O: FnMut()>(threads: usize, operations: u32, make: impl Fn() -> O + Sync) -> f64 {
    let ready = Barrier::new(threads);
    let spans: Vec<(Instant, Instant)> = thread::scope(|scope| {
        let run = || {
            let mut operation = make();
            operation();
            ready.wait();
            let began = Instant::now();
            (0..operations).for_each(|_| operation());
            (began, Instant::now())
        };
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        running.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    let began = spans.iter().map(|(began, _)| *began).min();
    let ended = spans.iter().map(|(_, ended)| *ended).max();
    match (began, ended) {
        // Not as a `Duration`, which would cut a clock read of 22.9 ns to 22.
        (Some(began), Some(ended)) => (ended - began).as_secs_f64() * 1e9 / f64::from(operations),
        _ => f64::NAN,
    }
}

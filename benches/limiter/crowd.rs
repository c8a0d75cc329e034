//! Many callers at one limiter: throughput, cost per permit, order, exactness.

use std::error::Error;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::Builder;
use tokio::time::{Instant, sleep_until};

use crate::Plan;
use crate::peers::{Governor, LeakyBucket, Ours, Peer, Resilience, Tower};
use crate::score::{Grant, starved, worst_displacement, worst_second};
use crate::targets::Targets;

/// Between two bursts of the first window.
const WARM_UP: Duration = Duration::from_millis(1500);

const CELLS: [(u32, usize); 7] =
    [(10, 10), (10, 100), (10, 1000), (1000, 10), (1000, 100), (1000, 1000), (1000, 10_000)];

/// What the callers have seen.
#[derive(Default)]
struct Record {
    arrivals: AtomicUsize,
    polls: AtomicUsize,
    grants: Mutex<Vec<Grant>>,
}

impl Record {
    fn granted(&self, arrival: usize, recorded: Option<Instant>) {
        // The time is read under the lock, so the grants are in its order.
        let mut grants = self.grants.lock().unwrap_or_else(PoisonError::into_inner);
        grants.push(Grant { arrival, at: Instant::now(), recorded });
    }

    fn now(&self) -> Reading {
        let grants = self.grants.lock().unwrap_or_else(PoisonError::into_inner).len();
        Reading { at: Instant::now(), cpu: cpu(), polls: self.polls.load(Ordering::Relaxed), grants }
    }
}

struct Reading {
    at: Instant,
    cpu: Duration,
    polls: usize,
    grants: usize,
}

/// The processor's time of the whole process.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.try_into().unwrap_or(0))
}

#[derive(Debug)]
struct Score {
    throughput: f64,
    cpu: f64,
    polls: f64,
    displacement: usize,
    worst: usize,
    /// By the limiter's own record. A thread that was stopped between a grant and the caller's look at the clock makes the
    /// callers see one more than there were.
    recorded: usize,
    starved: usize,
}

pub(crate) fn run(plan: &Plan, targets: &mut Targets) -> Result<(), Box<dyn Error>> {
    for (n, waiters) in CELLS {
        let cell = Cell { n, waiters, steady: plan.steady(), workers: plan.workers };
        if !cell.is_in(plan) {
            continue;
        }
        cell.heading();
        let ours = cell.row::<Ours>(plan)?;
        let governor = cell.row::<Governor<false>>(plan)?;
        cell.row::<Governor<true>>(plan)?;
        cell.row::<LeakyBucket>(plan)?;
        let tower = cell.row::<Tower>(plan)?;
        cell.row::<Resilience>(plan)?;
        let Some(ours) = ours else { continue };
        let name = cell.name();
        targets.at_least(format!("{name}: throughput, %"), ours.throughput, 99.0);
        targets.at_most(format!("{name}: polls per permit"), ours.polls, 2.1);
        targets.at_most(format!("{name}: worst sliding second"), ours.recorded as f64, n.into());
        targets.at_most(format!("{name}: starved callers"), ours.starved as f64, 0.0);
        if (n, waiters) == (1000, 10_000) {
            if let Some(governor) = governor {
                targets.at_most(
                    format!("{name}: CPU per permit / governor's"),
                    ours.cpu / governor.cpu,
                    0.01,
                );
            }
            if let Some(tower) = tower {
                targets.at_most(format!("{name}: CPU per permit / tower's"), ours.cpu / tower.cpu, 1.0);
            }
        }
    }
    Ok(())
}

struct Cell {
    n: u32,
    waiters: usize,
    steady: Duration,
    workers: usize,
}

impl Cell {
    fn name(&self) -> String {
        format!("{}@{}", self.waiters, self.n)
    }

    fn is_in(&self, plan: &Plan) -> bool {
        let names = [
            Ours::NAME,
            Governor::<false>::NAME,
            Governor::<true>::NAME,
            LeakyBucket::NAME,
            Tower::NAME,
            Resilience::NAME,
        ];
        names.iter().any(|name| plan.has(&format!("{} {name}", self.name())))
    }

    fn heading(&self) {
        println!(
            "\n{} waiters at {}/s, {:?}\n{:<32} {:>10} {:>10} {:>8} {:>8} {:>8} {:>8}",
            self.waiters,
            self.n,
            self.steady,
            "",
            "throughput",
            "CPU us",
            "polls",
            "displ.",
            "worst 1s",
            "starved"
        );
    }

    fn row<P: Peer>(&self, plan: &Plan) -> Result<Option<Score>, Box<dyn Error>> {
        if !plan.has(&format!("{} {}", self.name(), P::NAME)) {
            return Ok(None);
        }
        let score = self.score::<P>()?;
        println!(
            "{:<32} {:>8.1} % {:>10.2} {:>8.2} {:>8} {:>8} {:>8}",
            P::NAME,
            score.throughput,
            score.cpu,
            score.polls,
            score.displacement,
            score.worst,
            score.starved
        );
        Ok(Some(score))
    }

    fn score<P: Peer>(&self) -> Result<Score, Box<dyn Error>> {
        let runtime = Builder::new_multi_thread().worker_threads(self.workers).enable_time().build()?;
        let record = Arc::new(Record::default());
        let (from, to) = runtime.block_on(async {
            let peer = P::new(self.n, self.waiters)?;
            let begun = Instant::now();
            for _ in 0..self.waiters {
                tokio::spawn(caller(peer.clone(), Arc::clone(&record)));
            }
            sleep_until(begun + WARM_UP).await;
            let from = record.now();
            sleep_until(from.at + self.steady).await;
            Ok::<_, Box<dyn Error>>((from, record.now()))
        })?;
        // Ends all callers; what they have been granted meanwhile does not count.
        drop(runtime);
        let arrivals = record.arrivals.load(Ordering::Relaxed);
        let grants = record.grants.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = &grants[..to.grants];
        let granted = (to.grants - from.grants) as f64;
        Ok(Score {
            throughput: 100.0 * granted / (to.at - from.at).as_secs_f64() / f64::from(self.n),
            cpu: (to.cpu - from.cpu).as_secs_f64() * 1e6 / granted,
            polls: (to.polls - from.polls) as f64 / granted,
            displacement: worst_displacement(counted),
            worst: worst_second(counted.iter().map(|grant| grant.at)),
            recorded: worst_second(counted.iter().filter_map(|grant| grant.recorded)),
            starved: starved(counted, arrivals, self.waiters),
        })
    }
}

/// Waits for one permit after the other.
async fn caller<P: Peer>(mut peer: P, record: Arc<Record>) {
    loop {
        let arrival = record.arrivals.fetch_add(1, Ordering::Relaxed);
        let recorded = Counted { future: pin!(peer.permit()), polls: &record.polls }.await;
        record.granted(arrival, recorded);
    }
}

/// Counts the polls of a future.
struct Counted<'a, F> {
    future: Pin<&'a mut F>,
    polls: &'a AtomicUsize,
}

impl<F: Future> Future for Counted<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.polls.fetch_add(1, Ordering::Relaxed);
        self.future.as_mut().poll(cx)
    }
}

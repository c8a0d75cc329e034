//! Many callers at one limiter: throughput, cost per permit, order, exactness.

use std::error::Error;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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

/// What one caller has seen. Each has its own, so that none waits for another but at the limiter.
#[derive(Default)]
struct Record {
    grants: Mutex<Vec<Grant>>,
    polls: AtomicUsize,
}

impl Record {
    fn grants(&self) -> MutexGuard<'_, Vec<Grant>> {
        self.grants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Reading {
    at: Instant,
    cpu: Duration,
    polls: usize,
    grants: usize,
}

impl Reading {
    fn of(records: &[Arc<Record>]) -> Self {
        let (at, cpu) = (Instant::now(), cpu());
        let polls = records.iter().map(|record| record.polls.load(Ordering::Relaxed)).sum();
        Self { at, cpu, polls, grants: records.iter().map(|record| record.grants().len()).sum() }
    }
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
        // Of fewer callers than a window has permits, each that the system keeps from running for a microsecond is passed over.
        if waiters >= n as usize {
            targets.at_most(format!("{name}: starved callers"), ours.starved as f64, 0.0);
        }
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
        let records: Vec<_> = (0..self.waiters).map(|_| Arc::new(Record::default())).collect();
        let arrivals = Arc::new(AtomicUsize::new(0));
        let (from, to) = runtime.block_on(async {
            let peer = P::new(self.n, self.waiters)?;
            let begun = Instant::now();
            for record in &records {
                tokio::spawn(caller(peer.clone(), Arc::clone(&arrivals), Arc::clone(record)));
            }
            sleep_until(begun + WARM_UP).await;
            let from = Reading::of(&records);
            sleep_until(from.at + self.steady).await;
            Ok::<_, Box<dyn Error>>((from, Reading::of(&records)))
        })?;
        // Ends all callers; what they have been granted meanwhile does not count.
        drop(runtime);
        let granted = (to.grants - from.grants) as f64;
        let grants = || records.iter().flat_map(|record| record.grants().clone());
        let mut counted: Vec<_> = grants().filter(|grant| grant.at <= to.at).collect();
        counted.sort_by_key(|grant| grant.at);
        Ok(Score {
            throughput: 100.0 * granted / (to.at - from.at).as_secs_f64() / f64::from(self.n),
            cpu: (to.cpu - from.cpu).as_secs_f64() * 1e6 / granted,
            polls: (to.polls - from.polls) as f64 / granted,
            displacement: worst_displacement(&counted),
            worst: worst_second(counted.iter().map(|grant| grant.at)),
            recorded: worst_second(counted.iter().filter_map(|grant| grant.recorded)),
            starved: starved(&counted, arrivals.load(Ordering::Relaxed), self.waiters),
        })
    }
}

/// Waits for one permit after the other.
async fn caller<P: Peer>(mut peer: P, arrivals: Arc<AtomicUsize>, record: Arc<Record>) {
    loop {
        let arrival = arrivals.fetch_add(1, Ordering::Relaxed);
        let recorded = Counted { future: pin!(peer.permit()), polls: &record.polls }.await;
        let grant = Grant { arrival, at: Instant::now(), recorded };
        record.grants().push(grant);
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

//! The streak under stress: many threads, a million outcomes. (A file of its own, since `tests/loom.rs` takes those
//! of the streak as they are.)

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use http::StatusCode;

use crate::alarm::Alarm;
use crate::bell::Bell;
use crate::failure::{Failure, Reason};
use crate::guard::lock;
use crate::line::{Line, ROOM, Turn};
use crate::wall::Wall;
use crate::watch::Watch;

const THREADS: u64 = 8;
const DOWN: Reason = Reason::Status(StatusCode::SERVICE_UNAVAILABLE);

struct Rig {
    watch: Watch,
    wall: Wall,
    bell: Bell,
    heard: Arc<Mutex<Vec<Alarm>>>,
}

impl Rig {
    fn new(threshold: u64) -> Self {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (bell, ear) = (Bell::default(), heard.clone());
        bell.add(move |alarm| lock(&ear).push(*alarm));
        let watch = Watch::new(NonZeroU64::new(threshold).into_iter().collect());
        Self { watch, wall: Wall::system(), bell, heard }
    }

    /// Whether it crossed.
    fn fail(&self) -> bool {
        let failure = || Failure { reason: DOWN, at: self.wall.now(), call: None, query_id: None };
        let crossed = self.watch.fail(failure, &self.bell).is_some();
        if crossed {
            self.bell.ring();
        }
        crossed
    }

    fn succeed(&self) -> bool {
        let crossed = self.watch.succeed(|| self.wall.now(), &self.bell).is_some();
        if crossed {
            self.bell.ring();
        }
        crossed
    }
}

/// Eight threads, a million outcomes, in bursts that cross the threshold over and over.
#[test]
fn under_stress_raised_and_cleared_alternate_and_agree_with_the_state() {
    let rig = Rig::new(5);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let rig = &rig;
            scope.spawn(move || {
                // A xorshift generator: cheap, seeded, different in each thread.
                let mut state = 0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(thread + 1);
                for _ in 0..1_000_000 / THREADS {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    _ = if state % 8 == 0 { rig.succeed() } else { rig.fail() };
                }
            });
        }
    });

    let heard = lock(&rig.heard);
    assert!(heard.len() > 1000, "the stress crossed the threshold {} times only", heard.len());
    for (place, alarm) in heard.iter().enumerate() {
        match *alarm {
            Alarm::Raised { threshold, failures, since, last } => {
                assert_eq!(place % 2, 0, "two raised in a row");
                assert_eq!((threshold, failures), (5, 5));
                assert!(since.instant <= last.at.instant);
            }
            Alarm::Cleared { failures, since, at, lasted } => {
                assert_eq!(place % 2, 1, "two cleared in a row");
                assert!(failures >= 5);
                let Alarm::Raised { since: raised_since, last, .. } = heard[place - 1] else {
                    unreachable!()
                };
                assert_eq!(since, raised_since);
                assert!(last.at.instant <= at.instant);
                assert_eq!(lasted, at.instant - since.instant);
            }
        }
    }
    let streak = rig.watch.read();
    assert_eq!(streak.raised > 0, heard.len() % 2 == 1);
    assert_eq!(streak.raised > 0, streak.current >= 5);
    assert_eq!(streak.began.is_some(), streak.current > 0);
}

/// Runs so many outcomes on the threads of a runtime, where the hook is run beside the calls. Gives what was heard, and what
/// was left out. What is told alternates, and each crossing is told or counted.
fn in_a_runtime(outcomes: u64, paced: bool) -> (u64, u64) {
    let rig = Arc::new(Rig::new(5));
    let crossed = Arc::new(AtomicU64::new(0));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS as usize).build();
    let runtime = runtime.unwrap();
    runtime.block_on(async {
        let task = |thread| {
            let (rig, crossed) = (rig.clone(), crossed.clone());
            tokio::spawn(async move {
                let mut state = 0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(thread + 1);
                for _ in 0..outcomes / THREADS {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    if !(if state % 8 == 0 { rig.succeed() } else { rig.fail() }) {
                        continue;
                    }
                    let crossed = crossed.fetch_add(1, Ordering::Relaxed) + 1;
                    // As many as the line has room for may cross before the hook hears the first.
                    while paced && crossed.saturating_sub(lock(&rig.heard).len() as u64) > ROOM as u64 / 2 {
                        tokio::task::yield_now().await;
                    }
                }
            })
        };
        for task in (0..THREADS).map(task).collect::<Vec<_>>() {
            task.await.unwrap();
        }
    });
    // Waits for the hook that is at it.
    drop(runtime);
    let heard = lock(&rig.heard);
    let left_out = rig.bell.left_out();
    assert_eq!(heard.len() as u64 + left_out, crossed.load(Ordering::Relaxed));
    for (place, alarm) in heard.iter().enumerate() {
        assert_eq!(matches!(alarm, Alarm::Raised { .. }), place % 2 == 0, "{place} of {}", heard.len());
    }
    assert_eq!(rig.watch.read().raised > 0, heard.len() % 2 == 1);
    (heard.len() as u64, left_out)
}

/// A million outcomes, at which the hook gets its turn before the line is full: none is left out.
#[test]
fn in_a_runtime_each_crossing_is_told_once() {
    let (heard, left_out) = in_a_runtime(1_000_000, true);
    assert_eq!(left_out, 0);
    assert!(heard > 1_000, "the stress crossed the threshold {heard} times only");
}

/// Without that, how many are left out depends on the processors; that they are counted does not.
#[test]
fn in_a_runtime_that_leaves_the_hook_no_time_each_crossing_is_told_or_counted() {
    let (heard, left_out) = in_a_runtime(100_000, false);
    assert!(heard + left_out > 100);
}

/// A runtime that ends before it has come to the hook, which had to wait for a thread.
#[test]
fn a_hook_that_its_runtime_has_not_come_to_is_run_when_that_ends() {
    let rig = Rig::new(1);
    let (begun, has_begun) = mpsc::channel();
    let (end, ended) = mpsc::channel::<()>();
    let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        tokio::task::spawn_blocking(move || {
            begun.send(()).unwrap();
            _ = ended.recv();
        });
        has_begun.recv().unwrap();
        assert!(rig.fail() && rig.succeed());
    });
    assert!(lock(&rig.heard).is_empty());
    runtime.shutdown_background();
    drop(end);
    // On its last thread, that is.
    while lock(&rig.heard).len() < 2 {
        thread::yield_now();
    }
}

/// Nor does one that has ended already lose any.
#[test]
fn a_hook_whose_runtime_is_no_more_is_run_at_once() {
    let rig = Rig::new(1);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let handle = runtime.handle().clone();
    drop(runtime);
    let _entered = handle.enter();
    assert!(rig.fail());
    assert_eq!(lock(&rig.heard).len(), 1);
}

/// The crossing itself, raced: all threads fail at once, the last of them crosses; then all succeed at
/// once.
#[test]
fn each_crossing_is_reported_by_exactly_one_of_the_racing_threads() {
    const ROUNDS: u64 = 1_000;
    let (rig, barrier) = (Rig::new(THREADS), Barrier::new(THREADS as usize));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    barrier.wait();
                    rig.fail();
                    barrier.wait();
                    rig.succeed();
                }
            });
        }
    });
    let heard = lock(&rig.heard);
    assert_eq!(heard.len() as u64, 2 * ROUNDS);
    for pair in heard.chunks_exact(2) {
        assert!(matches!(pair[0], Alarm::Raised { failures: THREADS, .. }), "{:?}", pair[0]);
        assert!(matches!(pair[1], Alarm::Cleared { failures: THREADS, .. }), "{:?}", pair[1]);
    }
    assert_eq!(rig.watch.read().longest, THREADS);
}

/// One who delivers and is broken off leaves the rest to the next.
#[test]
fn a_turn_that_is_not_finished_is_given_back() {
    let (line, at) = (Line::default(), Wall::system().now());
    assert!(Turn::take(&line).is_none());
    for _ in 0..3 {
        line.push(Alarm::Cleared { failures: 1, since: at, at, lasted: Duration::ZERO });
    }
    let mut turn = Turn::take(&line).unwrap();
    assert!(turn.next().is_some());
    assert!(Turn::take(&line).is_none());
    drop(turn);
    let mut turn = Turn::take(&line).unwrap();
    assert_eq!(std::iter::from_fn(|| turn.next()).count(), 2);
    assert!(Turn::take(&line).is_none());
}

//! What is known of one layer's calls: its counters and its streak.

use std::num::NonZeroU64;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use wire_fault::CallId;

use crate::bell::{Bell, lock};
use crate::counters::Counters;
use crate::failure::{Failure, Reason};
use crate::snapshot::{StreakReport, Tally};
use crate::streak::Streak;
use crate::wall::Wall;

#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) counters: Counters,
    streak: Mutex<Streak>,
    /// Whether a streak is running, kept beside the lock so that a success among successes takes none.
    /// Written under the lock only: who finds it false has come before the failure that sets it, or
    /// after the success that ended it.
    failing: AtomicBool,
    /// When the last success was, as the wall's offset, plus one; zero is never.
    last_success: AtomicU64,
}

impl Ledger {
    pub(crate) const fn new(threshold: Option<NonZeroU64>) -> Self {
        Self {
            counters: Counters::new(),
            streak: Mutex::new(Streak::new(threshold)),
            failing: AtomicBool::new(false),
            last_success: AtomicU64::new(0),
        }
    }

    pub(crate) fn set_threshold(&self, threshold: NonZeroU64) {
        lock(&self.streak).threshold = Some(threshold);
    }

    pub(crate) fn fail(&self, reason: Reason, call: Option<CallId>, wall: &Wall, bell: &Bell) {
        let mut streak = lock(&self.streak);
        let alarm = streak.fail(Failure { reason, at: wall.now(), call });
        self.failing.store(true, Ordering::Release);
        let Some(alarm) = alarm else { return };
        bell.push(alarm);
        drop(streak);
        bell.ring();
    }

    pub(crate) fn succeed(&self, wall: &Wall, bell: &Bell) {
        let now = wall.now();
        self.last_success.fetch_max(wall.offset(now.instant).saturating_add(1), Ordering::Relaxed);
        if !self.failing.load(Ordering::Acquire) {
            return;
        }
        let mut streak = lock(&self.streak);
        // Again, now that it is this one's turn: so that a streak does not end before its last failure.
        let alarm = streak.succeed(wall.now());
        self.failing.store(false, Ordering::Release);
        let Some(alarm) = alarm else { return };
        bell.push(alarm);
        drop(streak);
        bell.ring();
    }

    /// The streak first: so that its failures are among the counted.
    pub(crate) fn read(&self, wall: &Wall) -> Tally {
        let last_success = self.last_success.load(Ordering::Relaxed).checked_sub(1);
        let Streak { current, longest, began, alarmed, last, .. } = *lock(&self.streak);
        Tally {
            streak: StreakReport { current, longest, began, alarmed },
            last_failure: last,
            last_success: last_success.map(|offset| wall.at(wall.instant(offset))),
            ..self.counters.read()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Barrier};
    use std::thread;

    use http::StatusCode;

    use super::*;
    use crate::alarm::Alarm;

    const THREADS: u64 = 8;
    const DOWN: Reason = Reason::Status(StatusCode::SERVICE_UNAVAILABLE);

    struct Rig {
        ledger: Ledger,
        wall: Wall,
        bell: Bell,
        heard: Arc<Mutex<Vec<Alarm>>>,
    }

    impl Rig {
        fn new(threshold: u64) -> Self {
            let heard = Arc::new(Mutex::new(Vec::new()));
            let (bell, ear) = (Bell::default(), heard.clone());
            bell.add(move |alarm| lock(&ear).push(*alarm));
            Self { ledger: Ledger::new(NonZeroU64::new(threshold)), wall: Wall::system(), bell, heard }
        }

        fn fail(&self) {
            self.ledger.fail(DOWN, None, &self.wall, &self.bell);
        }

        fn succeed(&self) {
            self.ledger.succeed(&self.wall, &self.bell);
        }
    }

    /// Eight threads, 100,000 outcomes each, in bursts that cross the threshold over and over.
    #[test]
    fn under_stress_raised_and_cleared_alternate_and_agree_with_the_state() {
        let rig = Rig::new(5);
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let rig = &rig;
                scope.spawn(move || {
                    // A xorshift generator: cheap, seeded, different in each thread.
                    let mut state = 0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(thread + 1);
                    for _ in 0..100_000 {
                        state ^= state << 13;
                        state ^= state >> 7;
                        state ^= state << 17;
                        if state % 8 == 0 { rig.succeed() } else { rig.fail() }
                    }
                });
            }
        });

        let heard = lock(&rig.heard);
        assert!(heard.len() > 1000, "the stress crossed the threshold {} times only", heard.len());
        for (place, alarm) in heard.iter().enumerate() {
            match *alarm {
                Alarm::Raised { failures, since, last } => {
                    assert_eq!(place % 2, 0, "two raised in a row");
                    assert_eq!(failures, 5);
                    assert!(since.instant <= last.at.instant);
                }
                Alarm::Cleared { failures, since, at } => {
                    assert_eq!(place % 2, 1, "two cleared in a row");
                    assert!(failures >= 5);
                    let Alarm::Raised { since: raised_since, last, .. } = heard[place - 1] else {
                        unreachable!()
                    };
                    assert_eq!(since, raised_since);
                    assert!(last.at.instant <= at.instant);
                }
            }
        }
        let tally = rig.ledger.read(&rig.wall);
        assert_eq!(tally.streak.alarmed, heard.len() % 2 == 1);
        assert_eq!(tally.streak.alarmed, tally.streak.current >= 5);
        assert_eq!(tally.streak.began.is_some(), tally.streak.current > 0);
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
        assert_eq!(rig.ledger.read(&rig.wall).streak.longest, THREADS);
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_success_is_the_latest_and_survives_failures() {
        let rig = Rig::new(5);
        assert_eq!(rig.ledger.read(&rig.wall).last_success, None);
        rig.succeed();
        let first = rig.ledger.read(&rig.wall).last_success.unwrap();
        tokio::time::advance(std::time::Duration::from_secs(3)).await;
        rig.fail();
        assert_eq!(rig.ledger.read(&rig.wall).last_success, Some(first));
        rig.succeed();
        let second = rig.ledger.read(&rig.wall).last_success.unwrap();
        assert_eq!(second.instant - first.instant, std::time::Duration::from_secs(3));
    }
}

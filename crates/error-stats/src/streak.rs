//! Failures in a row: a state machine that is told everything, and knows no lock and no clock.

use std::num::NonZeroU64;

use crate::alarm::Alarm;
use crate::failure::Failure;
use crate::wall::Moment;

#[derive(Clone, Debug)]
pub(crate) struct Streak {
    /// In order. Empty: this streak raises no alarm.
    pub(crate) thresholds: Vec<NonZeroU64>,
    pub(crate) current: u64,
    pub(crate) began: Option<Moment>,
    pub(crate) longest: u64,
    pub(crate) longest_began: Option<Moment>,
    /// The highest threshold whose alarm is raised; zero is none.
    pub(crate) raised: u64,
    pub(crate) last: Option<Failure>,
}

impl Streak {
    pub(crate) const fn new(thresholds: Vec<NonZeroU64>) -> Self {
        Self { thresholds, current: 0, began: None, longest: 0, longest_began: None, raised: 0, last: None }
    }

    /// One more failure: raises the alarm if it is the one too many.
    pub(crate) fn fail(&mut self, failure: Failure) -> Option<Alarm> {
        let since = *self.began.get_or_insert(failure.at);
        self.current = self.current.saturating_add(1);
        if self.current > self.longest {
            self.longest = self.current;
            self.longest_began = Some(since);
        }
        self.last = Some(failure);
        // Nearly always at most one; several where thresholds were lowered under the streak.
        let reached = |threshold: &&NonZeroU64| threshold.get() <= self.current;
        let threshold = self.thresholds.iter().rev().find(reached)?.get();
        if threshold <= self.raised {
            return None;
        }
        self.raised = threshold;
        Some(Alarm::Raised { threshold, failures: self.current, since, last: failure })
    }

    /// A success: ends the streak, and the alarm with it.
    pub(crate) fn succeed(&mut self, at: Moment) -> Option<Alarm> {
        let failures = std::mem::take(&mut self.current);
        let raised = std::mem::take(&mut self.raised);
        let since = self.began.take()?;
        let lasted = at.instant.saturating_duration_since(since.instant);
        (raised > 0).then_some(Alarm::Cleared { failures, since, at, lasted })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::StatusCode;
    use tokio::time::Instant;

    use super::*;
    use crate::failure::Reason;
    use crate::wall::Wall;

    fn at(thresholds: &[u64]) -> Vec<NonZeroU64> {
        thresholds.iter().map(|threshold| NonZeroU64::new(*threshold).unwrap()).collect()
    }

    fn moments() -> impl FnMut() -> Moment {
        let (wall, start, mut second) = (Wall::system(), Instant::now(), 0);
        move || {
            second += 1;
            wall.at(start + Duration::from_secs(second))
        }
    }

    fn failure(at: Moment) -> Failure {
        Failure { reason: Reason::Status(StatusCode::BAD_GATEWAY), at, call: None, query_id: None }
    }

    #[test]
    fn every_sequence_of_twelve_outcomes_gives_the_edges_of_the_definition() {
        for bits in 0..1_u32 << 12 {
            let mut now = moments();
            let mut streak = Streak::new(at(&[3]));
            let (mut run, mut longest) = (0, 0);
            for step in 0..12 {
                let at = now();
                if bits & (1 << step) == 0 {
                    let cleared = streak.succeed(at);
                    assert_eq!(cleared.is_some(), run >= 3);
                    if let Some(alarm) = cleared {
                        let Alarm::Cleared { failures, lasted, .. } = alarm else { panic!("{alarm:?}") };
                        assert_eq!((failures, lasted), (run, Duration::from_secs(run)));
                    }
                    run = 0;
                    assert_eq!(streak.began, None);
                } else {
                    run += 1;
                    longest = run.max(longest);
                    let raised = streak.fail(failure(at));
                    assert_eq!(raised.is_some(), run == 3);
                    let began = streak.began.unwrap();
                    assert_eq!(at.instant - began.instant, Duration::from_secs(run - 1));
                    assert_eq!(streak.last.unwrap().at, at);
                }
                assert_eq!((streak.current, streak.longest, streak.raised > 0), (run, longest, run >= 3));
            }
        }
    }

    #[test]
    fn a_threshold_lowered_under_the_streak_raises_at_the_next_failure_and_a_raised_one_keeps_its_alarm() {
        let mut now = moments();
        let mut streak = Streak::new(at(&[10]));
        for _ in 0..4 {
            assert_eq!(streak.fail(failure(now())), None);
        }
        streak.thresholds = at(&[2]);
        assert!(matches!(streak.fail(failure(now())), Some(Alarm::Raised { failures: 5, .. })));
        streak.thresholds = at(&[100]);
        assert_eq!(streak.fail(failure(now())), None);
        assert!(matches!(streak.succeed(now()), Some(Alarm::Cleared { failures: 6, .. })));
    }

    #[test]
    fn without_a_threshold_there_is_no_alarm() {
        let mut now = moments();
        let mut streak = Streak::new(Vec::new());
        for _ in 0..1000 {
            assert_eq!(streak.fail(failure(now())), None);
        }
        assert_eq!(streak.succeed(now()), None);
        assert_eq!(streak.longest, 1000);
    }

    #[test]
    fn each_of_several_thresholds_is_raised_once_and_one_success_clears_them_all() {
        let mut now = moments();
        let mut streak = Streak::new(at(&[2, 3, 6]));
        for round in 0..3 {
            let raised: Vec<_> = (0..8)
                .filter_map(|_| match streak.fail(failure(now())) {
                    Some(Alarm::Raised { threshold, failures, .. }) => Some((threshold, failures)),
                    Some(cleared) => panic!("{cleared:?}"),
                    None => None,
                })
                .collect();
            assert_eq!(raised, [(2, 2), (3, 3), (6, 6)], "round {round}");
            assert!(matches!(streak.succeed(now()), Some(Alarm::Cleared { failures: 8, .. })));
            assert_eq!(streak.succeed(now()), None);
        }
    }

    #[test]
    fn the_longest_keeps_its_beginning_until_a_longer_one() {
        let mut now = moments();
        let mut streak = Streak::new(Vec::new());
        let began = now();
        streak.fail(failure(began));
        streak.fail(failure(now()));
        streak.succeed(now());
        streak.fail(failure(now()));
        streak.fail(failure(now()));
        assert_eq!((streak.longest, streak.longest_began), (2, Some(began)));
        let second = streak.began;
        streak.fail(failure(now()));
        assert_eq!((streak.longest, streak.longest_began), (3, second));
    }
}

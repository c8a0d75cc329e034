//! Failures in a row: a state machine that is told everything, and knows no lock and no clock.

use std::num::NonZeroU64;

use crate::alarm::Alarm;
use crate::failure::Failure;
use crate::wall::Moment;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Streak {
    /// None: this streak raises no alarm.
    pub(crate) threshold: Option<NonZeroU64>,
    pub(crate) current: u64,
    pub(crate) longest: u64,
    pub(crate) began: Option<Moment>,
    pub(crate) alarmed: bool,
    pub(crate) last: Option<Failure>,
}

impl Streak {
    pub(crate) const fn new(threshold: Option<NonZeroU64>) -> Self {
        Self { threshold, current: 0, longest: 0, began: None, alarmed: false, last: None }
    }

    /// One more failure: raises the alarm if it is the one too many.
    pub(crate) fn fail(&mut self, failure: Failure) -> Option<Alarm> {
        let since = *self.began.get_or_insert(failure.at);
        self.current = self.current.saturating_add(1);
        self.longest = self.longest.max(self.current);
        self.last = Some(failure);
        let threshold = self.threshold?;
        if self.alarmed || self.current < threshold.get() {
            return None;
        }
        self.alarmed = true;
        Some(Alarm::Raised { failures: self.current, since, last: failure })
    }

    /// A success: ends the streak, and the alarm with it.
    pub(crate) fn succeed(&mut self, at: Moment) -> Option<Alarm> {
        let failures = std::mem::take(&mut self.current);
        let since = self.began.take()?;
        std::mem::take(&mut self.alarmed).then_some(Alarm::Cleared { failures, since, at })
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

    fn moments() -> impl FnMut() -> Moment {
        let (wall, start, mut second) = (Wall::system(), Instant::now(), 0);
        move || {
            second += 1;
            wall.at(start + Duration::from_secs(second))
        }
    }

    fn failure(at: Moment) -> Failure {
        Failure { reason: Reason::Status(StatusCode::BAD_GATEWAY), at, call: None }
    }

    #[test]
    fn every_sequence_of_twelve_outcomes_gives_the_edges_of_the_definition() {
        for bits in 0..1_u32 << 12 {
            let mut now = moments();
            let mut streak = Streak::new(NonZeroU64::new(3));
            let (mut run, mut longest) = (0, 0);
            for step in 0..12 {
                let at = now();
                if bits & (1 << step) == 0 {
                    let cleared = streak.succeed(at);
                    assert_eq!(cleared.is_some(), run >= 3);
                    if let Some(alarm) = cleared {
                        assert!(matches!(alarm, Alarm::Cleared { failures, .. } if failures == run));
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
                assert_eq!((streak.current, streak.longest, streak.alarmed), (run, longest, run >= 3));
            }
        }
    }

    #[test]
    fn a_threshold_lowered_under_the_streak_raises_at_the_next_failure_and_a_raised_one_keeps_its_alarm() {
        let mut now = moments();
        let mut streak = Streak::new(NonZeroU64::new(10));
        for _ in 0..4 {
            assert_eq!(streak.fail(failure(now())), None);
        }
        streak.threshold = NonZeroU64::new(2);
        assert!(matches!(streak.fail(failure(now())), Some(Alarm::Raised { failures: 5, .. })));
        streak.threshold = NonZeroU64::new(100);
        assert_eq!(streak.fail(failure(now())), None);
        assert!(matches!(streak.succeed(now()), Some(Alarm::Cleared { failures: 6, .. })));
    }

    #[test]
    fn without_a_threshold_there_is_no_alarm() {
        let mut now = moments();
        let mut streak = Streak::new(None);
        for _ in 0..1000 {
            assert_eq!(streak.fail(failure(now())), None);
        }
        assert_eq!(streak.succeed(now()), None);
        assert_eq!(streak.longest, 1000);
    }
}

//! The streak under its lock: who crosses a threshold tells the bell, in order.

use std::num::NonZeroU64;

use crate::alarm::Alarm;
use crate::bell::Bell;
use crate::failure::Failure;
use crate::guard::lock;
use crate::streak::Streak;
use crate::sync::{AtomicBool, Mutex, Ordering};
use crate::wall::Moment;

#[derive(Debug)]
pub(crate) struct Watch {
    streak: Mutex<Streak>,
    /// Whether a streak is running, kept beside the lock so that a success among successes takes none.
    /// Written under the lock only: who finds it false has come before the failure that sets it, or
    /// after the success that ended it.
    failing: AtomicBool,
}

impl Watch {
    pub(crate) fn new(thresholds: Vec<NonZeroU64>) -> Self {
        Self { streak: Mutex::new(Streak::new(thresholds)), failing: AtomicBool::new(false) }
    }

    pub(crate) fn set_thresholds(&self, thresholds: Vec<NonZeroU64>) {
        lock(&self.streak).thresholds = thresholds;
    }

    /// A failure, made under the lock, so that the streak's times are in its order. Gives the alarm
    /// to be told, if it has crossed a threshold.
    pub(crate) fn fail(&self, failure: impl FnOnce() -> Failure, bell: &Bell) -> Option<Alarm> {
        let mut streak = lock(&self.streak);
        let alarm = streak.fail(failure());
        self.failing.store(true, Ordering::Release);
        if let Some(alarm) = alarm {
            bell.push(alarm);
        }
        alarm
    }

    /// A success. Gives the alarm to be told, if it has cleared one.
    #[inline]
    pub(crate) fn succeed(&self, now: impl FnOnce() -> Moment, bell: &Bell) -> Option<Alarm> {
        if self.failing.load(Ordering::Acquire) { self.end(now, bell) } else { None }
    }

    /// The time is asked for once it is its turn, so that a streak does not end before its last failure.
    #[cold]
    fn end(&self, now: impl FnOnce() -> Moment, bell: &Bell) -> Option<Alarm> {
        let mut streak = lock(&self.streak);
        let alarm = streak.succeed(now());
        self.failing.store(false, Ordering::Release);
        if let Some(alarm) = alarm {
            bell.push(alarm);
        }
        alarm
    }

    pub(crate) fn read(&self) -> Streak {
        lock(&self.streak).clone()
    }
}

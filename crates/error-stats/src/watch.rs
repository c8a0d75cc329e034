//! The streak under its lock: who crosses a threshold tells the bell, in order.

use std::num::NonZeroU64;

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

    /// A failure, made under the lock, so that the streak's times are in its order. Tells whether it has crossed a
    /// threshold: then there is an alarm to be told.
    pub(crate) fn fail(&self, failure: impl FnOnce() -> Failure, bell: &Bell) -> bool {
        let mut streak = lock(&self.streak);
        let alarm = streak.fail(failure());
        self.failing.store(true, Ordering::Release);
        if let Some(alarm) = alarm {
            bell.push(alarm);
        }
        alarm.is_some()
    }

    /// A success. Tells whether it has cleared an alarm: then there is an alarm to be told.
    #[inline]
    pub(crate) fn succeed(&self, now: impl FnOnce() -> Moment, bell: &Bell) -> bool {
        self.failing.load(Ordering::Acquire) && self.end(now, bell)
    }

    /// The time is asked for once it is its turn, so that a streak does not end before its last failure.
    #[cold]
    fn end(&self, now: impl FnOnce() -> Moment, bell: &Bell) -> bool {
        let mut streak = lock(&self.streak);
        let alarm = streak.succeed(now());
        self.failing.store(false, Ordering::Release);
        if let Some(alarm) = alarm {
            bell.push(alarm);
        }
        alarm.is_some()
    }

    pub(crate) fn read(&self) -> Streak {
        lock(&self.streak).clone()
    }
}

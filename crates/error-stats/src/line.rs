//! Alarms on their way: in order, delivered by one at a time, and never more than a few.

use std::collections::VecDeque;
use std::ops::Deref;

use crate::alarm::Alarm;
use crate::guard::lock;
use crate::sync::Mutex;

/// How many alarms wait for one who is slow to hear them. More than two halves of streaks may have, an alarm for each
/// threshold: so there is always a whole streak between.
pub(crate) const ROOM: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Line(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Alarm>,
    /// Whether somebody is delivering. Whoever is delivers what others add meanwhile.
    busy: bool,
    /// Whether the last that was delivered was raised: the next cleared is its other half.
    open: bool,
    left_out: u64,
}

impl Line {
    /// Called under the lock of the streak that crossed, which makes this order that of the crossings. (Locks are taken
    /// in this order only: streak, then line.)
    pub(crate) fn push(&self, alarm: Alarm) {
        lock(&self.0).push(alarm);
    }

    /// How many alarms were never delivered, for want of room.
    pub(crate) fn left_out(&self) -> u64 {
        lock(&self.0).left_out
    }
}

impl Queue {
    fn push(&mut self, alarm: Alarm) {
        if self.waiting.len() >= ROOM {
            self.leave_out();
        }
        self.waiting.push_back(alarm);
    }

    fn pop(&mut self) -> Option<Alarm> {
        let alarm = self.waiting.pop_front()?;
        self.open = matches!(alarm, Alarm::Raised { .. });
        Some(alarm)
    }

    /// Leaves out the oldest streak of which nothing was delivered, from raised to cleared: what stays alternates as
    /// before, and its last says how things are.
    fn leave_out(&mut self) {
        let cleared = |alarm: &Alarm| matches!(alarm, Alarm::Cleared { .. });
        let from = match self.waiting.iter().position(cleared) {
            Some(end) if self.open => end + 1,
            _ => 0,
        };
        if let Some(length) = self.waiting.iter().skip(from).position(cleared) {
            self.left_out += self.waiting.drain(from..=from + length).len() as u64;
        }
    }
}

/// The right to deliver what is in a line. Given back when dropped, so that one who is broken off in the midst of it
/// does not silence the line.
#[derive(Debug)]
pub(crate) struct Turn<L: Deref<Target = Line>> {
    line: L,
    over: bool,
}

impl<L: Deref<Target = Line>> Turn<L> {
    /// None where nothing waits, or somebody is at it.
    pub(crate) fn take(line: L) -> Option<Self> {
        {
            let mut queue = lock(&line.0);
            if queue.busy || queue.waiting.is_empty() {
                return None;
            }
            queue.busy = true;
        }
        Some(Self { line, over: false })
    }

    /// The next alarm. When there is none the turn is over in the same breath: what is added later finds nobody at it.
    pub(crate) fn next(&mut self) -> Option<Alarm> {
        let mut queue = lock(&self.line.0);
        let alarm = queue.pop();
        if alarm.is_none() {
            queue.busy = false;
            self.over = true;
        }
        alarm
    }
}

impl<L: Deref<Target = Line>> Drop for Turn<L> {
    fn drop(&mut self) {
        if !self.over {
            lock(&self.line.0).busy = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::StatusCode;

    use super::*;
    use crate::failure::{Failure, Reason};
    use crate::wall::Wall;

    /// A streak, as its alarms: raised at each of so many thresholds, and cleared.
    fn streak(thresholds: u64) -> Vec<Alarm> {
        let at = Wall::system().now();
        let reason = Reason::Status(StatusCode::BAD_GATEWAY);
        let last = Failure { reason, at, call: None, query_id: None };
        let raised =
            (1..=thresholds).map(|failures| Alarm::Raised { threshold: failures, failures, since: at, last });
        let cleared = Alarm::Cleared { failures: thresholds, since: at, at, lasted: Duration::ZERO };
        raised.chain([cleared]).collect()
    }

    fn is_raised(alarm: &Alarm) -> bool {
        matches!(alarm, Alarm::Raised { .. })
    }

    /// With any number of thresholds, and told now and then: what is told is whole streaks, of which none is begun
    /// before the last is over, and ends as the last streak does; and all that was not told is counted.
    #[test]
    fn a_full_line_leaves_out_whole_streaks_and_keeps_the_last() {
        for thresholds in 1..=16 {
            for every in [1, 5, 7, 1000] {
                let mut queue = Queue::default();
                let (mut pushed, mut told) = (Vec::new(), Vec::new());
                for alarm in (0..100).flat_map(|_| streak(thresholds)) {
                    queue.push(alarm);
                    pushed.push(alarm);
                    assert!(queue.waiting.len() <= ROOM);
                    if pushed.len() % every == 0 {
                        told.extend(queue.pop());
                    }
                }
                told.extend(std::iter::from_fn(|| queue.pop()));
                assert_eq!(told.len() as u64 + queue.left_out, pushed.len() as u64);
                assert!(every == 1 || queue.left_out > 0);
                for part in told.split_inclusive(|alarm| !is_raised(alarm)) {
                    let failures = part.iter().filter_map(|alarm| match alarm {
                        Alarm::Raised { failures, .. } => Some(*failures),
                        Alarm::Cleared { .. } => None,
                    });
                    assert!(failures.eq(1..=thresholds), "{part:?}");
                }
                assert!(told.last().is_some_and(|alarm| !is_raised(alarm)));
            }
        }
    }
}

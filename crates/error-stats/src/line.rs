//! Alarms on their way: in order, delivered by one at a time, and never more than a few.

use std::collections::VecDeque;
use std::ops::Deref;

use crate::alarm::Alarm;
use crate::guard::lock;
use crate::sync::Mutex;

/// How many alarms wait for one who is slow to hear them. Far more than cross while a thread waits for its turn at a
/// busy processor, and some 1.2 MiB at most.
pub(crate) const ROOM: usize = 4096;

#[derive(Debug, Default)]
pub(crate) struct Line(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Alarm>,
    /// Whether somebody is delivering. Whoever is delivers what others add meanwhile.
    busy: bool,
    /// Whether the last that was taken to be delivered was raised: the next cleared is its other half.
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

    /// All that wait, at once: who delivers them meets no lock between.
    fn take(&mut self) -> VecDeque<Alarm> {
        let all = std::mem::take(&mut self.waiting);
        if let Some(last) = all.back() {
            self.open = !is_cleared(last);
        }
        all
    }

    /// Leaves out the oldest streak of which nothing was delivered, from raised to cleared: what stays alternates as
    /// before, and its last says how things are. Where there is no such streak, one is long and was raised at very many
    /// thresholds, set under it one after the other: of these, the oldest.
    fn leave_out(&mut self) {
        let from = match self.waiting.iter().position(is_cleared) {
            Some(end) if self.open => end + 1,
            _ => 0,
        };
        let range = match self.waiting.iter().skip(from).position(is_cleared) {
            Some(length) => from..=from + length,
            None => {
                let raised = usize::from(self.waiting.front().is_some_and(is_cleared));
                raised..=raised
            }
        };
        self.left_out += self.waiting.drain(range).len() as u64;
    }
}

fn is_cleared(alarm: &Alarm) -> bool {
    matches!(alarm, Alarm::Cleared { .. })
}

/// The right to deliver what is in a line. Given back when dropped, so that one who is broken off in the midst of it
/// does not silence the line.
#[derive(Debug)]
pub(crate) struct Turn<L: Deref<Target = Line>> {
    line: L,
    /// What was taken out of the line to be delivered.
    batch: VecDeque<Alarm>,
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
        Some(Self { line, batch: VecDeque::new(), over: false })
    }

    /// The next alarm. When there is none the turn is over in the same breath: what is added later finds nobody at it.
    pub(crate) fn next(&mut self) -> Option<Alarm> {
        if self.batch.is_empty() {
            let mut queue = lock(&self.line.0);
            self.batch = queue.take();
            if self.batch.is_empty() {
                queue.busy = false;
                self.over = true;
            }
        }
        self.batch.pop_front()
    }
}

impl<L: Deref<Target = Line>> Drop for Turn<L> {
    fn drop(&mut self) {
        if !self.over {
            let mut queue = lock(&self.line.0);
            while let Some(alarm) = self.batch.pop_back() {
                queue.waiting.push_front(alarm);
            }
            queue.busy = false;
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
        !is_cleared(alarm)
    }

    /// With any number of thresholds, and told now and then: what is told is whole streaks, of which none is begun
    /// before the last is over, and ends as the last streak does; and all that was not told is counted.
    #[test]
    fn a_full_line_leaves_out_whole_streaks_and_keeps_the_last() {
        for thresholds in [1, 2, 5, 16] {
            for every in [1, 5, ROOM + 904, ROOM + 2905, usize::MAX] {
                let mut queue = Queue::default();
                let (mut pushed, mut told) = (0, Vec::new());
                let streaks = 3 * ROOM as u64 / (thresholds + 1);
                let streak = streak(thresholds);
                for alarm in (0..streaks).flat_map(|_| &streak) {
                    queue.push(*alarm);
                    pushed += 1;
                    assert!(queue.waiting.len() <= ROOM);
                    if pushed % every == 0 {
                        told.extend(queue.take());
                    }
                }
                told.extend(queue.take());
                assert_eq!(told.len() as u64 + queue.left_out, pushed as u64);
                assert_eq!(every > ROOM, queue.left_out > 0);
                for part in told.split_inclusive(is_cleared) {
                    let failures = part.iter().filter_map(|alarm| match alarm {
                        Alarm::Raised { failures, .. } => Some(*failures),
                        Alarm::Cleared { .. } => None,
                    });
                    assert!(failures.eq(1..=thresholds), "{part:?}");
                }
                assert!(told.last().is_some_and(is_cleared));
            }
        }
    }

    /// Thresholds that are raised under a streak make alarms without an end to it.
    #[test]
    fn a_streak_longer_than_the_line_takes_no_more_room_than_another() {
        for told_before in [0, 1] {
            let mut queue = Queue::default();
            let (mut endless, mut told) = (streak(3 * ROOM as u64), Vec::new());
            let cleared = endless.pop().unwrap();
            for alarm in [&endless[..], &[cleared], &endless[..2], &[cleared]].concat() {
                queue.push(alarm);
                assert!(queue.waiting.len() <= ROOM);
                if told.len() < told_before {
                    told.extend(queue.take());
                }
            }
            told.extend(queue.take());
            assert_eq!(told.len() as u64 + queue.left_out, endless.len() as u64 + 4);
            assert!(told.split_inclusive(is_cleared).all(|part| part.len() > 1 && is_raised(&part[0])));
            assert!(told.last().is_some_and(is_cleared));
        }
    }
}

//! Services that are not ready because a call would wait too long: who is woken when it would not, and when.
//!
//! A service sleeps here only if a call that came would have to wait longer than its `max_wait`. That changes as time goes
//! on, to which the alarm is set, or when a caller leaves, permits are given back, a pause or other quotas come; and each of these is
//! followed by an [`offer`](Doors::offer). To be woken is to leave; who finds its wait too long again sleeps again, in its old
//! place. So nobody is woken over and over while nothing changes.
//!
//! They are woken one at a time, the next when a call has [come](Doors::came), for with that the wait is longer. But nobody is
//! relied on: if none is known to have come after as long as an offer lasts, all whose wait would do are woken.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use crate::queue::Queue;
use crate::wakes::Wakes;

/// Who sleeps: those who would wait longest first, and of these who asked first.
pub(crate) type Key = (Reverse<Duration>, u64);

#[derive(Debug, Default)]
pub(crate) struct Doors {
    asleep: BTreeMap<Key, Waker>,
    keys: u64,
    /// Somebody was woken, and may come until then.
    until: Option<Instant>,
    /// All are being woken whose wait would do.
    late: bool,
}

impl Doors {
    /// The key of a newcomer.
    pub(crate) fn key(&mut self, max_wait: Duration) -> Key {
        self.keys += 1;
        (Reverse(max_wait), self.keys)
    }

    /// It has found its wait too long. Its old waker is to be dropped outside the lock.
    pub(crate) fn sleep(&mut self, key: Key, waker: Waker) -> Option<Waker> {
        self.until = None;
        self.asleep.insert(key, waker)
    }

    /// It sleeps no more. Its waker is to be dropped outside the lock; there is none if it was woken.
    pub(crate) fn leave(&mut self, key: Key) -> Option<Waker> {
        self.asleep.remove(&key)
    }

    /// Whether any service sleeps.
    #[cfg(feature = "redis")]
    pub(crate) fn are_shut(&self) -> bool {
        !self.asleep.is_empty()
    }

    /// Whoever was woken has come, or will not. Returns whether [`offer`](Self::offer) MUST follow.
    #[inline]
    pub(crate) fn came(&mut self) -> bool {
        self.until.take().is_some() && !self.asleep.is_empty()
    }

    /// Wakes the next. Returns whether there are more than fit into `wakes`.
    #[inline]
    pub(crate) fn offer(&mut self, queue: &mut Queue, now: Instant, wakes: &mut Wakes) -> bool {
        !self.asleep.is_empty() && self.wake(queue, now, wakes)
    }

    fn wake(&mut self, queue: &mut Queue, now: Instant, wakes: &mut Wakes) -> bool {
        let wait = queue.wait_of_one(now).unwrap_or_default();
        if self.asleep.keys().next().is_none_or(|first| first.0.0 < wait) {
            // Whoever was woken has been awaited long enough: it has come, or the wait is too long now in any case.
            (self.until, self.late) = (None, false);
            return false;
        }
        let end = queue.offer_end(now);
        if !self.late {
            // No later than from now on: its clock may have been ahead.
            self.until = self.until.map(|until| until.min(end));
            if self.until.is_some_and(|until| now < until) {
                return false;
            }
            self.late = self.until.is_some();
        }
        while let Some(first) = self.asleep.first_entry() {
            if first.key().0.0 < wait {
                break;
            }
            if wakes.is_full() {
                return true;
            }
            wakes.push(first.remove());
            self.until = Some(end);
            if !self.late {
                return false;
            }
        }
        self.late = false;
        false
    }

    /// When [`offer`](Self::offer) is to be called next.
    #[inline]
    pub(crate) fn deadline(&self, queue: &mut Queue, now: Instant) -> Option<Instant> {
        let (&(Reverse(max_wait), _), _) = self.asleep.first_key_value()?;
        let wait = queue.wait_of_one(now).unwrap_or_default();
        let due = match wait.checked_sub(max_wait) {
            Some(longer) if !longer.is_zero() => now.checked_add(longer),
            _ => Some(self.until.unwrap_or(now)),
        };
        let look = queue.look(now);
        Some(due.map_or(look, |due| due.min(look)))
    }

    /// All wakers, for when a timer is lost.
    pub(crate) fn take_wakers(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.asleep).into_values().collect()
    }
}

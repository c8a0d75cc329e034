//! Who need not wait: takes of what is free, with and without a look at the gate.

use tokio::time::Instant;

use super::Queue;
use crate::lane::{Outlook, Taken};

impl Queue {
    /// Finds out how many permits newcomers can take without a further look: after any change, before the next may come.
    ///
    /// Free permits only become more as time goes on, if it does not go back, and nobody joins the line without a change.
    #[inline]
    pub(crate) fn foresee(&mut self, now: Instant) {
        self.known = if self.offers.line.claims() > 0 || self.spent { 0 } else { self.gate.known(now) };
    }

    /// The shortest way: a newcomer takes permits that are known to be free, but for the last.
    #[inline]
    pub(crate) fn take_known(&mut self, now: Instant, cost: u32) -> bool {
        let known = cost > 0 && self.known > u64::from(cost) && now >= self.clock;
        if !known || !self.gate.record(now, cost) {
            return false;
        }
        self.known -= u64::from(cost);
        self.clock = now;
        true
    }

    /// Newcomers have taken permits of those known to be free, up to now.
    pub(crate) fn took(&mut self, now: Instant, taken: Taken<'_>) {
        if taken.at(0) >= self.clock && taken.at(taken.len() - 1) <= now && taken.is_in_order() {
            self.gate.took(now, taken);
        } else {
            // Their clocks differed, or this one does.
            for index in 0..taken.len() {
                self.tell(taken.at(index));
                self.gate.free(taken.at(index));
                self.gate.take(taken.at(index), 1);
            }
        }
        self.clock = taken.at(taken.len() - 1);
        self.known = self.known.saturating_sub(taken.len() as u64);
        self.spent = self.known == 0;
    }

    /// How many permits newcomers can take without a further look.
    #[inline]
    pub(crate) fn known(&self) -> u64 {
        self.known
    }

    /// A newcomer takes its permits, if they are free, nobody waits, and nothing else stands against it.
    pub(crate) fn take_free(&mut self, now: Instant, cost: u32) -> bool {
        self.tell(now);
        if cost == 0 || self.offers.line.claims() > 0 {
            return false;
        }
        let Some(left) = self.gate.try_take(now, cost) else { return false };
        self.spent = !left;
        true
    }

    /// Somebody who would not wait takes its permits, if there are as many to spare.
    pub(crate) fn take_spare(&mut self, now: Instant, cost: u32) -> bool {
        self.tell(now);
        if cost == 0 {
            return true;
        }
        let ahead = self.offers.line.claimed_cost();
        let spare = self.gate.refusal(now, cost).is_none() && self.gate.fits(now, ahead, cost);
        if spare {
            self.take(now, cost);
        }
        spare
    }

    /// How a newcomer will probably fare.
    #[inline]
    pub(crate) fn outlook(&self) -> Outlook {
        match self.offers.line.claims() {
            0 if self.spent => Outlook::Spent,
            0 => Outlook::Free,
            _ => Outlook::Crowded,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;
    use std::time::Duration;

    use super::*;
    use crate::quota::Quota;

    const SECOND: Duration = Duration::from_secs(1);

    /// Ten per second: one taken, which made room in the record, and nine known to be free.
    fn queue(now: Instant) -> Queue {
        let quota = Quota::per_second(10).unwrap();
        let mut queue = Queue::new(quota.into(), now);
        assert!(!queue.take_known(now, 1) && queue.take_free(now, 1));
        queue.foresee(now);
        queue
    }

    #[test]
    fn what_is_known_to_be_free_is_taken_but_for_the_last() {
        let now = Instant::now();
        let mut queue = queue(now);
        assert!(!queue.take_known(now, 10) && !queue.take_known(now, 0));
        assert!((0..8).all(|_| queue.take_known(now, 1)));
        assert!(!queue.take_known(now, 1) && queue.outlook() == Outlook::Free);
        assert!(queue.take_free(now, 1) && queue.outlook() == Outlook::Spent);
        queue.foresee(now);
        assert!(!queue.take_known(now, 1));
        assert_eq!((queue.spare(now), queue.spare(now + SECOND)), (0, 10));
    }

    #[test]
    fn nothing_is_known_to_be_free_while_somebody_waits_or_in_a_pause_or_when_time_goes_back() {
        let now = Instant::now() + SECOND;
        let mut costly = queue(now);
        assert!(costly.take_known(now, 7));
        let seat = costly.join(Waker::noop().clone(), 5, None);
        costly.foresee(now);
        assert!(!costly.take_known(now, 1), "nobody overtakes who waits for more than is free");
        costly.leave(seat);
        costly.foresee(now);
        assert!(costly.take_known(now, 1));

        let mut paused = queue(now);
        paused.pause(now, 5 * SECOND, 60 * SECOND);
        paused.foresee(now);
        assert!(!paused.take_known(now, 1));

        let mut smaller = queue(now);
        assert!(smaller.take_known(now, 2));
        smaller.set_quotas(now, Quota::per_second(4).unwrap().into());
        smaller.foresee(now);
        assert!(!smaller.take_known(now, 1) && smaller.take_free(now, 1) && !smaller.take_free(now, 1));

        assert!(!queue(now).take_known(now - SECOND, 1));
    }

    #[test]
    fn what_is_known_takes_no_memory_beyond_the_record_of_a_window() {
        let (mut now, quota) = (Instant::now(), Quota::new(1_000_000, SECOND).unwrap());
        let mut queue = Queue::new(quota.into(), now);
        let mut longer = 0;
        for _ in 0..10_000 {
            now += SECOND / 10;
            if !queue.take_known(now, 1) {
                assert!(queue.take_free(now, 1));
                queue.foresee(now);
                longer += 1;
            }
        }
        // Ten are in a window. The record has room for 64; each time it is full, the others leave it.
        assert!((100..200).contains(&longer), "{longer}");
    }
}

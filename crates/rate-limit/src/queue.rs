//! The queue: first come, first served. It knows the quota and the line, and is told the time; it reads no
//! clock, wakes nobody and never blocks, so it can be reasoned about, and tested, step by step.
//!
//! # How a permit finds its caller
//!
//! A caller that finds the line empty and a permit free takes it at once. Any other joins the line. When
//! permits are free, as many waiters as there are permits, from the front, get an *offer* and are woken
//! ([`offer`](Queue::offer)). The first in the line, polled while it holds an offer, takes its permit in that
//! very poll ([`come`](Queue::come)); the permit is recorded then, not when it was offered. One that is
//! polled before those ahead have come waits again, and is woken as soon as it is the first. So permits are
//! taken strictly in order, although several waiters are on their way.
//!
//! One rule is kept by every operation: **offers are never more than free permits, and they are the front of
//! the line.** From it follow:
//!
//! - *An offer is always good.* Permits become free by themselves, as time goes on; only a release makes them
//!   fewer. A release by an offer's holder uses up both; a release by anybody else happens only with a permit
//!   to spare, or revokes the youngest offer. Thus a waiter has its permit at its second poll, or at its
//!   third if it came too early: a runtime with several workers need not poll in the order of the wake-ups.
//! - *No permit is lost.* A permit is no object that could be dropped: it exists if the log says so. What can
//!   be lost is the turn; it ends when its holder takes the permit, leaves, steps aside or lets the offer run
//!   out, and each of these is followed by a look at the new front.
//! - *No wake-up is lost.* A waiter in the line either holds a waker, which is taken when it gets an offer or
//!   becomes the first with one; or it has been woken since it was last polled, and so will be polled. As
//!   long as anybody in the line holds a waker, the alarm of its runtime is set to no later than
//!   [`deadline`](Queue::deadline).
//! - *A parked head harms nobody.* A first that was woken but is not polled (its future sits in a `select!`
//!   loop whose other arm is busy, or in a runtime that nobody drives) is *passed over* after
//!   [`patience`](Queue::patience), one interval of the quota: it leaves the line, and its permit is offered
//!   to the next. Those behind that were woken with it and did not come either are passed over in the same
//!   moment; but whenever a permit is taken, the next has a whole interval. It keeps its ticket: polled
//!   again, it stands in the line where it stood, and if that is the front and a permit is free, takes it at
//!   once. So progress never depends on prompt polls: however late they come, the oldest that comes is
//!   served.
//!
//! Offers run out, and slots come, at instants that any thread may bring about. A deadline is therefore never
//! further away than `patience`: whoever made an offer, and when, some alarm looks at it before it runs out.

use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use crate::admission::{Admit, admission};
use crate::line::{Line, Place, Seat, Ticket};
use crate::quota::Quota;
use crate::wakes::Wakes;

/// How long an offer lasts at least: the granularity of tokio's timer. Nothing would notice a shorter one's
/// end.
const TICK: Duration = Duration::from_millis(1);

#[derive(Debug)]
pub(crate) struct Queue {
    admission: Box<dyn Admit>,
    line: Line,
    patience: Duration,
    tickets: Ticket,
    /// The latest time told.
    clock: Instant,
    /// The first in the line, if it came too early and its turn is now: to be woken outside the lock.
    recalled: Option<Waker>,
}

impl Queue {
    pub(crate) fn new(quota: Quota, now: Instant) -> Self {
        Self {
            admission: admission(quota, now),
            line: Line::default(),
            patience: quota.interval().max(TICK),
            tickets: 0,
            clock: now,
            recalled: None,
        }
    }

    /// A newcomer takes a permit, if there is one and nobody waits.
    pub(crate) fn arrive(&mut self, now: Instant) -> Option<Ticket> {
        self.tell(now);
        if self.line.claims() > 0 || self.admission.available(now) == 0 {
            return None;
        }
        self.admission.take(now);
        Some(self.ticket())
    }

    /// Somebody who would not wait takes a permit, if there is one to spare.
    pub(crate) fn take_spare(&mut self, now: Instant) -> bool {
        self.tell(now);
        let spare = self.admission.available(now) > self.line.claims();
        if spare {
            self.admission.take(now);
        }
        spare
    }

    /// How long a newcomer would wait, if everybody in the line takes a permit as early as possible.
    pub(crate) fn predicted(&mut self, now: Instant) -> Duration {
        self.tell(now);
        self.admission.wait(now, self.line.claims())
    }

    /// A newcomer joins the line.
    pub(crate) fn join(&mut self, waker: Waker) -> Seat {
        let ticket = self.ticket();
        let seat = self.line.sit_down(ticket, Some(waker));
        self.line.claim(seat, self.clock);
        seat
    }

    /// A waiter is polled. If it is its turn, it takes a permit and leaves; its old waker is to be dropped
    /// outside the lock. If not, it is in the line from now on, and is to be given a waker.
    pub(crate) fn come(&mut self, seat: Seat, now: Instant) -> Option<(Ticket, Option<Waker>)> {
        self.tell_but(now, Some(seat));
        if self.line.is_oldest(seat) && self.admission.available(now) > 0 {
            self.admission.take(now);
            let left = self.line.leave(seat);
            self.revoke(now);
            // The line moves: in a large burst, the last to be polled is not late.
            self.line.prolong_first(now + self.patience);
            self.look_at_front(now, None);
            return Some(left);
        }
        if self.line.place(seat) == Place::PassedOver {
            self.line.claim(seat, now + self.patience);
            self.revoke(now);
        }
        None
    }

    /// Who is to be woken for a waiter; the old waker is to be dropped outside the lock.
    pub(crate) fn set_waker(&mut self, seat: Seat, waker: Waker) -> Option<Waker> {
        self.line.set_waker(seat, waker)
    }

    /// A waiter leaves; its waker is to be dropped outside the lock. [`offer`](Self::offer) MUST follow.
    pub(crate) fn leave(&mut self, seat: Seat) -> Option<Waker> {
        self.line.leave(seat).1
    }

    /// A permit taken `at` that instant was not used. [`offer`](Self::offer) MUST follow.
    pub(crate) fn give_back(&mut self, at: Instant) {
        self.admission.give_back(at);
    }

    /// Who has given its permit back keeps its ticket, out of the line until it comes again.
    pub(crate) fn step_aside(&mut self, ticket: Ticket) -> Seat {
        self.line.sit_down(ticket, None)
    }

    /// Offers what is free, from the front of the line. Returns whether there is more to offer than fits into
    /// `wakes`.
    pub(crate) fn offer(&mut self, now: Instant, wakes: &mut Wakes) -> bool {
        self.tell(now);
        let most = self.admission.available(now).min(self.line.claims());
        while self.line.offered() < most {
            if wakes.is_full() {
                return true;
            }
            if let Some(waker) = self.line.offer(now + self.patience) {
                wakes.push(waker);
            }
        }
        false
    }

    /// When [`offer`](Self::offer) is to be called next, if anybody in the line may be waiting for that.
    pub(crate) fn deadline(&mut self, now: Instant) -> Option<Instant> {
        let (claims, offered) = (self.line.claims(), self.line.offered());
        let slot = if claims > offered {
            self.admission.wait(now, offered).min(self.patience)
        } else if claims > 1 {
            self.patience
        } else {
            return None;
        };
        match self.line.front() {
            Some((_, Place::Offered { until })) => Some(until.min(now + slot)),
            _ => Some(now + slot),
        }
    }

    /// Who is to be woken because of whatever was done since this was last called.
    pub(crate) fn take_recalled(&mut self) -> Option<Waker> {
        self.recalled.take()
    }

    /// All wakers, for when a timer is lost.
    pub(crate) fn take_wakers(&mut self) -> Vec<Waker> {
        let seats: Vec<_> = self.line.seats().collect();
        seats.into_iter().filter_map(|seat| self.line.take_waker(seat)).collect()
    }

    /// All who wait, those passed over included.
    pub(crate) fn waiting(&self) -> usize {
        self.line.len()
    }

    /// How many permits are free, beyond those that waiters are about to take.
    pub(crate) fn spare(&mut self, now: Instant) -> usize {
        self.tell(now);
        self.admission.available(now).saturating_sub(self.line.claims())
    }

    /// When the quota allows the next release, whoever makes it.
    pub(crate) fn next_slot(&mut self, now: Instant) -> Instant {
        now + self.admission.wait(now, 0)
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        self.tickets
    }

    fn tell(&mut self, now: Instant) {
        self.tell_but(now, None);
    }

    /// What follows from the time alone. Does not pass over the waiter that has come.
    fn tell_but(&mut self, now: Instant, come: Option<Seat>) {
        if now < self.clock {
            // Another runtime's clock, paused once and ahead of this one. Nobody shall wait for its future.
            self.admission.rewind(now);
            self.line.shorten_offers(now + self.patience);
            self.revoke(now);
        }
        self.clock = now;
        self.look_at_front(now, come);
    }

    /// Passes over who was woken and did not come in time; recalls who came too early and is the first now.
    fn look_at_front(&mut self, now: Instant, come: Option<Seat>) {
        while let Some((seat, Place::Offered { until })) = self.line.front() {
            if come == Some(seat) {
                return;
            }
            if let Some(waker) = self.line.recall(now + self.patience) {
                self.recalled = Some(waker);
                return;
            }
            if now < until {
                return;
            }
            self.line.pass_over(seat);
        }
    }

    /// Keeps offers from being more than free permits.
    fn revoke(&mut self, now: Instant) {
        let available = self.admission.available(now);
        while self.line.offered() > available {
            self.line.revoke();
        }
    }
}

//! The queue: first come, first served. It knows the gate and the line, and is told the time; it reads no
//! clock, wakes nobody and never blocks, so it can be reasoned about, and tested, step by step.
//!
//! # How a permit finds its caller
//!
//! A caller that finds the line empty and its permits free takes them at once; how many are free for such callers is
//! [known](Queue::foresee) after each change, so that most need not ask the gate, nor even this queue: what they take in the
//! lane it is [told](Queue::took) before anything else. Any other joins the line. When
//! permits are free, as many waiters as they suffice for, from the front, get an *offer*
//! ([`offer`](Queue::offer)), and the first of them is woken. Polled while it is the first and its permits are
//! free, a waiter takes them in that very poll ([`come`](Queue::come)); they are recorded then, not when they
//! were offered; and the next that has an offer is woken. So permits are taken strictly in order, and nobody is woken
//! before it is its turn. To wake all with an offer at once would only make the threads of a runtime poll some
//! of them too early, and once more.
//!
//! One rule is kept by every operation: **offers are never more than free permits, and they are the front of
//! the line.** From it follow:
//!
//! - *An offer is always good.* Permits become free by themselves, as time goes on; only a release makes them
//!   fewer, a pause, or another quota. A release by an offer's holder uses up both; a release by anybody else
//!   happens only with permits to spare, or revokes the youngest offers. Thus a waiter has its permit at its
//!   second poll.
//! - *No permit is lost.* A permit is no object that could be dropped: it exists if the log says so. What can
//!   be lost is the turn; it ends when its holder takes the permit, leaves, steps aside or lets the offer run
//!   out, and each of these is followed by a look at the new front.
//! - *No wake-up is lost.* A waiter in the line either holds a waker, which is taken when it gets an offer or
//!   becomes the first with one; or it has been woken since it was last polled, and so will be polled. As
//!   long as anybody in the line holds a waker, the alarm of its runtime is set to no later than
//!   [`deadline`](Queue::deadline).
//! - *A parked head harms nobody.* A first that was woken but is not polled (its future sits in a `select!`
//!   loop whose other arm is busy, or in a runtime that nobody drives) is *passed over* after
//!   its [time](Offers::end), one interval of the quota, but at most a second: it leaves the line, and its permit is offered to
//!   the next. All that have an offer are woken then, so that those who don't come either are passed over
//!   together, as long later; but whenever a permit is taken, the next has the whole time. It keeps its ticket: polled
//!   again, it stands in the line where it stood, and if that is the front and a permit is free, takes it at
//!   once. So progress never depends on prompt polls: however late they come, the oldest that comes is
//!   served.
//!
//! # Costs, several quotas, pauses
//!
//! A waiter's cost is the number of permits that it takes, all or none; it is offered when all of them are free, and
//! nobody overtakes it meanwhile. Whether a call fits is asked of the [gate](Gate): several quotas perhaps, and a
//! pause. A waiter whom a pause or other quotas would have wait longer than it would is refused, in [`offer`](Queue::offer);
//! whatever else makes it late, who was told when it arrived that it would not wait too long is served.
//!
//! Offers run out, and slots come, at instants that any thread may bring about. Who makes offers sets the alarm of its
//! runtime. Outside a runtime, or in one that has no alarm here, nobody can, so a deadline is never further away
//! than a second: if such an offer is made to one who is parked, the others wait so long.

mod free;

#[cfg(feature = "redis")]
use std::any::Any;
#[cfg(feature = "redis")]
use std::mem;
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

#[cfg(feature = "redis")]
use crate::admission::Admit;
#[cfg(feature = "server")]
use crate::admission::Standing;
#[cfg(feature = "redis")]
use crate::demand::Demand;
use crate::gate::Gate;
use crate::line::{Place, Seat, Ticket};
use crate::offers::Offers;
use crate::quotas::Quotas;
#[cfg(feature = "redis")]
use crate::redis::FleetState;
use crate::refusal::Refusal;
use crate::wakes::Wakes;

#[derive(Debug)]
pub(crate) struct Queue {
    gate: Gate,
    offers: Offers,
    tickets: Ticket,
    /// The latest time told.
    clock: Instant,
    /// No permit was left when one was last taken.
    spent: bool,
    /// So many permits are free, and nobody waits for them: see [`foresee`](Self::foresee).
    known: u64,
    /// The most permits that a call could have when somebody else was last asked for them.
    #[cfg(feature = "redis")]
    most_then: u32,
}

/// How a newcomer fares.
#[derive(Debug)]
pub(crate) enum Arrival {
    Turn(Ticket),
    /// Its permits are free.
    Due,
    Refused(Refusal, Duration),
    Wait,
}

/// How a waiter fares that is polled. Its old waker is to be dropped outside the lock.
#[derive(Debug)]
pub(crate) enum Coming {
    /// It has taken its permits, and left. If it has those that were [offered](Queue::offer) to others, that MUST follow.
    Turn(Ticket, Option<Waker>, bool),
    /// It is its turn. It has to come again to take its permits.
    Due,
    /// It has left. If it came again, it would wait so long.
    Refused(Refusal, Duration, Option<Waker>),
    /// It is in the line from now on, and is to be given a waker.
    Wait,
}

impl Queue {
    pub(crate) fn new(quotas: Quotas, now: Instant) -> Self {
        Self::at(Gate::new(quotas, now), now)
    }

    /// A queue for an admission of another kind.
    #[cfg(feature = "redis")]
    pub(crate) fn over(admission: Box<dyn Admit>, quotas: Quotas, now: Instant) -> Self {
        Self::at(Gate::over(admission, quotas), now)
    }

    fn at(gate: Gate, now: Instant) -> Self {
        Self {
            offers: Offers::new(&gate),
            #[cfg(feature = "redis")]
            most_then: gate.most_now(),
            gate,
            tickets: 0,
            clock: now,
            spent: false,
            known: 0,
        }
    }

    pub(crate) fn quotas(&self) -> &Quotas {
        self.gate.quotas()
    }

    /// A newcomer takes its permits, if they are free and nobody waits; or is told that it could, unless it would
    /// `take` them.
    pub(crate) fn arrive(&mut self, now: Instant, cost: u32, take: bool) -> Arrival {
        self.tell(now);
        if cost > 0 {
            if let Some(refusal) = self.gate.refusal(now, cost) {
                return Arrival::Refused(refusal, self.predicted(now, cost));
            }
            if self.offers.line.claims() > 0 || !self.gate.fits(now, 0, cost) {
                return Arrival::Wait;
            }
            match take {
                true => self.take(now, cost),
                false => self.spent = false,
            }
        }
        if take { Arrival::Turn(self.ticket()) } else { Arrival::Due }
    }

    /// Why a call can't even wait.
    pub(crate) fn refusal(&self, now: Instant, cost: u32) -> Option<Refusal> {
        self.gate.refusal(now, cost)
    }

    /// The most permits that a call can ask for.
    pub(crate) fn most(&self) -> u32 {
        self.gate.most()
    }

    /// The most permits that a call can have now.
    #[cfg(feature = "redis")]
    pub(crate) fn most_now(&self) -> u32 {
        self.gate.most_now()
    }

    /// How long a newcomer would wait, if everybody in the line takes its permits as early as possible.
    pub(crate) fn predicted(&mut self, now: Instant, cost: u32) -> Duration {
        self.tell(now);
        self.gate.predicted(now, self.offers.ahead(), cost)
    }

    /// How long a newcomer would wait for one permit, unless it is refused whatever it would wait.
    pub(crate) fn wait_of_one(&mut self, now: Instant) -> Option<Duration> {
        self.gate.refusal(now, 1).is_none().then(|| self.predicted(now, 1))
    }

    /// A newcomer joins the line. If a pause or another quota makes it wait for longer than that, it gives up at
    /// `patient_until`.
    pub(crate) fn join(&mut self, waker: Waker, cost: u32, patient_until: Option<Instant>) -> Seat {
        let ticket = self.ticket();
        let seat = self.offers.line.join(waker, ticket, cost, patient_until);
        self.gate.joined(self.clock, self.offers.line.order(), self.offers.line.claims(), cost);
        self.gate.asked(self.offers.line.claimed_cost());
        if !self.gate.foresees() {
            self.offers.expect_of(seat);
        }
        seat
    }

    /// A waiter is polled. If it is its turn, it takes its permits, or is told so, unless it would `take` them.
    pub(crate) fn come(&mut self, seat: Seat, now: Instant, take: bool) -> Coming {
        self.tell_but(now, Some(seat));
        let cost = self.offers.line.cost(seat);
        if cost == 0 {
            if !take {
                return Coming::Due;
            }
            let (ticket, waker) = self.leave(seat);
            return Coming::Turn(ticket, waker, false);
        }
        let refused = match self.offers.line.place(seat) {
            Place::Refused(refusal) => Some(refusal),
            _ => self.gate.refusal(now, cost),
        };
        if let Some(refusal) = refused {
            let (_, waker) = self.leave(seat);
            return Coming::Refused(refusal, self.predicted(now, cost), waker);
        }
        if self.offers.line.is_oldest(seat) && self.gate.fits(now, 0, cost) {
            if !take {
                return Coming::Due;
            }
            let had_offer = self.offers.line.place(seat) == Place::Offered;
            self.take(now, cost);
            let (ticket, waker) = self.leave(seat);
            let revoked = !had_offer && self.offers.revoke(&mut self.gate, now);
            // Whoever is late was only waiting for this one.
            self.offers.advance(now);
            return Coming::Turn(ticket, waker, revoked);
        }
        if self.offers.line.place(seat) == Place::PassedOver {
            self.offers.line.claim(seat, self.offers.end(now));
            self.gate.asked(self.offers.line.claimed_cost());
            self.offers.expect_again(&self.gate, seat);
            self.offers.revoke(&mut self.gate, now);
        }
        Coming::Wait
    }

    #[inline]
    fn take(&mut self, now: Instant, cost: u32) {
        self.spent = !self.gate.take(now, cost);
    }

    /// Who is to be woken for a waiter; the old waker is to be dropped outside the lock.
    pub(crate) fn set_waker(&mut self, seat: Seat, waker: Waker) -> Option<Waker> {
        self.offers.line.set_waker(seat, waker)
    }

    /// A waiter leaves; its waker is to be dropped outside the lock. [`offer`](Self::offer) MUST follow.
    pub(crate) fn leave(&mut self, seat: Seat) -> (Ticket, Option<Waker>) {
        self.offers.leave(seat)
    }

    /// Permits taken `at` that instant were not used. [`offer`](Self::offer) MUST follow.
    pub(crate) fn give_back(&mut self, at: Instant, cost: u32) {
        self.gate.give_back(at, cost);
    }

    /// Who has given its permits back keeps its ticket, out of the line until it comes again.
    pub(crate) fn step_aside(&mut self, ticket: Ticket, cost: u32, patient_until: Option<Instant>) -> Seat {
        self.offers.line.sit_down(ticket, cost, patient_until)
    }

    /// Other quotas hold from now on. [`offer`](Self::offer) MUST follow, and these wakers be woken.
    pub(crate) fn set_quotas(&mut self, now: Instant, quotas: Quotas) -> Vec<Waker> {
        self.tell(now);
        let before = self.offers.waits(&mut self.gate, now);
        self.gate.set_quotas(now, quotas);
        let sooner = self.offers.set_quotas(now, &self.gate);
        self.offers.revoke(&mut self.gate, now);
        let mut wakers: Vec<_> = self.offers.strain(&mut self.gate, now, before).into_iter().collect();
        self.offers.refuse_costly(self.gate.most(), now);
        if sooner {
            wakers.extend(self.take_wakers());
        }
        wakers
    }

    /// Nobody is released for as long as was `asked`; if that is more than `most`, calls fail for `most`.
    /// [`offer`](Self::offer) MUST follow, and the waker be woken.
    pub(crate) fn pause(&mut self, now: Instant, asked: Duration, most: Duration) -> Option<Waker> {
        self.tell(now);
        let before = self.offers.waits(&mut self.gate, now);
        self.gate.pause(now, asked, most);
        self.offers.revoke(&mut self.gate, now);
        self.offers.strain(&mut self.gate, now, before)
    }

    /// Offers what is free, from the front of the line, and refuses who is not to wait any longer. Returns whether
    /// there is more to do than fits into `wakes`.
    pub(crate) fn offer(&mut self, now: Instant, wakes: &mut Wakes) -> bool {
        self.tell(now);
        self.offers.offer(&mut self.gate, now, wakes)
    }

    /// Whether a waiter that has just joined does not change the [`deadline`](Self::deadline): another waits for permits before
    /// it, and it would wait as long as it takes.
    #[inline]
    pub(crate) fn follows(&self, seat: Seat) -> bool {
        self.offers.line.next().is_some_and(|next| next != seat) && self.gate.foresees()
    }

    /// When [`offer`](Self::offer) is to be called next, if anybody in the line may be waiting for that.
    pub(crate) fn deadline(&mut self, now: Instant) -> Option<Instant> {
        self.offers.deadline(&mut self.gate, now)
    }

    /// Until when an offer lasts that is made now.
    pub(crate) fn offer_end(&self, now: Instant) -> Instant {
        self.offers.end(now)
    }

    /// Until when an alarm looks again at the latest.
    pub(crate) fn look(&self, now: Instant) -> Instant {
        Offers::look(&self.gate, now)
    }

    /// Who is to be woken because of whatever was done since this was last called.
    #[inline]
    pub(crate) fn take_recalled(&mut self) -> Option<Waker> {
        self.offers.take_recalled()
    }

    /// All wakers, for when a timer is lost.
    pub(crate) fn take_wakers(&mut self) -> Vec<Waker> {
        self.offers.take_wakers()
    }

    /// All who wait, those passed over included.
    pub(crate) fn waiting(&self) -> usize {
        self.offers.line.len()
    }

    /// Whether it is as good as new.
    pub(crate) fn is_idle(&mut self, now: Instant) -> bool {
        self.offers.line.len() == 0 && self.gate.is_idle(now)
    }

    /// How many permits are free, beyond those that waiters are about to take.
    pub(crate) fn spare(&mut self, now: Instant) -> usize {
        self.tell(now);
        let free = self.gate.free(now);
        usize::try_from(free.saturating_sub(self.offers.line.claimed_cost())).unwrap_or(usize::MAX)
    }

    /// How a fleet stands with its server.
    #[cfg(feature = "redis")]
    pub(crate) fn fleet(&self) -> Option<FleetState> {
        self.gate.fleet()
    }

    /// Changes an admission that asks somebody else, told what is wanted. [`offer`](Self::offer) MUST follow.
    #[cfg(feature = "redis")]
    pub(crate) fn remote<T>(
        &mut self,
        now: Instant,
        act: impl FnOnce(&mut dyn Any, Demand<'_>, Instant) -> T,
    ) -> Option<T> {
        self.tell(now);
        let done = {
            let Self { offers: Offers { line, .. }, gate, .. } = self;
            let mut costs = line.list().map(|seat| line.cost(seat));
            let demand = Demand { costs: &mut costs, hold: gate.paused_until(now) };
            act(gate.remote()?, demand, now)
        };
        let most = self.gate.most_now();
        if most < mem::replace(&mut self.most_then, most) {
            self.offers.refuse_costly(most, now);
        }
        self.offers.revoke(&mut self.gate, now);
        Some(done)
    }

    /// How each quota stands, in their order; in a pause, nothing is free.
    #[cfg(feature = "server")]
    pub(crate) fn standings(&mut self, now: Instant) -> Vec<Standing> {
        self.tell(now);
        self.gate.standings(now)
    }

    /// When the quotas allow the next release of one permit, whoever makes it.
    pub(crate) fn next_slot(&mut self, now: Instant) -> Instant {
        self.gate.slot(now, 0, 1)
    }

    /// Until when the limiter is paused.
    pub(crate) fn paused_until(&self, now: Instant) -> Option<Instant> {
        self.gate.paused_until(now)
    }

    #[inline]
    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        self.tickets
    }

    #[inline]
    fn tell(&mut self, now: Instant) {
        self.tell_but(now, None);
    }

    /// What follows from the time alone. Does not pass over the waiter that has come.
    #[inline]
    fn tell_but(&mut self, now: Instant, come: Option<Seat>) {
        if now < self.clock {
            // Another runtime's clock, paused once and ahead of this one. Nobody shall wait for its future.
            self.gate.rewind(now, self.clock.duration_since(now));
            self.offers.shorten(now);
            self.offers.revoke(&mut self.gate, now);
        }
        self.clock = now;
        if self.gate.lapse(now) {
            self.offers.revoke(&mut self.gate, now);
            if !self.gate.foresees() {
                self.offers.expect();
            }
        }
        self.offers.look_at_front(now, come);
    }
}

#[cfg(test)]
mod tests;

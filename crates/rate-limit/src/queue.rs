//! The queue: first come, first served. It knows the gate and the line, and is told the time; it reads no
//! clock, wakes nobody and never blocks, so it can be reasoned about, and tested, step by step.
//!
//! # How a permit finds its caller
//!
//! A caller that finds the line empty and its permits free takes them at once. Any other joins the line. When
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
//!   [`patience`], one interval of the quota, but at most a second: it leaves the line, and its permit is offered to
//!   the next. All that have an offer are woken then, so that those who don't come either are passed over
//!   together, as long later; but whenever a permit is taken, the next has the whole time. It keeps its ticket: polled
//!   again, it stands in the line where it stood, and if that is the front and a permit is free, takes it at
//!   once. So progress never depends on prompt polls: however late they come, the oldest that comes is
//!   served.
//!
//! # Costs, several quotas, pauses
//!
//! A waiter's cost is the number of permits that it takes, all or none; it is offered when all of them are free, and
//! nobody overtakes it meanwhile. Whether a call fits is asked of the admission, which may be several quotas, and of the
//! pause. A waiter that can't be served as it was told when it arrived is refused: see [`refused`](Queue::refused).
//!
//! Offers run out, and slots come, at instants that any thread may bring about. Who makes offers sets the alarm of its
//! runtime. Outside a runtime, or in one that has no alarm here, nobody can, so a deadline is never further away
//! than [`LOOK`] or the patience: if such an offer is made to one who is parked, the others wait so long.

#[cfg(feature = "redis")]
use std::any::Any;
use std::collections::BTreeSet;
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
use crate::line::{Line, Place, Seat, Ticket};
use crate::quotas::Quotas;
#[cfg(feature = "redis")]
use crate::redis::FleetState;
use crate::refusal::Refusal;
use crate::wakes::Wakes;

/// How long an offer lasts at least: the granularity of tokio's timer. Nothing would notice a shorter one's
/// end.
const TICK: Duration = Duration::from_millis(1);

/// How long an offer lasts at most: at one call per hour, nobody shall wait an hour for who does not come.
const MOST: Duration = Duration::from_secs(1);

/// How often an alarm looks at the line at least, unless the patience is longer. Each look wakes a runtime, for some
/// 10 us.
const LOOK: Duration = Duration::from_millis(250);

#[derive(Debug)]
pub(crate) struct Queue {
    gate: Gate,
    line: Line,
    /// How long the first may let those behind it wait.
    patience: Duration,
    tickets: Ticket,
    /// The latest time told.
    clock: Instant,
    /// The first in the line, if its turn is now: to be woken outside the lock.
    recalled: Option<Waker>,
    /// Somebody was passed over: whoever else has an offer is to be woken.
    late: bool,
    /// No permit was left when one was last taken.
    spent: bool,
    /// Who is to be refused, and when, unless it has an offer by then.
    due: BTreeSet<(Instant, Seat)>,
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
    /// It has taken its permits, and left.
    Turn(Ticket, Option<Waker>),
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
            patience: patience(&gate),
            gate,
            line: Line::default(),
            tickets: 0,
            clock: now,
            recalled: None,
            late: false,
            spent: false,
            due: BTreeSet::new(),
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
            if self.line.claims() > 0 || !self.gate.fits(now, 0, cost) {
                return Arrival::Wait;
            }
            match take {
                true => self.take(now, cost),
                false => self.spent = false,
            }
        }
        if take { Arrival::Turn(self.ticket()) } else { Arrival::Due }
    }

    /// A newcomer takes its permits, if they are free, nobody waits, and nothing else stands against it.
    #[inline]
    pub(crate) fn take_free(&mut self, now: Instant, cost: u32) -> Option<Ticket> {
        self.tell(now);
        let free = self.line.claims() == 0 && self.gate.refusal(now, cost).is_none();
        if !free || cost > 0 && !self.gate.fits(now, 0, cost) {
            return None;
        }
        if cost > 0 {
            self.take(now, cost);
        }
        Some(self.ticket())
    }

    /// Somebody who would not wait takes its permits, if there are as many to spare.
    pub(crate) fn take_spare(&mut self, now: Instant, cost: u32) -> bool {
        self.tell(now);
        if cost == 0 {
            return true;
        }
        let ahead = self.line.claimed_cost();
        let spare = self.gate.refusal(now, cost).is_none() && self.gate.fits(now, ahead, cost);
        if spare {
            self.take(now, cost);
        }
        spare
    }

    /// Why a call can't even wait.
    pub(crate) fn refusal(&self, now: Instant, cost: u32) -> Option<Refusal> {
        self.gate.refusal(now, cost)
    }

    /// The most permits that a call can ask for.
    pub(crate) fn most(&self) -> u32 {
        self.gate.most()
    }

    /// How long a newcomer would wait, if everybody in the line takes its permits as early as possible.
    pub(crate) fn predicted(&mut self, now: Instant, cost: u32) -> Duration {
        self.tell(now);
        let Self { line, gate, .. } = self;
        let costs = line.list().map(|seat| line.cost(seat));
        gate.predicted(now, (line.claims(), line.claimed_cost()), costs, cost)
    }

    /// A newcomer joins the line. If a pause or another quota makes it wait longer than was predicted, it gives
    /// up at `patient_until`.
    pub(crate) fn join(&mut self, waker: Waker, cost: u32, patient_until: Option<Instant>) -> Seat {
        let ticket = self.ticket();
        let seat = self.line.sit_down(ticket, cost, patient_until);
        self.line.set_waker(seat, waker);
        self.line.claim(seat, self.clock);
        self.gate.asked(self.line.claimed_cost());
        if !self.gate.foresees() {
            self.due.extend(patient_until.map(|until| (until, seat)));
        }
        seat
    }

    /// A waiter is polled. If it is its turn, it takes its permits, or is told so, unless it would `take` them.
    pub(crate) fn come(&mut self, seat: Seat, now: Instant, take: bool) -> Coming {
        self.tell_but(now, Some(seat));
        let cost = self.line.cost(seat);
        if cost == 0 {
            return if take { self.go(seat) } else { Coming::Due };
        }
        let refused = match self.line.place(seat) {
            Place::Refused(refusal) => Some(refusal),
            _ => self.gate.refusal(now, cost),
        };
        if let Some(refusal) = refused {
            let (_, waker) = self.leave(seat);
            return Coming::Refused(refusal, self.predicted(now, cost), waker);
        }
        if self.line.is_oldest(seat) && self.gate.fits(now, 0, cost) {
            if !take {
                return Coming::Due;
            }
            self.take(now, cost);
            let gone = self.go(seat);
            self.revoke(now);
            // The line moves: whoever is late was only waiting for this one.
            self.line.prolong_first(now + self.patience);
            self.look_at_front(now, None);
            return gone;
        }
        if self.line.place(seat) == Place::PassedOver {
            self.line.claim(seat, now + self.patience);
            self.gate.asked(self.line.claimed_cost());
            self.revoke(now);
        }
        Coming::Wait
    }

    #[inline]
    fn take(&mut self, now: Instant, cost: u32) {
        self.spent = !self.gate.take(now, cost);
    }

    fn go(&mut self, seat: Seat) -> Coming {
        let (ticket, waker) = self.leave(seat);
        Coming::Turn(ticket, waker)
    }

    /// Who is to be woken for a waiter; the old waker is to be dropped outside the lock.
    pub(crate) fn set_waker(&mut self, seat: Seat, waker: Waker) -> Option<Waker> {
        self.line.set_waker(seat, waker)
    }

    /// A waiter leaves; its waker is to be dropped outside the lock. [`offer`](Self::offer) MUST follow.
    pub(crate) fn leave(&mut self, seat: Seat) -> (Ticket, Option<Waker>) {
        if let Some(due) = self.line.patient_until(seat) {
            self.due.remove(&(due, seat));
        }
        self.line.leave(seat)
    }

    /// Permits taken `at` that instant were not used. [`offer`](Self::offer) MUST follow.
    pub(crate) fn give_back(&mut self, at: Instant, cost: u32) {
        self.gate.give_back(at, cost);
    }

    /// Who has given its permits back keeps its ticket, out of the line until it comes again.
    pub(crate) fn step_aside(&mut self, ticket: Ticket, cost: u32) -> Seat {
        self.line.sit_down(ticket, cost, None)
    }

    /// Other quotas hold from now on. [`offer`](Self::offer) MUST follow, and these wakers be woken.
    pub(crate) fn set_quotas(&mut self, now: Instant, quotas: Quotas) -> Vec<Waker> {
        self.tell(now);
        self.gate.set_quotas(now, quotas);
        let patience = patience(&self.gate);
        // Alarms that are set relied on the old one.
        let sooner = patience < self.patience;
        self.patience = patience;
        let most = self.gate.most();
        let costly: Vec<_> = self.line.list().filter(|&seat| self.line.cost(seat) > most).collect();
        for seat in costly {
            self.line.set_patient_until(seat, now);
        }
        self.line.shorten_offers(now + patience);
        self.revoke(now);
        let first = self.strain();
        if sooner { self.take_wakers() } else { first.into_iter().collect() }
    }

    /// Nobody is released for as long as was `asked`; if that is more than `most`, calls fail for `most`.
    /// [`offer`](Self::offer) MUST follow, and the waker be woken.
    pub(crate) fn pause(&mut self, now: Instant, asked: Duration, most: Duration) -> Option<Waker> {
        self.tell(now);
        self.gate.pause(now, asked, most);
        self.revoke(now);
        self.strain()
    }

    /// Waits have become longer than was predicted: whoever would not wait so long is to be refused in time.
    /// Returns the waker of the first of them, since no alarm is set to that.
    fn strain(&mut self) -> Option<Waker> {
        self.expect();
        let &(_, first) = self.due.first()?;
        self.line.take_waker(first)
    }

    /// Whoever would not wait for ever is to be refused in time.
    fn expect(&mut self) {
        let Self { line, due, .. } = self;
        due.clear();
        due.extend(line.list().filter_map(|seat| Some((line.patient_until(seat)?, seat))));
    }

    /// Offers what is free, from the front of the line, and refuses who is not to wait any longer. Returns whether
    /// there is more to do than fits into `wakes`.
    pub(crate) fn offer(&mut self, now: Instant, wakes: &mut Wakes) -> bool {
        self.tell(now);
        loop {
            while let Some(next) = self.line.next() {
                if !self.gate.fits(now, self.line.offered_cost(), self.line.cost(next)) {
                    break;
                }
                self.line.offer(now + self.patience);
            }
            let Some((seat, refusal)) = self.refused(now) else { break };
            if wakes.is_full() {
                return true;
            }
            if let Some(waker) = self.line.refuse(seat, refusal) {
                wakes.push(waker);
            }
        }
        self.look_at_front(now, None);
        if self.late {
            let mut at = self.line.front();
            while let Some((seat, Place::Offered { .. })) = at {
                if wakes.is_full() {
                    return true;
                }
                if let Some(waker) = self.line.take_waker(seat) {
                    wakes.push(waker);
                }
                at = self.line.behind(seat);
            }
            self.late = false;
        }
        false
    }

    /// Somebody in the line, without an offer, who is to be refused now.
    fn refused(&mut self, now: Instant) -> Option<(Seat, Refusal)> {
        let next = self.line.next()?;
        if let Some(refusal) = self.gate.refusal(now, self.line.cost(next)) {
            return Some((next, refusal));
        }
        while let Some(&(due, seat)) = self.due.first() {
            if now < due {
                return None;
            }
            self.due.pop_first();
            if self.line.place(seat) == Place::Waiting {
                let refusal = self.gate.refusal(now, self.line.cost(seat));
                return Some((seat, refusal.unwrap_or(Refusal::Wait)));
            }
        }
        None
    }

    /// When [`offer`](Self::offer) is to be called next, if anybody in the line may be waiting for that.
    pub(crate) fn deadline(&mut self, now: Instant) -> Option<Instant> {
        let look = now + self.patience.max(LOOK);
        let slot = match self.line.next() {
            Some(next) => {
                let slot = self.gate.slot(now, self.line.offered_cost(), self.line.cost(next));
                let due = self.due.first().map_or(slot, |&(due, _)| due.max(now));
                slot.min(due).min(look)
            }
            None if self.line.claims() > 1 => look,
            None => return None,
        };
        match self.line.front() {
            Some((_, Place::Offered { until })) => Some(until.min(slot)),
            _ => Some(slot),
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

    /// Whether a newcomer would probably have to wait.
    pub(crate) fn is_busy(&self) -> bool {
        self.spent || self.line.claims() > 0
    }

    /// Whether it is as good as new.
    pub(crate) fn is_idle(&mut self, now: Instant) -> bool {
        self.line.len() == 0 && self.gate.is_idle(now)
    }

    /// How many permits are free, beyond those that waiters are about to take.
    pub(crate) fn spare(&mut self, now: Instant) -> usize {
        self.tell(now);
        let free = self.gate.free(now);
        usize::try_from(free.saturating_sub(self.line.claimed_cost())).unwrap_or(usize::MAX)
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
            let Self { line, gate, .. } = self;
            let mut costs = line.list().map(|seat| line.cost(seat));
            let demand = Demand { costs: &mut costs, hold: gate.paused_until(now) };
            act(gate.remote()?, demand, now)
        };
        self.revoke(now);
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
            self.line.shorten_offers(now + self.patience);
            self.revoke(now);
        }
        self.clock = now;
        if self.gate.lapse(now) {
            self.revoke(now);
            if !self.gate.foresees() {
                self.expect();
            }
        }
        self.look_at_front(now, come);
    }

    /// Passes over who was woken and did not come in time; wakes the first, if it has an offer and waits to be the
    /// first.
    #[inline]
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
            self.late = true;
        }
    }

    /// Keeps offers from being more than free permits.
    fn revoke(&mut self, now: Instant) {
        while let Some(last) = self.line.last_offered() {
            let cost = self.line.cost(last);
            if self.gate.fits(now, self.line.offered_cost() - u64::from(cost), cost) {
                return;
            }
            self.line.revoke();
        }
    }
}

/// How long an offer lasts: an interval of the quota, within bounds.
fn patience(gate: &Gate) -> Duration {
    gate.quotas().interval().min(gate.patience()).clamp(TICK, MOST)
}

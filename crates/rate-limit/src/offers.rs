//! Offers: who may take a permit, for how long, and who is passed over. The queue tells the reasons.

use std::collections::BTreeSet;
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use crate::forecast::Ahead;
use crate::gate::Gate;
use crate::line::{Line, Place, Seat, Ticket};
use crate::refusal::Refusal;
use crate::wakes::Wakes;

/// How long an offer lasts at least: the granularity of tokio's timer. Nothing would notice a shorter one's
/// end.
const TICK: Duration = Duration::from_millis(1);

/// How long an offer lasts at most: at one call per hour, nobody shall wait an hour for who does not come.
const MOST: Duration = Duration::from_secs(1);

/// How often an alarm looks at the line at least. Each look wakes a runtime, for some 10 us, or 80 where the machine had
/// nothing else to do: then one in a quarter of a second cost a third of what a thousand permits did.
const LOOK: Duration = MOST;

/// The same in a fleet, where nothing can be foreseen: who looks has its server asked, for services that sleep.
const LOOK_OUT: Duration = Duration::from_millis(250);

/// The line, and the offers to those at its front.
#[derive(Debug)]
pub(crate) struct Offers {
    pub(crate) line: Line,
    /// How long the first may let those behind it wait.
    patience: Duration,
    /// The first in the line, if its turn is now: to be woken outside the lock.
    recalled: Option<Waker>,
    /// Somebody was passed over: whoever else has an offer is to be woken.
    late: bool,
    /// Who is to be refused, and when, unless it has an offer by then.
    due: BTreeSet<(Due, Seat)>,
}

/// When a waiter is to be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    At(Instant),
    /// It is out of the line. When it comes again it is known when.
    Again,
}

impl Offers {
    pub(crate) fn new(gate: &Gate) -> Self {
        Self {
            line: Line::new(),
            patience: patience(gate),
            recalled: None,
            late: false,
            due: BTreeSet::new(),
        }
    }

    /// Until when an offer lasts that is made now.
    pub(crate) fn end(&self, now: Instant) -> Instant {
        now + self.patience
    }

    /// Until when an alarm looks again at the latest.
    pub(crate) fn look(gate: &Gate, now: Instant) -> Instant {
        now + if gate.foresees() { LOOK } else { LOOK_OUT }
    }

    /// The gate's quotas have changed. Returns whether alarms that are set relied on a longer patience.
    pub(crate) fn set_quotas(&mut self, now: Instant, gate: &Gate) -> bool {
        let patience = patience(gate);
        let sooner = patience < self.patience;
        self.patience = patience;
        self.shorten(now);
        sooner
    }

    /// No offer lasts longer than one that is made now.
    pub(crate) fn shorten(&mut self, now: Instant) {
        self.line.shorten_offers(now + self.patience);
    }

    /// A waiter leaves the line, with its waker.
    pub(crate) fn leave(&mut self, seat: Seat) -> (Ticket, Option<Waker>) {
        if let Some(due) = self.line.patient_until(seat) {
            self.due.remove(&(Due::At(due), seat));
            self.due.remove(&(Due::Again, seat));
        }
        self.line.leave(seat)
    }

    /// Offers what is free, from the front of the line, and refuses who is not to wait any longer. Returns whether
    /// there is more to do than fits into `wakes`.
    pub(crate) fn offer(&mut self, gate: &mut Gate, now: Instant, wakes: &mut Wakes) -> bool {
        loop {
            while let Some(next) = self.line.next() {
                if !gate.fits(now, self.line.offered_cost(), self.line.cost(next)) {
                    break;
                }
                self.line.offer(now + self.patience);
            }
            // Before somebody is taken off the list of those who are due.
            if wakes.is_full() {
                return true;
            }
            let Some((seat, refusal)) = self.refused(gate, now) else { break };
            if let Some(waker) = self.line.refuse(seat, refusal) {
                wakes.push(waker);
            }
        }
        self.look_at_front(now, None);
        if self.late {
            let mut at = self.line.front();
            while let Some((seat, Place::Offered)) = at {
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
    fn refused(&mut self, gate: &Gate, now: Instant) -> Option<(Seat, Refusal)> {
        let next = self.line.next()?;
        if let Some(refusal) = gate.refusal(now, self.line.cost(next)) {
            return Some((next, refusal));
        }
        while let Some(&(Due::At(due), seat)) = self.due.first() {
            if now < due {
                return None;
            }
            self.due.pop_first();
            if self.line.place(seat) == Place::Waiting {
                let refusal = gate.refusal(now, self.line.cost(seat));
                return Some((seat, refusal.unwrap_or(Refusal::Wait)));
            }
        }
        None
    }

    /// When [`offer`](Self::offer) is to be called next, if anybody in the line may be waiting for that.
    pub(crate) fn deadline(&self, gate: &mut Gate, now: Instant) -> Option<Instant> {
        let look = Self::look(gate, now);
        let slot = match self.line.next() {
            Some(next) => {
                let slot = gate.slot(now, self.line.offered_cost(), self.line.cost(next));
                let due = match self.due.first() {
                    Some(&(Due::At(due), _)) => due.max(now),
                    _ => slot,
                };
                slot.min(due).min(look)
            }
            None if self.line.claims() > 1 => look,
            None => return None,
        };
        match self.line.front() {
            Some((first, Place::Offered)) => Some(self.line.until(first).min(slot)),
            _ => Some(slot),
        }
    }

    /// Passes over who was woken and did not come in time; wakes the first, if it has an offer and waits to be the
    /// first.
    #[inline]
    pub(crate) fn look_at_front(&mut self, now: Instant, come: Option<Seat>) {
        while let Some((seat, Place::Offered)) = self.line.front() {
            if come == Some(seat) {
                return;
            }
            if self.line.is_asleep(seat) {
                return self.advance(now);
            }
            if !self.line.is_late(seat, now) {
                return;
            }
            self.line.pass_over(seat);
            self.late = true;
        }
    }

    /// The line has moved: the first, if it has an offer, has its whole time. Wakes it, if it waits for that.
    #[inline]
    pub(crate) fn advance(&mut self, now: Instant) {
        if let Some(waker) = self.line.advance(self.end(now)) {
            debug_assert!(self.recalled.is_none(), "who is recalled is woken before another can be");
            self.recalled = Some(waker);
        }
    }

    /// Keeps offers from being more than free permits.
    /// Returns whether one was taken back: the next permit is waited for earlier than before.
    pub(crate) fn revoke(&mut self, gate: &mut Gate, now: Instant) -> bool {
        let mut revoked = false;
        while let Some(last) = self.line.last_offered() {
            let cost = self.line.cost(last);
            if gate.fits(now, self.line.offered_cost() - u64::from(cost), cost) {
                break;
            }
            self.line.revoke();
            revoked = true;
            if !gate.foresees() {
                // It was to be refused at a time that has gone by, perhaps.
                self.expect_of(last);
            }
        }
        revoked
    }

    /// Those who wait.
    pub(crate) fn ahead(&self) -> Ahead<impl Iterator<Item = u32>> {
        let line = &self.line;
        Ahead {
            order: line.order(),
            len: line.claims(),
            permits: line.claimed_cost(),
            costs: line.list().map(|seat| line.cost(seat)),
        }
    }

    /// How long those would wait who would not wait for ever, if that can be told: of who is out of the line, as the first.
    pub(crate) fn waits(&self, gate: &mut Gate, now: Instant) -> Vec<(Seat, Duration)> {
        let line = &self.line;
        let bounded = |seat: &Seat| line.patient_until(*seat).is_some();
        let (mut waits, mut seats) = (Vec::new(), line.list());
        if !gate.foresees() || !line.seats().any(|seat| bounded(&seat)) {
            return waits;
        }
        gate.forecast(now, self.ahead(), |wait| {
            waits.extend(seats.next().filter(bounded).map(|seat| (seat, wait)));
        });
        let out = line.seats().filter(|&seat| line.place(seat) == Place::PassedOver).filter(bounded);
        waits.extend(
            out.map(|seat| (seat, gate.slot(now, 0, line.cost(seat)).saturating_duration_since(now))),
        );
        waits
    }

    /// A pause has come, or other quotas, and [these](Self::waits) were the waits before: whoever has to wait longer for that
    /// than it would is to be refused in time. Returns the waker of the first of them, since no alarm is set to that.
    pub(crate) fn strain(
        &mut self,
        gate: &mut Gate,
        now: Instant,
        before: Vec<(Seat, Duration)>,
    ) -> Option<Waker> {
        if !gate.foresees() {
            self.expect();
        }
        for ((seat, before), (_, wait)) in before.into_iter().zip(self.waits(gate, now)) {
            let Some(until) = self.line.patient_until(seat) else { continue };
            let out = self.line.place(seat) == Place::PassedOver;
            let (at, again) = ((Due::At(until), seat), (Due::Again, seat));
            let was = self.due.contains(&at) || self.due.contains(&again);
            let is = (was || before < wait) && until.saturating_duration_since(now) < wait;
            if is {
                self.due.insert(if out { again } else { at });
            }
            // It may have left the line since.
            if was && (!is || out) {
                self.due.remove(&at);
            }
            if was && !is {
                self.due.remove(&again);
            }
        }
        match self.due.first() {
            Some(&(Due::At(_), first)) => self.line.take_waker(first),
            _ => None,
        }
    }

    /// Nothing can be foretold: whoever would not wait for ever is to be refused in time.
    pub(crate) fn expect(&mut self) {
        let Self { line, due, .. } = self;
        due.clear();
        due.extend(line.list().filter_map(|seat| Some((Due::At(line.patient_until(seat)?), seat))));
    }

    /// Who was out of the line has come again.
    pub(crate) fn expect_again(&mut self, gate: &Gate, seat: Seat) {
        if self.due.remove(&(Due::Again, seat)) || !gate.foresees() {
            self.expect_of(seat);
        }
    }

    /// It is to be refused in time, if it would not wait for ever.
    pub(crate) fn expect_of(&mut self, seat: Seat) {
        self.due.extend(self.line.patient_until(seat).map(|until| (Due::At(until), seat)));
    }

    /// Whoever wants more permits than can be had is to be refused at once.
    pub(crate) fn refuse_costly(&mut self, most: u32, now: Instant) {
        let costly: Vec<_> = self.line.list().filter(|&seat| self.line.cost(seat) > most).collect();
        for seat in costly {
            if let Some(until) = self.line.patient_until(seat) {
                self.due.remove(&(Due::At(until), seat));
            }
            self.line.set_patient_until(seat, now);
            self.expect_of(seat);
        }
    }

    /// Who is to be woken because of whatever was done since this was last called.
    #[inline]
    pub(crate) fn take_recalled(&mut self) -> Option<Waker> {
        self.recalled.take()
    }

    /// All wakers, for when a timer is lost.
    pub(crate) fn take_wakers(&mut self) -> Vec<Waker> {
        let seats: Vec<_> = self.line.seats().collect();
        seats.into_iter().filter_map(|seat| self.line.take_waker(seat)).collect()
    }
}

/// How long an offer lasts: an interval of the quota, within bounds.
fn patience(gate: &Gate) -> Duration {
    gate.quotas().interval().min(gate.patience()).clamp(TICK, MOST)
}

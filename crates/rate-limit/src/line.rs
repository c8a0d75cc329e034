//! The line of waiters: who came first, whose turn it is, who was passed over.
//!
//! Waiters live in a slab; those with a claim form a doubly linked list through it, in order of their
//! tickets. The first `offered` of that list hold an *offer*: there is a permit for them, to be taken in this order.
//! Whoever is passed over leaves the list, but not the slab, and keeps its ticket. So does whoever is refused.
//!
//! A waiter that holds an offer *and* a waker waits until it is the first.

use std::task::Waker;

use slab::Slab;
use tokio::time::Instant;

use crate::refusal::Refusal;
use crate::stamp::{END, Stamp, Stamper};

/// A waiter's seat in the line.
pub(crate) type Seat = u32;

/// The order of arrival.
pub(crate) type Ticket = u64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the list, behind all offers.
    Waiting,
    /// In the list, with a permit to take. As the first, it may let those behind wait until [then](Line::until).
    Offered,
    /// Out of the list, until it is polled.
    PassedOver,
    /// Out of the list, to leave when it is polled.
    Refused(Refusal),
}

/// All that is needed of it when its turn comes lies in one line of the processor's cache: of a crowd, none is there yet.
#[derive(Debug)]
#[repr(align(64))]
struct Waiter {
    ticket: Ticket,
    /// Taken when it is woken: a waiter without one has a wake-up on its way.
    waker: Option<Waker>,
    /// The end of its offer.
    until: Stamp,
    /// When it gives up, should the wait turn out longer than was predicted when it arrived; or `END`, if never.
    patient_until: Stamp,
    /// How many permits it takes.
    cost: u32,
    place: Place,
    before: Option<Seat>,
    behind: Option<Seat>,
}

#[derive(Debug)]
pub(crate) struct Line {
    seats: Slab<Waiter>,
    stamper: &'static Stamper,
    first: Option<Seat>,
    last: Option<Seat>,
    /// The first in the list without an offer.
    next: Option<Seat>,
    claims: usize,
    offered: usize,
    /// How often the list has changed otherwise than at its end.
    order: u64,
    /// The permits of all claims, and of all offers.
    claimed_cost: u64,
    offered_cost: u64,
}

impl Line {
    pub(crate) fn new() -> Self {
        Self {
            seats: Slab::new(),
            stamper: Stamper::get(),
            first: None,
            last: None,
            next: None,
            claims: 0,
            offered: 0,
            order: 0,
            claimed_cost: 0,
            offered_cost: 0,
        }
    }

    #[inline]
    fn at(&self, seat: Seat) -> &Waiter {
        &self.seats[seat as usize]
    }

    #[inline]
    fn at_mut(&mut self, seat: Seat) -> &mut Waiter {
        &mut self.seats[seat as usize]
    }

    /// All who wait, those passed over included.
    pub(crate) fn len(&self) -> usize {
        self.seats.len()
    }

    /// Those in the list.
    #[inline]
    pub(crate) fn claims(&self) -> usize {
        self.claims
    }

    /// Another whenever the list has changed otherwise than by newcomers at its end.
    pub(crate) fn order(&self) -> u64 {
        self.order
    }

    /// The permits that those in the list will take.
    pub(crate) fn claimed_cost(&self) -> u64 {
        self.claimed_cost
    }

    /// The permits that those with an offer will take.
    pub(crate) fn offered_cost(&self) -> u64 {
        self.offered_cost
    }

    pub(crate) fn cost(&self, seat: Seat) -> u32 {
        self.at(seat).cost
    }

    pub(crate) fn patient_until(&self, seat: Seat) -> Option<Instant> {
        let until = self.at(seat).patient_until;
        (until < END).then(|| self.stamper.instant(until))
    }

    pub(crate) fn set_patient_until(&mut self, seat: Seat, at: Instant) {
        self.at_mut(seat).patient_until = self.stamper.stamp(at);
    }

    /// The first in the list without an offer.
    pub(crate) fn next(&self) -> Option<Seat> {
        self.next
    }

    /// The list, from the front.
    pub(crate) fn list(&self) -> impl Iterator<Item = Seat> {
        std::iter::successors(self.first, |&seat| self.at(seat).behind)
    }

    pub(crate) fn place(&self, seat: Seat) -> Place {
        self.at(seat).place
    }

    /// Until when it may let those behind it wait, if it has an offer.
    pub(crate) fn until(&self, seat: Seat) -> Instant {
        self.stamper.instant(self.at(seat).until)
    }

    /// Whether its offer, if it has one, has run out.
    #[inline]
    pub(crate) fn is_late(&self, seat: Seat, now: Instant) -> bool {
        self.at(seat).until <= self.stamper.stamp(now)
    }

    /// Whether it is still to be woken.
    #[inline]
    pub(crate) fn is_asleep(&self, seat: Seat) -> bool {
        self.at(seat).waker.is_some()
    }

    /// The first in the list; with its place.
    #[inline]
    pub(crate) fn front(&self) -> Option<(Seat, Place)> {
        self.first.map(|seat| (seat, self.at(seat).place))
    }

    /// Who is behind this one in the list; with its place.
    pub(crate) fn behind(&self, seat: Seat) -> Option<(Seat, Place)> {
        self.at(seat).behind.map(|seat| (seat, self.at(seat).place))
    }

    /// Whether nobody in the list has an older ticket than this waiter has.
    pub(crate) fn is_oldest(&self, seat: Seat) -> bool {
        self.first.is_none_or(|first| self.at(seat).ticket <= self.at(first).ticket)
    }

    /// Whether somebody younger than this waiter holds an offer.
    fn is_before_an_offer(&self, seat: Seat) -> bool {
        self.last_offered().is_some_and(|last| self.at(seat).ticket < self.at(last).ticket)
    }

    /// Takes a seat, out of the list.
    pub(crate) fn sit_down(&mut self, ticket: Ticket, cost: u32, patient_until: Option<Instant>) -> Seat {
        self.insert(Waiter {
            ticket,
            waker: None,
            until: 0,
            patient_until: self.patience(patient_until),
            cost,
            place: Place::PassedOver,
            before: None,
            behind: None,
        })
    }

    /// Takes a seat, as the last of the list: the ticket is the youngest.
    pub(crate) fn join(
        &mut self,
        waker: Waker,
        ticket: Ticket,
        cost: u32,
        patient_until: Option<Instant>,
    ) -> Seat {
        let before = self.last;
        let seat = self.insert(Waiter {
            ticket,
            waker: Some(waker),
            until: 0,
            patient_until: self.patience(patient_until),
            cost,
            place: Place::Waiting,
            before,
            behind: None,
        });
        self.link(before, Some(seat));
        self.last = Some(seat);
        self.next = self.next.or(Some(seat));
        self.claims += 1;
        self.claimed_cost += u64::from(cost);
        seat
    }

    fn patience(&self, until: Option<Instant>) -> Stamp {
        until.map_or(END, |until| self.stamper.stamp(until))
    }

    #[expect(clippy::expect_used, reason = "there is no memory for so many")]
    fn insert(&mut self, waiter: Waiter) -> Seat {
        let seat = self.seats.insert(waiter);
        Seat::try_from(seat).expect("the seats of 4,294,967,296 waiters take 256 GiB")
    }

    /// Who is to be woken; the old waker is returned, to be dropped outside the lock.
    pub(crate) fn set_waker(&mut self, seat: Seat, waker: Waker) -> Option<Waker> {
        self.at_mut(seat).waker.replace(waker)
    }

    pub(crate) fn take_waker(&mut self, seat: Seat) -> Option<Waker> {
        self.at_mut(seat).waker.take()
    }

    pub(crate) fn seats(&self) -> impl Iterator<Item = Seat> {
        self.seats.iter().map(|(seat, _)| seat as Seat)
    }

    /// Puts a waiter that was out of the list into its place by ticket. If that is among the offers, it gets
    /// one.
    pub(crate) fn claim(&mut self, seat: Seat, until: Instant) {
        debug_assert!(self.place(seat) == Place::PassedOver);
        let offered = self.is_before_an_offer(seat);
        let behind = self.younger_than(self.at(seat).ticket);
        let before = match behind {
            Some(behind) => self.at(behind).before,
            None => self.last,
        };
        self.link(before, Some(seat));
        self.link(Some(seat), behind);
        let cost = u64::from(self.at(seat).cost);
        self.order += u64::from(behind.is_some());
        self.claims += 1;
        self.claimed_cost += cost;
        if offered {
            self.offered += 1;
            self.offered_cost += cost;
            self.at_mut(seat).until = self.stamper.stamp(until);
            self.at_mut(seat).place = Place::Offered;
        } else {
            if self.next == behind {
                self.next = Some(seat);
            }
            self.at_mut(seat).place = Place::Waiting;
        }
    }

    /// The first, if it holds an offer, need not come before `until`. Its waker, if it waits to be the first.
    pub(crate) fn advance(&mut self, until: Instant) -> Option<Waker> {
        let until = self.stamper.stamp(until);
        let first =
            self.first.map(|first| self.at_mut(first)).filter(|first| first.place == Place::Offered)?;
        first.until = first.until.max(until);
        first.waker.take()
    }

    /// Offers to the next in the list.
    pub(crate) fn offer(&mut self, until: Instant) {
        let Some(next) = self.next else { return };
        let until = self.stamper.stamp(until);
        let next = self.at_mut(next);
        (next.place, next.until) = (Place::Offered, until);
        let (behind, cost) = (next.behind, next.cost);
        self.next = behind;
        self.offered += 1;
        self.offered_cost += u64::from(cost);
    }

    /// The last with an offer.
    pub(crate) fn last_offered(&self) -> Option<Seat> {
        if self.offered == 0 {
            return None;
        }
        match self.next {
            Some(next) => self.at(next).before,
            None => self.last,
        }
    }

    /// Takes the last offer back; its holder, if woken, will find out.
    pub(crate) fn revoke(&mut self) {
        let Some(last) = self.last_offered() else { return };
        self.at_mut(last).place = Place::Waiting;
        self.next = Some(last);
        self.offered -= 1;
        self.offered_cost -= u64::from(self.at(last).cost);
    }

    /// Takes a waiter out of the list.
    pub(crate) fn pass_over(&mut self, seat: Seat) {
        let cost = u64::from(self.at(seat).cost);
        match self.at(seat).place {
            Place::PassedOver | Place::Refused(_) => return,
            Place::Offered => {
                self.offered -= 1;
                self.offered_cost -= cost;
            }
            Place::Waiting => {}
        }
        let Waiter { before, behind, .. } = *self.at(seat);
        self.link(before, behind);
        if self.next == Some(seat) {
            self.next = behind;
        }
        self.order += 1;
        self.claims -= 1;
        self.claimed_cost -= cost;
        let waiter = self.at_mut(seat);
        (waiter.place, waiter.before, waiter.behind) = (Place::PassedOver, None, None);
    }

    /// Takes a waiter out of the list for good.
    pub(crate) fn refuse(&mut self, seat: Seat, refusal: Refusal) -> Option<Waker> {
        self.pass_over(seat);
        self.at_mut(seat).place = Place::Refused(refusal);
        self.at_mut(seat).waker.take()
    }

    /// Gives a seat up; the waker is returned, to be dropped outside the lock.
    pub(crate) fn leave(&mut self, seat: Seat) -> (Ticket, Option<Waker>) {
        self.pass_over(seat);
        let waiter = self.seats.remove(seat as usize);
        (waiter.ticket, waiter.waker)
    }

    /// No offer lasts longer than until `latest`.
    pub(crate) fn shorten_offers(&mut self, latest: Instant) {
        let latest = self.stamper.stamp(latest);
        let mut at = self.first;
        while let Some(seat) = at {
            let waiter = self.at_mut(seat);
            if waiter.place != Place::Offered {
                break;
            }
            waiter.until = waiter.until.min(latest);
            at = waiter.behind;
        }
    }

    /// The first in the list with a younger ticket. It is looked for from both ends at once: newcomers belong
    /// to the end, and those who were passed over mostly to the front.
    fn younger_than(&self, ticket: Ticket) -> Option<Seat> {
        let (mut front, mut back) = (self.first, self.last);
        let mut younger = None;
        loop {
            match front {
                Some(seat) if self.at(seat).ticket < ticket => front = self.at(seat).behind,
                found => return found,
            }
            match back {
                Some(seat) if self.at(seat).ticket > ticket => {
                    younger = Some(seat);
                    back = self.at(seat).before;
                }
                _ => return younger,
            }
        }
    }

    fn link(&mut self, before: Option<Seat>, behind: Option<Seat>) {
        match before {
            Some(before) => self.at_mut(before).behind = behind,
            None => self.first = behind,
        }
        match behind {
            Some(behind) => self.at_mut(behind).before = before,
            None => self.last = before,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waiter_is_one_line_of_the_cache() {
        assert_eq!(size_of::<Waiter>(), 64);
    }
}

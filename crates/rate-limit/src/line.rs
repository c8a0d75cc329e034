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

/// A waiter's seat in the line.
pub(crate) type Seat = usize;

/// The order of arrival.
pub(crate) type Ticket = u64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the list, behind all offers.
    Waiting,
    /// In the list, with a permit to take. As the first, it may let those behind wait until this instant.
    Offered { until: Instant },
    /// Out of the list, until it is polled.
    PassedOver,
    /// Out of the list, to leave when it is polled.
    Refused(Refusal),
}

#[derive(Debug)]
struct Waiter {
    ticket: Ticket,
    /// How many permits it takes.
    cost: u32,
    /// When it gives up, should the wait turn out longer than was predicted when it arrived.
    patient_until: Option<Instant>,
    place: Place,
    /// Taken when it is woken: a waiter without one has a wake-up on its way.
    waker: Option<Waker>,
    before: Option<Seat>,
    behind: Option<Seat>,
}

#[derive(Debug, Default)]
pub(crate) struct Line {
    seats: Slab<Waiter>,
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
        self.seats[seat].cost
    }

    pub(crate) fn patient_until(&self, seat: Seat) -> Option<Instant> {
        self.seats[seat].patient_until
    }

    pub(crate) fn set_patient_until(&mut self, seat: Seat, at: Instant) {
        self.seats[seat].patient_until = Some(at);
    }

    /// The first in the list without an offer.
    pub(crate) fn next(&self) -> Option<Seat> {
        self.next
    }

    /// The list, from the front.
    pub(crate) fn list(&self) -> impl Iterator<Item = Seat> {
        std::iter::successors(self.first, |&seat| self.seats[seat].behind)
    }

    pub(crate) fn place(&self, seat: Seat) -> Place {
        self.seats[seat].place
    }

    /// The first in the list; with its place.
    #[inline]
    pub(crate) fn front(&self) -> Option<(Seat, Place)> {
        self.first.map(|seat| (seat, self.seats[seat].place))
    }

    /// Who is behind this one in the list; with its place.
    pub(crate) fn behind(&self, seat: Seat) -> Option<(Seat, Place)> {
        self.seats[seat].behind.map(|seat| (seat, self.seats[seat].place))
    }

    /// Whether nobody in the list has an older ticket than this waiter has.
    pub(crate) fn is_oldest(&self, seat: Seat) -> bool {
        self.first.is_none_or(|first| self.seats[seat].ticket <= self.seats[first].ticket)
    }

    /// Whether somebody younger than this waiter holds an offer.
    fn is_before_an_offer(&self, seat: Seat) -> bool {
        self.last_offered().is_some_and(|last| self.seats[seat].ticket < self.seats[last].ticket)
    }

    /// Takes a seat, out of the list.
    pub(crate) fn sit_down(&mut self, ticket: Ticket, cost: u32, patient_until: Option<Instant>) -> Seat {
        self.seats.insert(Waiter {
            ticket,
            cost,
            patient_until,
            place: Place::PassedOver,
            waker: None,
            before: None,
            behind: None,
        })
    }

    /// Who is to be woken; the old waker is returned, to be dropped outside the lock.
    pub(crate) fn set_waker(&mut self, seat: Seat, waker: Waker) -> Option<Waker> {
        self.seats[seat].waker.replace(waker)
    }

    pub(crate) fn take_waker(&mut self, seat: Seat) -> Option<Waker> {
        self.seats[seat].waker.take()
    }

    pub(crate) fn seats(&self) -> impl Iterator<Item = Seat> {
        self.seats.iter().map(|(seat, _)| seat)
    }

    /// Puts a waiter that was out of the list into its place by ticket. If that is among the offers, it gets
    /// one.
    pub(crate) fn claim(&mut self, seat: Seat, until: Instant) {
        debug_assert!(self.place(seat) == Place::PassedOver);
        let offered = self.is_before_an_offer(seat);
        let behind = self.younger_than(self.seats[seat].ticket);
        let before = match behind {
            Some(behind) => self.seats[behind].before,
            None => self.last,
        };
        self.link(before, Some(seat));
        self.link(Some(seat), behind);
        let cost = u64::from(self.seats[seat].cost);
        self.order += u64::from(behind.is_some());
        self.claims += 1;
        self.claimed_cost += cost;
        if offered {
            self.offered += 1;
            self.offered_cost += cost;
            self.seats[seat].place = Place::Offered { until };
        } else {
            if self.next == behind {
                self.next = Some(seat);
            }
            self.seats[seat].place = Place::Waiting;
        }
    }

    /// The first, if it holds an offer, need not come before `until`.
    pub(crate) fn prolong_first(&mut self, until: Instant) {
        if let Some(first) = self.first {
            if let Place::Offered { until: end } = &mut self.seats[first].place {
                *end = (*end).max(until);
            }
        }
    }

    /// The first, if it holds an offer and waits to be the first: its waker, and a new offer.
    pub(crate) fn recall(&mut self, until: Instant) -> Option<Waker> {
        let first = &mut self.seats[self.first?];
        let waker = matches!(first.place, Place::Offered { .. }).then(|| first.waker.take())??;
        first.place = Place::Offered { until };
        Some(waker)
    }

    /// Offers to the next in the list.
    pub(crate) fn offer(&mut self, until: Instant) {
        let Some(next) = self.next else { return };
        let next = &mut self.seats[next];
        next.place = Place::Offered { until };
        self.next = next.behind;
        self.offered += 1;
        self.offered_cost += u64::from(next.cost);
    }

    /// The last with an offer.
    pub(crate) fn last_offered(&self) -> Option<Seat> {
        if self.offered == 0 {
            return None;
        }
        match self.next {
            Some(next) => self.seats[next].before,
            None => self.last,
        }
    }

    /// Takes the last offer back; its holder, if woken, will find out.
    pub(crate) fn revoke(&mut self) {
        let Some(last) = self.last_offered() else { return };
        self.seats[last].place = Place::Waiting;
        self.next = Some(last);
        self.offered -= 1;
        self.offered_cost -= u64::from(self.seats[last].cost);
    }

    /// Takes a waiter out of the list.
    pub(crate) fn pass_over(&mut self, seat: Seat) {
        let cost = u64::from(self.seats[seat].cost);
        match self.seats[seat].place {
            Place::PassedOver | Place::Refused(_) => return,
            Place::Offered { .. } => {
                self.offered -= 1;
                self.offered_cost -= cost;
            }
            Place::Waiting => {}
        }
        let Waiter { before, behind, .. } = self.seats[seat];
        self.link(before, behind);
        if self.next == Some(seat) {
            self.next = behind;
        }
        self.order += 1;
        self.claims -= 1;
        self.claimed_cost -= cost;
        let waiter = &mut self.seats[seat];
        (waiter.place, waiter.before, waiter.behind) = (Place::PassedOver, None, None);
    }

    /// Takes a waiter out of the list for good.
    pub(crate) fn refuse(&mut self, seat: Seat, refusal: Refusal) -> Option<Waker> {
        self.pass_over(seat);
        self.seats[seat].place = Place::Refused(refusal);
        self.seats[seat].waker.take()
    }

    /// Gives a seat up; the waker is returned, to be dropped outside the lock.
    pub(crate) fn leave(&mut self, seat: Seat) -> (Ticket, Option<Waker>) {
        self.pass_over(seat);
        let waiter = self.seats.remove(seat);
        (waiter.ticket, waiter.waker)
    }

    /// No offer lasts longer than until `latest`.
    pub(crate) fn shorten_offers(&mut self, latest: Instant) {
        let mut at = self.first;
        while let Some(seat) = at {
            let Place::Offered { until } = &mut self.seats[seat].place else { break };
            *until = (*until).min(latest);
            at = self.seats[seat].behind;
        }
    }

    /// The first in the list with a younger ticket. It is looked for from both ends at once: newcomers belong
    /// to the end, and those who were passed over mostly to the front.
    fn younger_than(&self, ticket: Ticket) -> Option<Seat> {
        let (mut front, mut back) = (self.first, self.last);
        let mut younger = None;
        loop {
            match front {
                Some(seat) if self.seats[seat].ticket < ticket => front = self.seats[seat].behind,
                found => return found,
            }
            match back {
                Some(seat) if self.seats[seat].ticket > ticket => {
                    younger = Some(seat);
                    back = self.seats[seat].before;
                }
                _ => return younger,
            }
        }
    }

    fn link(&mut self, before: Option<Seat>, behind: Option<Seat>) {
        match before {
            Some(before) => self.seats[before].behind = behind,
            None => self.first = behind,
        }
        match behind {
            Some(behind) => self.seats[behind].before = before,
            None => self.last = before,
        }
    }
}

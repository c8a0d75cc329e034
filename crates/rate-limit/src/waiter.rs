//! One caller's way through the queue.

use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::time::Instant;

use crate::alarm::Alarm;
use crate::bounds::Bounds;
use crate::error::RateLimited;
use crate::line::{Seat, Ticket};
use crate::shared::{Shared, State};

/// A caller. It arrives when it is first polled, and leaves when it is dropped.
#[derive(Debug)]
pub(crate) struct Waiter {
    shared: Arc<Shared>,
    bounds: Bounds,
    seat: Option<Seat>,
    /// The alarm it relies on: that of the runtime it was last polled in.
    home: Option<Arc<Alarm<Shared>>>,
}

/// What it takes to wait.
type Means = (Waker, Arc<Alarm<Shared>>);

/// What is to be dropped outside the lock.
#[derive(Default)]
struct Replaced {
    waker: Option<Waker>,
    home: Option<Arc<Alarm<Shared>>>,
}

enum Step {
    /// Its turn: a permit was taken at this instant, and its seat given up.
    Turn(Instant, Ticket),
    Refused(RateLimited),
    /// Not yet its turn; it may still have to be given a seat.
    NotYet,
    /// It waits in its seat. The alarm is to be served, or is set already.
    Seated {
        serve: bool,
    },
}

/// A turn: one permit, recorded. Given back unless it is used.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    waiter: &'a mut Waiter,
    at: Instant,
    ticket: Ticket,
}

impl Waiter {
    pub(crate) fn new(shared: Arc<Shared>, bounds: Bounds) -> Self {
        Self { shared, bounds, seat: None, home: None }
    }

    /// Pending until its turn has come; then a permit is recorded, at this instant. Refused at the first poll
    /// or not at all.
    ///
    /// Panics as `tokio::time::sleep` does, if it must wait.
    pub(crate) fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Result<Turn<'_>, RateLimited>> {
        let mut replaced = Replaced::default();
        let mut step = self.step(&mut None, &mut replaced);
        if let Step::NotYet = step {
            // All that may panic, allocate or run code of others happens between the two takes of the lock.
            let alarm = self.shared.alarm();
            let mut means = Some((cx.waker().clone(), Arc::clone(&alarm)));
            step = self.step(&mut means, &mut replaced);
            if let Step::Seated { serve } = step {
                if serve {
                    alarm.serve();
                }
                assert!(
                    !alarm.is_lost(),
                    "a call must wait for its rate limit, but its Tokio runtime has shut down"
                );
            }
        }
        match step {
            Step::Turn(at, ticket) => Poll::Ready(Ok(Turn { waiter: self, at, ticket })),
            Step::Refused(refused) => {
                tracing::debug!(%refused, "call refused");
                Poll::Ready(Err(refused))
            }
            Step::NotYet | Step::Seated { .. } => Poll::Pending,
        }
    }

    /// Takes a permit if it is its turn; if not, takes a seat if it has the means to wait in it.
    fn step(&mut self, means: &mut Option<Means>, replaced: &mut Replaced) -> Step {
        let Self { shared, bounds, seat, home } = self;
        shared.with(|state, now| {
            match *seat {
                Some(taken) => {
                    if let Some((ticket, waker)) = state.queue.come(taken, now) {
                        *seat = None;
                        state.release(home, replaced);
                        replaced.waker = waker;
                        return Step::Turn(now, ticket);
                    }
                }
                None => {
                    if let Some(ticket) = state.queue.arrive(now) {
                        return Step::Turn(now, ticket);
                    }
                    let (waiting, wait) = (state.queue.waiting(), state.queue.predicted(now));
                    if let Some(bound) = bounds.passed(waiting, wait) {
                        return Step::Refused(RateLimited::new(shared.quota, wait, bound));
                    }
                }
            }
            let Some((waker, alarm)) = means.take() else { return Step::NotYet };
            match *seat {
                Some(seat) => replaced.waker = state.queue.set_waker(seat, waker),
                None => *seat = Some(state.queue.join(waker)),
            }
            state.release(home, replaced);
            let serve = state.register(&alarm, now);
            *home = Some(alarm);
            Step::Seated { serve }
        })
    }
}

impl State {
    fn release(&mut self, home: &mut Option<Arc<Alarm<Shared>>>, replaced: &mut Replaced) {
        if let Some(old) = home.take() {
            self.unregister(&old);
            replaced.home = Some(old);
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let Some(seat) = self.seat else { return };
        let mut replaced = Replaced::default();
        self.shared.hand_over(|state| {
            replaced.waker = state.queue.leave(seat);
            state.release(&mut self.home, &mut replaced);
        });
    }
}

impl Turn<'_> {
    /// The call is released: the permit is used. Returns when it was recorded.
    pub(crate) fn release(self) -> Instant {
        let at = self.at;
        mem::forget(self);
        at
    }

    /// The call can't be released yet: the permit goes to the next, and the waiter keeps its place, to be
    /// polled again when it can.
    pub(crate) fn step_aside(self) {
        self.waiter.seat = Some(self.waiter.shared.hand_over(|state| {
            state.queue.give_back(self.at);
            state.queue.step_aside(self.ticket)
        }));
        mem::forget(self);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.waiter.shared.hand_over(|state| state.queue.give_back(self.at));
    }
}

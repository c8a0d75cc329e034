//! One caller's way through the queue.

use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::runtime::{Handle, Id};
use tokio::time::Instant;

use crate::alarm::{Alarm, Home};
use crate::bounds::Bounds;
use crate::error::{Bound, RateLimited};
use crate::lane::Outlook;
use crate::line::{Seat, Ticket};
use crate::queue::{Arrival, Coming, Queue};
use crate::refusal::Refusal;
use crate::shared::{Shared, State};

/// A caller. It arrives when it is first polled, and leaves when it is dropped.
#[derive(Debug)]
pub(crate) struct Waiter {
    shared: Arc<Shared>,
    bounds: Bounds,
    cost: u32,
    /// When it was first polled.
    arrived: Option<Instant>,
    seat: Option<Seat>,
    /// The alarm it relies on: that of the runtime it was last polled in.
    home: Option<Home>,
}

/// What it takes to wait.
struct Means {
    waker: Waker,
    runtime: Id,
}

/// What is left of a step for outside the lock.
#[derive(Default)]
struct Left {
    /// To be dropped.
    waker: Option<Waker>,
    refused: Option<RateLimited>,
}

enum Step {
    /// Its turn: a permit was taken at this instant, and its seat given up.
    Turn(Instant, Ticket),
    /// Its turn, if it comes to take it.
    Due,
    /// Why, is [left](Left).
    Refused,
    /// Not yet its turn; it may still have to be given a seat.
    NotYet,
    /// It waits in its seat. The alarm is set already, or to be served.
    Seated(Option<Arc<Alarm<Shared>>>),
}

/// A turn: its permits, recorded. Given back unless it is used.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    waiter: &'a mut Waiter,
    at: Instant,
    ticket: Ticket,
}

impl Waiter {
    #[inline]
    pub(crate) fn new(shared: Arc<Shared>, bounds: Bounds, cost: u32) -> Self {
        Self { shared, bounds, cost, arrived: None, seat: None, home: None }
    }

    #[inline]
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    #[inline]
    pub(crate) fn cost(&self) -> u32 {
        self.cost
    }

    /// Pending until its turn has come; then its permits are recorded, at this instant. Refused at the first poll,
    /// or after a pause or a change of the quota.
    ///
    /// Panics as `tokio::time::sleep` does, if it must wait.
    pub(crate) fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Result<Turn<'_>, RateLimited>> {
        match self.poll_step(true, cx)? {
            Step::Turn(at, ticket) => Poll::Ready(Ok(Turn { waiter: self, at, ticket })),
            _ => Poll::Pending,
        }
    }

    /// Pending until its turn has come, which is still to be taken: by [`poll_turn`](Self::poll_turn), right away.
    /// A newcomer may be told so although it will have to wait.
    ///
    /// Panics as `poll_turn` does.
    pub(crate) fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), RateLimited>> {
        match self.poll_step(false, cx)? {
            Step::Turn(..) | Step::Due => Poll::Ready(Ok(())),
            _ => Poll::Pending,
        }
    }

    /// Whether it seems to be its turn, as far as can be told for little: it is a newcomer, and nobody waits.
    #[inline]
    pub(crate) fn seems_due(&self) -> bool {
        self.seat.is_none() && self.shared.outlook() == Outlook::Free
    }

    /// The short way of most: a newcomer takes its permits, if they are free, and is released. Returns when they were
    /// recorded.
    #[inline]
    pub(crate) fn take_free(&mut self) -> Option<Instant> {
        if self.seems_due() { self.shared.take_free(self.cost) } else { None }
    }

    fn leave(&mut self, seat: Seat) {
        // Dropped outside the lock.
        let _waker = self.shared.hand_over(|state| {
            state.release(&mut self.home);
            state.queue.leave(seat).1
        });
    }

    /// How long it waited, if it was released then.
    #[inline]
    pub(crate) fn waited(&self, until: Instant) -> Duration {
        match self.arrived {
            Some(arrived) if arrived < until => until - arrived,
            _ => Duration::ZERO,
        }
    }

    fn poll_step(&mut self, take: bool, cx: &mut Context<'_>) -> Result<Step, RateLimited> {
        // All that may panic, allocate or run code of others happens outside the lock.
        let mut left = Left::default();
        let means = |runtime: Handle| Means { waker: cx.waker().clone(), runtime: runtime.id() };
        let mut has = None;
        if self.seat.is_none() && self.shared.outlook() != Outlook::Free {
            // Most that come now have to wait. But who need not, need not be in a runtime either.
            has = Handle::try_current().ok().map(means);
        }
        let mut step = self.step(take, &mut has, None, &mut left);
        if let Step::NotYet = step {
            let alarm = self.shared.alarm();
            has = Some(means(Handle::current()));
            step = self.step(take, &mut has, Some(&alarm), &mut left);
        }
        if let Step::Seated(serve) = &step {
            if let Some(alarm) = serve {
                alarm.serve();
            }
            // Now that there is a waker for the one who asks to wake when it ends: if it has ended before, another is needed.
            #[cfg(feature = "redis")]
            self.shared.attend();
            assert!(
                !serve.as_ref().is_some_and(|alarm| alarm.is_lost()),
                "a call must wait for its rate limit, but its Tokio runtime has shut down"
            );
        }
        if let Some(refused) = left.refused {
            tracing::debug!(%refused, "call refused");
            // A fleet that refuses must hear of its server's return, and ask for the next call.
            #[cfg(feature = "redis")]
            self.shared.tried(self.cost);
            return Err(refused);
        }
        Ok(step)
    }

    /// Takes its permits if it is its turn and it would; if it is not, takes a seat if it has the means to wait in it. An alarm
    /// was `made` for it, unless its runtime may have one already.
    fn step(
        &mut self,
        take: bool,
        means: &mut Option<Means>,
        made: Option<&Arc<Alarm<Shared>>>,
        left: &mut Left,
    ) -> Step {
        let Self { shared, bounds, cost, arrived, seat, home } = self;
        let cost = *cost;
        let mut next = false;
        let step = shared.with(|state, now| {
            let arrived = *arrived.get_or_insert(now);
            let waited = now.saturating_duration_since(arrived);
            match *seat {
                Some(taken) => match state.queue.come(taken, now, take) {
                    Coming::Turn(ticket, waker, revoked) => {
                        next = revoked;
                        *seat = None;
                        state.release(home);
                        left.waker = waker;
                        return Step::Turn(now, ticket);
                    }
                    Coming::Due => return Step::Due,
                    Coming::Refused(refusal, wait, waker) => {
                        *seat = None;
                        state.release(home);
                        left.waker = waker;
                        left.refused = Some(refused(&state.queue, refusal, cost, waited, wait));
                        return Step::Refused;
                    }
                    Coming::Wait => {}
                },
                None => match state.queue.arrive(now, cost, take) {
                    Arrival::Turn(ticket) => {
                        next = state.doors.came();
                        return Step::Turn(now, ticket);
                    }
                    Arrival::Due => return Step::Due,
                    Arrival::Refused(refusal, wait) => {
                        left.refused = Some(refused(&state.queue, refusal, cost, waited, wait));
                        return Step::Refused;
                    }
                    Arrival::Wait => {
                        let waiting = state.queue.waiting();
                        if let Some((bound, wait)) =
                            bounds.passed(waiting, || state.queue.predicted(now, cost))
                        {
                            left.refused = Some(RateLimited::new(state.queue.quotas().clone(), wait, bound));
                            return Step::Refused;
                        }
                    }
                },
            }
            let Some(Means { waker, runtime }) = means.take() else { return Step::NotYet };
            let Some(relied_on) = state.home(runtime, made) else {
                left.waker = Some(waker);
                return Step::NotYet;
            };
            state.release(home);
            *home = Some(relied_on);
            Step::Seated(match *seat {
                Some(seat) => {
                    left.waker = state.queue.set_waker(seat, waker);
                    state.register(relied_on, now)
                }
                None => {
                    let joined = state.queue.join(waker, cost, bounds.patient_until(now));
                    *seat = Some(joined);
                    next = state.doors.came();
                    state.register_in(joined, relied_on, now)
                }
            })
        });
        // Another service is to be ready, if a call would still not wait too long.
        if next {
            shared.hand_over(|_| ());
        }
        step
    }
}

/// The error of a call that has waited so long, and is refused whatever it would wait.
fn refused(queue: &Queue, refusal: Refusal, cost: u32, waited: Duration, wait: Duration) -> RateLimited {
    let bound = match refusal {
        Refusal::Cost => Bound::Cost { cost, most: queue.most() },
        Refusal::Pause => Bound::Pause,
        Refusal::Wait => Bound::Waited(waited),
        #[cfg(feature = "redis")]
        Refusal::Away(why) => Bound::Away(why),
        #[cfg(feature = "redis")]
        Refusal::Share(why) => Bound::Share { why, cost, most: queue.most_now() },
    };
    RateLimited::new(queue.quotas().clone(), wait, bound)
}

impl State {
    fn release(&mut self, home: &mut Option<Home>) {
        if let Some(home) = home.take() {
            self.unregister(home);
        }
    }
}

impl Drop for Waiter {
    #[inline]
    fn drop(&mut self) {
        if let Some(seat) = self.seat {
            self.leave(seat);
        }
    }
}

impl Turn<'_> {
    /// The call is released: the permit is used. Returns when it was recorded.
    #[inline]
    pub(crate) fn release(self) -> Instant {
        let at = self.at;
        mem::forget(self);
        at
    }

    /// The call can't be released yet: the permit goes to the next, and the waiter keeps its place, to be
    /// polled again when it can.
    pub(crate) fn step_aside(self) {
        self.waiter.seat = Some(self.waiter.shared.hand_over(|state| {
            state.queue.give_back(self.at, self.waiter.cost);
            let patient_until = self.waiter.bounds.patient_until(self.waiter.arrived.unwrap_or(self.at));
            state.queue.step_aside(self.ticket, self.waiter.cost, patient_until)
        }));
        mem::forget(self);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.waiter.shared.hand_over(|state| state.queue.give_back(self.at, self.waiter.cost));
    }
}

//! What all clones of a limiter share: the queue behind its lock, and the alarms.

use std::sync::{Arc, OnceLock, PoisonError};
use std::task::Waker;
use std::time::Duration;
#[cfg(feature = "redis")]
use std::{any::Any, fmt::Debug, future::Future, pin::Pin};

use tokio::runtime::{Handle, Id};
use tokio::time::Instant;

#[cfg(feature = "redis")]
use crate::admission::Admit;
use crate::alarm::{Alarm, Drive, Home};
use crate::allowance::{Allowance, QuotasTooLarge};
#[cfg(feature = "redis")]
use crate::demand::Demand;
use crate::doors::Doors;
use crate::lane::{Keeper, Lane, Outlook};
use crate::line::Seat;
use crate::queue::{Arrival, Queue};
use crate::quota::LONGEST;
use crate::quotas::Quotas;
#[cfg(feature = "redis")]
use crate::redis::FleetError;
use crate::sync::{Mutex, MutexGuard};
use crate::wakes::{Wakes, wake};

#[derive(Debug)]
pub(crate) struct Shared {
    /// Where newcomers take permits without the lock.
    lane: Lane,
    state: Mutex<State>,
    /// Of a key's limiter: how much memory it may take.
    allowance: OnceLock<Allowance>,
    #[cfg(feature = "redis")]
    attend: Option<Box<dyn Attend>>,
}

#[cfg(feature = "redis")]
pub(crate) type Flushing<'a> = Pin<Box<dyn Future<Output = Result<(), FleetError>> + Send + 'a>>;

/// Sees to it that somebody else is asked for permits.
#[cfg(feature = "redis")]
pub(crate) trait Attend: Debug + Send + Sync {
    /// Somebody waits, in the current runtime: this one.
    fn attend(&self, shared: &Arc<Shared>, runtime: Id);

    /// Somebody wanted so many permits at once, and went without.
    fn tried(&self, shared: &Shared, cost: u32);

    /// Services sleep, and nobody of them asks.
    fn awaited(&self, shared: &Shared);

    /// What is held and not used goes back. Ready when it has.
    fn flush<'a>(&'a self, shared: &'a Arc<Shared>) -> Flushing<'a>;

    /// How long an answer is waited for.
    #[cfg(feature = "server")]
    fn notice(&self) -> Duration;
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) queue: Queue,
    /// Services that are not ready.
    pub(crate) doors: Doors,
    keeper: Keeper,
    /// One per runtime with waiters; kept for the next waiter while no other runtime comes.
    alarms: Vec<Registered>,
}

#[derive(Debug)]
struct Registered {
    alarm: Arc<Alarm<Shared>>,
    home: Home,
    runtime: Id,
    waiters: usize,
    /// When it will ring.
    armed: Option<Instant>,
    /// It will ring late, as was found out where it could not be set.
    late: bool,
}

impl Shared {
    pub(crate) fn new(quotas: Quotas) -> Arc<Self> {
        Self::with_lane(quotas, Lane::new())
    }

    /// In less memory, and with a lock for each call.
    pub(crate) fn small(quotas: Quotas) -> Arc<Self> {
        Self::with_lane(quotas, Lane::none())
    }

    fn with_lane(quotas: Quotas, lane: Lane) -> Arc<Self> {
        Arc::new(Self {
            lane,
            state: Mutex::new(State::new(Queue::new(quotas, Instant::now()))),
            allowance: OnceLock::new(),
            #[cfg(feature = "redis")]
            attend: None,
        })
    }

    /// For an admission that asks somebody else.
    #[cfg(feature = "redis")]
    pub(crate) fn over(
        quotas: Quotas,
        admission: Box<dyn Admit>,
        attend: Box<dyn Attend>,
        now: Instant,
    ) -> Arc<Self> {
        let queue = Queue::over(admission, quotas, now);
        let state = Mutex::new(State::new(queue));
        Arc::new(Self { lane: Lane::none(), state, allowance: OnceLock::new(), attend: Some(attend) })
    }

    /// Changes an admission that asks somebody else, and offers what is free.
    #[cfg(feature = "redis")]
    pub(crate) fn remote<T>(&self, act: impl FnOnce(&mut dyn Any, Demand<'_>, Instant) -> T) -> Option<T> {
        let done = self.with(|state, now| state.queue.remote(now, act));
        self.offer(|_, _| ());
        done
    }

    /// Wakes all who wait: they see to it anew that they are served.
    #[cfg(feature = "redis")]
    pub(crate) fn wake_all(&self) {
        self.with(|state, _| state.queue.take_wakers()).into_iter().for_each(wake);
    }

    /// From now on, other quotas that need more memory are refused.
    pub(crate) fn bound(&self, allowance: Allowance) {
        // It is told once, by whoever has made it.
        let _ = self.allowance.set(allowance);
    }

    /// As [`Limiter::set_quotas`](crate::Limiter::set_quotas).
    pub(crate) fn set_quotas(&self, quotas: Quotas) -> Result<(), QuotasTooLarge> {
        let mut provided = Ok(());
        self.unsettle(|queue, now| {
            provided = self.allowance.get().map_or(Ok(()), |allowance| allowance.provide(&quotas));
            if provided.is_err() {
                return vec![];
            }
            queue.set_quotas(now, quotas)
        });
        provided
    }

    /// Locks the state, and tells the time: read under the lock, so that it never goes back from one caller
    /// to the next.
    ///
    /// Nobody's code but ours runs under this lock, and no operation leaves the state half done, so a
    /// poisoned one is as good.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut State, Instant) -> T) -> T {
        self.act(self.lock(), act)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn act<T>(&self, mut state: MutexGuard<'_, State>, act: impl FnOnce(&mut State, Instant) -> T) -> T {
        let State { queue, keeper, .. } = &mut *state;
        let taken = self.lane.close(keeper);
        let now = Instant::now();
        if let Some(taken) = taken {
            queue.took(now, taken);
        }
        let done = act(&mut state, now);
        let State { queue, keeper, .. } = &mut *state;
        queue.foresee(now);
        self.lane.open(keeper, queue.known(), queue.outlook());
        let recalled = queue.take_recalled();
        drop(state);
        if let Some(waker) = recalled {
            wake(waker);
        }
        done
    }

    /// A newcomer takes its permits, if they are free and nobody waits.
    #[inline]
    pub(crate) fn take_free(&self, cost: u32) -> Option<Instant> {
        let taken = if cost == 1 { self.lane.take() } else { None };
        taken.or_else(|| self.take_locked(cost))
    }

    #[inline(never)]
    fn take_locked(&self, cost: u32) -> Option<Instant> {
        if cost == 0 {
            return Some(Instant::now());
        }
        let mut state = self.lock();
        let wanted = cost == 1 && !self.lane.is_none();
        if !wanted && !state.keeper.is_open() {
            let now = Instant::now();
            if state.queue.take_known(now, cost) {
                return Some(now);
            }
        }
        self.act(state, |State { queue, keeper, .. }, now| {
            if wanted {
                keeper.wanted();
            }
            queue.take_free(now, cost).then_some(now)
        })
    }

    /// Whether a newcomer need probably not wait; it is, if nobody waits and its permits are free.
    #[inline]
    pub(crate) fn seems_free(&self, cost: u32) -> bool {
        match self.lane.outlook() {
            Outlook::Free => true,
            Outlook::Spent => self.is_free(cost),
            Outlook::Crowded => false,
        }
    }

    #[inline(never)]
    fn is_free(&self, cost: u32) -> bool {
        self.with(|State { queue, .. }, now| matches!(queue.arrive(now, cost, false), Arrival::Due))
    }

    /// How a newcomer will fare, as far as can be told without the lock.
    #[inline]
    pub(crate) fn outlook(&self) -> Outlook {
        self.lane.outlook()
    }

    /// Whether nobody waits, and nothing that was released matters any more.
    pub(crate) fn is_idle(&self) -> bool {
        self.with(|state, now| state.queue.is_idle(now))
    }

    /// Whether these are its quotas.
    pub(crate) fn has(&self, quotas: &Quotas) -> bool {
        self.with(|state, _| state.queue.quotas() == quotas)
    }

    /// Makes a change that may free a permit, and offers what is free.
    pub(crate) fn hand_over<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = self.with(|state, _| change(state));
        self.offer_and_serve();
        changed
    }

    /// Makes a change that moves deadlines. Those whose wakers it returns are woken: they set their alarms anew.
    pub(crate) fn unsettle(&self, change: impl FnOnce(&mut Queue, Instant) -> Vec<Waker>) {
        let wakers = self.with(|state, now| change(&mut state.queue, now));
        self.offer_and_serve();
        wakers.into_iter().for_each(wake);
    }

    /// As [`Limiter::pause`](crate::Limiter::pause).
    pub(crate) fn pause(&self, asked: Duration, most: Duration) {
        let asked = asked.min(LONGEST);
        tracing::debug!(?asked, ?most, "rate limit paused");
        self.unsettle(|queue, now| queue.pause(now, asked, most.min(LONGEST)).into_iter().collect());
    }

    /// Offers what is free. If these offers run out before the alarm of this runtime rings, sets it anew; for that of
    /// another runtime see the end of the queue's reasoning.
    fn offer_and_serve(&self) {
        let late = self.offer(|state, now| {
            let deadline = state.deadline(now)?;
            let late =
                |registered: &&mut Registered| registered.waiters > 0 && registered.is_late(Some(deadline));
            let mut runtime = None;
            let mut here = None;
            for registered in state.alarms.iter_mut().filter(late) {
                let runtime = *runtime.get_or_insert_with(|| Some(Handle::try_current().ok()?.id()));
                if runtime == Some(registered.runtime) {
                    here = Some(Arc::clone(&registered.alarm));
                } else {
                    registered.late = true;
                }
            }
            here
        });
        if let Some(alarm) = late {
            alarm.serve();
        }
    }

    /// Offers what is free, then looks at what follows.
    fn offer<T>(&self, mut then: impl FnMut(&mut State, Instant) -> T) -> T {
        loop {
            let mut wakes = Wakes::new();
            let done = self.with(|state, now| {
                let State { queue, doors, .. } = state;
                let more = queue.offer(now, &mut wakes) || doors.offer(queue, now, &mut wakes);
                (!more).then(|| then(state, now))
            });
            wakes.wake();
            if let Some(done) = done {
                return done;
            }
        }
    }

    /// Sees to it that somebody asks for a fleet's slots in this runtime, if it is one.
    #[cfg(feature = "redis")]
    #[inline]
    pub(crate) fn attend(self: &Arc<Self>) {
        let Some(attend) = &self.attend else { return };
        if let Ok(runtime) = Handle::try_current() {
            attend.attend(self, runtime.id());
        }
    }

    /// A call was refused. A fleet asks its server for such a permit, so that there may be one for the next call.
    #[cfg(feature = "redis")]
    pub(crate) fn tried(self: &Arc<Self>, cost: u32) {
        if let Some(attend) = &self.attend {
            self.attend();
            attend.tried(self, cost);
        }
    }

    /// Whether somebody else is asked for permits.
    #[cfg(feature = "redis")]
    pub(crate) fn is_attended(&self) -> bool {
        self.attend.is_some()
    }

    /// As [`Limiter::flush`](crate::Limiter::flush).
    #[cfg(feature = "redis")]
    pub(crate) async fn flush(self: &Arc<Self>) -> Result<(), FleetError> {
        let Some(attend) = &self.attend else { return Ok(()) };
        attend.flush(self).await
    }

    /// How long a call may have to wait for a permit that is free: until a fleet's server has answered.
    #[cfg(feature = "server")]
    pub(crate) fn notice(&self) -> Option<Duration> {
        #[cfg(feature = "redis")]
        let notice = self.attend.as_ref().map(|attend| attend.notice());
        #[cfg(not(feature = "redis"))]
        let notice = None;
        notice
    }

    /// The alarm of the current runtime; see [`Alarm::new`] for its panics.
    pub(crate) fn alarm(self: &Arc<Self>) -> Arc<Alarm<Self>> {
        let runtime = Handle::current().id();
        if let Some(alarm) = self.with(|state, _| state.alarm(runtime)) {
            return alarm;
        }
        let new = Alarm::new(Arc::downgrade(self));
        let (alarm, _unused) = self.with(|state, _| match state.alarm(runtime) {
            Some(alarm) => (alarm, Vec::new()),
            None => {
                let (kept, unused) = state.alarms.drain(..).partition(|registered| registered.waiters > 0);
                state.alarms = kept;
                state.alarms.push(Registered::new(Arc::clone(&new)));
                (Arc::clone(&new), unused)
            }
        });
        alarm
    }
}

impl Drive for Shared {
    fn drive(&self, alarm: &Alarm<Self>, rang: bool) -> Option<Instant> {
        #[cfg(feature = "redis")]
        if let Some(attend) = &self.attend {
            if self.with(|state, _| state.doors.are_any_asleep()) {
                attend.awaited(self);
            }
        }
        self.offer(|state, now| state.rearm(alarm, rang, now))
    }

    fn lost(&self, alarm: &Alarm<Self>) {
        let (_lost, wakers) = self.with(|state, _| {
            let index = state.alarms.iter().position(|registered| registered.home == alarm.home());
            let wakers = [state.queue.take_wakers(), state.doors.take_wakers()];
            (index.map(|index| state.alarms.swap_remove(index)), wakers)
        });
        wakers.into_iter().flatten().for_each(wake);
    }
}

impl State {
    fn new(queue: Queue) -> Self {
        Self { queue, doors: Doors::default(), keeper: Keeper::new(), alarms: Vec::new() }
    }

    /// The alarm of a runtime, if it has one.
    fn alarm(&self, runtime: Id) -> Option<Arc<Alarm<Shared>>> {
        let found = self.alarms.iter().find(|registered| registered.runtime == runtime)?;
        Some(Arc::clone(&found.alarm))
    }

    /// What a waiter in this runtime will rely on: its alarm, or the one that was made for it.
    pub(crate) fn home(&mut self, runtime: Id, made: Option<&Arc<Alarm<Shared>>>) -> Option<Home> {
        if let Some(found) = self.alarms.iter().find(|registered| registered.runtime == runtime) {
            return Some(found.home);
        }
        // It had no waiters for a moment, and another runtime came.
        let registered = Registered::new(Arc::clone(made?));
        let home = registered.home;
        self.alarms.push(registered);
        Some(home)
    }

    /// When something is to be done next.
    fn deadline(&mut self, now: Instant) -> Option<Instant> {
        let Self { queue, doors, .. } = self;
        let deadline = queue.deadline(now);
        let door = doors.deadline(queue, now);
        deadline.into_iter().chain(door).min()
    }

    /// A waiter will rely on this alarm. Returns it if it is to be served.
    pub(crate) fn register(&mut self, home: Home, now: Instant) -> Option<Arc<Alarm<Shared>>> {
        let deadline = self.deadline(now);
        let registered = self.registered(home)?;
        registered.waiters += 1;
        registered.is_late(deadline).then(|| Arc::clone(&registered.alarm))
    }

    /// As [`register`](Self::register), of a waiter that has joined the line. Behind others, it needs no more than they do.
    pub(crate) fn register_in(&mut self, seat: Seat, home: Home, now: Instant) -> Option<Arc<Alarm<Shared>>> {
        if self.queue.follows(seat) {
            let registered = self.registered(home)?;
            if registered.waiters > 0 && registered.armed.is_some() && !registered.late {
                registered.waiters += 1;
                return None;
            }
        }
        self.register(home, now)
    }

    /// A waiter relies on this alarm no more.
    pub(crate) fn unregister(&mut self, home: Home) {
        // A lost one is gone already.
        if let Some(registered) = self.registered(home) {
            registered.waiters = registered.waiters.saturating_sub(1);
        }
    }

    /// When the alarm is to ring, if it would ring too late; it counts as set to that from now on.
    fn rearm(&mut self, alarm: &Alarm<Shared>, rang: bool, now: Instant) -> Option<Instant> {
        let deadline = self.deadline(now);
        let registered = self.registered(alarm.home())?;
        registered.late = false;
        if rang {
            registered.armed = None;
        }
        if registered.waiters == 0 || !registered.is_late(deadline) {
            return None;
        }
        registered.armed = deadline;
        deadline
    }

    #[inline]
    fn registered(&mut self, home: Home) -> Option<&mut Registered> {
        self.alarms.iter_mut().find(|registered| registered.home == home)
    }
}

impl Registered {
    fn new(alarm: Arc<Alarm<Shared>>) -> Self {
        let (home, runtime) = (alarm.home(), alarm.runtime());
        Self { alarm, home, runtime, waiters: 0, armed: None, late: false }
    }

    /// Whether it would ring too late for this deadline.
    fn is_late(&self, deadline: Option<Instant>) -> bool {
        match (self.armed, deadline) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(armed), Some(deadline)) => deadline < armed,
        }
    }
}

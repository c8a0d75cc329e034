//! The timer, one per runtime that has waiters, and its waker.
//!
//! A timer that is polled by a waiter stops when that waiter does. This one is polled with a waker of its
//! own: when it rings, it drives the queue from inside the runtime's timer driver, and sets itself again. No
//! waiter and no task is needed.
//!
//! # What makes it safe
//!
//! - A [`Sleep`] belongs to the runtime it was made in, and panics when it is polled after that has shut
//!   down. So each runtime has its own alarm, and an alarm's `Sleep` is only polled by a waiter that is
//!   itself polled in that runtime, or from the ring. A runtime that shuts down rings all its timers: `reset`
//!   then leaves the `Sleep` elapsed although its time is yet to come, which tells that nobody will ever ring
//!   it. It is not polled then, and all waiters are woken, to find themselves another.
//! - tokio may ring inside `reset` and `poll`, and several threads may want the alarm at once. Whoever comes
//!   while it is being served leaves a note, and whoever serves it serves it again: nobody waits, and nobody
//!   enters twice.
//! - The queue's lock is never held while the `Sleep` is touched or anybody is woken.

use std::fmt;
use std::future::Future;
use std::mem;
use std::num::NonZeroU64;
use std::pin::{Pin, pin};
use std::sync::{Arc, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};

use tokio::runtime::{Handle, Id};
use tokio::task::coop::unconstrained;
use tokio::time::{Instant, Sleep};

use crate::sync::{AtomicBool, AtomicU8, Mutex, Ordering};

/// What an alarm drives.
pub(crate) trait Drive: Send + Sync + Sized + 'static {
    /// Does what is due, and returns when to ring next, if that is earlier than what the alarm is set to.
    /// `rang` tells that it is set to nothing any more.
    fn drive(&self, alarm: &Alarm<Self>, rang: bool) -> Option<Instant>;

    /// The alarm will never ring again.
    fn lost(&self, alarm: &Alarm<Self>);
}

/// An alarm, as its waiters name it: by a number that no other of the process ever has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Home(NonZeroU64);

pub(crate) struct Alarm<D> {
    driven: Weak<D>,
    home: Home,
    runtime: Id,
    serving: AtomicU8,
    rang: AtomicBool,
    lost: AtomicBool,
    sleep: Mutex<Pin<Box<Sleep>>>,
    waker: Waker,
}

const IDLE: u8 = 0;
const BUSY: u8 = 1;
const AGAIN: u8 = 2;

enum Set {
    /// It will ring.
    Armed,
    /// The time has come meanwhile.
    Due,
    /// The runtime has shut down.
    Lost,
}

impl<D: Drive> Alarm<D> {
    /// An alarm of the current runtime, not set.
    ///
    /// Panics as `tokio::time::sleep` does outside a runtime with its timer enabled.
    pub(crate) fn new(driven: Weak<D>) -> Arc<Self> {
        static MADE: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
        let home = Home(NonZeroU64::new(MADE.fetch_add(1, Ordering::Relaxed)).unwrap_or(NonZeroU64::MAX));
        let runtime = Handle::current().id();
        let sleep = Mutex::new(Box::pin(tokio::time::sleep_until(Instant::now())));
        Arc::new_cyclic(|alarm| Self {
            driven,
            home,
            runtime,
            serving: AtomicU8::new(IDLE),
            rang: AtomicBool::new(false),
            lost: AtomicBool::new(false),
            sleep,
            waker: Waker::from(Arc::new(Bell(alarm.clone()))),
        })
    }

    pub(crate) fn home(&self) -> Home {
        self.home
    }

    pub(crate) fn runtime(&self) -> Id {
        self.runtime
    }

    /// Whether the runtime has shut down.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    /// Drives, and sets the alarm anew. Called by a waiter polled in this runtime, and when it rings.
    pub(crate) fn serve(&self) {
        let enter = |now| Some(if now == IDLE { BUSY } else { AGAIN });
        if self.serving.fetch_update(Ordering::AcqRel, Ordering::Acquire, enter) != Ok(IDLE) {
            return;
        }
        let unwinding = IdleOnUnwind(&self.serving);
        loop {
            self.serve_once();
            if self.serving.compare_exchange(BUSY, IDLE, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                break;
            }
            // A swap, not a store: it reads what the last one to leave a note has written before.
            self.serving.swap(BUSY, Ordering::AcqRel);
        }
        mem::forget(unwinding);
    }

    fn serve_once(&self) {
        let Some(driven) = self.driven.upgrade() else { return };
        let mut rang = self.rang.swap(false, Ordering::AcqRel);
        while let Some(at) = driven.drive(self, rang) {
            match self.set(at) {
                Set::Armed => break,
                // What was due at that time is done by the next drive, so this ends.
                Set::Due => rang = true,
                Set::Lost => {
                    self.lost.store(true, Ordering::Release);
                    driven.lost(self);
                    break;
                }
            }
        }
    }

    fn set(&self, at: Instant) -> Set {
        let mut sleep = self.sleep.lock().unwrap_or_else(PoisonError::into_inner);
        sleep.as_mut().reset(at);
        if sleep.is_elapsed() {
            return if Instant::now() < at { Set::Lost } else { Set::Due };
        }
        // Without the budget of whatever task is being polled: at its end, it would ring at once, and again,
        // and again.
        let polled = pin!(unconstrained(sleep.as_mut())).poll(&mut Context::from_waker(&self.waker));
        match polled {
            Poll::Pending => Set::Armed,
            Poll::Ready(()) => Set::Due,
        }
    }
}

impl<D> fmt::Debug for Alarm<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alarm").field("runtime", &self.runtime).finish_non_exhaustive()
    }
}

/// The waker. Weak, or else the timer would keep itself alive.
struct Bell<D>(Weak<Alarm<D>>);

impl<D: Drive> Wake for Bell<D> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(alarm) = self.0.upgrade() {
            alarm.rang.store(true, Ordering::Release);
            alarm.serve();
        }
    }
}

/// A panic must not leave the alarm busy for ever.
struct IdleOnUnwind<'a>(&'a AtomicU8);

impl Drop for IdleOnUnwind<'_> {
    fn drop(&mut self) {
        self.0.store(IDLE, Ordering::Release);
    }
}

//! Delivers alarms to the hooks: in order, one at a time, with no lock held.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};

use crate::alarm::Alarm;
use crate::events;
use crate::sync::{Mutex, MutexGuard};

type Hook = Arc<dyn Fn(&Alarm) + Send + Sync>;

#[derive(Default)]
pub(crate) struct Bell {
    queue: Mutex<Queue>,
    hooks: Mutex<Vec<Hook>>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Alarm>,
    /// Whether somebody is delivering. Whoever is delivers what others add meanwhile, so that nobody waits
    /// for a hook but the one who runs it.
    ringing: bool,
}

impl Bell {
    pub(crate) fn add(&self, hook: impl Fn(&Alarm) + Send + Sync + 'static) {
        lock(&self.hooks).push(Arc::new(hook));
    }

    /// Puts an alarm in the queue. Called under the lock of the streak that crossed, which makes the queue's
    /// order that of the crossings. (Locks are taken in this order only: streak, then queue.)
    pub(crate) fn push(&self, alarm: Alarm) {
        lock(&self.queue).waiting.push_back(alarm);
    }

    /// Delivers what is in the queue, unless somebody is at it. Called with no lock held; hooks may make
    /// calls, and take snapshots.
    pub(crate) fn ring(&self) {
        let Some(mut turn) = Turn::take(self) else { return };
        while let Some(alarm) = turn.next() {
            events::alarm(&alarm);
            let hooks = lock(&self.hooks).clone();
            for hook in hooks {
                if let Err(panic) = catch_unwind(AssertUnwindSafe(|| hook(&alarm))) {
                    report(panic);
                }
            }
        }
    }
}

impl fmt::Debug for Bell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bell")
            .field("queue", &lock(&self.queue))
            .field("hooks", &lock(&self.hooks).len())
            .finish()
    }
}

/// The right to deliver. Given back when dropped, so that a `tracing` subscriber that panics does not silence
/// the bell.
struct Turn<'a> {
    bell: &'a Bell,
    over: bool,
}

impl<'a> Turn<'a> {
    fn take(bell: &'a Bell) -> Option<Self> {
        let mut queue = lock(&bell.queue);
        if queue.ringing {
            return None;
        }
        queue.ringing = true;
        Some(Self { bell, over: false })
    }

    /// The next alarm. When there is none the turn is over in the same breath: what is added later rings by
    /// itself.
    fn next(&mut self) -> Option<Alarm> {
        let mut queue = lock(&self.bell.queue);
        let alarm = queue.waiting.pop_front();
        if alarm.is_none() {
            queue.ringing = false;
            self.over = true;
        }
        alarm
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if !self.over {
            lock(&self.bell.queue).ringing = false;
        }
    }
}

/// Reports a hook's panic. What it carries is the hook's own too, and may panic when it is dropped; what that
/// carries is left alone, or there would be no end.
fn report(panic: Box<dyn Any + Send>) {
    events::hook_panicked(message(&*panic));
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        std::mem::forget(again);
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&'static str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

/// What the locks of this crate guard is right at every step, so a panic under one (a wall clock's, say)
/// spoils nothing.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! What is not this crate's own (hooks, recorders, clocks, subscribers) may panic: neither a call nor the process goes
//! down with it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;
use std::thread;

use crate::sync::{Mutex, MutexGuard};

/// Runs what belongs to `whose`. A panic is told as an event, and gives nothing.
pub(crate) fn shielded<T>(whose: &'static str, code: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(code)) {
        Ok(value) => Some(value),
        Err(panic) => {
            told(|| tracing::error!(target: "error_stats", panic = message(&*panic), "{whose} panicked"));
            bury(panic);
            None
        }
    }
}

/// Tells `tracing`. A panic of the subscriber is passed on, but where the thread is panicking already: a second one would
/// abort the process.
pub(crate) fn told(event: impl FnOnce()) {
    if !thread::panicking() {
        event();
    } else if let Err(panic) = catch_unwind(AssertUnwindSafe(event)) {
        bury(panic);
    }
}

/// What a panic carries may panic in turn when it is dropped; what that carries is left alone, or there would be no end.
fn bury(panic: Box<dyn Any + Send>) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        std::mem::forget(again);
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&'static str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

/// What the locks of this crate guard is right at every step, so a panic under one spoils nothing.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Wakers gathered under the lock, to be woken outside it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

/// As many as are woken between two takes of the lock.
const ROOM: usize = 32;

#[derive(Debug)]
pub(crate) struct Wakes {
    wakers: [Option<Waker>; ROOM],
    len: usize,
}

impl Wakes {
    pub(crate) fn new() -> Self {
        Self { wakers: [const { None }; ROOM], len: 0 }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.len == ROOM
    }

    /// Keeps a waker; only while it is not full.
    pub(crate) fn push(&mut self, waker: Waker) {
        self.wakers[self.len] = Some(waker);
        self.len += 1;
    }

    pub(crate) fn wake(self) {
        self.wakers.into_iter().take(self.len).flatten().for_each(wake);
    }
}

/// Wakes somebody. That runs code of others: if it panics, which the panic hook tells, neither those who are to be woken
/// next may pay for it, nor the caller that does this, and may just have taken its permit.
pub(crate) fn wake(waker: Waker) {
    drop(catch_unwind(AssertUnwindSafe(|| waker.wake())));
}

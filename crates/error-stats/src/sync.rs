//! The primitives that the streak is guarded by. A file of its own, so that a model checker can stand in for
//! them: `tests/loom.rs` takes the files above as they are, over loom's.

pub(crate) use std::sync::atomic::{AtomicBool, Ordering};
pub(crate) use std::sync::{Mutex, MutexGuard};

use tokio::runtime::Handle;

/// Runs a job where it delays no call: on a thread that the runtime keeps for what blocks. Where there is no runtime,
/// here and now.
pub(crate) fn apart(job: impl FnOnce() + Send + 'static) {
    match Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn_blocking(job)),
        Err(_) => job(),
    }
}

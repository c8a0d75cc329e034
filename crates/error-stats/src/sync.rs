//! The primitives that the streak is guarded by. A file of its own, so that a model checker can stand in for
//! them: `tests/loom.rs` takes the files above as they are, over loom's.

pub(crate) use std::sync::atomic::{AtomicBool, Ordering};
pub(crate) use std::sync::{Mutex, MutexGuard};

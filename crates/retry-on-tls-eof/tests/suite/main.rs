//! The tests, but for those that need a process of their own: one program, so that it is linked once and what waits
//! waits together.

mod budget;
mod collect;
#[path = "../common/mod.rs"]
mod common;
mod deadline;
mod limited;
mod model;
mod readiness;
mod reconcile;
mod reconcile_answers;
mod retry;
mod safety;
mod stalled;
mod timeout;
mod truncated;
mod wire;
mod wrapped;

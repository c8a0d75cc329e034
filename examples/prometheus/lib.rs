//! The parts of the example `prometheus`; `main.rs` says what it does.

mod args;
mod exporter;
mod exposition;
mod run;
mod sample;
mod truth;

pub use crate::exposition::{Exposition, Family};
pub use crate::run::main;

//! The parts of the example `watch`: see `main.rs`.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod args;
mod attempts;
mod board;
mod calls;
mod clock;
mod demo;
mod endpoint;
mod frame;
mod interrupt;
mod join;
mod line;
mod live;
mod run;
mod screen;
mod stack;
mod stock;
mod summary;
mod tally;
mod text;
mod watch;
mod window;

pub use crate::run::main;

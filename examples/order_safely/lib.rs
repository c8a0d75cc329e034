//! The parts of the example `order_safely`: see `main.rs`.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod args;
mod buy;
mod client;
mod look;
mod runs;
mod stack;

pub use crate::buy::{Buyer, How, Purchase};
pub use crate::runs::{Summary, run};
pub use crate::stack::Patience;

use std::process::ExitCode;

use crate::args::{Command, HELP, parse};

/// Reads the command line, buys, and says whether all was well.
#[must_use]
pub fn main() -> ExitCode {
    let (runs, seed) = match parse(std::env::args_os().skip(1)) {
        Ok(Command::Help) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Ok(Command::Buy { runs, seed }) => (runs, seed),
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let summary = tokio::runtime::Runtime::new()
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(run(runs, seed, |line| println!("{line}"))));
    match summary {
        Ok(summary) => {
            println!("{summary}");
            if summary.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

//! The command line.

use std::ffi::OsString;

use lexopt::{Arg, Parser, ValueExt as _};

pub(crate) const HELP: &str = "\
Buys servers over a wire that cuts at random, and compares what the buyer was told with the API's books.

Usage: cargo run --example order_safely -- [FLAGS]

  --runs NUMBER  how many servers are bought, one after another, 1 to 4294967295 [20]; up to 20 are listed
  --seed NUMBER  of the cuts and waits of the first run, 0 to 18446744073709551615 [1]; the next run's is one more
  --help

Exit codes:
  0  every run ended in exactly one order, and the buyer was told which
  1  one did not, and the output says which
  2  bad arguments
";

/// What the command line asks for.
#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    Help,
    Buy { runs: u32, seed: u64 },
}

/// Reads the arguments, without the program's name. The error is one line.
pub(crate) fn parse(args: impl IntoIterator<Item = impl Into<OsString>>) -> Result<Command, String> {
    read(Parser::from_args(args.into_iter().map(Into::into))).map_err(|error| format!("{error}; see --help"))
}

fn read(mut parser: Parser) -> Result<Command, lexopt::Error> {
    let (mut runs, mut seed) = (20, 1);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("runs") => {
                runs = parser.value()?.parse()?;
                if runs == 0 {
                    return Err("--runs is 0; it must be 1 to 4294967295".into());
                }
            }
            Arg::Long("seed") => seed = parser.value()?.parse()?,
            Arg::Long("help") | Arg::Short('h') => return Ok(Command::Help),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Command::Buy { runs, seed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_numbers_and_refuses_the_rest() {
        assert_eq!(parse([""; 0]), Ok(Command::Buy { runs: 20, seed: 1 }));
        assert_eq!(parse(["--runs", "1000", "--seed=7"]), Ok(Command::Buy { runs: 1000, seed: 7 }));
        assert_eq!(parse(["--seed", "9", "--help"]), Ok(Command::Help));
        for bad in
            [&["--runs", "0"][..], &["--runs", "-1"], &["--runs"], &["--seed", "x"], &["--run"], &["7"]]
        {
            let error = parse(bad).unwrap_err();
            assert!(error.ends_with("; see --help") && error.lines().count() == 1, "{error}");
        }
    }
}

//! The command line.

use std::ffi::OsString;
use std::time::Duration;

use lexopt::{Arg, ValueExt as _};

pub(crate) const HELP: &str = "\
Watches a server's stock on loopback, and exports what happens in Prometheus' text format.

Usage: cargo run -p prometheus-example --example prometheus -- [FLAGS]

  --seconds SECS  how long to watch, 0.1 to 86400 [5]
  --port PORT     where on 127.0.0.1 to export, 0 to 65535 [0, which is any that is free]
  --help

Exit codes: 0, and every exported figure is the server's own; 1, and what does not add up; 2, bad arguments.
";

/// What the command line asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Args {
    pub(crate) seconds: Duration,
    pub(crate) port: u16,
}

/// Reads the arguments, without the program's name: none for a cry for help. The error is one line.
pub(crate) fn parse(args: impl IntoIterator<Item = impl Into<OsString>>) -> Result<Option<Args>, String> {
    let mut parser = lexopt::Parser::from_args(args);
    let mut read = Args { seconds: Duration::from_secs(5), port: 0 };
    while let Some(arg) = parser.next().map_err(|error| error.to_string())? {
        match arg {
            Arg::Long("help") | Arg::Short('h') => return Ok(None),
            Arg::Long("seconds") => {
                let given = value(&mut parser)?;
                let seconds = given.parse().ok().filter(|seconds| (0.1..=86400.0).contains(seconds));
                let seconds = seconds.ok_or(format!("--seconds {given:?}: 0.1 to 86400 are accepted"))?;
                read.seconds = Duration::from_secs_f64(seconds);
            }
            Arg::Long("port") => {
                let given = value(&mut parser)?;
                read.port =
                    given.parse().map_err(|_| format!("--port {given:?}: 0 to 65535 are accepted"))?;
            }
            other => return Err(other.unexpected().to_string()),
        }
    }
    Ok(Some(read))
}

fn value(parser: &mut lexopt::Parser) -> Result<String, String> {
    let value = parser.value().map_err(|error| error.to_string())?;
    value.string().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_range_is_named_with_the_range() {
        let read = |line: &str| parse(line.split_whitespace());
        assert_eq!(
            read("--seconds 0.5 --port 9100"),
            Ok(Some(Args { seconds: Duration::from_millis(500), port: 9100 }))
        );
        assert_eq!(read("--help --port x"), Ok(None));
        for seconds in ["0", "-1", "NaN", "inf", "1e9", "soon"] {
            let refused = read(&format!("--seconds={seconds}")).unwrap_err();
            assert_eq!(refused, format!("--seconds {seconds:?}: 0.1 to 86400 are accepted"));
        }
        assert_eq!(read("--port 65536").unwrap_err(), "--port \"65536\": 0 to 65535 are accepted");
        assert!(read("--nonsense").unwrap_err().contains("--nonsense"));
    }
}

//! The command line.

use std::ffi::OsString;
use std::ops::RangeInclusive;
use std::time::Duration;

use lexopt::Arg;

use crate::endpoint::Endpoint;
use crate::text::one_line;

pub(crate) const HELP: &str = "\
Watches the stock of servers, and prints each change of it.

With no --endpoint it watches a server of its own on loopback, which cuts a good quarter of its connections, with waits of
50 to 500 ms before each repeat. Over a real endpoint they are 2 to 10 s.

Usage: cargo run --example watch -- [FLAGS]

  --plan CODE        a plan code, such as 24sk10; may be given again
                     [demo: 24sk10, 24rise01 and 24adv01-v3, and it knows no other]
  --datacenter LIST  only these, such as gra,rbx; may be given again [all]
  --option NAME      only configurations with this addonFamily, such as ram-64g-ecc-2133; may be given again [all]
  --interval SECS    from one question about a plan to the next, 0.001 to 86400 [demo: 0.25, else 5]
  --seconds SECS     how long to watch, 0.001 to 86400 [demo: 12, else until Ctrl-C]
                     calls under way then get two seconds more
  --endpoint NAME    the real API, such as ovh-eu, ovh-ca or ovh-us, or any base URL, such as https://eu.api.ovh.com/1.0;
                     needs at least one --plan
  --seed NUMBER      of the waits, and of the demo's stock and faults, 0 to 18446744073709551615 [7]
  --help, --version

On a terminal it draws a table in place, a row for each plan and a column for each datacenter: the best availability, and
how many configurations can be had. Elsewhere each change is a line. NO_COLOR (not empty) takes the colours out.

Ctrl-C or SIGTERM ends it with the summary, on a terminal also Ctrl-\\ and SIGHUP; a reader of its output that has gone (head,
say) without. RUST_LOG (such as warn, or error_stats=debug) says what is logged to stderr: by default errors, and over a
real endpoint also repeats.

Exit codes:
  0  at least one call succeeded, each that did not (of many the last 1000) is listed with its reason, every attempt is
     accounted for (in the demo also against what the server did), and the rate limit held
  1  no call succeeded, or something does not add up, which the summary then lists
  2  bad arguments
";

/// What the command line asks for.
#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    Help,
    Version,
    Watch(Args),
}

#[derive(Debug, PartialEq)]
pub(crate) struct Args {
    pub(crate) plans: Vec<String>,
    pub(crate) datacenters: Vec<String>,
    pub(crate) options: Vec<String>,
    pub(crate) interval: Option<Duration>,
    /// `None`: 12 s in the demo, else until it is stopped.
    pub(crate) seconds: Option<Duration>,
    /// `None` is the demo.
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) seed: u64,
}

/// Both ends are choices: tokio's timer resolves a millisecond, and the demo's summary keeps every attempt of the run, which a
/// day at ten per second bounds to a few hundred MB.
const SECONDS: RangeInclusive<f64> = 0.001..=86400.0;

/// One whose demo meets every kind of fault within the default time.
const DEFAULT_SEED: u64 = 7;

/// Reads the arguments, without the program's name. The error is one line.
pub(crate) fn parse(args: impl IntoIterator<Item = impl Into<OsString>>) -> Result<Command, String> {
    let mut parser = lexopt::Parser::from_args(args.into_iter().map(Into::into));
    let mut plans = Vec::new();
    let mut datacenters = Vec::new();
    let mut options = Vec::new();
    let (mut interval, mut seconds, mut endpoint, mut seed) = (None, None, None, None);
    while let Some(arg) = parser.next().map_err(usage)? {
        let name = match arg {
            Arg::Long(name) => name.to_owned(),
            Arg::Short(letter) => return Err(format!("unknown flag {:?}; see --help", format!("-{letter}"))),
            Arg::Value(value) => return Err(format!("{value:?} belongs to no flag; see --help")),
        };
        match &*name {
            "help" | "version" => {
                if let Some(value) = parser.optional_value() {
                    return Err(format!("--{name} takes no value, and {value:?} was given"));
                }
                return Ok(if name == "help" { Command::Help } else { Command::Version });
            }
            "plan" => push(&mut plans, code(&name, &value(&mut parser, &name)?)?),
            "datacenter" => {
                for one in value(&mut parser, &name)?.split(',') {
                    push(&mut datacenters, code(&name, one)?);
                }
            }
            "option" => push(&mut options, code(&name, &value(&mut parser, &name)?)?),
            "interval" => once(&mut interval, &name, duration(&name, &value(&mut parser, &name)?)?)?,
            "seconds" => once(&mut seconds, &name, duration(&name, &value(&mut parser, &name)?)?)?,
            "seed" => once(&mut seed, &name, number(&name, &value(&mut parser, &name)?)?)?,
            "endpoint" => {
                let parsed = Endpoint::parse(&value(&mut parser, &name)?);
                once(&mut endpoint, &name, parsed.map_err(|why| format!("--endpoint {why}"))?)?;
            }
            _ => return Err(format!("unknown flag {:?}; see --help", format!("--{name}"))),
        }
    }
    if endpoint.is_some() && plans.is_empty() {
        return Err("--endpoint needs at least one --plan CODE: the unfiltered answer is megabytes".into());
    }
    Ok(Command::Watch(Args {
        plans,
        datacenters,
        options,
        interval,
        seconds,
        endpoint,
        seed: seed.unwrap_or(DEFAULT_SEED),
    }))
}

fn value(parser: &mut lexopt::Parser, name: &str) -> Result<String, String> {
    let value = parser.value().map_err(usage)?;
    value.into_string().map_err(|value| format!("--{name} {value:?} is not Unicode"))
}

/// A code as the API has them, so that it goes into a URL as it is.
fn code(name: &str, text: &str) -> Result<String, String> {
    let fits = (1..=128).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.'));
    if fits {
        return Ok(text.to_owned());
    }
    Err(format!(
        "--{name} {text:?} is no code; accepted: 1 to 128 of a-z, 0-9, '-', '_' and '.', the first a letter or digit"
    ))
}

fn duration(name: &str, text: &str) -> Result<Duration, String> {
    let accepted = text.parse().ok().filter(|seconds| SECONDS.contains(seconds));
    accepted.map(Duration::from_secs_f64).ok_or_else(|| {
        format!(
            "--{name} {text:?} is out of range; accepted: a number of seconds from {} to {}",
            SECONDS.start(),
            SECONDS.end()
        )
    })
}

fn number(name: &str, text: &str) -> Result<u64, String> {
    let max = u64::MAX;
    text.parse()
        .map_err(|_| format!("--{name} {text:?} is out of range; accepted: a whole number from 0 to {max}"))
}

/// Takes what may be given once.
fn once<T>(place: &mut Option<T>, name: &str, value: T) -> Result<(), String> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("--{name} is given twice; accepted: once")),
    }
}

/// Takes what may be given again; the same once more adds nothing.
fn push(list: &mut Vec<String>, value: String) {
    if !list.contains(&value) {
        list.push(value);
    }
}

#[expect(clippy::needless_pass_by_value, reason = "made for map_err")]
fn usage(error: lexopt::Error) -> String {
    format!("{}; see --help", one_line(&error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace())
    }

    fn watch(line: &str) -> Args {
        match args(line) {
            Ok(Command::Watch(args)) => args,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn nothing_is_the_demo() {
        let args = watch("");
        assert_eq!((args.plans.len(), args.endpoint, args.interval, args.seed), (0, None, None, 7));
        assert_eq!(args.seconds, None);
    }

    #[test]
    fn every_flag_is_read() {
        let args = watch(
            "--plan 24adv01-v3 --plan=24sk10 --plan 24sk10 --datacenter gra,rbx --datacenter bhs --option ram-64g-ecc-2133 \
             --option softraid-2x450nvme --interval 0.5 --seconds=2.25 --endpoint https://eu.api.ovh.com/1.0 --seed 7",
        );
        assert_eq!(args.plans, ["24adv01-v3", "24sk10"]);
        assert_eq!(args.datacenters, ["gra", "rbx", "bhs"]);
        assert_eq!(args.options, ["ram-64g-ecc-2133", "softraid-2x450nvme"]);
        assert_eq!(args.interval, Some(Duration::from_millis(500)));
        assert_eq!(args.seconds, Some(Duration::from_millis(2250)));
        assert_eq!(args.endpoint, Some(Endpoint::parse("https://eu.api.ovh.com/1.0").unwrap()));
        assert_eq!(args.seed, 7);
        assert_eq!(super::parse(["--help"]), Ok(Command::Help));
        assert_eq!(super::parse(["--version"]), Ok(Command::Version));
    }

    #[test]
    fn what_is_bad_is_named_in_one_line() {
        for (line, named) in [
            ("--plan 24SK10", "\"24SK10\""),
            ("--plan !", "\"!\""),
            ("--plan -x", "\"-x\""),
            ("--plan a/b", "\"a/b\""),
            ("--plan a&b=c", "\"a&b=c\""),
            ("--plan=", "--plan \"\""),
            ("--plan", "'--plan'"),
            ("--datacenter gra,,rbx", "--datacenter \"\""),
            ("--datacenter gra,", "--datacenter \"\""),
            ("--option ram=64", "\"ram=64\""),
            ("--interval 0", "\"0\""),
            ("--interval -1", "\"-1\""),
            ("--interval NaN", "\"NaN\""),
            ("--interval inf", "\"inf\""),
            ("--interval 1e-9", "\"1e-9\""),
            ("--seconds -5", "\"-5\""),
            ("--seconds 0", "\"0\""),
            ("--seconds 1e400", "\"1e400\""),
            ("--seconds 86401", "\"86401\""),
            ("--seconds ten", "\"ten\""),
            ("--seconds 1 --seconds 2", "--seconds is given twice"),
            ("--seed -1", "\"-1\""),
            ("--seed 18446744073709551616", "\"18446744073709551616\""),
            ("--endpoint ovh-mars --plan a", "\"ovh-mars\""),
            ("--endpoint ovh-eu", "--plan"),
            ("--endpoint https://eu.api.ovh.com/1.0", "--plan"),
            ("--bogus", "\"--bogus\""),
            ("--help=1", "--help"),
            ("-x", "\"-x\""),
            ("24sk10", "\"24sk10\""),
        ] {
            match args(line) {
                Err(message) => {
                    assert!(message.contains(named), "{line}: {message}");
                    assert!(!message.contains('\n'), "{line}: {message}");
                }
                other => panic!("{line}: {other:?}"),
            }
        }
    }

    #[test]
    fn control_characters_stay_out_of_the_line() {
        for bad in ["--a\nb", "--plan=a\nb", "--seconds=\u{1b}[2J", "--endpoint=a\nb", "a\nb"] {
            let message = parse([bad]).unwrap_err();
            assert!(!message.contains(|c: char| c.is_control()), "{message:?}");
        }
    }
}

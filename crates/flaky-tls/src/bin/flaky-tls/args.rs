//! The arguments.

use std::ffi::OsString;
use std::path::PathBuf;

use flaky_tls::{HttpVersions, Mix, ProxyScenario, Scenario, TlsVersions};
use lexopt::prelude::*;

use crate::play::Play;

const HELP: &str = "\
A TLS server on 127.0.0.1 that cuts connections where it is told to, and counts what it received.

Usage: flaky-tls [OPTIONS]

  --port N           listen on this port (0 to 65535; default 0: a free one)
  --scenario NAME    do this to every connection; repeated: one after another, and the last one from then on
  --mix LIST         draw each connection's scenario: NAME=WEIGHT,NAME=WEIGHT,... (weights are whole numbers from 1)
                     (default: one healthy connection for each cut one, every cut as likely as another)
  --seed N           seed of the draws (0 to 18446744073709551615; default: a new one, printed)
  --tls VERSION      speak only this version: 1.2 or 1.3 (default: both)
  --http VERSION     speak only this version: 1 or 2 (default: both; the client chooses by ALPN)
  --proxy NAME       do this to every connection of the CONNECT proxy in front; repeated as --scenario is
                     (default: tunnel)
  --proxy-tls        speak TLS to the clients of the proxy
  --proxy-user U:P   Basic credentials that the proxy asks for (default: none)
  --ca FILE          write the certificate authority there, as PEM (default: a temporary file)
  --list             print the names of the scenarios, one a line
  --list-proxy       print the names of the proxy's scenarios, one a line
  --help, --version

It prints one line of JSON when it listens (port, url, proxy, control, ca, seed, scenarios, proxy_scenarios), and on
Ctrl-C or SIGTERM one with what it did and received. POST, PUT and PATCH are echoed; anything else is answered
{\"ok\":true}. Requests are told apart by the header x-request-id. The control port speaks plain HTTP:

  GET  /truth        what has been done and received so far
  POST /reset        forget that
  POST /script       set what the next connections meet: {\"scenarios\": [NAME, ...]} (one after another, and the last
                     one from then on), {\"mix\": LIST, \"seed\": N}, or {\"proxy\": [NAME, ...]}, which goes with either

Exit status: 0 after a signal, 1 if it can't start, 2 for bad arguments.

Try: curl --cacert FILE https://localhost:PORT/
";

pub(crate) enum Command {
    Print(String),
    Serve(Box<Args>),
}

pub(crate) struct Args {
    pub(crate) port: u16,
    pub(crate) versions: TlsVersions,
    pub(crate) http: HttpVersions,
    pub(crate) play: Play,
    pub(crate) proxy: Vec<ProxyScenario>,
    pub(crate) proxy_tls: bool,
    /// User and password.
    pub(crate) proxy_user: Option<(String, String)>,
    pub(crate) ca: Option<PathBuf>,
}

pub(crate) fn parse(mut parser: lexopt::Parser) -> Result<Command, String> {
    let mut port = 0;
    let mut versions = TlsVersions::Both;
    let mut http = HttpVersions::Both;
    let mut list: Vec<Scenario> = Vec::new();
    let mut proxy = Vec::new();
    let mut proxy_tls = false;
    let mut proxy_user = None;
    let mut mix = None;
    let mut seed = None;
    let mut ca = None;
    while let Some(arg) = parser.next().map_err(|error| error.to_string())? {
        match arg {
            Long("port") => port = number(&mut parser, "--port", u16::MAX.into())? as u16,
            Long("seed") => seed = Some(number(&mut parser, "--seed", u64::MAX)?),
            Long("scenario") => {
                list.push(
                    text(&mut parser, "--scenario")?.parse::<Scenario>().map_err(prefix("--scenario"))?,
                );
            }
            Long("mix") => {
                mix = Some(text(&mut parser, "--mix")?.parse::<Mix>().map_err(prefix("--mix"))?);
            }
            Long("tls") => {
                versions = match &*text(&mut parser, "--tls")? {
                    "1.2" => TlsVersions::Tls12,
                    "1.3" => TlsVersions::Tls13,
                    other => return Err(format!("--tls: {other:?} is neither 1.2 nor 1.3")),
                }
            }
            Long("http") => {
                http = match &*text(&mut parser, "--http")? {
                    "1" => HttpVersions::Http1,
                    "2" => HttpVersions::Http2,
                    other => return Err(format!("--http: {other:?} is neither 1 nor 2")),
                }
            }
            Long("proxy") => {
                let name = text(&mut parser, "--proxy")?;
                proxy.push(name.parse::<ProxyScenario>().map_err(prefix("--proxy"))?);
            }
            Long("proxy-tls") => proxy_tls = true,
            Long("proxy-user") => {
                let pair = text(&mut parser, "--proxy-user")?;
                let Some((user, password)) = pair.split_once(':') else {
                    return Err("--proxy-user: the value is not of the form USER:PASSWORD".into());
                };
                proxy_user = Some((user.to_owned(), password.to_owned()));
            }
            Long("ca") => ca = Some(PathBuf::from(value(&mut parser, "--ca")?)),
            Long("list") => {
                return Ok(Command::Print(
                    Scenario::named().map(|scenario| format!("{scenario}\n")).collect(),
                ));
            }
            Long("list-proxy") => {
                return Ok(Command::Print(
                    ProxyScenario::named().map(|scenario| format!("{scenario}\n")).collect(),
                ));
            }
            Short('h') | Long("help") => return Ok(Command::Print(HELP.into())),
            Short('V') | Long("version") => {
                return Ok(Command::Print(concat!("flaky-tls ", env!("CARGO_PKG_VERSION"), "\n").into()));
            }
            other => return Err(other.unexpected().to_string()),
        }
    }
    if ca.as_ref().is_some_and(|path: &PathBuf| path.as_os_str().is_empty()) {
        return Err("--ca: the name of the file is empty".into());
    }

    let play = match (mix, list.is_empty()) {
        (Some(_), false) => return Err("--scenario and --mix exclude each other".into()),
        (None, false) if seed.is_some() => {
            return Err("--seed is of no use with --scenario: nothing is drawn".into());
        }
        (Some(mix), true) => Play::mix(mix, seed),
        (None, _) => match Play::list(list) {
            Some(play) => play,
            None => Play::mix(half_healthy()?, seed),
        },
    };
    let args = Args { port, versions, http, play, proxy, proxy_tls, proxy_user, ca };
    Ok(Command::Serve(Box::new(args)))
}

fn half_healthy() -> Result<Mix, String> {
    let cuts: Vec<_> = Scenario::cuts().map(|cut| (cut, 1)).collect();
    let healthy = (Scenario::Healthy, cuts.len() as u32);
    Mix::new([healthy].into_iter().chain(cuts)).map_err(|error| error.to_string())
}

fn value(parser: &mut lexopt::Parser, option: &str) -> Result<OsString, String> {
    parser.value().map_err(|_| format!("{option} needs a value"))
}

fn text(parser: &mut lexopt::Parser, option: &str) -> Result<String, String> {
    let value = value(parser, option)?;
    value.into_string().map_err(|value| format!("{option}: {value:?} is not Unicode"))
}

fn number(parser: &mut lexopt::Parser, option: &str, most: u64) -> Result<u64, String> {
    let text = text(parser, option)?;
    text.parse()
        .ok()
        .filter(|number| *number <= most)
        .ok_or_else(|| format!("{option}: {text:?} is not a whole number from 0 to {most}"))
}

fn prefix<E: ToString>(option: &str) -> impl Fn(E) -> String {
    move |error| format!("{option}: {}", error.to_string())
}

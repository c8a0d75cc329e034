//! A pattern in words, and what to do about it.

use std::fmt;

use wire_fault::{Cause, Phase};

use crate::pattern::{Finding, Kind, Pattern};
use crate::place::Place;
use crate::wall::clock_time;

impl Finding {
    /// What to do about it.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match &self.kind {
            Kind::TooFew { .. } => "wait for more calls",
            Kind::Healthy { .. } => "nothing to do",
            Kind::Sporadic { since: Some(_), .. } => {
                "look at what changed then, on this side and on theirs; the retry heals a part"
            }
            Kind::Sporadic { .. } => {
                "let the retry heal it; look again when there are more failures to compare"
            }
            Kind::Cancelled { .. } => {
                "look at how long those who call are willing to wait: either too short, or the other side is slow"
            }
            Kind::Constant { place, .. } => constantly(*place),
            Kind::RateBound { .. } => {
                "raise the spacing: fewer requests per second; but look first whether it is failures that make the \
                 requests more, by asking again elsewhere at once"
            }
            Kind::TimeOfDay { .. } => {
                "their side, or a job of yours that runs then: move what can be moved to other hours, wait"
            }
            Kind::OneHost { .. } => {
                "that host's side, if others went well at the same time: use another endpoint if there is one, wait"
            }
            Kind::OnePhase { place, cause, .. } => at(*place, *cause),
        }
    }
}

/// Whether there is an answer tells whose side it is.
fn constantly(place: Option<Place>) -> &'static str {
    match place {
        Some(Place::TooManyRequests) => {
            "stop for the time that they ask for, then raise the spacing; look whether others share the quota"
        }
        Some(Place::ServerError) => {
            "their side: wait, and read their status page; quote the query id to their support"
        }
        Some(Place::Phase(_)) => {
            "look at what changed then, on this side first: certificate, clock, proxy, credentials; \
             else it is their side: wait, and read their status page"
        }
        None => {
            "look at what changed then: where no answer comes, on this side first (certificate, clock, proxy, \
             credentials); 5xx answers are their side: wait, and read their status page"
        }
    }
}

fn at(place: Place, cause: Option<Cause>) -> &'static str {
    match (place, cause) {
        (_, Some(Cause::Certificate)) => "look at the certificate, its chain, and this machine's clock",
        (Place::TooManyRequests, _) => "raise the spacing: fewer requests per second",
        (Place::ServerError, _) => "their side: wait; quote the query id to their support",
        (Place::Phase(Phase::Dns), _) => "check the resolver and the name",
        (Place::Phase(Phase::Tcp), _) => "check firewall, routes and proxy; else their side: wait",
        (Place::Phase(Phase::Proxy), _) => {
            "check the proxy: address, credentials, whether it allows the host"
        }
        (Place::Phase(Phase::TlsHandshake), _) => {
            "their side or a box between: raise the spacing, check whether a proxy inspects TLS, wait"
        }
        (Place::Phase(Phase::Pool), _) => "keep idle connections for a shorter time",
        (Place::Phase(Phase::InFlight), Some(Cause::Timeout)) => {
            "their side is slow: allow attempts more time, or wait"
        }
        (Place::Phase(Phase::InFlight), _) => {
            "keep idle connections for a shorter time; check what of the calls has landed"
        }
        (Place::Phase(Phase::Body), _) => "collect bodies below the retry, so that it can repeat",
        (Place::Phase(_), _) => "read the errors' own texts",
    }
}

/// "failures rise with the rate: … (99.9 % sure); raise the spacing".
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never rounded up to a certainty that no sample gives.
        let percent = ((self.confidence * 1000.0).floor() / 10.0).min(99.9);
        match self.kind {
            Kind::TooFew { .. } => write!(f, "{}; {}", self.kind, self.advice()),
            _ => write!(f, "{} ({percent:.1} % sure); {}", self.kind, self.advice()),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooFew { all } => write!(f, "too few calls to tell: {all} failed"),
            Self::Healthy { all } => write!(f, "healthy: {all} failed"),
            Self::Sporadic { all, since: None } => write!(f, "sporadic: {all} failed"),
            Self::Sporadic { all, since: Some(since) } => {
                write!(f, "sporadic, more since {} UTC: {all} failed", clock_time(since.wall))
            }
            Self::Cancelled { cancelled } => {
                write!(
                    f,
                    "cancelled before an outcome: {} of {} ({:.1} %)",
                    cancelled.failed,
                    cancelled.of,
                    100.0 * cancelled.share()
                )
            }
            Self::Constant { since, failing, before, .. } => {
                write!(f, "constant since {} UTC: {failing} failed, {before} before", clock_time(since.wall))
            }
            Self::RateBound { from, slow, slow_rate, fast, fast_rate } => write!(
                f,
                "bound to the rate: {fast} failed at {fast_rate:.1} requests per second, {slow} at {slow_rate:.1}; \
                 the step is at {from}"
            ),
            Self::TimeOfDay { from, to, days, inside, outside } => write!(
                f,
                "bound to the hours from {from:02}:00 to {to:02}:00 UTC, on {days} days: {inside} failed, {outside} at \
                 other hours"
            ),
            Self::OneHost { host, there, elsewhere } => {
                write!(f, "only at {host}: {there} failed, {elsewhere} elsewhere")
            }
            Self::OnePhase { place, cause, there } => {
                write!(f, "{} of {} failures are in one place: {place}", there.failed, there.of)?;
                match cause {
                    Some(cause) => write!(f, ", {cause}"),
                    None => Ok(()),
                }
            }
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.main.fmt(f)?;
        self.also.iter().try_for_each(|finding| write!(f, "\n{finding}"))
    }
}

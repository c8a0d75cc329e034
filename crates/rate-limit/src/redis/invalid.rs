//! What can't be a fleet, and what a fleet's server says to it.

use std::error::Error;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::away::Away;

/// A setting of a fleet that can't be: the message names it, and what is accepted. It never shows a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidFleet(pub(super) Flaw);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// Says what is wrong with it, and not what it was: it may hold a password.
    Url(String),
    #[cfg(not(feature = "redis-tls"))]
    NoTls,
    #[cfg(feature = "redis-tls")]
    NotTls,
    #[cfg(feature = "redis-tls")]
    Roots(String),
    Prefix(String),
    Lease {
        lease: u32,
        most: u32,
    },
    Time {
        of: &'static str,
        time: Duration,
        range: RangeInclusive<Duration>,
    },
}

impl fmt::Display for InvalidFleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Flaw::Url(why) => write!(
                f,
                "the URL of a fleet's server is not one ({why}): it must be \
                 redis[s]://[[user]:password@]host[:port][/database] or unix:///path"
            ),
            #[cfg(not(feature = "redis-tls"))]
            Flaw::NoTls => f.write_str("a rediss:// URL needs the feature `redis-tls`, which is off"),
            #[cfg(feature = "redis-tls")]
            Flaw::NotTls => f.write_str("a TLS configuration was given for a URL that is not rediss://"),
            #[cfg(feature = "redis-tls")]
            Flaw::Roots(why) => write!(f, "the platform's TLS roots can't be used: {why}"),
            Flaw::Prefix(prefix) => write!(
                f,
                "a key prefix of {prefix:?} is out of range: it must have from 1 to 200 bytes, no colon and no braces"
            ),
            Flaw::Lease { lease, most } => {
                write!(f, "a lease of {lease} slots is out of range: it must be from 1 to {most}")
            }
            Flaw::Time { of, time, range } => {
                write!(
                    f,
                    "{of} of {time:?} is out of range: it must be from {:?} to {:?}",
                    range.start(),
                    range.end()
                )
            }
        }
    }
}

impl Error for InvalidFleet {}

/// A fleet's server is of no use: [`Fleet::check`](super::Fleet::check). Its source is the client's error, if there was
/// one.
#[derive(Debug)]
pub struct FleetError {
    why: Away,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl FleetError {
    pub(super) fn new(why: Away, source: Option<Arc<dyn Error + Send + Sync>>) -> Self {
        Self { why, source }
    }

    /// What is wrong.
    #[must_use]
    pub fn why(&self) -> Away {
        self.why
    }
}

/// "Redis can't be reached".
impl fmt::Display for FleetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.why.fmt(f)
    }
}

impl Error for FleetError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

//! What a setting refuses, and the range it accepts.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::failure::Failure;

/// A setting that can't be: the message names the value and the accepted range.
///
/// ```
/// use fake_ovh::FakeOvh;
///
/// let refused = FakeOvh::new().with_base("eu.api.ovh.com").unwrap_err();
/// assert_eq!(
///     refused.to_string(),
///     "base \"eu.api.ovh.com\" is no base URL: it must be like https://eu.api.ovh.com/1.0, without query or slash at the end"
/// );
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct InvalidSetting(pub(crate) Flaw);

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Flaw {
    Base(String),
    Empty(&'static str),
    UnknownApplication(String),
    UnknownConsumer(String),
    RulePath(String),
    Rate { failure: Failure, rate: f64 },
    RateSum(f64),
    ThrottleCalls,
    ThrottlePeriod(Duration),
    ThrottleBody(String),
    StockPeriod(Duration),
    TokenLifetime(Duration),
}

impl fmt::Display for InvalidSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Flaw::Base(base) => write!(
                f,
                "base {base:?} is no base URL: it must be like https://eu.api.ovh.com/1.0, without query or slash at the end"
            ),
            Flaw::Empty(what) => write!(f, "{what} \"\" is empty: it must have at least one character"),
            Flaw::UnknownApplication(key) => {
                write!(
                    f,
                    "application key {key:?} is unknown: it must have been given to with_application before"
                )
            }
            Flaw::UnknownConsumer(key) => write!(
                f,
                "consumer key {key:?} is unknown: it must have been given to with_consumer_key, or out by POST /auth/credential"
            ),
            Flaw::RulePath(path) => {
                write!(f, "path {path:?} of an access rule is no path: it must begin with a slash or a star")
            }
            Flaw::Rate { failure, rate } => {
                write!(f, "rate {rate} of {failure:?} is out of range: it must be a number from 0 to 1")
            }
            Flaw::RateSum(sum) => {
                write!(f, "the rates of all failures together are {sum}: they must be at most 1")
            }
            Flaw::ThrottleCalls => {
                write!(f, "0 calls would let nothing through: calls must be from 1 to {}", u32::MAX)
            }
            Flaw::ThrottlePeriod(period) => {
                write!(
                    f,
                    "throttle period {period:?} is out of range: it must be above zero and at most a day"
                )
            }
            Flaw::ThrottleBody(kind) => {
                write!(
                    f,
                    "content type {kind:?} is no header value: it must be visible ASCII, like text/html"
                )
            }
            Flaw::StockPeriod(period) => write!(
                f,
                "stock period {period:?} is out of range: it must be from 1 ms to 365 days (see FakeOvh::with_stock_period)"
            ),
            Flaw::TokenLifetime(lifetime) => {
                write!(f, "token lifetime {lifetime:?} is out of range: it must be from 1 s to 365 days")
            }
        }
    }
}

impl Error for InvalidSetting {}

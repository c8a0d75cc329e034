//! Responses that ask for a pause.

use std::time::Duration;

/// The longest pause that calls wait for, unless said otherwise.
pub(crate) const MOST: Duration = Duration::from_secs(60);

/// Reads from a response whether the server wants the whole limiter to pause, and for how long.
///
/// [`Pauses`](crate::Pauses) reads `http::Response`, and is what [`RateLimitLayer::http`](crate::RateLimitLayer::http)
/// installs; other layers are [`Deaf`] unless told otherwise. For other responses a function will do, `|response: &MyResponse| -> Option<Duration> { … }`.
pub trait Listen<Res> {
    /// Whether it may ever hear anything. If not, a call that need not wait does without a reference to its limiter.
    const LISTENS: bool = true;

    /// How long from now on nothing is to be sent.
    fn heard(&self, response: &Res) -> Option<Duration>;

    /// The longest pause that calls wait for; in a longer one they fail. See [`Limiter::pause`](crate::Limiter::pause).
    fn most(&self) -> Duration {
        MOST
    }
}

/// Listens to nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Deaf;

impl<Res> Listen<Res> for Deaf {
    const LISTENS: bool = false;

    #[inline]
    fn heard(&self, _: &Res) -> Option<Duration> {
        None
    }
}

impl<Res, F: Fn(&Res) -> Option<Duration>> Listen<Res> for F {
    fn heard(&self, response: &Res) -> Option<Duration> {
        self(response)
    }
}

//! The layer.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use tower_layer::Layer;

use super::service::Reject;
use crate::layer::RateLimitLayer;

/// Answers 429 to calls that find no permit: see [`Reject`]. Made by [`RateLimitLayer::rejecting`].
#[derive(Clone, Debug)]
pub struct RejectLayer<A> {
    assign: A,
    name: Arc<str>,
    always: bool,
}

impl<A> RateLimitLayer<A> {
    /// For a server: calls don't wait, but are answered 429 if they find no permit. See
    /// [`Reject`](crate::server::Reject) for what such a service does.
    ///
    /// What is about waiting has no effect on it: the limiter's bounds, backpressure, and a hook for the waits. It listens to no
    /// response, so a layer that does can't be made a rejecting one:
    ///
    /// ```compile_fail
    /// use rate_limit::{Quota, RateLimitLayer};
    ///
    /// let layer = RateLimitLayer::http(Quota::per_second(10).unwrap()).rejecting();
    /// ```
    #[must_use]
    pub fn rejecting(self) -> RejectLayer<A> {
        RejectLayer { assign: self.into_assign(), name: Arc::from("default"), always: true }
    }
}

impl<A> RejectLayer<A> {
    /// What the policy is called in the fields; "default" unless told otherwise. With several quotas, the second is
    /// "default-2".
    ///
    /// # Errors
    ///
    /// Unless the name has from 1 to 64 characters, all of them ASCII letters, digits, `-`, `_` or `.`.
    pub fn with_name(mut self, name: &str) -> Result<Self, InvalidName> {
        let fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if name.is_empty() || name.len() > 64 || !name.bytes().all(fine) {
            return Err(InvalidName(name.to_owned()));
        }
        self.name = Arc::from(name);
        Ok(self)
    }

    /// Tells of the quota in refusals only; otherwise in every response. What is spared are some allocations per call.
    #[must_use]
    pub fn only_when_refused(mut self) -> Self {
        self.always = false;
        self
    }
}

impl<S, A: Clone> Layer<S> for RejectLayer<A> {
    type Service = Reject<S, A>;

    fn layer(&self, inner: S) -> Reject<S, A> {
        Reject::new(inner, self.assign.clone(), Arc::clone(&self.name), self.always)
    }
}

/// A policy's name that can't be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidName(String);

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} can't name a policy: it must have from 1 to 64 characters, all of them ASCII letters, digits, '-', \
             '_' or '.'",
            self.0
        )
    }
}

impl Error for InvalidName {}

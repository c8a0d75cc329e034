//! What an answer's plea for a pause does.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use rate_limit::{Limiter, Listen, Pauses};

/// Pauses the limiter it listens for, and the one of every attempt, where that is another.
#[derive(Clone, Debug)]
pub(crate) struct Pausing {
    pauses: Pauses,
    also: Option<Limiter>,
}

impl Pausing {
    pub(super) fn new(pauses: Pauses, also: Option<Limiter>) -> Self {
        Self { pauses, also }
    }
}

impl Listen<Response<Bytes>> for Pausing {
    fn heard(&self, response: &Response<Bytes>) -> Option<Duration> {
        let asked = self.pauses.heard(response)?;
        if let Some(limiter) = &self.also {
            limiter.pause(asked, self.most());
        }
        Some(asked)
    }

    fn most(&self) -> Duration {
        Listen::<Response<Bytes>>::most(&self.pauses)
    }
}

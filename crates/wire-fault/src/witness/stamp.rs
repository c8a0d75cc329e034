use std::error::Error;

use crate::chain::chain;
use crate::classify;
use crate::fault::{Cause, Fault, Phase};
use crate::mark::Mark;

pub(super) type BoxError = Box<dyn Error + Send + Sync>;

/// How a failure of a part of a connector is stated.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    /// The part fails in this phase, or in an earlier one that its error names.
    latest: Phase,
}

impl Default for Stamp {
    fn default() -> Self {
        Self::CONNECTOR
    }
}

impl Stamp {
    /// Of a whole connector: what its error does not place happened while the connection was set up.
    pub(super) const CONNECTOR: Self = Self { latest: Phase::Pool };
    pub(super) const DNS: Self = Self { latest: Phase::Dns };
    pub(super) const TCP: Self = Self { latest: Phase::Tcp };
    pub(super) const PROXY: Self = Self { latest: Phase::Proxy };
    pub(super) const TLS: Self = Self { latest: Phase::TlsHandshake };

    pub(super) fn on(self, error: impl Into<BoxError>) -> BoxError {
        let error = error.into();
        let is_stated = |link: &(dyn Error + 'static)| {
            link.downcast_ref::<Mark>().is_some_and(|mark| mark.stated_fault().is_some())
        };
        // The stamp further in is the one that knows better.
        if chain(&*error).any(is_stated) {
            return error;
        }
        let read = classify::classify_connector(&*error);
        let phase = read.phase.min(self.latest);
        // Where the part can fail in one way only, the place tells the cause.
        let cause = match (phase, read.cause) {
            (Phase::Dns, Cause::Other) => Cause::Dns,
            (Phase::Proxy, Cause::Other) => Cause::Proxy,
            (_, cause) => cause,
        };
        let fault = Fault { phase, cause, ..read };
        Mark::fault(fault).with_source(error).into()
    }
}

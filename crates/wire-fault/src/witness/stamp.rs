use std::error::Error;

use tower_layer::Layer;

use super::stamped::Stamped;
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
    pub(super) const PROXY: Self = Self { latest: Phase::Proxy };

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

/// Applies [`Stamped`] to a part of a connector.
///
/// Around each part goes the stamp that names it: see [`Stamped`].
#[derive(Clone, Copy, Debug)]
pub struct StampLayer {
    stamp: Stamp,
}

impl StampLayer {
    /// Around a resolver of names (a `Service<Name>`).
    #[must_use]
    pub const fn dns() -> Self {
        Self { stamp: Stamp { latest: Phase::Dns } }
    }

    /// Around what makes the TCP connection, names resolved or not: an `HttpConnector`.
    #[must_use]
    pub const fn tcp() -> Self {
        Self { stamp: Stamp { latest: Phase::Tcp } }
    }

    /// Around what asks a proxy for a tunnel: hyper-util's `Tunnel`, `SocksV5`, `SocksV4`.
    #[must_use]
    pub const fn proxy() -> Self {
        Self { stamp: Stamp::PROXY }
    }

    /// Around what negotiates TLS.
    #[must_use]
    pub const fn tls() -> Self {
        Self { stamp: Stamp { latest: Phase::TlsHandshake } }
    }

    /// Around a whole connector whose connections can't be wrapped: for reqwest's `connector_layer`.
    #[must_use]
    pub const fn connector() -> Self {
        Self { stamp: Stamp::CONNECTOR }
    }
}

impl<C> Layer<C> for StampLayer {
    type Service = Stamped<C>;

    fn layer(&self, inner: C) -> Self::Service {
        Stamped::new(inner, self.stamp)
    }
}

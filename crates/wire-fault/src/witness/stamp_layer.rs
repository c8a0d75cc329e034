use tower_layer::Layer;

use super::stamp::Stamp;
use super::stamped::Stamped;

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
        Self { stamp: Stamp::DNS }
    }

    /// Around what makes the TCP connection, names resolved or not: an `HttpConnector`.
    #[must_use]
    pub const fn tcp() -> Self {
        Self { stamp: Stamp::TCP }
    }

    /// Around what asks a proxy for a tunnel: hyper-util's `Tunnel`, `SocksV5`, `SocksV4`.
    #[must_use]
    pub const fn proxy() -> Self {
        Self { stamp: Stamp::PROXY }
    }

    /// Around what negotiates TLS.
    #[must_use]
    pub const fn tls() -> Self {
        Self { stamp: Stamp::TLS }
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

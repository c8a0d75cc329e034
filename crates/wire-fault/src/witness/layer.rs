use tower_layer::Layer;

use super::connector::Witnessed;
use super::stamp::Stamp;

/// Applies [`Witnessed`] to connectors.
///
/// Goes around the whole connector, TLS included. See [`Witnessed`] for what it gives, and
/// [`StampLayer`](crate::StampLayer) for what goes below.
#[derive(Clone, Copy, Debug, Default)]
pub struct WitnessLayer {
    stamp: Stamp,
}

impl WitnessLayer {
    /// Around any connector.
    #[must_use]
    pub const fn new() -> Self {
        Self { stamp: Stamp::CONNECTOR }
    }
}

impl<C> Layer<C> for WitnessLayer {
    type Service = Witnessed<C>;

    fn layer(&self, inner: C) -> Self::Service {
        Witnessed::new(inner, self.stamp)
    }
}

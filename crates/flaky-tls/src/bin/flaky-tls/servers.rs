//! What runs, and is controlled.

use flaky_tls::{Running, RunningProxy};

/// The server, and the proxy before it.
pub(crate) struct Servers {
    pub(crate) server: Running,
    pub(crate) proxy: RunningProxy,
}

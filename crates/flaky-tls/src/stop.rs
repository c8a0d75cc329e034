//! The signal that the server stops.

use tokio::sync::watch;

/// Ready once the server stops: it was told to, or its handle is gone.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

//! The API on a port of its own, without TLS.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::fake::FakeOvh;

/// How long [`Running::shutdown`] waits for calls in hand. None waits for anything, so this is for clients that stop
/// in mid-request.
const GRACE: Duration = Duration::from_secs(1);

impl FakeOvh {
    /// Serves plain HTTP/1.1 on a free port of 127.0.0.1, on the current tokio runtime. Clients that sign are taken to
    /// sign `http://` and the host they send, unless [`with_base`](Self::with_base) says otherwise.
    ///
    /// # Errors
    ///
    /// If no port can be bound.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O and time enabled, as everything of tokio does.
    pub async fn serve(&self) -> io::Result<Running> {
        self.serve_on(0).await
    }

    /// As [`serve`](Self::serve), on a port of your choice; 0 is a free one.
    ///
    /// # Errors
    ///
    /// If the port can't be bound.
    ///
    /// # Panics
    ///
    /// As [`serve`](Self::serve).
    pub async fn serve_on(&self, port: u16) -> io::Result<Running> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let service = self.router_over("http").into_make_service();
        let task = tokio::spawn(async move {
            let until = async move {
                // Dropped or sent: both mean the end.
                let _ = stopped.await;
            };
            // Never fails: accept errors are waited out by axum.
            let _ = axum::serve(listener, service).with_graceful_shutdown(until).await;
        });
        Ok(Running { address, stop, task })
    }
}

/// A running server. When it is dropped, the server accepts no more, and ends when its last connection does.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    /// Where it listens: an address of loopback.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL for clients: `http://127.0.0.1:PORT/1.0`.
    #[must_use]
    pub fn base(&self) -> String {
        format!("http://{}/1.0", self.address)
    }

    /// Stops: accepts no more, answers what is in hand, and waits at most a second for it.
    ///
    /// # Cancellation
    ///
    /// If this future is dropped, the server stops all the same, in the background.
    pub async fn shutdown(self) {
        let _ = self.stop.send(());
        let mut task = self.task;
        if tokio::time::timeout(GRACE, &mut task).await.is_err() {
            task.abort();
        }
    }
}

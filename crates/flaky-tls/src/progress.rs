//! How far the requests of one connection have come.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time;

/// Counts the requests of one connection that have begun, and those that are over.
#[derive(Debug)]
pub(crate) struct Progress(watch::Sender<Counts>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    begun: u32,
    finished: u32,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(Counts::default()))
    }

    /// A request has begun; how many had begun before it.
    pub(crate) fn begin(&self) -> u32 {
        let mut before = 0;
        self.0.send_modify(|counts| {
            before = counts.begun;
            counts.begun = counts.begun.saturating_add(1);
        });
        before
    }

    /// A request is over: answered in full, reset, or given up by the client.
    pub(crate) fn finish(&self) {
        self.0.send_modify(|counts| counts.finished = counts.finished.saturating_add(1));
    }

    /// How many requests are over.
    pub(crate) fn finished(&self) -> u32 {
        self.0.borrow().finished
    }

    /// Ready once more than `requests` requests are over, and the connection has been idle for `wait` since.
    pub(crate) async fn idle(&self, requests: u32, wait: Duration) {
        let mut counts = self.0.subscribe();
        loop {
            // The sender is in `self`, so it is not gone.
            let Ok(_) = counts.wait_for(|now| now.finished > requests && now.begun == now.finished).await
            else {
                return;
            };
            if wait.is_zero() || time::timeout(wait, counts.changed()).await.is_err() {
                return;
            }
        }
    }
}

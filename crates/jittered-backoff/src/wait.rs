//! The wait before a repeat.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::Sleep;

pin_project! {
    /// The wait before a repeat: the future of [`BackoffPolicy`](crate::BackoffPolicy).
    ///
    /// # Cancellation
    ///
    /// Dropping it ends the wait; nothing is left behind.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Wait {
        #[pin]
        sleep: Sleep,
    }
}

impl Wait {
    pub(crate) fn new(wait: Duration) -> Self {
        Self { sleep: tokio::time::sleep(wait) }
    }
}

impl Future for Wait {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().sleep.poll(cx)
    }
}

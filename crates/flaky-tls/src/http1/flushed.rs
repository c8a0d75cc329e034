//! Notices when what was written has left the process, and when a further request arrives.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

use crate::http1::answer::Answers;

/// A stream that reports each successful flush. With a gate it lets nothing through of the request that the gate waits
/// for.
pub(crate) struct Flushed<T> {
    io: T,
    answers: Arc<Answers>,
    gate: Option<Gate>,
}

/// Fires when the first byte arrives after so many answers.
pub(crate) struct Gate {
    pub(crate) answers: u32,
    pub(crate) fire: Option<oneshot::Sender<Bytes>>,
}

impl<T> Flushed<T> {
    pub(crate) fn new(io: T, answers: Arc<Answers>, gate: Option<Gate>) -> Self {
        Self { io, answers, gate }
    }

    pub(crate) fn into_inner(self) -> T {
        self.io
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Flushed<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let Some(gate) = this.gate.as_mut().filter(|gate| this.answers.count() >= gate.answers) else {
            return Pin::new(&mut this.io).poll_read(cx, buf);
        };
        let mut first = [0; 1];
        let mut first = ReadBuf::new(&mut first);
        if gate.fire.is_some() {
            ready!(Pin::new(&mut this.io).poll_read(cx, &mut first))?;
        }
        if first.filled().is_empty() && gate.fire.is_some() {
            return Poll::Ready(Ok(())); // The client left before it sent anything.
        }
        if let Some(fire) = gate.fire.take() {
            let _ = fire.send(Bytes::new());
        }
        // Whoever listens takes the stream out of hyper's hands now.
        Poll::Pending
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Flushed<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.io).poll_flush(cx))?;
        self.answers.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

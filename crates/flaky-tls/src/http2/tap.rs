//! The TLS stream under h2, which can be taken away from it, and on which frames are followed.

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_rustls::server::TlsStream;

use crate::http2::frame::{DATA, END_STREAM, HEADERS, PREFACE};
use crate::http2::scanner::{Frame, Scanner, Seen};
use crate::ledger::{Entry, Ticket};
use crate::progress::Progress;

/// A handle of the stream: h2 has one, its owner another. Both are used by one task, so the lock is never waited for.
#[derive(Clone)]
pub(crate) struct Tap(Arc<Mutex<Inner>>);

struct Inner {
    /// `None` once it has been taken away from h2.
    tls: Option<TlsStream<TcpStream>>,
    incoming: Scanner,
    outgoing: Scanner,
    gate: Option<Gate>,
    /// The answers under way, by stream.
    tickets: BTreeMap<u32, Ticket>,
    /// The streams whose last frame has been written, but not flushed.
    unflushed: Vec<u32>,
    entry: Arc<Entry>,
    progress: Arc<Progress>,
}

/// Fires when the stream begins before which so many have begun.
pub(crate) struct Gate {
    pub(crate) requests: u32,
    pub(crate) fire: Option<oneshot::Sender<()>>,
    /// The latest stream seen, and how many.
    latest: u32,
    count: u32,
}

impl Gate {
    pub(crate) fn new(requests: u32, fire: oneshot::Sender<()>) -> Self {
        Self { requests, fire: Some(fire), latest: 0, count: 0 }
    }

    fn saw(&mut self, frame: Frame) {
        // A stream that is known already has sent trailers.
        if frame.kind != HEADERS || frame.stream <= self.latest {
            return;
        }
        self.latest = frame.stream;
        if self.count == self.requests {
            if let Some(fire) = self.fire.take() {
                let _ = fire.send(());
            }
        }
        self.count = self.count.saturating_add(1);
    }
}

impl Tap {
    pub(crate) fn new(
        tls: TlsStream<TcpStream>,
        entry: Arc<Entry>,
        progress: Arc<Progress>,
        gate: Option<Gate>,
    ) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            tls: Some(tls),
            incoming: Scanner::after(PREFACE.len()),
            outgoing: Scanner::after(0),
            gate,
            tickets: BTreeMap::new(),
            unflushed: Vec::new(),
            entry,
            progress,
        })))
    }

    /// The answer of this stream is on its way.
    pub(crate) fn answering(&self, stream: u32, ticket: Ticket) {
        self.0.lock().tickets.insert(stream, ticket);
    }

    /// Whether what was written ends with a whole frame.
    pub(crate) fn is_whole(&self) -> bool {
        self.0.lock().outgoing.is_whole()
    }

    /// Takes the stream away from h2.
    pub(crate) fn untap(&self) -> Option<TlsStream<TcpStream>> {
        self.0.lock().tls.take()
    }
}

impl Inner {
    fn tls(&mut self) -> io::Result<Pin<&mut TlsStream<TcpStream>>> {
        self.tls.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }
}

impl AsyncRead for Tap {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let inner = &mut *self.0.lock();
        let fired = |gate: &Option<Gate>| gate.as_ref().is_some_and(|gate| gate.fire.is_none());
        if fired(&inner.gate) {
            return Poll::Pending; // The stream is about to be taken away.
        }
        let before = buf.filled().len();
        ready!(inner.tls()?.poll_read(cx, buf))?;
        let gate = &mut inner.gate;
        inner.incoming.scan(&buf.filled()[before..], |seen| {
            if let (Seen::Begun(frame), Some(gate)) = (seen, gate.as_mut()) {
                gate.saw(frame);
            }
        });
        if fired(&inner.gate) {
            buf.set_filled(before);
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tap {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let inner = &mut *self.0.lock();
        let written = ready!(inner.tls()?.poll_write(cx, buf))?;
        let unflushed = &mut inner.unflushed;
        inner.outgoing.scan(&buf[..written], |seen| match seen {
            Seen::Ended(frame) if matches!(frame.kind, DATA | HEADERS) && frame.flags & END_STREAM != 0 => {
                unflushed.push(frame.stream);
            }
            _ => {}
        });
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let inner = &mut *self.0.lock();
        ready!(inner.tls()?.poll_flush(cx))?;
        for stream in inner.unflushed.drain(..) {
            if let Some(ticket) = inner.tickets.remove(&stream) {
                inner.entry.answered(&ticket);
            }
            inner.progress.finish();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.lock().tls()?.poll_shutdown(cx)
    }
}

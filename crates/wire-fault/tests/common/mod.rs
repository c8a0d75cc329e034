//! What several tests need: connections and bodies that fail as they are told.
#![allow(dead_code, unreachable_pub, missing_debug_implementations, reason = "no test uses all of it")]

pub mod link;
pub mod make;
pub mod peer;
pub mod real;

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::io::DuplexStream;

/// A connection within the process, as a connector hands it out.
pub struct Duplex(TokioIo<DuplexStream>);

impl Duplex {
    pub fn new(stream: DuplexStream) -> Self {
        Self(TokioIo::new(stream))
    }
}

impl Connection for Duplex {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Duplex {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl Write for Duplex {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// A connection whose reading fails after so many bytes.
pub struct FailsAfter {
    inner: Duplex,
    left: usize,
    error: Option<io::Error>,
}

impl FailsAfter {
    pub fn new(stream: DuplexStream, bytes: usize, error: io::Error) -> Self {
        Self { inner: Duplex::new(stream), left: bytes, error: Some(error) }
    }
}

impl Connection for FailsAfter {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for FailsAfter {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.left == 0 {
            return match self.error.take() {
                Some(error) => Poll::Ready(Err(error)),
                None => Poll::Ready(Ok(())),
            };
        }
        let mut piece = vec![0; self.left.min(buf.remaining())];
        let mut piece = ReadBuf::new(&mut piece);
        std::task::ready!(Pin::new(&mut self.inner).poll_read(cx, piece.unfilled()))?;
        self.left -= piece.filled().len();
        buf.put_slice(piece.filled());
        Poll::Ready(Ok(()))
    }
}

impl Write for FailsAfter {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// A request's body that fails, at once or after a first piece, or never ends.
pub struct Failing {
    first: Option<Bytes>,
    error: Option<io::Error>,
    stays: bool,
}

impl Failing {
    pub fn empty() -> Self {
        Self { first: None, error: None, stays: false }
    }

    pub fn at_once(error: io::Error) -> Self {
        Self { first: None, error: Some(error), stays: false }
    }

    pub fn after_half(error: io::Error) -> Self {
        Self { first: Some(Bytes::from_static(b"half")), error: Some(error), stays: false }
    }

    pub fn never_ending() -> Self {
        Self { first: Some(Bytes::from_static(b"half")), error: None, stays: true }
    }
}

impl http_body::Body for Failing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, io::Error>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(http_body::Frame::data(first))));
        }
        if self.stays {
            return Poll::Pending;
        }
        Poll::Ready(self.error.take().map(Err))
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.error.is_none() && !self.stays
    }
}

/// An address of loopback where nobody listens, nor will: it stays bound until the process ends.
pub fn nobody() -> std::net::SocketAddr {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind((std::net::Ipv4Addr::LOCALHOST, 0).into()).expect("a port");
    Box::leak(Box::new(socket)).local_addr().expect("an address")
}

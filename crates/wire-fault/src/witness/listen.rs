//! Listens to the first words of a proxy's answer.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::task::{Context, Poll, ready};

use http::{StatusCode, Uri};
use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::stamp::BoxError;

/// The status heard, 0 while there is none.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard(Arc<AtomicU16>);

impl Heard {
    pub(super) fn status(&self) -> Option<StatusCode> {
        StatusCode::from_u16(self.0.load(Ordering::Acquire)).ok()
    }
}

/// A connector to a proxy, whose connections listen.
#[derive(Clone, Debug)]
pub(super) struct Listening<C> {
    inner: C,
    heard: Heard,
}

impl<C> Listening<C> {
    pub(super) fn new(inner: C, heard: Heard) -> Self {
        Self { inner, heard }
    }
}

impl<C> Service<Uri> for Listening<C>
where
    C: Service<Uri>,
    C::Error: Into<BoxError>,
{
    type Response = Tunneled<C::Response>;
    type Error = BoxError;
    type Future = ListeningFuture<C::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, proxy: Uri) -> Self::Future {
        ListeningFuture { inner: self.inner.call(proxy), heard: self.heard.clone() }
    }
}

pin_project! {
    /// The future of a connect to a proxy.
    pub(super) struct ListeningFuture<F> {
        #[pin]
        inner: F,
        heard: Heard,
    }
}

impl<F, T, E> Future for ListeningFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Tunneled<T>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let inner = ready!(this.inner.poll(cx)).map_err(Into::into)?;
        let head = Head { bytes: [0; Head::LEN], len: 0 };
        Poll::Ready(Ok(Tunneled { inner, listening: Some((head, this.heard.clone())) }))
    }
}

/// As much of an answer as holds the status: `HTTP/1.1 407`.
#[derive(Debug)]
struct Head {
    bytes: [u8; Head::LEN],
    len: usize,
}

impl Head {
    const LEN: usize = 12;

    /// Takes what has been read. Answers whether there is enough.
    fn take(&mut self, read: &[u8]) -> bool {
        let room = &mut self.bytes[self.len..];
        let taken = read.len().min(room.len());
        room[..taken].copy_from_slice(&read[..taken]);
        self.len += taken;
        self.len == Self::LEN
    }

    fn status(&self) -> Option<StatusCode> {
        let status = self.bytes.strip_prefix(b"HTTP/1.")?.get(1..)?.strip_prefix(b" ")?;
        StatusCode::from_bytes(status).ok()
    }
}

pin_project! {
    /// A connection through a [`ProxyTunnel`](crate::ProxyTunnel).
    #[derive(Debug)]
    pub struct Tunneled<T> {
        #[pin]
        inner: T,
        // None once the proxy's status has been heard.
        listening: Option<(Head, Heard)>,
    }
}

impl<T> Tunneled<T> {
    /// The connection to the proxy.
    pub fn get_ref(&self) -> &T {
        &self.inner
    }
}

impl<T: Read> Read for Tunneled<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.project();
        let Some((head, heard)) = this.listening else { return this.inner.poll_read(cx, buf) };
        // Read in small pieces until the status is there, since what goes into the caller's buffer can't be seen.
        let mut piece = [0; Head::LEN];
        let room = piece.len().min(buf.remaining());
        let mut piece = ReadBuf::new(&mut piece[..room]);
        ready!(this.inner.poll_read(cx, piece.unfilled()))?;
        let read = piece.filled();
        buf.put_slice(read);
        if head.take(read) {
            heard.0.store(head.status().map_or(0, |status| status.as_u16()), Ordering::Release);
            *this.listening = None;
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: Write> Write for Tunneled<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.project().inner.poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project().inner.poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_shutdown(cx)
    }
}

impl<T: Connection> Connection for Tunneled<T> {
    fn connected(&self) -> Connected {
        self.inner.connected()
    }
}

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use pin_project_lite::pin_project;

use super::evidence::Witness;

pin_project! {
    /// A connection whose writes are counted by its [`Witness`].
    #[derive(Debug)]
    pub struct WitnessedIo<T> {
        #[pin]
        inner: T,
        witness: Witness,
    }
}

impl<T> WitnessedIo<T> {
    /// Counts the writes to `inner`.
    ///
    /// For connections made by hand; a [`WitnessLayer`](crate::WitnessLayer) does it for a connector's.
    pub fn new(inner: T) -> Self {
        Self { inner, witness: Witness::default() }
    }

    /// What is known of the writes to this connection.
    pub fn witness(&self) -> &Witness {
        &self.witness
    }

    /// The connection itself.
    pub fn get_ref(&self) -> &T {
        &self.inner
    }

    /// The connection itself. What is written to it past the witness is not counted.
    pub fn into_inner(self) -> T {
        self.inner
    }
}

impl<T: Read> Read for WitnessedIo<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_read(cx, buf)
    }
}

impl<T: Write> Write for WitnessedIo<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.project();
        this.witness.attempt()?;
        this.inner.poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        this.witness.attempt()?;
        this.inner.poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    // Neither of these carries anything that was not written before.

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_shutdown(cx)
    }
}

impl<T: Connection> Connection for WitnessedIo<T> {
    fn connected(&self) -> Connected {
        self.inner.connected().extra(self.witness.clone())
    }
}

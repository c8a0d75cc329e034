//! The client's side of a proxy: TCP, or TLS over it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::cut_by::{CutBy, Strike};
use crate::wire;

/// The connection to the client.
pub(crate) enum Leg {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Leg {
    fn io(&mut self) -> &mut (dyn Io + '_) {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => &mut **tls,
        }
    }

    pub(crate) fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref().0,
        }
    }

    fn into_tcp(self) -> TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.into_inner().0,
        }
    }

    /// Ends the connection, or falls silent.
    pub(crate) async fn strike(mut self, strike: Strike) {
        match strike {
            Strike::Stall => wire::until_closed(self.into_tcp()).await,
            Strike::Cut(CutBy::Rst) => {
                let _ = wire::rst(self.into_tcp());
            }
            Strike::Cut(CutBy::Fin) => wire::fin(self.into_tcp()).await,
            Strike::Cut(CutBy::CloseNotify) => {
                if let Self::Tls(tls) = &mut self {
                    tls.get_mut().1.send_close_notify();
                    let _ = tls.flush().await;
                }
                wire::fin(self.into_tcp()).await;
            }
        }
    }
}

trait Io: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Io for T {}

impl AsyncRead for Leg {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(self.io()).poll_read(cx, buf)
    }
}

impl AsyncWrite for Leg {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(self.io()).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.io()).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.io()).poll_shutdown(cx)
    }
}

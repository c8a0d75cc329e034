//! Carries out a cut, an alert or a stall. Each is written down first, so that the truth is never behind what the client
//! sees.

use rustls::AlertDescription;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::cut_by::{CutBy, Strike};
use crate::ledger::Entry;
use crate::scenario::WrongProtocol;
use crate::truth::End;
use crate::wire::{self, Level};

/// During the handshake.
pub(crate) async fn plain(mut tcp: TcpStream, strike: Strike, entry: &Entry) -> End {
    entry.struck(strike);
    match strike {
        Strike::Stall => return stall(tcp).await,
        Strike::Cut(CutBy::Rst) => {
            let _ = wire::rst(tcp);
        }
        Strike::Cut(CutBy::Fin) => wire::fin(tcp).await,
        Strike::Cut(CutBy::CloseNotify) => {
            let _ = wire::alert(&mut tcp, Level::Warning, AlertDescription::CloseNotify).await;
            wire::fin(tcp).await;
        }
    }
    End::Struck
}

/// After the handshake, with `last` written before it.
pub(crate) async fn tls(mut tls: TlsStream<TcpStream>, last: &[u8], strike: Strike, entry: &Entry) -> End {
    // Before the client can have `last`: to whoever reads it, the fault has struck.
    entry.struck(strike);
    if tls.write_all(last).await.is_err() || tls.flush().await.is_err() {
        return End::ClientLeft;
    }
    match strike {
        Strike::Stall => return stall(tls.into_inner().0).await,
        Strike::Cut(CutBy::Rst) => {
            let _ = wire::rst(tls.into_inner().0);
        }
        Strike::Cut(CutBy::Fin) => wire::fin(tls.into_inner().0).await,
        Strike::Cut(CutBy::CloseNotify) => {
            tls.get_mut().1.send_close_notify();
            let _ = tls.flush().await;
            wire::fin(tls.into_inner().0).await;
        }
    }
    End::Struck
}

/// Answers the handshake with a fatal alert.
pub(crate) async fn alert(mut tcp: TcpStream, what: AlertDescription, entry: &Entry) -> End {
    entry.struck(Strike::Cut(CutBy::Fin));
    let _ = wire::alert(&mut tcp, Level::Fatal, what).await;
    wire::fin(tcp).await;
    End::Struck
}

/// Answers the handshake in another protocol.
pub(crate) async fn protocol(mut tcp: TcpStream, wrong: WrongProtocol, entry: &Entry) -> End {
    entry.struck(Strike::Cut(CutBy::Fin));
    let _ = match wrong {
        WrongProtocol::Http => {
            tcp.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await
        }
        WrongProtocol::Garbage => tcp.write_all(b"220 mail.invalid ESMTP\r\n").await,
        WrongProtocol::Tls10 => tcp.write_all(&wire::tls_1_0_hello()).await,
    };
    wire::fin(tcp).await;
    End::Struck
}

async fn stall(tcp: TcpStream) -> End {
    wire::until_closed(tcp).await;
    End::ClientLeft
}

//! The means by which a TCP connection is ended, or held.

use std::io;
use std::time::Duration;

use rustls::AlertDescription;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time;

/// How long a client that was cut by a FIN may go on sending before the socket is closed all the same.
const DRAIN: Duration = Duration::from_secs(5);

/// The level of an alert (RFC 8446, section 6).
#[derive(Clone, Copy)]
pub(crate) enum Level {
    Warning = 1,
    Fatal = 2,
}

/// Writes an alert as a plaintext record (RFC 8446, sections 5.1 and 6).
pub(crate) async fn alert(tcp: &mut TcpStream, level: Level, what: AlertDescription) -> io::Result<()> {
    tcp.write_all(&[21, 3, 3, 0, 2, level as u8, u8::from(what)]).await
}

/// A ServerHello of TLS 1.0 in a record of its own (RFC 2246, section 7.4.1.3): no session, no compression, and
/// TLS_RSA_WITH_AES_128_CBC_SHA.
pub(crate) fn tls_1_0_hello() -> Vec<u8> {
    let mut body = vec![3, 1];
    body.extend([7; 32]);
    body.extend([0, 0, 0x2f, 0]);
    let length = body.len() as u8;
    let mut record = vec![22, 3, 1, 0, length + 4, 2, 0, 0, length];
    record.extend(body);
    record
}

/// Sends a FIN, and keeps the socket until the client has closed its side: closing a socket with unread data in it
/// would send an RST.
pub(crate) async fn fin(mut tcp: TcpStream) {
    if tcp.shutdown().await.is_ok() {
        let _ = time::timeout(DRAIN, until_closed(tcp)).await;
    }
}

/// Sends an RST. What has been written before is with the client's kernel by then, as long as it is less than its
/// receive window: loopback delivers within the write.
pub(crate) fn rst(tcp: TcpStream) -> io::Result<()> {
    tcp.set_zero_linger()?;
    drop(tcp);
    Ok(())
}

/// Reads and throws away whatever comes, until the client closes or resets the connection.
pub(crate) async fn until_closed(mut tcp: TcpStream) {
    let mut scrap = [0; 2048];
    while matches!(tcp.read(&mut scrap).await, Ok(1..)) {}
}

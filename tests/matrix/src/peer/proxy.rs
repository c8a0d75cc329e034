//! The proxy.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::connect::ConnectPlay;

/// A proxy that answers the first CONNECTs by hand, and grants those that follow.
#[derive(Debug)]
pub struct ProxyPeer {
    address: SocketAddr,
    struck: Arc<AtomicUsize>,
    _serving: JoinSet<()>,
}

impl ProxyPeer {
    /// # Panics
    ///
    /// If there is no free port.
    pub async fn serve(play: &'static ConnectPlay, times: usize, server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let struck = Arc::new(AtomicUsize::new(0));
        let mut serving = JoinSet::new();
        let shared = Arc::clone(&struck);
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((tcp, _)) = listener.accept().await {
                let struck = Arc::clone(&shared);
                connections.spawn(async move {
                    // Whatever ends a connection is what was played, or the client's own will.
                    let _ = tunnel(tcp, play, times, &struck, server).await;
                });
            }
        });
        Self { address, struck, _serving: serving }
    }

    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.address.port())
    }

    #[must_use]
    pub fn struck(&self) -> usize {
        self.struck.load(Ordering::Relaxed)
    }
}

async fn tunnel(
    mut tcp: TcpStream,
    play: &ConnectPlay,
    times: usize,
    struck: &AtomicUsize,
    server: SocketAddr,
) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if tcp.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let more = |struck| (struck < times).then_some(struck + 1);
    if struck.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_err() {
        tcp.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
        copy_bidirectional(&mut tcp, &mut TcpStream::connect(server).await?).await?;
        return Ok(());
    }
    tcp.write_all(play.answer).await?;
    if play.tunnels {
        copy_bidirectional(&mut tcp, &mut TcpStream::connect(server).await?).await?;
        return Ok(());
    }
    if !play.reply.is_empty() {
        // The client speaks first in a tunnel.
        let _ = tcp.read(&mut [0; 4096]).await?;
        tcp.write_all(play.reply).await?;
    }
    tcp.shutdown().await?;
    let mut scrap = [0; 2048];
    while tcp.read(&mut scrap).await? > 0 {}
    Ok(())
}

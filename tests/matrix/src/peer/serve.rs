//! The server.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::frames;
use super::identity::identity;
use super::play::{At, Play, Step, Then};
use super::records::Records;
use super::requests::Requests;
use crate::ANSWER;
use crate::server::Tally;
use crate::trust::Trust;

/// A server that plays one thing, a number of times, and serves what comes then.
#[derive(Debug)]
pub struct Peer {
    address: SocketAddr,
    trust: Trust,
    state: Arc<Mutex<State>>,
    _serving: JoinSet<()>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    /// How often it is still played.
    left: usize,
    struck: usize,
    accepted: u64,
    tally: Tally,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether it is played once more.
fn strikes(state: &Mutex<State>) -> bool {
    let mut state = lock(state);
    if state.left == 0 {
        return false;
    }
    state.left -= 1;
    state.struck += 1;
    true
}

impl Peer {
    /// # Panics
    ///
    /// If there is no free port.
    pub async fn serve(play: &'static Play, http2: bool, times: usize) -> Self {
        let (trust, config) = identity(http2, play.tls12);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let state = State { left: times, struck: 0, accepted: 0, tally: Tally::default() };
        let state = Arc::new(Mutex::new(state));
        let mut serving = JoinSet::new();
        let shared = Arc::clone(&state);
        serving.spawn(async move {
            // Dropped with this task, and its connections with it.
            let mut connections = JoinSet::new();
            while let Ok((tcp, _)) = listener.accept().await {
                lock(&shared).accepted += 1;
                connections.spawn(connection(tcp, Arc::clone(&config), play, http2, Arc::clone(&shared)));
            }
        });
        Self { address, trust, state, _serving: serving }
    }

    #[must_use]
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    #[must_use]
    pub fn trust(&self) -> Trust {
        self.trust.clone()
    }

    #[must_use]
    pub fn tally(&self) -> Tally {
        lock(&self.state).tally
    }

    #[must_use]
    pub fn struck(&self) -> usize {
        lock(&self.state).struck
    }

    #[must_use]
    pub fn accepted(&self) -> u64 {
        lock(&self.state).accepted
    }
}

async fn connection(
    tcp: TcpStream,
    config: Arc<ServerConfig>,
    play: &'static Play,
    http2: bool,
    state: Arc<Mutex<State>>,
) {
    // Whatever ends a connection is what was played, or the client's own will.
    let _ = drive(tcp, config, play, http2, &state).await;
}

async fn drive(
    tcp: TcpStream,
    config: Arc<ServerConfig>,
    play: &Play,
    http2: bool,
    state: &Mutex<State>,
) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let mut tls = TlsAcceptor::from(config).accept(tcp).await?;
    let mut requests = Requests::new(http2);
    if play.at == At::Handshake && strikes(state) {
        match play.then {
            Then::Serve | Then::Silence => write(&mut tls, (play.steps)(1)).await?,
            Then::Fin | Then::Rst => return end(tls, (play.steps)(1), play.then).await,
        }
        if play.then == Then::Silence {
            return silence(tls, requests, state).await;
        }
    } else if http2 {
        tls.write_all(&frames::settings(None)).await?;
        tls.flush().await?;
    }
    while let Some(stream) = requests.next(&mut tls).await? {
        let struck = play.at == At::Request && strikes(state);
        if struck && play.refuses {
            lock(state).tally.refused += 1;
        } else {
            lock(state).tally.received += 1;
        }
        if struck {
            match play.then {
                Then::Serve | Then::Silence => write(&mut tls, (play.steps)(stream)).await?,
                Then::Fin | Then::Rst => return end(tls, (play.steps)(stream), play.then).await,
            }
            if play.then == Then::Silence {
                return silence(tls, requests, state).await;
            }
            continue;
        }
        let body = [b'x'; ANSWER];
        let answer = if http2 {
            frames::answer(stream, &body)
        } else {
            [format!("HTTP/1.1 200 OK\r\ncontent-length: {ANSWER}\r\n\r\n").as_bytes(), &body].concat()
        };
        tls.write_all(&answer).await?;
        tls.flush().await?;
    }
    Ok(())
}

/// What is written where the connection goes on.
async fn write(tls: &mut TlsStream<TcpStream>, steps: Vec<Step>) -> io::Result<()> {
    for step in steps {
        let Step::Data(bytes) = step else {
            return Err(io::Error::other("records are written by hand only before the end"));
        };
        tls.write_all(&bytes).await?;
    }
    tls.flush().await
}

/// Answers nothing, and counts what comes all the same.
async fn silence(
    mut tls: TlsStream<TcpStream>,
    mut requests: Requests,
    state: &Mutex<State>,
) -> io::Result<()> {
    while requests.next(&mut tls).await?.is_some() {
        lock(state).tally.received += 1;
    }
    Ok(())
}

async fn end(tls: TlsStream<TcpStream>, steps: Vec<Step>, then: Then) -> io::Result<()> {
    let (mut tcp, connection) = tls.into_inner();
    let mut records = Records::of(connection)?;
    for step in steps {
        let bytes = match step {
            Step::Data(bytes) => records.data(&bytes),
            Step::Half(bytes) => {
                let mut record = records.data(&bytes);
                record.truncate(record.len() / 2);
                record
            }
            Step::Sealed(content, bytes) => records.seal(content, &bytes),
            Step::Clear(bytes) => bytes,
        };
        tcp.write_all(&bytes).await?;
    }
    if then == Then::Rst {
        tcp.set_zero_linger()?;
        return Ok(());
    }
    tcp.shutdown().await?;
    // Or what the client has still to say would be answered with an RST.
    let mut scrap = [0; 2048];
    while tcp.read(&mut scrap).await? > 0 {}
    Ok(())
}

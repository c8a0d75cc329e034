//! The server.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::{ServerConfig, ServerConnection};
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
    /// How many requests are served before it is played at all.
    before: usize,
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
    if state.before > 0 || state.left == 0 {
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
    pub async fn serve(play: &'static Play, http2: bool, before: usize, times: usize) -> Self {
        let (trust, config) = identity(http2, play.tls12);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let state = State { before, left: times, struck: 0, accepted: 0, tally: Tally::default() };
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
    mut tcp: TcpStream,
    config: Arc<ServerConfig>,
    play: &Play,
    http2: bool,
    state: &Mutex<State>,
) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    if play.at == At::Hello && strikes(state) {
        match play.then {
            Then::Serve => write_clear(&mut tcp, None, (play.steps)(0)).await?,
            _ => return flight(tcp, config, play).await,
        }
    }
    let mut tls = TlsAcceptor::from(config).accept(tcp).await?;
    let mut requests = Requests::new(http2);
    if play.at == At::Handshake && strikes(state) {
        match play.then {
            Then::Fin | Then::Rst => return end(tls, (play.steps)(1), play.then).await,
            _ => write(&mut tls, (play.steps)(1)).await?,
        }
        if play.then != Then::Serve {
            return read_on(tls, requests, play, state).await;
        }
    } else if http2 {
        tls.write_all(&if play.at == At::Upload { frames::room() } else { frames::settings(None) }).await?;
        tls.flush().await?;
    }
    // Whose rest may still come.
    let mut struck_at = None;
    loop {
        let next = if play.at == At::Upload && lock(state).before == 0 {
            requests.begun(&mut tls).await?
        } else {
            requests.next(&mut tls).await?.map(|stream| (stream, true))
        };
        let Some((stream, complete)) = next else { return Ok(()) };
        if http2 && struck_at == Some(stream) {
            continue;
        }
        if !complete {
            if !strikes(state) {
                // Its rest comes with its end.
                let Some(stream) = requests.next(&mut tls).await? else { return Ok(()) };
                lock(state).tally.received += 1;
                answer(&mut tls, http2, stream).await?;
                continue;
            }
            if play.refuses {
                lock(state).tally.refused += 1;
            }
        }
        let struck = if complete { play.at == At::Request && strikes(state) } else { true };
        if complete {
            let mut state = lock(state);
            if let Some(before) = state.before.checked_sub(1) {
                // It is another request, that only opens the connection.
                state.before = before;
            } else if struck && play.refuses {
                state.tally.refused += 1;
            } else {
                state.tally.received += 1;
            }
        }
        if struck {
            struck_at = Some(stream);
        } else {
            answer(&mut tls, http2, stream).await?;
            continue;
        }
        match play.then {
            Then::Fin | Then::Rst => return end(tls, (play.steps)(stream), play.then).await,
            _ => write(&mut tls, (play.steps)(stream)).await?,
        }
        if play.then != Then::Serve {
            return read_on(tls, requests, play, state).await;
        }
    }
}

/// A healthy answer.
async fn answer(tls: &mut TlsStream<TcpStream>, http2: bool, stream: u32) -> io::Result<()> {
    let body = [b'x'; ANSWER];
    let answer = if http2 {
        frames::answer(stream, &body)
    } else {
        [format!("HTTP/1.1 200 OK\r\ncontent-length: {ANSWER}\r\n\r\n").as_bytes(), &body].concat()
    };
    tls.write_all(&answer).await?;
    tls.flush().await
}

/// Reads the client's hello, and plays with what a server says to it.
async fn flight(mut tcp: TcpStream, config: Arc<ServerConfig>, play: &Play) -> io::Result<()> {
    let mut connection = ServerConnection::new(config).map_err(io::Error::other)?;
    while !connection.wants_write() {
        let mut read = Vec::with_capacity(4096);
        if tcp.read_buf(&mut read).await? == 0 {
            return Ok(());
        }
        connection.read_tls(&mut &read[..])?;
        connection.process_new_packets().map_err(io::Error::other)?;
    }
    let mut flight = Vec::new();
    while connection.wants_write() {
        connection.write_tls(&mut flight)?;
    }
    write_clear(&mut tcp, Some(flight), (play.steps)(0)).await?;
    leave(tcp, play.then).await
}

async fn write_clear(tcp: &mut TcpStream, flight: Option<Vec<u8>>, steps: Vec<Step>) -> io::Result<()> {
    for step in steps {
        let bytes = match (step, &flight) {
            (Step::Clear(bytes), _) => bytes,
            (Step::Flight(change), Some(flight)) => {
                let mut flight = flight.clone();
                change(&mut flight);
                flight
            }
            _ => return Err(io::Error::other("there is no key yet")),
        };
        tcp.write_all(&bytes).await?;
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
async fn read_on(
    mut tls: TlsStream<TcpStream>,
    mut requests: Requests,
    play: &Play,
    state: &Mutex<State>,
) -> io::Result<()> {
    if play.then == Then::HalfClose {
        tls.shutdown().await?;
    }
    while requests.next(&mut tls).await?.is_some() {
        let tally = &mut lock(state).tally;
        if play.refuses {
            tally.refused += 1;
        } else {
            tally.received += 1;
        }
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
            Step::Flight(_) => return Err(io::Error::other("the handshake is over")),
        };
        tcp.write_all(&bytes).await?;
    }
    leave(tcp, then).await
}

async fn leave(mut tcp: TcpStream, then: Then) -> io::Result<()> {
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

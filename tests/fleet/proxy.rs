//! A server that answers what it is told to, and when.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use loopback_redis::LoopbackRedis;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use crate::common::ms;

/// What it answers, and to which command: to all, if it is empty.
#[derive(Clone, Copy)]
pub(crate) struct Says {
    pub(crate) to: &'static str,
    pub(crate) answer: &'static [u8],
}

/// In front of a real one, which is asked unless there is something else to say.
pub(crate) struct Proxy {
    address: SocketAddr,
    says: Arc<Mutex<Option<Says>>>,
    /// How much later its answers are there than without it, in ms.
    late: Arc<AtomicU64>,
}

impl Proxy {
    pub(crate) async fn start(server: &LoopbackRedis) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, port) = (listener.local_addr().unwrap(), server.port());
        let says = Arc::new(Mutex::new(None));
        let late = Arc::<AtomicU64>::default();
        let (told, by) = (Arc::clone(&says), Arc::clone(&late));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                // It ends when either side does.
                tokio::spawn(serve(client, server, Arc::clone(&told), Arc::clone(&by)));
            }
        });
        Self { address, says, late }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}/", self.address)
    }

    pub(crate) fn answer_late(&self, millis: u64) {
        self.late.store(millis, Ordering::Relaxed);
    }

    pub(crate) fn say(&self, says: Option<Says>) {
        *self.says.lock().unwrap() = says;
    }
}

async fn serve(
    mut client: TcpStream,
    mut server: TcpStream,
    says: Arc<Mutex<Option<Says>>>,
    late: Arc<AtomicU64>,
) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut unread, mut answer) = (Vec::new(), [0; 4096]);
    loop {
        tokio::select! {
            read = client.read_buf(&mut unread) => {
                if read? == 0 {
                    return Ok(());
                }
                while let Some((name, length)) = command(&unread) {
                    let whole: Vec<_> = unread.drain(..length).collect();
                    let says = says.lock().unwrap().filter(|says| says.to.is_empty() || says.to == name);
                    match says {
                        Some(says) => client.write_all(says.answer).await?,
                        None => server.write_all(&whole).await?,
                    }
                }
            }
            read = server.read(&mut answer) => {
                let read = read?;
                if read == 0 {
                    return Ok(());
                }
                sleep(ms(late.load(Ordering::Relaxed))).await;
                client.write_all(&answer[..read]).await?;
            }
        }
    }
}

/// The first command's name, and how many bytes it has; none if it is not whole.
fn command(bytes: &[u8]) -> Option<(String, usize)> {
    let mut at = 0;
    let number = |at: &mut usize| {
        let end = *at + bytes.get(*at..)?.windows(2).position(|two| two == b"\r\n")?;
        let number: usize = std::str::from_utf8(&bytes[*at + 1..end]).unwrap().parse().unwrap();
        *at = end + 2;
        Some(number)
    };
    let mut name = None;
    for _ in 0..number(&mut at)? {
        let length = number(&mut at)?;
        let text = bytes.get(at..at + length)?;
        name.get_or_insert_with(|| String::from_utf8_lossy(text).to_uppercase());
        at += length + 2;
    }
    (at <= bytes.len()).then_some((name?, at))
}

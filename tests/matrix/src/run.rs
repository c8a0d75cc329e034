//! One cell of the matrix: a call over a connection that dies, and what came of it.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use retry_on_tls_eof::{Exhausted, OutcomeUnknown};
use tokio::time::{sleep, timeout};
use tower::util::BoxCloneService;
use tower::{BoxError, ServiceExt};
use wire_fault::{Fault, chain};

use crate::case::{Case, Play};
use crate::client::Client;
use crate::clock;
use crate::server::{Server, Tally};
use crate::trust::Trust;
use crate::{ANSWER, ID};

/// How long an upload is that is to be cut.
const UPLOAD: usize = 1024 * 1024;
/// The time limit of an attempt.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// Of a whole call.
const TOO_LONG: Duration = Duration::from_secs(120);

/// How often the fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// The first two connections; those after it are healthy.
    Twice,
    Always,
}

#[derive(Clone, Debug)]
pub struct Cell {
    pub case: Arc<Case>,
    pub client: Client,
    pub method: Method,
    pub times: Times,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { case, client, method, times } = self;
        write!(f, "{}, {client:?}, {method}, {times:?}", case.name)
    }
}

/// What a caller makes its calls with.
#[derive(Clone, Debug)]
pub struct Seat {
    pub client: Client,
    pub trust: Trust,
    pub proxy: Option<String>,
    /// How often a request was sent, as far as the caller can count it.
    pub attempts: Arc<AtomicU32>,
    /// What the attempts before the last failed with, as far as the caller tells.
    pub failures: Arc<Mutex<Vec<String>>>,
}

/// A call: an answer's status and the length of its body.
pub type Calling = BoxCloneService<Request<Full<Bytes>>, (StatusCode, usize), BoxError>;

/// How calls are made: a client, and what repeats them.
pub type Caller = fn(&Seat) -> Calling;

/// How the call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Answered {
        status: StatusCode,
        whole: bool,
    },
    Unknown,
    Exhausted,
    /// The last attempt's own error.
    Failed,
    /// It did not end.
    Hung,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub outcome: Outcome,
    /// How often the retry sent it.
    pub attempts: u32,
    /// What the server counted of this request.
    pub tally: Tally,
    /// How often the fault struck.
    pub struck: usize,
    pub fault: Option<Fault>,
    pub errors: Vec<String>,
    /// Of each attempt.
    pub failures: Vec<String>,
}

fn request(cell: &Cell, url: &str, id: &str, method: &Method) -> Request<Full<Bytes>> {
    let body = match *method {
        Method::POST if cell.case.needs_large_body() => Bytes::from(vec![b'u'; UPLOAD]),
        Method::POST => Bytes::from_static(b"{}"),
        _ => Bytes::new(),
    };
    Request::builder()
        .method(method)
        .uri(format!("{url}/"))
        .header(ID, id)
        .body(Full::new(body))
        .expect("a request")
}

/// A first request over the connection that is to be used again.
async fn warm(cell: &Cell, calling: Calling, server: &Server) {
    let request = request(cell, &server.url(), "warm", &Method::GET);
    timeout(PATIENCE, calling.oneshot(request)).await.expect("in time").expect("answered");
    while cell.case.waits_until_idle() && !server.has_ended_one() {
        sleep(Duration::from_millis(2)).await;
    }
}

/// Makes the call of this cell.
///
/// # Panics
///
/// If the servers can't be started.
pub async fn run(cell: &Cell, caller: Caller) -> Seen {
    let server = Arc::new(Server::start(cell).await);
    let (attempts, failures) = (Arc::new(AtomicU32::new(0)), Arc::default());
    let call = {
        let (cell, server) = (cell.clone(), Arc::clone(&server));
        let (attempts, failures) = (Arc::clone(&attempts), Arc::clone(&failures));
        move || async move {
            let (client, trust, proxy) = (cell.client, server.trust(), server.proxy());
            let calling = caller(&Seat { client, trust, proxy, attempts: Arc::clone(&attempts), failures });
            if cell.case.reused {
                warm(&cell, calling.clone(), &server).await;
                attempts.store(0, Ordering::Relaxed);
            }
            let request = request(&cell, &server.url(), "call", &cell.method);
            timeout(TOO_LONG, calling.oneshot(request)).await.ok()
        }
    };
    let result = if cell.case.stalls() { clock::run(&server, PATIENCE, call).await } else { call().await };
    let struck = server.struck();
    let server = Arc::into_inner(server).expect("nobody else has it by now");
    let tally = server.end("call").await;
    let (outcome, error) = match result {
        Some(Ok((status, length))) => (Outcome::Answered { status, whole: length == ANSWER }, None),
        Some(Err(error)) if OutcomeUnknown::of(&*error).is_some() => (Outcome::Unknown, Some(error)),
        Some(Err(error)) if Exhausted::of(&*error).is_some() => (Outcome::Exhausted, Some(error)),
        Some(Err(error)) => (Outcome::Failed, Some(error)),
        None => (Outcome::Hung, None),
    };
    Seen {
        outcome,
        attempts: attempts.load(Ordering::Relaxed),
        tally,
        struck,
        fault: error.as_ref().map(|error| Fault::of(&**error)),
        errors: error.iter().flat_map(|error| chain(&**error).map(ToString::to_string)).collect(),
        failures: failures.lock().unwrap_or_else(PoisonError::into_inner).clone(),
    }
}

impl Cell {
    /// Whether anything strikes at all: a port that nobody listens on does, without a server to count it.
    #[must_use]
    pub fn is_of_the_network(&self) -> bool {
        matches!(self.case.play, Play::Nobody)
    }
}

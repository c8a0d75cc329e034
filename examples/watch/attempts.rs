//! Writes down every attempt: when it was released, over which port it went, and how it ended.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response, StatusCode};
use parking_lot::Mutex;
use pin_project_lite::pin_project;
use tokio::net::TcpStream;
use tokio::task::futures::TaskLocalFuture;
use tokio::task_local;
use tokio::time::Instant;
use tower::BoxError;
use tower_layer::Layer;
use tower_service::Service;
use wire_fault::{CallId, Fault};

/// All attempts of a run, in order of release. A clone is the same list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attempts(Arc<Mutex<Vec<Attempt>>>);

#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    pub(crate) call: CallId,
    /// When the rate limit let it go.
    pub(crate) released: Instant,
    /// Its TCP connection, once it stands.
    pub(crate) connected: Option<Connected>,
    pub(crate) end: End,
}

/// The client's side of a TCP connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Connected {
    pub(crate) port: u16,
    pub(crate) at: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Under way; or dropped by its caller.
    Open,
    /// The whole answer has come, with this status.
    Answered(StatusCode),
    Failed(Fault),
}

impl Attempts {
    pub(crate) fn list(&self) -> Vec<Attempt> {
        self.0.lock().clone()
    }

    /// How many attempts of this call, which began then, have failed.
    pub(crate) fn failed_of(&self, call: CallId, began: Instant) -> u64 {
        let failed = |attempt: &&Attempt| attempt.call == call && matches!(attempt.end, End::Failed(_));
        self.since(began).iter().filter(failed).count() as u64
    }

    /// Those released since then.
    pub(crate) fn since(&self, then: Instant) -> Vec<Attempt> {
        let list = self.0.lock();
        // From the end, since a long run has many.
        let new = list.iter().rev().take_while(|attempt| attempt.released >= then).count();
        list.get(list.len() - new..).unwrap_or_default().to_vec()
    }

    #[cfg(test)]
    pub(crate) fn of(list: &[Attempt]) -> Self {
        Self(Arc::new(Mutex::new(list.to_vec())))
    }

    /// How the last attempt of this call ended, if it has made one.
    pub(crate) fn last_of(&self, call: CallId) -> Option<End> {
        self.0.lock().iter().rev().find(|attempt| attempt.call == call).map(|attempt| attempt.end)
    }

    fn open(&self, call: CallId) -> Ticket {
        let mut list = self.0.lock();
        // Under the lock, so that the order of the list is the order of the instants.
        list.push(Attempt { call, released: Instant::now(), connected: None, end: End::Open });
        Ticket { attempts: self.clone(), place: list.len() - 1 }
    }
}

/// One attempt's place in the list. While it is under way, whatever runs in its task finds it in [`CURRENT`].
#[derive(Clone, Debug)]
struct Ticket {
    attempts: Attempts,
    place: usize,
}

impl Ticket {
    fn update(&self, change: impl FnOnce(&mut Attempt)) {
        if let Some(attempt) = self.attempts.0.lock().get_mut(self.place) {
            change(attempt);
        }
    }
}

task_local! {
    static CURRENT: Ticket;
}

// === the layer ===

impl<S> Layer<S> for Attempts {
    type Service = Recorded<S>;

    fn layer(&self, inner: S) -> Recorded<S> {
        Recorded { inner, attempts: self.clone() }
    }
}

/// Opens a record for each request, and closes it with the outcome.
#[derive(Clone, Debug)]
pub(crate) struct Recorded<S> {
    inner: S,
    attempts: Attempts,
}

impl<S, B, R> Service<Request<B>> for Recorded<S>
where
    S: Service<Request<B>, Response = Response<R>, Error = BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Recording<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let ticket = self.attempts.open(CallId::of(request.extensions_mut()));
        Recording { attempt: CURRENT.scope(ticket.clone(), self.inner.call(request)), ticket }
    }
}

pin_project! {
    pub(crate) struct Recording<F> {
        #[pin]
        attempt: TaskLocalFuture<Ticket, F>,
        ticket: Ticket,
    }
}

impl<F, R> Future for Recording<F>
where
    F: Future<Output = Result<Response<R>, BoxError>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.attempt.poll(cx));
        this.ticket.update(|attempt| {
            attempt.end = match &result {
                Ok(response) => End::Answered(response.status()),
                Err(error) => End::Failed(Fault::of(&**error)),
            };
        });
        Poll::Ready(result)
    }
}

// === the connector ===

/// Tells the attempt under way which port its connection has.
///
/// With no idle pool, each connection is made by the task of the attempt that uses it, and by no other.
pub(crate) fn note_connection(stream: &TcpStream) {
    let port = stream.local_addr().as_ref().map(SocketAddr::port).ok();
    let connected = port.map(|port| Connected { port, at: Instant::now() });
    // Outside an attempt there is nobody to tell.
    let _ = CURRENT.try_with(|ticket| ticket.update(|attempt| attempt.connected = connected));
}

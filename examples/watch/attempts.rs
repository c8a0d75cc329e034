//! Writes down every attempt: when it was released, over which port it went, and how it ended.

use std::collections::VecDeque;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

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

use crate::tally::Tally;
use crate::window::busiest;

/// How long an attempt is kept by itself where no server's account is to be joined with it: longer than it can last.
const KEPT: Duration = Duration::from_secs(600);

const SECOND: Duration = Duration::from_secs(1);

/// The attempts of a run, in order of release. A clone is the same list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attempts(Arc<Mutex<Log>>);

#[derive(Debug, Default)]
struct Log {
    list: VecDeque<Attempt>,
    /// Of those that are no longer in the list.
    past: Tally,
    /// How many these are: the place of the list's first.
    gone: usize,
    /// The most releases within any second that began with one of them.
    busiest: usize,
    kept: Option<Duration>,
}

/// What all attempts of a run come to.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) tally: Tally,
    /// The most releases within any second.
    pub(crate) busiest: usize,
}

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
    /// A list that does not grow for ever: old attempts are counted and forgotten.
    pub(crate) fn recent() -> Self {
        Self(Arc::new(Mutex::new(Log { kept: Some(KEPT), ..Log::default() })))
    }

    /// Those that are in the list: all, unless it is one of [`recent`](Self::recent) ones.
    pub(crate) fn list(&self) -> Vec<Attempt> {
        self.0.lock().list.iter().copied().collect()
    }

    pub(crate) fn account(&self) -> Account {
        self.0.lock().account()
    }

    /// How many attempts of this call, which began then, have failed.
    pub(crate) fn failed_of(&self, call: CallId, began: Instant) -> u64 {
        let failed = |attempt: &&Attempt| attempt.call == call && matches!(attempt.end, End::Failed(_));
        self.since(began).iter().filter(failed).count() as u64
    }

    /// Those released since then.
    pub(crate) fn since(&self, then: Instant) -> Vec<Attempt> {
        let log = self.0.lock();
        // From the end, since a long run has many.
        let new = log.list.iter().rev().take_while(|attempt| attempt.released >= then).count();
        log.list.range(log.list.len() - new..).copied().collect()
    }

    #[cfg(test)]
    pub(crate) fn of(list: &[Attempt]) -> Self {
        Self(Arc::new(Mutex::new(Log { list: list.iter().copied().collect(), ..Log::default() })))
    }

    /// How the last attempt of this call ended, if it has made one.
    pub(crate) fn last_of(&self, call: CallId) -> Option<End> {
        self.0.lock().list.iter().rev().find(|attempt| attempt.call == call).map(|attempt| attempt.end)
    }

    fn open(&self, call: CallId) -> Ticket {
        let mut log = self.0.lock();
        // Under the lock, so that the order of the list is the order of the instants.
        let place = log.open(call, Instant::now());
        Ticket { attempts: self.clone(), place }
    }
}

impl Log {
    fn account(&self) -> Account {
        let mut tally = self.past.clone();
        self.list.iter().for_each(|attempt| tally.add(attempt));
        let busiest = busiest(self.list.iter().map(|attempt| attempt.released), SECOND).max(self.busiest);
        Account { tally, busiest }
    }

    /// Answers the attempt's place.
    fn open(&mut self, call: CallId, released: Instant) -> usize {
        self.forget_before(released);
        self.list.push_back(Attempt { call, released, connected: None, end: End::Open });
        self.gone + self.list.len() - 1
    }

    fn update(&mut self, place: usize, change: impl FnOnce(&mut Attempt)) {
        // One that is under way is in the list.
        let place = place.checked_sub(self.gone);
        if let Some(attempt) = place.and_then(|place| self.list.get_mut(place)) {
            change(attempt);
        }
    }

    fn forget_before(&mut self, now: Instant) {
        let Some(kept) = self.kept else { return };
        while let Some(oldest) = self.list.front().copied() {
            if oldest.end == End::Open || now.duration_since(oldest.released) < kept {
                return;
            }
            let in_its_second = |other: &&Attempt| other.released.duration_since(oldest.released) < SECOND;
            self.busiest = self.busiest.max(self.list.iter().take_while(in_its_second).count());
            self.past.add(&oldest);
            self.gone += 1;
            self.list.pop_front();
        }
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
        self.attempts.0.lock().update(self.place, change);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_forgotten_is_still_counted() {
        let mut logs = [Log::default(), Log { kept: Some(KEPT), ..Log::default() }];
        for log in &mut logs {
            let mut now = Instant::now();
            // It is under way for long, and the next are kept with it.
            let first = log.open(CallId::next(), now);
            for n in 0..4_000 {
                let place = log.open(CallId::next(), now);
                let status = if n % 4 == 0 { StatusCode::NOT_FOUND } else { StatusCode::OK };
                log.update(place, |attempt| attempt.end = End::Answered(status));
                if n == 2_500 {
                    log.update(first, |attempt| attempt.end = End::Answered(StatusCode::OK));
                }
                // Seven in a second, once.
                now += if (2_000..2_006).contains(&n) { SECOND / 10 } else { SECOND / 2 };
            }
        }
        for log in &logs {
            let Account { tally, busiest } = log.account();
            assert_eq!((tally.all(), tally.open, busiest), (4_001, 0, 7));
            assert_eq!(tally.answered[&StatusCode::NOT_FOUND], 1_000);
        }
        assert_eq!(logs.map(|log| log.list.len()), [4_001, 1_200]);
    }
}

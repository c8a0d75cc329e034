//! A transport that answers from a script, and what the tests say of requests and failures.
#![allow(dead_code, unreachable_pub, missing_docs, missing_debug_implementations)] // Each test binary uses a part.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Extensions, Method, Request, Response, StatusCode};
use jittered_backoff::{Backoff, Jitter, Limits, Seeds};
use retry_on_tls_eof::RetryOnTlsEofLayer;
use tokio::time::Instant;
use tower::{BoxError, Service};
use wire_fault::{Boxed, Cause, Delivery, Fault, Healing, Mark, Phase};

pub const S: Duration = Duration::from_secs(1);

pub const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub type Answer = Result<Response<&'static str>, BoxError>;

/// Waits of exactly 1 s, 2 s, 4 s, 4 s, …
pub fn backoff() -> Backoff {
    Backoff::exponential(S..=4 * S).expect("in range").with_jitter(Jitter::None)
}

pub fn limits(attempts: u32) -> Limits {
    Limits::new().with_attempts(attempts).expect("in range").with_deadline(60 * S)
}

pub fn layer(attempts: u32) -> RetryOnTlsEofLayer<Boxed> {
    RetryOnTlsEofLayer::new(backoff()).with_limits(limits(attempts)).with_seeds(Seeds::new(1))
}

pub fn request(method: Method) -> Request<String> {
    Request::builder().method(method).uri("https://api/order?secret=1").body("{}".into()).expect("a request")
}

pub fn never_sent() -> BoxError {
    Mark::fault(Fault::new(Phase::TlsHandshake, Delivery::NeverSent, Cause::Eof, Healing::Transient)).into()
}

pub fn cut() -> BoxError {
    io::Error::from(io::ErrorKind::UnexpectedEof).into()
}

pub fn certificate() -> BoxError {
    Mark::fault(Fault::new(Phase::TlsHandshake, Delivery::NeverSent, Cause::Certificate, Healing::Permanent))
        .into()
}

pub fn status(status: u16) -> Response<&'static str> {
    let mut response = Response::new("");
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    response
}

pub fn ok() -> Answer {
    Ok(Response::new("ok"))
}

/// What one attempt saw.
#[derive(Clone, Debug)]
pub struct Sent {
    pub at: Duration,
    pub extensions: Extensions,
}

/// What comes of an attempt.
enum Step {
    After(Duration, Answer),
    Never,
}

/// Answers from a list, each answer after its time. Notes what it was sent, and panics when it is sent more.
#[derive(Clone)]
pub struct Script {
    start: Instant,
    answers: Arc<Mutex<VecDeque<Step>>>,
    sent: Arc<Mutex<Vec<Sent>>>,
    /// Counts the attempts under way.
    under_way: Arc<()>,
}

impl Script {
    pub fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::timed(answers.into_iter().map(|answer| (Duration::ZERO, answer)))
    }

    pub fn timed(answers: impl IntoIterator<Item = (Duration, Answer)>) -> Self {
        let answers = answers.into_iter().map(|(takes, answer)| Step::After(takes, answer));
        Self {
            start: Instant::now(),
            answers: Arc::new(Mutex::new(answers.collect())),
            sent: Arc::default(),
            under_way: Arc::default(),
        }
    }

    /// And then one that never answers.
    pub fn then_silent(self) -> Self {
        self.answers.lock().unwrap().push_back(Step::Never);
        self
    }

    pub fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap().clone()
    }

    /// When the attempts were made, in milliseconds.
    pub fn at(&self) -> Vec<u128> {
        self.sent.lock().unwrap().iter().map(|sent| sent.at.as_millis()).collect()
    }

    /// Since the script began.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    pub fn under_way(&self) -> usize {
        Arc::strong_count(&self.under_way) - Arc::strong_count(&self.sent)
    }
}

impl<B> Service<Request<B>> for Script {
    type Response = Response<&'static str>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send + Sync>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let sent = Sent { at: self.start.elapsed(), extensions: request.extensions().clone() };
        self.sent.lock().unwrap().push(sent);
        let step = self.answers.lock().unwrap().pop_front().expect("sent once more than scripted");
        let under_way = Arc::clone(&self.under_way);
        Box::pin(async move {
            let _under_way = under_way;
            match step {
                Step::After(takes, answer) => {
                    tokio::time::sleep(takes).await;
                    answer
                }
                Step::Never => std::future::pending().await,
            }
        })
    }
}

/// Polls a future at most so many times, and drops it.
pub async fn at_most<F: Future>(polls: u32, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut polled = 0;
    poll_fn(|cx| {
        if polled == polls {
            return Poll::Ready(None);
        }
        polled += 1;
        future.as_mut().poll(cx).map(Some)
    })
    .await
}

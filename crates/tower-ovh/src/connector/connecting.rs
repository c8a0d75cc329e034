//! The future of a connection, and its time limit.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::Uri;
use hyper_rustls::HttpsConnector;
use tokio::time::Sleep;
use tower::BoxError;
use tower_service::Service;
use wire_fault::{Cause, Delivery, Fault, Healing, Mark, Phase, Verdict};

use super::route::Route;
use super::stream::Stream;

/// The future of a connection that a [`Connector`](crate::Connector) makes.
#[must_use = "futures do nothing unless polled"]
pub struct Connecting {
    state: State,
    after: Duration,
}

enum State {
    Refused(Option<PlainHttp>),
    Connecting {
        // Boxed by hyper-rustls.
        https: Https,
        // hyper-util wants a future that can be moved.
        sleep: Pin<Box<Sleep>>,
    },
}

type Https = <HttpsConnector<Route> as Service<Uri>>::Future;

impl Connecting {
    pub(super) fn new(https: Https, after: Duration) -> Self {
        Self { state: State::Connecting { https, sleep: Box::pin(tokio::time::sleep(after)) }, after }
    }

    pub(super) fn refused(error: PlainHttp) -> Self {
        Self { state: State::Refused(Some(error)), after: Duration::ZERO }
    }
}

impl Future for Connecting {
    type Output = Result<Stream, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.state {
            State::Refused(error) => match error.take() {
                Some(error) => Poll::Ready(Err(error.into())),
                None => Poll::Pending, // Polled after it was done.
            },
            State::Connecting { https, sleep } => {
                if let Poll::Ready(result) = https.as_mut().poll(cx) {
                    return Poll::Ready(result.map(Stream::new));
                }
                ready!(sleep.as_mut().poll(cx));
                Poll::Ready(Err(ConnectTimedOut::new(self.after).into()))
            }
        }
    }
}

impl fmt::Debug for Connecting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connecting").field("after", &self.after).finish_non_exhaustive()
    }
}

/// There was no connection in its time: name, TCP, proxy and TLS together. Nothing was sent.
#[derive(Debug)]
pub struct ConnectTimedOut {
    after: Duration,
    mark: Mark,
}

impl ConnectTimedOut {
    fn new(after: Duration) -> Self {
        let fault = Fault::new(Phase::Pool, Delivery::NeverSent, Cause::Timeout, Healing::Transient);
        Self { after, mark: Mark::fault(fault) }
    }

    /// The time that it had.
    #[must_use]
    pub const fn after(&self) -> Duration {
        self.after
    }
}

impl fmt::Display for ConnectTimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no connection within {:?}", self.after)
    }
}

impl Error for ConnectTimedOut {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.mark)
    }
}

/// A URL that is not `https`, without [`Connector::with_plain_http`](crate::Connector::with_plain_http): everybody on the
/// way could read the call. Nothing was sent.
#[derive(Debug)]
pub struct PlainHttp {
    host: String,
    mark: Mark,
}

impl PlainHttp {
    pub(super) fn new(url: &Uri) -> Self {
        let fault = Fault::new(Phase::Unknown, Delivery::NeverSent, Cause::Other, Healing::Permanent);
        let mark = Mark::verdict(Verdict::RefusedLocally).with_fault(fault);
        Self { host: url.host().unwrap_or_default().to_owned(), mark }
    }
}

impl fmt::Display for PlainHttp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the URL of {} is not https, and nothing else is spoken without `with_plain_http`",
            self.host
        )
    }
}

impl Error for PlainHttp {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.mark)
    }
}

//! The server's clock, as seen from here: the only place that reads the wall clock, and that only to compare.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use tower_service::Service;

use crate::anchor::Anchor;
use crate::basis::Basis;
use crate::endpoint::Endpoint;
use crate::error::AuthError;
use crate::exchange::{Answer, Source, exchange};
use crate::failure::{BoxError, Failure, Seen};
use crate::kept::{Held, Kept, Lookup};

/// How much of the answer is read: the longest time accepted has 12 digits, and an HTML page is none.
const ANSWER: usize = 64;

/// The last second of the year 9999. A server that answers milliseconds is found out by it.
const LAST: u64 = 253_402_300_799;

/// The server's time: fetched when it is first needed, once however many wait for it, and carried on by tokio's clock.
///
/// # The arithmetic
///
/// `GET /auth/time` answers whole seconds. What is kept is that number and the [`tokio::time::Instant`] at which the
/// answer's head came; a [`Timestamp`] is the number plus the time since. The local wall clock has no part in it: it
/// may be hours off, or be stepped in mid-run, and no signature changes. (The official clients keep the difference to
/// the local wall clock, and fail after a step until they are started anew.)
///
/// The result is behind the server's clock by up to a second, which the answer cuts off, and the answer's way back. The
/// round trip is not halved: the service below may hold the request back, in a rate limit's queue say, and nothing
/// tells the ways apart. A signature from a second ago is as good as one sent over a slow line; one from the future
/// might not be.
///
/// Tokio's clock stands still while the machine is suspended (on Linux), and the server's clock can be stepped. Either
/// way the server rejects the next signature; the layer then calls [`invalidate`](Self::invalidate), and the next
/// attempt fetches.
///
/// # Fetching
///
/// The fetch goes through a service that the caller gives, so that it is paced, counted, timed and repeated as the
/// caller sees fit. It ends for all who wait with the same time or the same error; the next call after an error tries
/// again.
///
/// A call that waits for the time in [`Sign`](crate::Sign) has passed what stands above: a rate limit has released it,
/// and the time limit of its attempt runs. Who wants the fetch to come first calls [`ready`](Self::ready) above them.
///
/// # Cancellation
///
/// Whoever waits may be dropped, the one who began the fetch too: the others carry it on. It is dropped with its last
/// waiter.
///
/// # Clone
///
/// Clones share the time and the fetch. `Send` and `Sync` whatever the service is (it must be `Send`).
///
/// ```
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::{Empty, Full};
/// use ovh_auth::ServerClock;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let service = tower::service_fn(|request: Request<Empty<Bytes>>| async move {
///     assert_eq!(request.uri(), "https://eu.api.ovh.com/1.0/auth/time");
///     Ok::<_, std::convert::Infallible>(Response::new(Full::<Bytes>::from("1566485767")))
/// });
/// let clock = ServerClock::new(&"ovh-eu".parse()?, service);
/// assert_eq!(clock.now().await?.seconds(), 1_566_485_767);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ServerClock {
    kept: Arc<Kept<Anchor>>,
}

/// A moment on the server's clock, and which fetch it was reckoned from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamp {
    seconds: u64,
    generation: u64,
}

impl ServerClock {
    /// The clock of an endpoint, fetched through `service`.
    ///
    /// `service` gets a `GET` of `/auth/time` with an empty body (`B::default()`), and need not authenticate it.
    pub fn new<S, B, R>(endpoint: &Endpoint, service: S) -> Self
    where
        S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
        S::Future: Send,
        S::Error: Into<BoxError>,
        B: Default + Send + 'static,
        R: Body + Send + 'static,
        R::Data: Send,
        R::Error: Into<BoxError>,
    {
        let (url, source) = (endpoint.own_url("/auth/time"), Source::new(service));
        let kept = Kept::new(move || {
            let (service, mut request) = (source.get(), Request::new(B::default()));
            *request.uri_mut() = url.clone();
            Box::pin(async move {
                let anchor = read(&exchange(service, request, ANSWER).await?)?;
                tracing::debug!(target: "ovh_auth", skew = anchor.skew(wall()), "the server's time was fetched");
                Ok(anchor)
            })
        });
        Self { kept: Arc::new(kept) }
    }

    /// The time now, fetched first if it is not known.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::ServerTime`](crate::AuthErrorKind::ServerTime) if it can't be had: the service failed, or
    /// answered anything but 200 with a whole number of seconds from 1 to 253402300799 (the year 9999).
    pub async fn now(&self) -> Result<Timestamp, AuthError> {
        Ok(Timestamp::of(&self.held().await?))
    }

    /// The time to sign a call by, fetched first if it is not known.
    ///
    /// For layers above a rate limit: see [`Basis`].
    ///
    /// # Errors
    ///
    /// As [`now`](Self::now).
    pub async fn ready(&self) -> Result<Basis, AuthError> {
        self.held().await.map(Basis::time)
    }

    /// The time to sign a call by, if it is known.
    #[must_use]
    pub fn try_ready(&self) -> Option<Basis> {
        self.kept.held().map(Basis::time)
    }

    async fn held(&self) -> Result<Held<Anchor>, AuthError> {
        match self.anchor() {
            Lookup::Held(held) => Ok(held),
            Lookup::Fetching(flight) => flight.await.map_err(|failure| AuthError::server_time(&failure)),
        }
    }

    /// The time now, if it is known.
    #[must_use]
    pub fn try_now(&self) -> Option<Timestamp> {
        self.kept.held().as_ref().map(Timestamp::of)
    }

    /// Forgets the time by which this timestamp was reckoned: the server rejected it.
    ///
    /// If a newer one has been fetched since, it stays, so however many calls fail by one stale time, one fetch follows.
    pub fn invalidate(&self, rejected: Timestamp) {
        self.forget(rejected.generation);
    }

    /// Forgets the time that this fetch brought.
    pub(crate) fn forget(&self, generation: u64) {
        if self.kept.invalidate(generation, |_| true) {
            tracing::debug!(target: "ovh_auth", "the server's time is stale");
        }
    }

    /// By how many seconds the server is ahead of the local wall clock (negative: behind), if its time is known.
    ///
    /// For people: nothing is signed by it. The wall clock is read when this is called. It is exact to about a second.
    #[must_use]
    pub fn skew(&self) -> Option<i64> {
        self.kept.held().map(|held| held.value.skew(wall()))
    }

    pub(crate) fn anchor(&self) -> Lookup<Anchor> {
        self.kept.look_up(|_| true)
    }
}

impl Timestamp {
    pub(crate) fn of(held: &Held<Anchor>) -> Self {
        Self { seconds: held.value.now().as_secs(), generation: held.generation }
    }

    /// Seconds since the Unix epoch, on the server's clock.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.seconds
    }
}

/// Time since the Unix epoch by the local wall clock; before it, none.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn read(answer: &Answer) -> Result<Anchor, Failure> {
    let Answer { head, at, body } = answer;
    if head.status != StatusCode::OK {
        return Err(Failure::Status { answer: Seen::of(head), code: None });
    }
    let unreadable = || Failure::Unreadable { answer: Seen::of(head) };
    let said = body.as_ref().and_then(seconds).ok_or_else(unreadable)?;
    Ok(Anchor::new(Duration::from_secs(said), *at))
}

fn seconds(body: &Bytes) -> Option<u64> {
    let digits = body.trim_ascii();
    // `parse` would take a sign, too.
    let plain = digits.iter().all(u8::is_ascii_digit);
    let said = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (plain && (1..=LAST).contains(&said)).then_some(said)
}

/// Shows the time, if it is known.
impl fmt::Debug for ServerClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerClock").field("now", &self.try_now()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn skew_is_what_the_walls_differ_by_now() {
        let anchor = Anchor::new(Duration::from_secs(10_000), Instant::now());
        assert_eq!(anchor.skew(Duration::from_secs(10_000)), 0);
        assert_eq!(anchor.skew(Duration::from_secs(13_600)), -3_600);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(anchor.skew(Duration::from_secs(6_460)), 3_600);
    }

    #[test]
    fn what_is_a_time() {
        let said = |body: &'static str| seconds(&Bytes::from_static(body.as_bytes()));
        assert_eq!(said("1566485767"), Some(1_566_485_767));
        assert_eq!(said(" 1566485767\r\n"), Some(1_566_485_767));
        assert_eq!(said("253402300799"), Some(LAST));
        for garbage in
            ["", "0", "-1", "+1", "1.5", "1566485767000", "\"1\"", "<html>", "1 2", "99999999999999999999999"]
        {
            assert_eq!(said(garbage), None, "{garbage}");
        }
    }
}

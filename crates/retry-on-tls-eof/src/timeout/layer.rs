use std::time::Duration;

use tower_layer::Layer;

use super::error::InvalidTimeout;
use super::range;
use super::service::AttemptTimeout;

/// Applies [`AttemptTimeout`] to services.
///
/// Goes below a rate limit, so that waiting in its queue doesn't count.
///
/// ```
/// use std::time::Duration;
/// use retry_on_tls_eof::AttemptTimeoutLayer;
///
/// let layer = AttemptTimeoutLayer::new(Duration::from_secs(30))?.over_hyper_util();
/// assert!(AttemptTimeoutLayer::new(Duration::ZERO).is_err());
/// # Ok::<(), retry_on_tls_eof::InvalidTimeout>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct AttemptTimeoutLayer {
    after: Duration,
    over_hyper_util: bool,
}

impl AttemptTimeoutLayer {
    /// The shortest time an attempt can be given: what tokio's timer resolves.
    pub const MIN: Duration = range::MIN;

    /// The longest time an attempt can be given: an hour.
    pub const MAX: Duration = range::MAX;

    /// Gives each attempt this long, from when it is sent to the response's head: 1 ms to 1 hour.
    ///
    /// The response's body is not covered, unless a [`CollectBody`](crate::CollectBody) below reads it first.
    ///
    /// # Errors
    ///
    /// If the time is out of that range.
    pub fn new(after: Duration) -> Result<Self, InvalidTimeout> {
        if (Self::MIN..=Self::MAX).contains(&after) {
            Ok(Self { after, over_hyper_util: false })
        } else {
            Err(InvalidTimeout(after))
        }
    }

    /// Declares that the requests end in a [`hyper_util::client::legacy::Client`].
    ///
    /// Then an attempt that runs out of time before the client had a connection for it was provably never sent, and a POST
    /// may be repeated. The proof is the client's own note ([`capture_connection`]); other clients (reqwest, say) write
    /// none, so without this declaration a missing note proves nothing, and every timeout is "perhaps".
    ///
    /// Over a connector with a [`WitnessLayer`](wire_fault::WitnessLayer) that holds for a new connection, too, to which
    /// nothing had been written when the time was up: it is sealed, so that nothing will be.
    ///
    /// A connection over which an attempt ran out of time is given no further request, since it may have stalled: the
    /// repeat goes over another one, with HTTP/2 as well. The calls that it carries go on.
    ///
    /// It must hold that dropping the attempt stops it: nothing between here and the client may send the request from a
    /// task of its own, or send another one in its stead or after it (a redirect, say). What can be seen of that is looked
    /// at (the note must have been held by the attempt, up to the end, and by no copy of the request), and where it is not
    /// so, the timeout is "perhaps".
    ///
    /// The note is a request extension, and there is one place for it: two of these layers share it, and a
    /// `capture_connection` of the caller's own gets nothing through them.
    ///
    /// [`capture_connection`]: hyper_util::client::legacy::connect::capture_connection
    #[must_use]
    pub const fn over_hyper_util(mut self) -> Self {
        self.over_hyper_util = true;
        self
    }
}

impl<S> Layer<S> for AttemptTimeoutLayer {
    type Service = AttemptTimeout<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AttemptTimeout::new(inner, self.after, self.over_hyper_util)
    }
}

//! What one layer states of an error, so that the others need not know its type.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::fault::Fault;
use crate::query_id::QueryId;

type BoxError = Box<dyn Error + Send + Sync>;

/// What a layer has decided about a call it ended itself.
///
/// Layers that invent an error put a [`Mark`] with the verdict into its chain of causes; layers above find it with
/// [`Verdict::of`] and need not know the error's type.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// A layer of this process refused the call before it was sent: a rate limit at its bound, say.
    RefusedLocally,
    /// The call may have landed, and may not be repeated.
    OutcomeUnknown,
    /// The call could have been repeated, but the limits (attempts, deadline, budget) are used up.
    Exhausted,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RefusedLocally => "refused on this side, before it was sent",
            Self::OutcomeUnknown => "the outcome is unknown",
            Self::Exhausted => "not tried again, the limits are used up",
        })
    }
}

/// A response extension: the server refused this request without acting on it, and a repeat can heal it.
///
/// Put there by a layer that knows the answer's meaning (a signature whose timestamp had gone stale, say). A retry above
/// may then repeat the request whatever its method, and does so once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Unprocessed;

/// A link in an error's chain of causes by which a layer states what it knows: a [`Fault`], a [`Verdict`], or both; the
/// [`QueryId`], where a response had one; or only [whose](Self::of_request) the error below is.
///
/// An error that a layer invents returns its mark from [`Error::source`]; the mark returns the error below it from
/// its own. `Fault::of` believes the outermost fault stated.
///
/// ```
/// use std::{error::Error, fmt};
/// use wire_fault::{Cause, Delivery, Fault, Healing, Mark, Phase};
///
/// #[derive(Debug)]
/// struct NoConnectionInTime(Mark);
///
/// impl fmt::Display for NoConnectionInTime {
///     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
///         f.write_str("no connection within 3 s")
///     }
/// }
///
/// impl Error for NoConnectionInTime {
///     fn source(&self) -> Option<&(dyn Error + 'static)> {
///         Some(&self.0)
///     }
/// }
///
/// let known = Fault::new(Phase::Tcp, Delivery::NeverSent, Cause::Timeout, Healing::Transient);
/// assert_eq!(Fault::of(&NoConnectionInTime(Mark::fault(known))), known);
/// ```
#[derive(Debug)]
pub struct Mark {
    verdict: Option<Verdict>,
    fault: Option<Fault>,
    /// Rare, and eight times the size of the rest: so marks stay small, and the errors that carry them.
    query_id: Option<Box<QueryId>>,
    of_request: bool,
    bearer: Option<Bearer>,
    source: Option<BoxError>,
}

/// A copy of the error that returns the mark from its `source`.
struct Bearer(BoxError);

/// Whoever shows the mark shows the error itself as well.
impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bearer").finish_non_exhaustive()
    }
}

impl Mark {
    const NOTHING: Self =
        Self { verdict: None, fault: None, query_id: None, of_request: false, bearer: None, source: None };

    /// States a verdict.
    #[must_use]
    pub fn verdict(verdict: Verdict) -> Self {
        Self { verdict: Some(verdict), ..Self::NOTHING }
    }

    /// States a fault.
    #[must_use]
    pub fn fault(fault: Fault) -> Self {
        Self { fault: Some(fault), ..Self::NOTHING }
    }

    /// States that `error` is what one request was answered with, and not what its connection ended with.
    ///
    /// For clients that drive HTTP/2 connections themselves: around the error of hyper's `SendRequest::send_request`, or of
    /// h2's `ResponseFuture`, and around no other. The two give the error of a `GOAWAY` to those requests only that the server
    /// declares unprocessed; the connection's own future ends with the very same error, which proves nothing of any one
    /// request. hyper-util's client needs no such word; tonic's `Channel` does, which shows no connection's error either (0.14.9
    /// only logs it), and looks like hyper itself.
    ///
    /// ```
    /// # async fn send(mut sender: hyper::client::conn::http2::SendRequest<String>, request: http::Request<String>)
    /// # -> Result<http::Response<hyper::body::Incoming>, wire_fault::Mark> {
    /// sender.send_request(request).await.map_err(wire_fault::Mark::of_request)
    /// # }
    /// ```
    #[must_use]
    pub fn of_request(error: impl Into<BoxError>) -> Self {
        Self { of_request: true, source: Some(error.into()), ..Self::NOTHING }
    }

    /// States a fault beside the verdict.
    #[must_use]
    pub fn with_fault(self, fault: Fault) -> Self {
        Self { fault: Some(fault), ..self }
    }

    /// States what the server calls the query, if it said so.
    #[must_use]
    pub fn with_query_id(self, id: impl Into<Option<QueryId>>) -> Self {
        Self { query_id: id.into().map(Box::new), ..self }
    }

    /// Carries a copy of the error that bears the mark, for [`find`](crate::find()).
    ///
    /// A wrapper that hides the type of the error below it (`Arc` does, and `anyhow!` of a boxed error) begins its chain of
    /// causes with *that error's* source: the mark. So the copy is found where the error itself is not. It needs the same data,
    /// and no mark's bearer of its own.
    ///
    /// ```
    /// use std::{error::Error, fmt, sync::Arc};
    /// use wire_fault::{Mark, Verdict, find};
    ///
    /// #[derive(Debug)]
    /// struct QueueFull {
    ///     waiting: usize,
    ///     mark: Mark,
    /// }
    ///
    /// impl QueueFull {
    ///     fn new(waiting: usize) -> Self {
    ///         let mark = || Mark::verdict(Verdict::RefusedLocally);
    ///         Self { waiting, mark: mark().with_bearer(Self { waiting, mark: mark() }) }
    ///     }
    /// }
    ///
    /// impl fmt::Display for QueueFull {
    ///     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    ///         write!(f, "{} wait already", self.waiting)
    ///     }
    /// }
    ///
    /// impl Error for QueueFull {
    ///     fn source(&self) -> Option<&(dyn Error + 'static)> {
    ///         Some(&self.mark)
    ///     }
    /// }
    ///
    /// let shared = Arc::new(QueueFull::new(30));
    /// assert_eq!(find::<QueueFull>(&shared).map(|full| full.waiting), Some(30));
    /// ```
    #[must_use]
    pub fn with_bearer(self, error: impl Into<BoxError>) -> Self {
        Self { bearer: Some(Bearer(error.into())), ..self }
    }

    /// Carries the error that the statement is about.
    ///
    /// An `Arc<dyn Error + Send + Sync>` may be shared between marks: [`source`](Error::source) is the error in it.
    #[must_use]
    pub fn with_source(self, source: impl Into<BoxError>) -> Self {
        Self { source: Some(source.into()), ..self }
    }

    /// The verdict stated, if one is.
    #[must_use]
    pub const fn stated_verdict(&self) -> Option<Verdict> {
        self.verdict
    }

    /// The fault stated, if one is.
    #[must_use]
    pub const fn stated_fault(&self) -> Option<Fault> {
        self.fault
    }

    /// The query's id stated, if one is.
    #[must_use]
    pub fn stated_query_id(&self) -> Option<QueryId> {
        self.query_id.as_deref().copied()
    }

    /// Whether the error below is stated to be one request's own.
    #[must_use]
    pub const fn is_of_request(&self) -> bool {
        self.of_request
    }

    /// The error that bears the mark, if a copy was given and it is one of these.
    pub(crate) fn bearer<T: Error + 'static>(&self) -> Option<&T> {
        self.bearer.as_ref()?.0.downcast_ref()
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.verdict, self.fault) {
            (Some(verdict), Some(fault)) => write!(f, "{verdict} ({fault})"),
            (Some(verdict), None) => verdict.fmt(f),
            (None, Some(fault)) => fault.fmt(f),
            (None, None) if self.of_request => f.write_str("the request failed"),
            (None, None) => f.write_str("nothing stated"),
        }
    }
}

impl Error for Mark {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let source = &**self.source.as_ref()?;
        match source.downcast_ref::<Arc<dyn Error + Send + Sync>>() {
            Some(shared) => Some(&**shared),
            None => Some(source),
        }
    }
}

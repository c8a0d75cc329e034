//! Whether a request does harm when it is sent twice.

use http::{Extensions, Method};

/// Whether a request may be sent again: a request extension, for requests whose method says too little or too much.
///
/// Without it the method decides ([RFC 9110, 9.2.2]): `GET`, `HEAD`, `OPTIONS`, `TRACE`, `PUT` and `DELETE` are
/// [`Idempotent`](Self::Idempotent), everything else is [`IfNeverSent`](Self::IfNeverSent).
///
/// ```
/// use http::{Method, Request};
/// use retry_on_tls_eof::RetrySafety;
///
/// assert_eq!(RetrySafety::of_method(&Method::DELETE), RetrySafety::Idempotent);
/// assert_eq!(RetrySafety::of_method(&Method::POST), RetrySafety::IfNeverSent);
///
/// // A search by POST changes nothing, so it may be repeated like a GET.
/// let search = Request::post("/search").extension(RetrySafety::Idempotent).body(()).unwrap();
/// assert_eq!(RetrySafety::of(search.method(), search.extensions()), RetrySafety::Idempotent);
/// ```
///
/// [RFC 9110, 9.2.2]: https://www.rfc-editor.org/rfc/rfc9110#section-9.2.2
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RetrySafety {
    /// Sent once, whatever happens: no status, no idempotency key, no hook and no setting of the layer lifts this. For calls
    /// that order or pay, where it can also be a rule of the layer
    /// ([`with_never`](crate::RetryOnTlsEofLayer::with_never)), which no extension lifts. It counts as a call that changes
    /// something, a `GET` too: if its answer is lost, it ends as [`OutcomeUnknown`](crate::OutcomeUnknown).
    Never,
    /// Sent again only if it is proven that the server did not act: the request was never sent, or refused by protocol.
    IfNeverSent,
    /// Twice does what once does: sent again after every failure that can heal.
    Idempotent,
}

impl RetrySafety {
    /// What the method alone says.
    #[must_use]
    pub fn of_method(method: &Method) -> Self {
        if method.is_idempotent() { Self::Idempotent } else { Self::IfNeverSent }
    }

    /// What the extension says, or else the method. A layer's own rules are not asked.
    #[must_use]
    pub fn of(method: &Method, extensions: &Extensions) -> Self {
        extensions.get().copied().unwrap_or_else(|| Self::of_method(method))
    }
}

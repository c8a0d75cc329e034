//! How a request is sent again.

use bytes::Bytes;
use http::Request;
use http_body_util::{Either, Empty, Full};

/// How a request, or a part of one, is sent again.
///
/// A copy is taken before each attempt, since the attempt consumes the original. What answers `None` passes once, and its
/// result is handed on as it is.
///
/// # Contract
///
/// - The copy MUST mean to the server what the original means.
/// - `None` MUST be the answer if any part can't be copied: half a request is another request.
/// - It is called for every request, repeated or not, and SHOULD be cheap: share bytes, don't copy them.
///   ([`Bytes`] are shared; `String` and `Vec<u8>` are copied.)
/// - It MUST NOT have effects: most copies are dropped unsent.
///
/// # Why not `Clone`
///
/// Because most HTTP requests aren't: a body may be a stream, and only some values of its type can be sent twice. `Clone`
/// has no way to say "not this one". And because a clone isn't always a repeat: the clone of a channel's receiver has other
/// contents. For the same reason there is no blanket implementation over `Clone`; implementing this for your own type is
/// three lines:
///
/// ```
/// use jittered_backoff::Replay;
///
/// #[derive(Clone, Debug, PartialEq)]
/// struct Ping(u64);
///
/// impl Replay for Ping {
///     fn replay(&self) -> Option<Self> {
///         Some(self.clone())
///     }
/// }
/// assert_eq!(Ping(1).replay(), Some(Ping(1)));
/// ```
///
/// It returns `Self`, so it is no trait for `dyn`: a request type that is a trait object can be wrapped in a type of your
/// own, or in [`Once`](crate::Once).
///
/// # HTTP
///
/// [`http::Request`] is copied with method, URI, version, headers and extensions, if its body can be. Bodies: [`Full`],
/// [`Empty`], [`Bytes`], `String`, `Vec<u8>`, shared references, `()`, and `Option`, `Box` and [`Either`] of these;
/// [`ReplayBox`](crate::ReplayBox) where the types differ. For streams, [`Untouched`](crate::Untouched) is repeated as long
/// as nothing of it has been sent, and [`Once`](crate::Once) never.
///
/// ```
/// use bytes::Bytes;
/// use http::Request;
/// use http_body_util::{BodyExt, Either, Full, combinators::BoxBody};
/// use jittered_backoff::{Once, Replay};
///
/// // One client for both kinds of body: small ones are repeated, streams pass once.
/// type MyBody = Either<Full<Bytes>, Once<BoxBody<Bytes, std::convert::Infallible>>>;
///
/// let small: Request<MyBody> = Request::new(Either::Left(Full::from("{}")));
/// assert!(small.replay().is_some());
///
/// let stream: Request<MyBody> = Request::new(Either::Right(Once::new(Full::from("{}").boxed())));
/// assert!(stream.replay().is_none());
/// ```
pub trait Replay: Sized {
    /// A copy to send again, or `None` if this is sent once.
    fn replay(&self) -> Option<Self>;

    /// Whether this copy still means what the original meant: asked right before it is sent in the original's stead.
    ///
    /// Copies that share something with the original which sending uses up can answer `false`, and are then not sent. By
    /// default `true`: a copy stands alone.
    fn is_whole(&self) -> bool {
        true
    }
}

impl<B: Replay> Replay for Request<B> {
    fn replay(&self) -> Option<Self> {
        let mut copy = Request::new(self.body().replay()?);
        *copy.method_mut() = self.method().clone();
        *copy.uri_mut() = self.uri().clone();
        *copy.version_mut() = self.version();
        *copy.headers_mut() = self.headers().clone();
        *copy.extensions_mut() = self.extensions().clone();
        Some(copy)
    }

    fn is_whole(&self) -> bool {
        self.body().is_whole()
    }
}

impl<B: Replay> Replay for Option<B> {
    fn replay(&self) -> Option<Self> {
        match self {
            Some(body) => body.replay().map(Some),
            None => Some(None),
        }
    }

    fn is_whole(&self) -> bool {
        self.as_ref().is_none_or(Replay::is_whole)
    }
}

impl<B: Replay> Replay for Box<B> {
    fn replay(&self) -> Option<Self> {
        (**self).replay().map(Self::new)
    }

    fn is_whole(&self) -> bool {
        (**self).is_whole()
    }
}

impl<L: Replay, R: Replay> Replay for Either<L, R> {
    fn replay(&self) -> Option<Self> {
        match self {
            Either::Left(body) => body.replay().map(Either::Left),
            Either::Right(body) => body.replay().map(Either::Right),
        }
    }

    fn is_whole(&self) -> bool {
        match self {
            Either::Left(body) => body.is_whole(),
            Either::Right(body) => body.is_whole(),
        }
    }
}

impl<D: Clone> Replay for Full<D> {
    fn replay(&self) -> Option<Self> {
        Some(self.clone())
    }
}

impl<D> Replay for Empty<D> {
    fn replay(&self) -> Option<Self> {
        Some(Self::new())
    }
}

impl<T: ?Sized> Replay for &T {
    fn replay(&self) -> Option<Self> {
        Some(self)
    }
}

macro_rules! replay_by_clone {
    ($($body:ty),*) => {$(
        impl Replay for $body {
            fn replay(&self) -> Option<Self> {
                Some(self.clone())
            }
        }
    )*};
}

replay_by_clone!((), Bytes, String, Vec<u8>);

//! Which bodies can be signed.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes};
use http_body::Body;
use http_body_util::combinators::{BoxBody, UnsyncBoxBody};
use http_body_util::{Either, Empty, Full};

/// A body whose bytes can be known before it is sent, since a signature covers them.
///
/// # Contract
///
/// - The answer MUST be exactly the bytes that will be sent, to the last; the server computes the same hash.
/// - `None` MUST be the answer if they are not known: a stream. Such a request is refused with
///   [`AuthErrorKind::StreamingBody`](crate::AuthErrorKind::StreamingBody), unless it need not be signed.
/// - It is called for each signed attempt, once by [`SignLayer::check`](crate::SignLayer::check) too, and SHOULD be
///   cheap: share bytes, don't copy them. ([`Bytes`] are shared; `String` and `Vec<u8>` are copied.)
///
/// # For your own body
///
/// ```
/// use bytes::Bytes;
/// use ovh_auth::SignableBody;
///
/// enum Upload {
///     Json(Bytes),
///     File(std::fs::File),
/// }
///
/// impl SignableBody for Upload {
///     fn signable(&self) -> Option<Bytes> {
///         match self {
///             Self::Json(bytes) => bytes.signable(),
///             Self::File(_) => None,
///         }
///     }
/// }
/// assert_eq!(Upload::Json(Bytes::from_static(b"{}")).signable(), Some(Bytes::from_static(b"{}")));
/// ```
pub trait SignableBody {
    /// The bytes that will be sent, or `None` if nobody knows them yet.
    fn signable(&self) -> Option<Bytes>;
}

impl<D> SignableBody for Full<D>
where
    D: Buf + Clone,
{
    fn signable(&self) -> Option<Bytes> {
        // `Full` shows its data to nobody, but gives it at once.
        let copy = pin!(self.clone());
        match copy.poll_frame(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(Ok(frame))) => {
                frame.into_data().ok().map(|mut data| data.copy_to_bytes(data.remaining()))
            }
            Poll::Ready(None) => Some(Bytes::new()),
            Poll::Ready(Some(Err(_))) | Poll::Pending => None,
        }
    }
}

impl<D> SignableBody for Empty<D> {
    fn signable(&self) -> Option<Bytes> {
        Some(Bytes::new())
    }
}

impl SignableBody for () {
    fn signable(&self) -> Option<Bytes> {
        Some(Bytes::new())
    }
}

impl SignableBody for Bytes {
    fn signable(&self) -> Option<Bytes> {
        Some(self.clone())
    }
}

impl SignableBody for &'static [u8] {
    fn signable(&self) -> Option<Bytes> {
        Some(Bytes::from_static(self))
    }
}

impl SignableBody for &'static str {
    fn signable(&self) -> Option<Bytes> {
        Some(Bytes::from_static(self.as_bytes()))
    }
}

impl SignableBody for String {
    fn signable(&self) -> Option<Bytes> {
        Some(Bytes::copy_from_slice(self.as_bytes()))
    }
}

impl SignableBody for Vec<u8> {
    fn signable(&self) -> Option<Bytes> {
        Some(Bytes::copy_from_slice(self))
    }
}

impl<B: SignableBody> SignableBody for Option<B> {
    fn signable(&self) -> Option<Bytes> {
        self.as_ref().map_or_else(|| Some(Bytes::new()), SignableBody::signable)
    }
}

impl<L: SignableBody, R: SignableBody> SignableBody for Either<L, R> {
    fn signable(&self) -> Option<Bytes> {
        match self {
            Self::Left(body) => body.signable(),
            Self::Right(body) => body.signable(),
        }
    }
}

/// Only one that is at its end: the box hides what is in it.
impl<D, E> SignableBody for BoxBody<D, E>
where
    D: Buf,
{
    fn signable(&self) -> Option<Bytes> {
        self.is_end_stream().then(Bytes::new)
    }
}

/// Only one that is at its end: the box hides what is in it.
impl<D, E> SignableBody for UnsyncBoxBody<D, E>
where
    D: Buf,
{
    fn signable(&self) -> Option<Bytes> {
        self.is_end_stream().then(Bytes::new)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use http_body_util::BodyExt;

    use super::*;

    #[test]
    fn each_kind_gives_what_it_will_send() {
        let text = "grüße";
        let bytes = Bytes::from_static(text.as_bytes());
        // Data in two pieces: a ring that has turned.
        let mut in_two = VecDeque::from_iter("üße".bytes());
        in_two.push_front(b'r');
        in_two.push_front(b'g');
        assert!(in_two.chunk().len() < in_two.remaining());
        let bodies: [&dyn SignableBody; 9] = [
            &Full::new(bytes.clone()),
            &Full::new(text.as_bytes()),
            &Full::new(in_two),
            &bytes,
            &text,
            &text.as_bytes(),
            &text.to_owned(),
            &text.as_bytes().to_vec(),
            &Some(Either::<_, ()>::Left(text)),
        ];
        for (n, body) in bodies.iter().enumerate() {
            assert_eq!(body.signable().as_ref(), Some(&bytes), "body {n}");
        }
        let none: [&dyn SignableBody; 7] = [
            &(),
            &Empty::<Bytes>::new(),
            &Full::<Bytes>::default(),
            &Full::new(Bytes::new()),
            &None::<String>,
            &Empty::<Bytes>::new().boxed(),
            &Empty::<Bytes>::new().boxed_unsync(),
        ];
        for (n, body) in none.iter().enumerate() {
            assert_eq!(body.signable(), Some(Bytes::new()), "empty body {n}");
        }
        assert_eq!(Full::new(bytes.clone()).boxed().signable(), None);
        assert_eq!(Full::new(bytes.clone()).boxed_unsync().signable(), None);

        // What is shared is not copied.
        assert_eq!(Full::new(bytes.clone()).signable().unwrap().as_ptr(), bytes.as_ptr());
    }
}

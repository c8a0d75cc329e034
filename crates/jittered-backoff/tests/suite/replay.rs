//! What a repeat is a copy of.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Method, Request, Version};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Either, Empty, Full, combinators::BoxBody};
use jittered_backoff::{Once, Replay};

fn request<B>(body: B) -> Request<B> {
    Request::builder()
        .method("REPORT")
        .uri("https://api.ovh.com/1.0/order?a=b")
        .version(Version::HTTP_2)
        .header("x-one", "1")
        .header("x-one", "2")
        .extension(7u32)
        .body(body)
        .unwrap()
}

#[test]
fn a_request_is_copied_with_all_its_parts() {
    let original = request(Full::new(Bytes::from_static(b"body")));
    let copy = original.replay().unwrap();
    assert_eq!(copy.method(), &Method::from_bytes(b"REPORT").unwrap());
    assert_eq!(copy.uri(), original.uri());
    assert_eq!(copy.version(), Version::HTTP_2);
    assert_eq!(copy.headers(), original.headers());
    assert_eq!(copy.headers().get_all("x-one").iter().count(), 2);
    assert_eq!(copy.extensions().get::<u32>(), Some(&7));
    assert_eq!(copy.into_body().size_hint().exact(), Some(4));
}

/// The copy is on its own: what the first attempt put into the original does not reach it.
#[test]
fn a_copy_is_independent() {
    let mut original = request(String::from("body"));
    let copy = original.replay().unwrap();
    original.extensions_mut().insert(8u32);
    original.headers_mut().clear();
    original.body_mut().clear();
    assert_eq!(copy.extensions().get::<u32>(), Some(&7));
    assert_eq!(copy.headers().len(), 2);
    assert_eq!(copy.body(), "body");
}

#[test]
fn bytes_are_shared_and_not_copied() {
    let bytes = Bytes::from(vec![0; 1 << 16]);
    assert_eq!(bytes.replay().unwrap().as_ptr(), bytes.as_ptr());
}

#[test]
fn what_can_be_repeated() {
    fn repeats<B: Replay>(body: B) {
        assert!(request(body).replay().is_some());
    }
    repeats(());
    repeats("text");
    repeats(&b"bytes"[..]);
    repeats(String::from("text"));
    repeats(vec![1u8]);
    repeats(Bytes::from_static(b"bytes"));
    repeats(Full::new(&b"bytes"[..]));
    repeats(Empty::<Bytes>::new());
    repeats(Some(Bytes::new()));
    repeats(None::<Once<Bytes>>);
    repeats(Either::<_, Once<()>>::Left("text"));
}

#[test]
fn what_passes_once() {
    fn once<B: Replay>(body: B) {
        assert!(request(body).replay().is_none());
    }
    once(Once::new("text"));
    once(Some(Once::new("text")));
    once(Either::<(), _>::Right(Once::new("text")));
    assert!(Once::new(request(())).replay().is_none());
}

/// `Once` is the body it wraps: frames, end and size.
#[tokio::test]
async fn once_is_the_body_it_wraps() {
    let full = Once::new(Full::new(Bytes::from_static(b"body")));
    assert_eq!(full.size_hint().exact(), Some(4));
    assert!(!full.is_end_stream() && Once::new(Empty::<Bytes>::new()).is_end_stream());
    assert_eq!(full.collect().await.unwrap().to_bytes(), "body");

    let mut body: Once<BoxBody<Bytes, io::Error>> = Once::new(Cut { sent: false }.boxed());
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "part");
    let error = body.frame().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

/// A body that can't be cloned, of one frame and an error.
struct Cut {
    sent: bool,
}

impl Body for Cut {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Poll::Ready(Some(match std::mem::replace(&mut self.sent, true) {
            false => Ok(Frame::data(Bytes::from_static(b"part"))),
            true => Err(io::ErrorKind::UnexpectedEof.into()),
        }))
    }
}

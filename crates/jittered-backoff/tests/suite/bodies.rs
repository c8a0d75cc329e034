//! Bodies that are repeated: boxed ones, and streams as long as nobody has touched them.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::marker::PhantomPinned;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Either, Empty, Full};
use jittered_backoff::{BodyTaken, Once, Replay, ReplayBox, Untouched};
use pin_project_lite::pin_project;
use tower::BoxError;

pin_project! {
    /// A stream that can't be cloned and is not `Unpin`, with a size and trailers.
    struct Upload {
        frames: VecDeque<Frame<Bytes>>,
        // Counts who holds the stream.
        held: Arc<()>,
        #[pin]
        pinned: PhantomPinned,
    }
}

impl Upload {
    fn new(held: &Arc<()>) -> Self {
        let mut trailers = HeaderMap::new();
        trailers.insert("checksum", "9".parse().unwrap());
        let frames = [Frame::data("one,".into()), Frame::data("two".into()), Frame::trailers(trailers)];
        Self { frames: frames.into(), held: held.clone(), pinned: PhantomPinned }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.project().frames.pop_front().map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(
            self.frames.iter().filter_map(Frame::data_ref).map(|data| data.len() as u64).sum(),
        )
    }
}

async fn read<B>(body: B) -> Result<(Bytes, Option<HeaderMap>), B::Error>
where
    B: Body<Data = Bytes>,
{
    let collected = body.collect().await?;
    let trailers = collected.trailers().cloned();
    Ok((collected.to_bytes(), trailers))
}

fn was_taken(error: &BoxError) -> bool {
    error.is::<BodyTaken>()
}

#[tokio::test]
async fn the_first_copy_that_is_polled_has_the_stream() {
    let held = Arc::new(());
    let original = Untouched::new(Upload::new(&held));
    let copy = original.replay().expect("untouched");
    let third = copy.replay().expect("untouched");

    for body in [&original, &copy, &third] {
        assert_eq!((body.size_hint().exact(), body.is_end_stream(), body.is_whole()), (Some(7), false, true));
    }
    // The original is dropped with its attempt, unpolled; the copy goes out.
    drop(original);
    let (data, trailers) = read(copy).await.expect("the whole stream");
    assert_eq!((&*data, &trailers.expect("trailers")["checksum"]), (&b"one,two"[..], &"9".parse().unwrap()));

    assert!(!third.is_whole() && third.replay().is_none());
    assert_eq!(
        (third.size_hint().exact(), third.is_end_stream()),
        (None, false),
        "it must not pass for empty"
    );
    assert!(was_taken(&read(third).await.unwrap_err()));
    assert_eq!(Arc::strong_count(&held), 1, "nobody holds the stream");
}

/// An attempt that was given up but still has its request somewhere: whoever polls second gets nothing.
#[tokio::test]
async fn a_late_original_takes_it_all_or_nothing() {
    let mut original = Box::pin(Untouched::new(Upload::new(&Arc::default())));
    let copy = original.replay().expect("untouched");
    let first = original.frame().await.expect("a frame").expect("no error");
    assert_eq!(first.into_data().unwrap(), "one,");
    assert_eq!((original.is_whole(), original.size_hint().exact()), (false, Some(3)));
    assert!(original.replay().is_none());
    assert!(was_taken(&read(copy).await.unwrap_err()));
    // And the one that took it goes on with it.
    assert_eq!(original.collect().await.unwrap().to_bytes(), "two");
}

#[test]
fn a_stream_that_panics_when_asked_can_be_asked_again() {
    struct Panics;
    impl Body for Panics {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(None)
        }
        fn size_hint(&self) -> SizeHint {
            panic!("asked")
        }
    }
    let body = Untouched::new(Panics);
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| body.size_hint())).unwrap_err();
    assert!(body.is_whole());
}

#[tokio::test]
async fn a_boxed_body_is_repeated_as_what_is_in_it() {
    let held = Arc::new(());
    let full: ReplayBox<Bytes> = ReplayBox::new(Full::new(Bytes::from("{}")));
    let copy = full.replay().expect("bytes are shared").replay().expect("and again");
    assert_eq!((copy.size_hint().exact(), copy.is_end_stream(), copy.is_whole()), (Some(2), false, true));
    drop(full);
    assert_eq!(read(copy).await.expect("whole").0, "{}");

    let empty: ReplayBox<Bytes> = ReplayBox::new(Empty::new());
    assert!(empty.is_end_stream() && empty.replay().is_some());
    let once: ReplayBox<Bytes> = ReplayBox::new(Once::new(Upload::new(&held)));
    assert!(once.replay().is_none());

    let stream: ReplayBox<Bytes> = ReplayBox::new(Untouched::new(Upload::new(&held)));
    let copy = stream.replay().expect("untouched");
    assert!(read(stream).await.expect("whole").1.is_some());
    assert!(!copy.is_whole() && copy.replay().is_none());
    assert!(was_taken(&read(copy).await.unwrap_err()));
}

/// What wraps a body asks it.
#[tokio::test]
async fn wrappers_ask_what_they_wrap() {
    type Nested = Request<Box<Option<Either<Full<Bytes>, Untouched<Upload>>>>>;
    let request: Nested = Request::put("/")
        .body(Box::new(Some(Either::Right(Untouched::new(Upload::new(&Arc::default()))))))
        .unwrap();
    let copy = request.replay().expect("untouched");
    assert!(copy.is_whole());
    let Some(Either::Right(body)) = *request.into_body() else { unreachable!() };
    read(body).await.expect("whole");
    assert!(!copy.is_whole() && copy.replay().is_none());

    let small: Nested = Request::new(Box::new(Some(Either::Left(Full::default()))));
    assert!(small.replay().is_some_and(|copy| copy.is_whole()));
    assert!(Request::new(Box::new(None::<Untouched<Upload>>)).replay().is_some_and(|copy| copy.is_whole()));
}

#[test]
fn they_can_be_sent_and_shared() {
    fn check<T: Send + Sync>() {}
    check::<Untouched<Upload>>();
    check::<ReplayBox<Bytes>>();
}

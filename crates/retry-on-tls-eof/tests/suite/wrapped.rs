//! Errors of the layer below wrappers that hide their type.

use std::error::Error;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use crate::common::{Script, cut, layer, never_sent, request};
use bytes::Bytes;
use http::{Method, Request, Response};
use hyper::body::{Body, Frame};
use retry_on_tls_eof::{BodyCut, CollectBodyLayer, Exhausted, OutcomeUnknown};
use tower::{BoxError, Layer, ServiceExt, service_fn};
use wire_fault::{Verdict, chain};

/// As `anyhow!` of a boxed error: the error within is neither the wrapper nor its source.
#[derive(Debug)]
struct Hides(BoxError);

impl fmt::Display for Hides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for Hides {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

/// As `.context(..)` of anyhow.
#[derive(Debug)]
struct Context(Hides);

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("buying")
    }
}

impl Error for Context {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

async fn failed(error: BoxError) -> BoxError {
    let script = Script::new([Err(error)]);
    layer(1).layer(script).oneshot(request(Method::POST)).await.expect_err("failed")
}

/// What is read of it, and the texts below it.
fn told(unknown: &OutcomeUnknown) -> (String, String, u32, usize, Vec<String>) {
    let below = chain(unknown).map(ToString::to_string).collect();
    (unknown.to_string(), unknown.path().to_owned(), unknown.attempts(), unknown.history().len(), below)
}

#[tokio::test(start_paused = true)]
async fn an_unknown_outcome_is_found_below_what_hides_it() {
    let bare = failed(cut()).await;
    let unknown = bare.downcast_ref::<OutcomeUnknown>().expect("as it was returned");
    assert!(unknown.source().and_then(Error::source).is_some_and(<dyn Error>::is::<io::Error>), "{bare:?}");
    let bare = told(unknown);
    let shared: Box<OutcomeUnknown> = failed(cut()).await.downcast().expect("as it was returned");
    let wrapped: [Box<dyn Error>; 5] = [
        Box::new(Hides(failed(cut()).await)),
        Box::new(Context(Hides(failed(cut()).await))),
        Box::new(Arc::<OutcomeUnknown>::from(shared)),
        Box::new(Arc::<dyn Error + Send + Sync>::from(failed(cut()).await)),
        Box::new(io::Error::other(Hides(Box::new(Hides(failed(cut()).await))))),
    ];
    for error in wrapped {
        assert_eq!(OutcomeUnknown::of(&*error).map(told), Some(bare.clone()), "{error:?}");
        assert_eq!(Verdict::of(&*error), Some(Verdict::OutcomeUnknown));
        assert!(Exhausted::of(&*error).is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn exhausted_is_found_below_what_hides_it() {
    let script = Script::new([Err(never_sent()), Err(never_sent())]);
    let error = layer(2).layer(script).oneshot(request(Method::POST)).await.expect_err("exhausted");
    let text = error.to_string();
    let error = Hides(error);
    let exhausted = Exhausted::of(&error).expect("found");
    assert_eq!((exhausted.attempts(), exhausted.to_string()), (2, text));
    assert!(OutcomeUnknown::of(&error).is_none());
}

/// Ends with a reset after its first bytes.
struct Half(Option<Bytes>);

impl Body for Half {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut TaskContext<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let cut = io::Error::from(io::ErrorKind::ConnectionReset);
        Poll::Ready(Some(self.0.take().map(Frame::data).ok_or(cut)))
    }
}

#[tokio::test(start_paused = true)]
async fn a_cut_body_is_found_below_what_hides_it() {
    let cut = service_fn(|_: Request<String>| async {
        let half = Half(Some(Bytes::from_static(b"half")));
        Ok::<_, BoxError>(Response::builder().status(201).body(half).expect("a response"))
    });
    let below = CollectBodyLayer::new(100)
        .expect("in range")
        .layer(cut)
        .map_err(|error| -> BoxError { Box::new(Hides(error)) });
    // The retry finds it as well.
    let error = layer(1).layer(below).oneshot(request(Method::POST)).await.expect_err("cut");
    let unknown = OutcomeUnknown::of(&*error).expect("unknown");
    assert_eq!(unknown.response_head().map(|head| head.status().as_u16()), Some(201));
    let error = Hides(error);
    assert_eq!(BodyCut::of(&error).map(BodyCut::received), Some(4));
}

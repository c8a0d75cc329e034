//! Errors of tower's own layers, by which a call ends that they have not passed on.

use std::error::Error;
use std::future::{pending, ready};
use std::io;

use crate::common::Failing;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt;
use tower::buffer::Buffer;
use tower::load_shed::LoadShed;
use tower::util::{BoxService, future_service};
use tower::{Service, ServiceExt};
use wire_fault::{Cause, Delivery, Fault, Healing, Phase};

type BoxError = Box<dyn Error + Send + Sync>;
type Below = BoxService<(), (), io::Error>;

async fn overloaded() -> BoxError {
    let never_ready = Box::pin(pending::<Result<Below, io::Error>>());
    LoadShed::new(future_service(never_ready)).oneshot(()).await.expect_err("not ready")
}

/// What a load shed refuses it has not passed on. Who does not know the type can't tell whose load it was.
#[tokio::test]
async fn what_is_shed_was_never_sent() {
    let fault = Fault::of(&*overloaded().await);
    if cfg!(feature = "tower") {
        let never_sent = Fault::new(Phase::Unknown, Delivery::NeverSent, Cause::Other, Healing::Transient);
        assert_eq!(fault, never_sent);
        assert!(fault.may_repeat(false));
    } else {
        assert_eq!(fault, Fault::UNKNOWN);
    }
    let said = Fault::of(&io::Error::other("service overloaded"));
    assert_eq!(said, Fault::UNKNOWN, "a server may say so");
}

/// A request's body that was shed is another call's: half of this one has been written.
#[tokio::test]
async fn what_a_body_was_refused_is_no_proof() {
    let (here, mut there) = tokio::io::duplex(1024);
    tokio::spawn(async move { there.read_to_end(&mut Vec::new()).await });
    let (mut send, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(here)).await.expect("a connection");
    tokio::spawn(connection);
    let body = Failing::after_half(io::Error::other(overloaded().await));
    let post = http::Request::post("/order").header("host", "x").body(body).expect("a request");
    let error = send.send_request(post).await.expect_err("the body fails");
    assert_eq!(Fault::of(&error).delivery, Delivery::Perhaps);
}

/// A buffer's service broke before it was this call's turn, whatever it says of that, and stays broken.
#[tokio::test]
async fn what_a_broken_buffer_held_was_never_sent() {
    let broken = io::Error::from(io::ErrorKind::ConnectionReset);
    let mut buffer = Buffer::new(future_service(ready(Err::<Below, _>(broken))), 2);
    let call = buffer.ready().await.expect("it has room").call(());
    let error = call.await.expect_err("broken");
    let fault = Fault::of(&*error);
    // Without its type the text is anybody's.
    let delivery = if cfg!(feature = "tower") { Delivery::NeverSent } else { Delivery::Perhaps };
    assert_eq!((fault.delivery, fault.healing), (delivery, Healing::Permanent));
    let said = Fault::of(&io::Error::other(error.to_string()));
    assert_eq!((said.delivery, said.healing), (Delivery::Perhaps, Healing::Permanent));
    let error = buffer.oneshot(()).await.expect_err("stays broken");
    assert_eq!(Fault::of(&*error), fault);
}

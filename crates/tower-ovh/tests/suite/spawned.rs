//! Calls that are spawned, over each kind of transport that a test may stand in for the real one.
//!
//! Not here is a closure whose error is a `BoxError`, in an async block: see "Spawning" at `OvhStack::layer`.

use std::io;

use bytes::Bytes;
use http::{Request, Response};
use tokio::task::JoinHandle;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Layer as _, Service, ServiceExt as _, service_fn};
use tower_ovh::OvhStack;

use crate::common::{Body, get};

const TIME: &str = "https://eu.api.ovh.com/1.0/auth/time";

type Api = BoxCloneSyncService<Request<Body>, Response<Bytes>, BoxError>;

async fn one(_: Request<Body>) -> Result<Response<Body>, BoxError> {
    Ok(Response::new(Body::from("1")))
}

/// An async block that keeps the service, as most that are spawned do.
macro_rules! spawn {
    ($service:expr) => {{
        let mut service = $service;
        tokio::spawn(async move { service.ready().await?.call(get(TIME)).await })
    }};
}

async fn succeeds(call: JoinHandle<Result<Response<Bytes>, BoxError>>) {
    assert_eq!(call.await.unwrap().unwrap().body(), "1");
}

#[tokio::test]
async fn a_call_can_be_spawned() {
    let stack = OvhStack::new().layer();
    let (mock, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
    let call = spawn!(stack.layer(mock));
    let (_, reply) = handle.next_request().await.unwrap();
    reply.send_response(Response::new(Body::from("1")));
    succeeds(call).await;

    succeeds(spawn!(stack.layer(service_fn(one)))).await;
    let typed = service_fn(|_: Request<Body>| async { Ok::<_, io::Error>(Response::new(Body::from("1"))) });
    succeeds(spawn!(stack.layer(typed))).await;

    // Boxed, or without an async block, a closure with a `BoxError` can be spawned, too.
    let closure = service_fn(|request: Request<Body>| async { one(request).await });
    succeeds(spawn!(Api::new(stack.layer(closure)))).await;
    succeeds(tokio::spawn(stack.layer(closure).oneshot(get(TIME)))).await;
}

//! Between hyper and the service behind: reads requests whole, counts them, and withholds the answer that is to be cut.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::desk::Desk;
use crate::http1::answer::{Answer, Answers};
use crate::http1::part;
use crate::length::wire_length;
use crate::receive::{Received, receive};
use crate::request_fault::{Plan, RequestFault, RequestPoint};
use crate::serve::BoxError;
use crate::truth::End;

/// The fault that waits for its request: `fire` gets what is to be written before it.
pub(crate) struct Armed {
    pub(crate) plan: Plan,
    pub(crate) fire: oneshot::Sender<Bytes>,
}

pub(crate) struct Counting {
    desk: Desk,
    answers: Arc<Answers>,
    armed: Mutex<Option<Armed>>,
}

impl Counting {
    pub(crate) fn new(desk: Desk, answers: Arc<Answers>, armed: Option<Armed>) -> Self {
        Self { desk, answers, armed: Mutex::new(armed) }
    }
}

impl hyper::service::Service<Request<Incoming>> for Counting {
    type Response = Response<Answer>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Answer>, BoxError>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let before = self.desk.progress.begin();
        let mut armed = self.armed.lock();
        let due = armed.as_ref().is_some_and(|armed| armed.plan.requests == before);
        let armed = if due { armed.take() } else { None };
        Box::pin(serve(self.desk.clone(), request, Arc::clone(&self.answers), armed))
    }
}

async fn serve(
    desk: Desk,
    request: Request<Incoming>,
    answers: Arc<Answers>,
    mut armed: Option<Armed>,
) -> Result<Response<Answer>, BoxError> {
    let (parts, body) = request.into_parts();
    let fault = armed.as_ref().map(|armed| armed.plan.fault);
    let mut wanted = None;
    match fault {
        Some(RequestFault::Early { status, .. }) if !body.is_end_stream() => {
            return strike(armed, part::early(status)).await;
        }
        Some(RequestFault::Upload { read, .. }) => wanted = Some(read),
        _ => {}
    }
    let body = match receive(body, desk.body_limit, wanted).await {
        Ok(Received::Whole(body)) => body,
        Ok(Received::Part) => return strike(armed, Bytes::new()).await,
        Ok(Received::TooLarge) => return Ok(too_large(answers)),
        Err(error) => {
            // The client left in the middle of its request; hyper would lay that at the service's door.
            desk.entry.ended(End::ClientLeft, Some(error.to_string()));
            return Err(error.into());
        }
    };
    let (method, version) = (parts.method.clone(), parts.version);
    let ticket = desk.received(&parts);
    let mut response = desk.call(parts, body).await?;
    let length = wire_length(&method, &response);
    match fault.and_then(RequestFault::point) {
        Some(RequestPoint::Request) => return strike(armed, Bytes::new()).await,
        Some(RequestPoint::Head) => {
            return strike(armed, part::of_head(&response.into_parts().0, length)).await;
        }
        Some(at @ (RequestPoint::Body | RequestPoint::Unframed)) => {
            let framed = at == RequestPoint::Body;
            match part::of_body(response, version, length, framed).await? {
                Ok(last) => return strike(armed, last).await,
                Err(uncut) => {
                    armed = None;
                    response = uncut;
                }
            }
        }
        _ => {}
    }
    drop(armed);
    Ok(response.map(|body| Answer::new(body, length, Some(ticket), answers)))
}

/// Has the fault strike, after `last` has been written.
async fn strike<T>(armed: Option<Armed>, last: Bytes) -> T {
    if let Some(Armed { fire, .. }) = armed {
        // Whoever listens drops this future now, and takes the stream out of hyper's hands.
        let _ = fire.send(last);
    }
    pending().await
}

/// The answer to a request whose body is longer than the limit: it was not read in full, and does not count.
fn too_large(answers: Arc<Answers>) -> Response<Answer> {
    let empty = Empty::new().map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(Answer::new(empty, Some(0), None, answers));
    *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
    response.headers_mut().insert(http::header::CONNECTION, http::HeaderValue::from_static("close"));
    response
}

//! Between hyper and the service behind: reads requests whole, counts them, and withholds the answer that is to be cut.

use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::header::HeaderName;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::http1::answer::{Answer, Answers, wire_length};
use crate::http1::erased::erase;
use crate::http1::part;
use crate::scenario::CutPoint;
use crate::serve::{BoxError, Serve};
use crate::truth::End;

/// The fault that waits for a request: `fire` gets what is to be written before it.
pub(crate) struct Armed {
    pub(crate) at: CutPoint,
    pub(crate) fire: oneshot::Sender<Bytes>,
}

pub(crate) struct Counting<S> {
    service: S,
    id_header: HeaderName,
    body_limit: usize,
    answers: Arc<Answers>,
    armed: Mutex<Option<Armed>>,
}

impl<S> Counting<S> {
    pub(crate) fn new(
        service: S,
        id_header: HeaderName,
        body_limit: usize,
        answers: Arc<Answers>,
        armed: Option<Armed>,
    ) -> Self {
        Self { service, id_header, body_limit, answers, armed: Mutex::new(armed) }
    }
}

impl<S: Serve> hyper::service::Service<Request<Incoming>> for Counting<S> {
    type Response = Response<Answer>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Answer>, BoxError>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let armed = self.armed.lock().take();
        let answers = Arc::clone(&self.answers);
        Box::pin(serve(
            self.service.clone(),
            request,
            self.id_header.clone(),
            self.body_limit,
            answers,
            armed,
        ))
    }
}

async fn serve<S: Serve>(
    mut service: S,
    request: Request<Incoming>,
    id_header: HeaderName,
    body_limit: usize,
    answers: Arc<Answers>,
    armed: Option<Armed>,
) -> Result<Response<Answer>, BoxError> {
    let (parts, body) = request.into_parts();
    let body = match Limited::new(body, body_limit).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Ok(too_large(answers)),
        Err(error) => {
            // The client left in the middle of its request; hyper would lay that at the service's door.
            answers.entry().ended(End::ClientLeft, Some(error.to_string()));
            return Err(error);
        }
    };
    let (method, version) = (parts.method.clone(), parts.version);
    let id = parts.headers.get(id_header).and_then(|id| id.to_str().ok());
    let ticket = answers.entry().received(id);

    poll_fn(|cx| service.poll_ready(cx)).await.map_err(Into::into)?;
    let response = service.call(Request::from_parts(parts, Full::new(body))).await.map_err(Into::into)?;
    let length = wire_length(&method, &response);
    let mut response = response.map(erase);

    if let Some(Armed { at, fire }) = armed {
        let last = match at {
            CutPoint::Head => part::of_head(&response.into_parts().0, length),
            CutPoint::Body => match part::of_body(response, version, length).await? {
                Ok(last) => last,
                Err(uncut) => {
                    drop(fire);
                    response = uncut;
                    return Ok(response.map(|body| Answer::new(body, length, Some(ticket), answers)));
                }
            },
            _ => Bytes::new(),
        };
        // Whoever listens drops this future now, and takes the stream out of hyper's hands.
        let _ = fire.send(last);
        return pending().await;
    }
    Ok(response.map(|body| Answer::new(body, length, Some(ticket), answers)))
}

/// The answer to a request whose body is longer than the limit: it was not read in full, and does not count.
fn too_large(answers: Arc<Answers>) -> Response<Answer> {
    let empty = Empty::new().map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(Answer::new(empty, Some(0), None, answers));
    *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
    response.headers_mut().insert(http::header::CONNECTION, http::HeaderValue::from_static("close"));
    response
}

//! One stream: the request is read whole and counted, the service is called, and the answer is sent or withheld.

use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;

use crate::desk::{Desk, Erased};
use crate::http2::frame;
use crate::http2::tap::Tap;
use crate::length::wire_length;
use crate::piece::piece;
use crate::receive::{Received, receive};
use crate::request_fault::{RequestFault, RequestPoint};
use crate::serve::{BoxError, Serve};

/// The headers that HTTP/2 does not have (RFC 9113, section 8.2.2).
const OF_HTTP1: [HeaderName; 5] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// What meets a stream.
#[derive(Clone, Copy)]
pub(crate) enum Met {
    Nothing,
    Fault(RequestFault),
    /// It came after one that is to be refused with all that follow.
    Refusal,
}

/// What has become of a stream.
pub(crate) enum Done {
    /// It is over, and the connection goes on.
    Over,
    /// The service failed.
    Failed(BoxError),
    /// The connection's fault is due, after these bytes. The stream is kept until then: were it dropped, h2 would reset
    /// it.
    Strike(Bytes, SendResponse<Bytes>),
}

pub(crate) async fn serve<S: Serve>(
    desk: Desk<S>,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    tap: Tap,
    met: Met,
) -> Done {
    let id = respond.stream_id().as_u32();
    let (parts, body) = request.into_parts();
    let mut wanted = None;
    match met {
        Met::Fault(RequestFault::Early { status, .. }) if !body.is_end_stream() => {
            return Done::Strike(frame::early(id, status), respond);
        }
        Met::Fault(RequestFault::Upload { read, .. }) => wanted = Some(read),
        _ => {}
    }
    let body = match receive(Incoming(body), desk.body_limit, wanted).await {
        Ok(Received::Whole(body)) => body,
        Ok(Received::Part) => return Done::Strike(Bytes::new(), respond),
        Ok(Received::TooLarge) => {
            too_large(&mut respond);
            return Done::Over;
        }
        Err(_) => {
            // The client gave the stream up, or left: the connection knows more.
            desk.progress.finish();
            return Done::Over;
        }
    };

    match met {
        Met::Refusal => {
            desk.refused(&parts);
            return pending().await;
        }
        Met::Fault(RequestFault::GoAway { covers: false, reason, .. }) => {
            desk.refused(&parts);
            return Done::Strike(frame::goaway(id.saturating_sub(2), reason), respond);
        }
        Met::Fault(fault @ RequestFault::Reset(reason)) if fault.refuses() => {
            desk.refused(&parts);
            desk.entry.carried_out();
            respond.send_reset(reason.code().into());
            desk.progress.finish();
            return Done::Over;
        }
        _ => {}
    }
    let ticket = desk.received(&parts);
    let (entry, progress) = (desk.entry.clone(), desk.progress.clone());
    let method = parts.method.clone();
    let mut response = match desk.call(parts, body).await {
        Ok(response) => response,
        Err(error) => return Done::Failed(error),
    };
    let length = wire_length(&method, &response);
    if let Met::Fault(fault) = met {
        match (fault, fault.point()) {
            (RequestFault::Reset(reason), _) => {
                entry.carried_out();
                respond.send_reset(reason.code().into());
                progress.finish();
                return Done::Over;
            }
            (RequestFault::GoAway { reason, .. }, _) => {
                return Done::Strike(frame::goaway(id, reason), respond);
            }
            (_, Some(RequestPoint::Request)) => return Done::Strike(Bytes::new(), respond),
            (_, Some(RequestPoint::Head)) => {
                return Done::Strike(frame::half_head(id, &fit(response).into_parts().0, length), respond);
            }
            (_, Some(RequestPoint::Body | RequestPoint::Unframed)) => {
                let (parts, mut body) = fit(response).into_parts();
                match piece(&mut body, length).await {
                    Ok(Some((first, part))) => {
                        return Done::Strike(frame::half_answer(id, &parts, length, &first[..part]), respond);
                    }
                    Ok(None) => response = Response::from_parts(parts, body),
                    Err(error) => return Done::Failed(error),
                }
            }
            _ => {}
        }
    }
    tap.answering(id, ticket);
    match answer(respond, response, length).await {
        Ok(()) => Done::Over,
        Err(Unsent::Service(error)) => Done::Failed(error),
        Err(Unsent::Stream) => {
            progress.finish();
            Done::Over
        }
    }
}

/// Why an answer was not sent.
enum Unsent {
    /// Its body failed.
    Service(BoxError),
    /// The stream is gone.
    Stream,
}

impl From<h2::Error> for Unsent {
    fn from(_: h2::Error) -> Self {
        Self::Stream
    }
}

async fn answer(
    mut respond: SendResponse<Bytes>,
    response: Erased,
    length: Option<u64>,
) -> Result<(), Unsent> {
    let (mut parts, mut body) = fit(response).into_parts();
    if let Some(length) = length.filter(|length| *length > 0) {
        parts.headers.entry(header::CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
    }
    let end = length == Some(0) || body.is_end_stream();
    let mut stream = respond.send_response(Response::from_parts(parts, ()), end)?;
    if end {
        return Ok(());
    }
    while let Some(frame) = body.frame().await {
        match frame.map_err(Unsent::Service)?.into_data() {
            Ok(data) => {
                let end = body.is_end_stream();
                send(&mut stream, data, end).await?;
                if end {
                    return Ok(());
                }
            }
            Err(frame) => {
                if let Ok(trailers) = frame.into_trailers() {
                    return Ok(stream.send_trailers(trailers)?);
                }
            }
        }
    }
    Ok(stream.send_data(Bytes::new(), true)?)
}

/// Hands data to h2 as the client makes room for it.
async fn send(stream: &mut SendStream<Bytes>, mut data: Bytes, end: bool) -> Result<(), Unsent> {
    loop {
        let mut room = 0;
        if !data.is_empty() {
            stream.reserve_capacity(data.len());
            room = poll_fn(|cx| stream.poll_capacity(cx)).await.ok_or(Unsent::Stream)??;
        }
        let part = data.split_to(room.min(data.len()));
        let last = data.is_empty();
        stream.send_data(part, end && last)?;
        if last {
            return Ok(());
        }
    }
}

/// Without the headers that HTTP/2 does not have.
fn fit(mut response: Erased) -> Erased {
    for name in OF_HTTP1 {
        response.headers_mut().remove(name);
    }
    response
}

/// The answer to a request whose body is longer than the limit: it was not read in full, and does not count.
fn too_large(respond: &mut SendResponse<Bytes>) {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
    // Fails only where the stream is gone. When it is dropped, h2 asks the client to stop, by NO_ERROR.
    let _ = respond.send_response(response, true);
}

/// A request's body, which makes room for more as it is read.
struct Incoming(RecvStream);

impl Body for Incoming {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let Some(data) = ready!(self.0.poll_data(cx)?) else { return Poll::Ready(None) };
        self.0.flow_control().release_capacity(data.len())?;
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }
}

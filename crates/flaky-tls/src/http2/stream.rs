//! One stream: the request is read whole and counted, the service is called, and the answer is sent or withheld.

use std::future::pending;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{Request, Response};

use crate::desk::Desk;
use crate::http2::answer::{Unsent, answer, fit, too_large};
use crate::http2::frame;
use crate::http2::incoming::Incoming;
use crate::http2::tap::Tap;
use crate::length::wire_length;
use crate::piece::piece;
use crate::receive::{Received, receive};
use crate::request_fault::{RequestFault, RequestPoint};
use crate::serve::BoxError;

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

pub(crate) async fn serve(
    desk: Desk,
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

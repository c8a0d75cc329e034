//! Evidence of h2, by type. Without the feature the texts serve, but only below an error of hyper's.
//!
//! Of the *streams*, h2 gives the error of a remote `GOAWAY` to those above its last id and to no other: those it covers end
//! with the connection, as an io error (h2 0.4.20, `Streams::recv_go_away`). The *connection*'s own future ends with the same
//! error, of the same type and text, whichever streams it covered (`Connection::take_error`; hyper 1.12 passes it on from
//! `SendRequest::poll_ready`). It names no stream. So a `GOAWAY` is a refusal only where something else says that it is the
//! error of one request: hyper-util's client, which shows no connection's error, or the caller
//! ([`Mark::of_request`](crate::Mark::of_request)).
//!
//! A stream that was reset is told so itself: h2 ends no connection with a `RST_STREAM`. A `GOAWAY` with the reason
//! `REFUSED_STREAM` is a `GOAWAY`. `tests/suite/http2.rs` holds all of this against a peer that writes its frames by hand.

use std::error::Error;

#[cfg(not(feature = "h2"))]
use crate::reading::Reading;

#[cfg(not(feature = "h2"))]
pub(crate) fn read(_: &(dyn Error + 'static), _: &mut Reading) -> bool {
    false
}

#[cfg(feature = "h2")]
pub(crate) use typed::read;

#[cfg(feature = "h2")]
mod typed {
    use super::Error;

    use h2::Reason;

    use crate::fault::{Cause, Healing, Phase};
    use crate::reading::{Reach, Reading};

    /// Reads an error of h2. Answers whether it was one that it knows better than its text.
    pub(crate) fn read(error: &(dyn Error + 'static), reading: &mut Reading) -> bool {
        let Some(error) = error.downcast_ref::<h2::Error>() else { return false };
        let Some(reason) = error.reason() else {
            // An io error's own text, or the caller's misuse: read as any other text.
            return false;
        };
        if error.is_remote() {
            if error.is_go_away() {
                reading.gone_away();
            } else if reason == Reason::REFUSED_STREAM {
                reading.refused();
            }
            let healing = match reason {
                Reason::HTTP_1_1_REQUIRED | Reason::PROTOCOL_ERROR | Reason::INADEQUATE_SECURITY => {
                    Healing::Permanent
                }
                _ => Healing::Transient,
            };
            tell(healing, reading);
        } else if error.is_library() {
            tell(Healing::Permanent, reading);
        } else if error.is_reset() {
            // This side ended the stream: a body of the caller's that failed, say.
            tell(Healing::Unknown, reading);
        } else {
            return false;
        }
        true
    }

    fn tell(healing: Healing, reading: &mut Reading) {
        match reading.reach {
            Reach::NotHandedOver => reading.place(Phase::Pool),
            Reach::HandedOver => {}
            _ => reading.place(Phase::InFlight),
        }
        reading.cause(Cause::Http2);
        reading.healing(healing);
    }
}

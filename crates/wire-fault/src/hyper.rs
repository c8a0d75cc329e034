//! Evidence of hyper and hyper-util, by type: the only evidence that no text can replace.

use std::error::Error;

use hyper_util::client::legacy;

use crate::fault::{Cause, Delivery, Healing, Phase};
use crate::reading::{Reach, Reading};
use crate::text::Text;
use crate::witness::Witness;

/// Reads an error of hyper or hyper-util. Answers whether it was one.
pub(crate) fn read(error: &(dyn Error + 'static), reading: &mut Reading) -> bool {
    let (legacy, hyper) = (error.downcast_ref::<legacy::Error>(), error.downcast_ref::<hyper::Error>());
    match (legacy, hyper) {
        (None, None) => return false,
        // Of another call, by which this one's connection was made.
        _ if reading.in_transport => reading.of_tunnel = true,
        (Some(error), _) => read_legacy(error, reading),
        (_, Some(error)) => read_hyper(error, reading),
    }
    true
}

fn read_legacy(error: &legacy::Error, reading: &mut Reading) {
    // An inner client's error (a connector that is a client itself) adds nothing to what the outer one knows.
    if reading.reach != Reach::Untold {
        return;
    }
    // `connect_info` is attached once the request is handed to a connection, and not before. A witness on that connection
    // can know that nothing was ever written to it: hyper writes a request's head in the same poll that takes it from its
    // queue, and reports no error of it in between, so that none can follow.
    let unwritten = |info| Witness::of(info).is_some_and(|witness| witness.is_unwritten());
    if error.is_connect() || error.connect_info().is_none_or(unwritten) {
        reading.reach = Reach::NotHandedOver;
        reading.never_sent();
        if is_misuse(error) {
            reading.add(Phase::Pool, Cause::Other, Healing::Permanent);
        }
    } else {
        reading.reach = Reach::HandedOver;
        reading.delivery = Some(Delivery::Perhaps);
        // The client (0.1.21) drops the errors of its HTTP/2 connections' own futures; what it shows was a request's answer.
        reading.of_request = true;
        if is_misuse(error) {
            // The connection is HTTP/1 and the request asked for HTTP/2: found before it was written.
            reading.never_sent_though_handed_over();
            reading.add(Phase::Pool, Cause::Other, Healing::Permanent);
        }
    }
}

fn read_hyper(error: &hyper::Error, reading: &mut Reading) {
    reading.below_hyper = true;
    if error.is_canceled() && error.source().is_some_and(is_upgrade) {
        // The one cancellation that follows an answer: of `hyper::upgrade::on`.
        reading.answered();
        reading.add(Phase::Body, Cause::CleanClose, Healing::Unknown);
    } else if error.is_canceled() || error.is_closed() {
        // hyper hands the request back unwritten (107 and 471 times measured, received 0 times).
        reading.never_sent_though_handed_over();
        if matches!(reading.reach, Reach::HandedOver | Reach::Untold) {
            reading.reach = Reach::NotHandedOver;
        }
        // Why is told by the error below, if by any.
        reading.place(Phase::Pool);
        reading.healing(Healing::Transient);
        if error.source().is_none() {
            reading.cause(Cause::CleanClose);
        }
    } else if error.is_user() {
        handed_over(reading);
        reading.place(if reading.reach == Reach::NotHandedOver { Phase::Pool } else { Phase::InFlight });
        reading.cause(Cause::Other);
        // The task that drove the connection is gone: that is no fault of the request's.
        let healing = if is_dispatch_gone(error) { Healing::Unknown } else { Healing::Permanent };
        reading.healing(healing);
        reading.reach = Reach::Foreign;
    } else if error.is_parse() {
        in_flight(reading, Cause::Protocol, Healing::Permanent);
    } else if is_body(error) {
        reading.answered();
        if reading.reach == Reach::HandedOver {
            reading.replace_phase(Phase::Body);
        }
    } else if error.is_incomplete_message() {
        in_flight(reading, Cause::CleanClose, Healing::Transient);
    } else if error.is_timeout() {
        in_flight(reading, Cause::Timeout, Healing::Transient);
    } else {
        // An io or HTTP/2 error of the connection: which, the error below says. If hyper-util has not handed the
        // request over, the connection broke while it was being made ready.
        handed_over(reading);
        if reading.reach == Reach::NotHandedOver {
            reading.place(Phase::Pool);
        }
    }
}

/// Of a client within a connector, the error tells what happened, but not where this request was.
fn in_flight(reading: &mut Reading, cause: Cause, healing: Healing) {
    handed_over(reading);
    reading.add(
        if reading.reach == Reach::NotHandedOver { Phase::Pool } else { Phase::InFlight },
        cause,
        healing,
    );
}

/// A hyper error outside hyper-util comes from a connection that the caller made: the request was given to it. So what an outer
/// error seemed to prove, a text of its own say, was of something else.
fn handed_over(reading: &mut Reading) {
    if reading.reach == Reach::Untold {
        reading.reach = Reach::HandedOver;
        reading.delivery = Some(Delivery::Perhaps);
    }
}

/// Whether hyper-util 0.1.21 refused the request itself ("client error (UserAbsoluteUriRequired)" and its siblings).
fn is_misuse(error: &(dyn Error + 'static)) -> bool {
    Text::of(error).as_str().starts_with("client error (User")
}

/// Whether hyper 1.12 was reading the response's body. There is no predicate for it.
fn is_body(error: &(dyn Error + 'static)) -> bool {
    Text::of(error).as_str().starts_with("error reading a body from connection")
}

/// Whether this is the cause of a cancelled upgrade (hyper 1.12), which follows an answer.
fn is_upgrade(error: &(dyn Error + 'static)) -> bool {
    Text::of(error).as_str() == "upgrade expected but not completed"
}

/// Whether the task that drove the connection is gone (hyper 1.12: a runtime that shuts down, a panic).
fn is_dispatch_gone(error: &(dyn Error + 'static)) -> bool {
    let text = Text::of(error);
    matches!(
        text.as_str(),
        "dispatch task is gone" | "user code panicked" | "runtime dropped the dispatch task"
    )
}

/// Reads the text of an error whose type a wrapper hides: one that passes on both the text and the source of the error within
/// it ("transparent" ones do) shows everything of it but its type. No text here proves that a request was never sent: "client
/// error (Connect)" may be what a server says of its own call to another.
pub(crate) fn read_text(text: &str, reading: &mut Reading) -> bool {
    match text {
        // hyper-util 0.1.21. Whether it was sent, the type alone could tell.
        "client error (SendRequest)" | "client error (Canceled)" => handed_over(reading),
        // hyper 1.12.
        "error from user's Body stream" => {
            handed_over(reading);
            reading.place(if reading.reach == Reach::NotHandedOver { Phase::Pool } else { Phase::InFlight });
            reading.cause(Cause::Other);
            reading.healing(Healing::Permanent);
            reading.reach = Reach::Foreign;
        }
        "error reading a body from connection" => {
            reading.answered();
            reading.place(Phase::Body);
        }
        "connection closed before message completed" => {
            in_flight(reading, Cause::CleanClose, Healing::Transient);
        }
        "http2 error" | "error writing a body to connection" => handed_over(reading),
        _ => return false,
    }
    true
}

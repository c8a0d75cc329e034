//! Evidence of hyper and hyper-util, by type: the only evidence that no text can replace.

use std::error::Error;

use hyper_util::client::legacy;

use crate::fault::{Cause, Delivery, Healing, Phase};
use crate::reading::{Reach, Reading};
use crate::texts;

/// Reads an error of hyper or hyper-util. Answers whether it was one.
pub(crate) fn read(error: &(dyn Error + 'static), reading: &mut Reading) -> bool {
    if let Some(error) = error.downcast_ref::<legacy::Error>() {
        read_legacy(error, reading);
        true
    } else if let Some(error) = error.downcast_ref::<hyper::Error>() {
        read_hyper(error, reading);
        true
    } else {
        false
    }
}

fn read_legacy(error: &legacy::Error, reading: &mut Reading) {
    // An inner client's error (a connector that is a client itself) adds nothing to what the outer one knows.
    if reading.reach != Reach::Untold {
        return;
    }
    if error.is_connect() || error.connect_info().is_none() {
        // `connect_info` is attached once the request is handed to a connection, and not before.
        reading.reach = Reach::NotHandedOver;
        reading.never_sent();
        if texts::is_misuse(error) {
            reading.add(Phase::Pool, Cause::Other, Healing::Permanent);
        }
    } else {
        reading.reach = Reach::HandedOver;
        reading.delivery = Some(Delivery::Perhaps);
        if texts::is_misuse(error) {
            // The connection is HTTP/1 and the request asked for HTTP/2: found before it was written.
            reading.never_sent_though_handed_over();
            reading.add(Phase::Pool, Cause::Other, Healing::Permanent);
        }
    }
}

fn read_hyper(error: &hyper::Error, reading: &mut Reading) {
    if error.is_canceled() || error.is_closed() {
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
        reading.place(Phase::InFlight);
        reading.cause(Cause::Other);
        // The task that drove the connection is gone: that is no fault of the request's.
        let healing = if texts::is_dispatch_gone(error) { Healing::Unknown } else { Healing::Permanent };
        reading.healing(healing);
        reading.reach = Reach::Foreign;
    } else if error.is_parse() {
        on_the_connection(reading);
        reading.cause(Cause::Protocol);
        reading.healing(Healing::Permanent);
    } else if texts::is_body(error) {
        reading.delivery = Some(Delivery::Answered);
        reading.replace_phase(Phase::Body);
        reading.reach = Reach::HandedOver;
    } else if error.is_incomplete_message() {
        on_the_connection(reading);
        reading.cause(Cause::CleanClose);
        reading.healing(Healing::Transient);
    } else if error.is_timeout() {
        on_the_connection(reading);
        reading.cause(Cause::Timeout);
        reading.healing(Healing::Transient);
    } else {
        // An io or HTTP/2 error of the connection: which, the error below says.
        on_the_connection(reading);
    }
}

/// The connection failed: with the request on it, or, if hyper-util has not handed it over, while it was being made ready.
fn on_the_connection(reading: &mut Reading) {
    handed_over(reading);
    reading.place(match reading.reach {
        Reach::NotHandedOver => Phase::Pool,
        _ => Phase::InFlight,
    });
}

/// A hyper error outside hyper-util comes from a connection that the caller made: the request was given to it.
fn handed_over(reading: &mut Reading) {
    if reading.reach == Reach::Untold {
        reading.reach = Reach::HandedOver;
        reading.delivery.get_or_insert(Delivery::Perhaps);
    }
}

//! What has been read so far, from the outermost error inwards.

use crate::fault::{Cause, Delivery, Fault, Healing, Phase};

/// The answers so far. Outer errors know more of the call than inner ones, so the first answer to each question stays,
/// but for the few that inner evidence may sharpen.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reading {
    pub(crate) phase: Option<Phase>,
    pub(crate) delivery: Option<Delivery>,
    pub(crate) cause: Option<Cause>,
    pub(crate) healing: Option<Healing>,
    /// How far the call is known to have come, by the errors read so far.
    pub(crate) reach: Reach,
    /// An error of hyper's has been read.
    pub(crate) below_hyper: bool,
    /// What is read is known to be the error of one request, and not that of a connection which many may share.
    pub(crate) of_request: bool,
    /// What is read lies within an io error of the connection itself. A connection may be made of other calls, a tunnel
    /// through HTTP/2 say: whatever these prove of themselves, they prove nothing of this one.
    pub(crate) in_transport: bool,
    /// An error of such a call has been read: not even the TLS below it is known to be of this request's connection.
    pub(crate) of_tunnel: bool,
}

/// How far a call is known to have come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Reach {
    /// No error has told yet.
    #[default]
    Untold,
    /// The connector failed, or the pool did: nothing below can have carried the request.
    NotHandedOver,
    /// The request was handed to a connection. What proves "never sent" elsewhere proves nothing here.
    HandedOver,
    /// The caller's own body failed. What lies below is the story of another call, and says nothing of this one.
    Foreign,
}

impl Reading {
    /// Takes proof that no complete request reached the server.
    pub(crate) fn never_sent(&mut self) {
        if matches!(self.reach, Reach::Untold | Reach::NotHandedOver) {
            self.delivery.get_or_insert(Delivery::NeverSent);
        }
    }

    /// Takes proof that holds even after the request was handed to a connection.
    pub(crate) fn never_sent_though_handed_over(&mut self) {
        if self.of_tunnel {
            return;
        }
        if self.reach != Reach::Foreign && self.delivery.is_none_or(|d| d == Delivery::Perhaps) {
            self.delivery = Some(Delivery::NeverSent);
        }
    }

    /// Takes the word of the protocol that this stream was not processed.
    pub(crate) fn refused(&mut self) {
        if self.in_transport {
            return;
        }
        if self.reach != Reach::Foreign && self.delivery.is_none_or(|d| d == Delivery::Perhaps) {
            self.delivery = Some(Delivery::Refused);
        }
    }

    /// Takes a `GOAWAY` of the peer's. A request gets its error only if the stream is above the last that the peer may have
    /// processed; a connection's own future gets it whatever became of the streams.
    pub(crate) fn gone_away(&mut self) {
        if self.of_request {
            self.refused();
        }
    }

    /// The server has answered; outside a connector, whose own calls are not this one.
    pub(crate) fn answered(&mut self) {
        if matches!(self.reach, Reach::Untold | Reach::HandedOver) {
            self.delivery = Some(Delivery::Answered);
            self.reach = Reach::HandedOver;
        }
    }

    /// Sets what is not set yet.
    pub(crate) fn add(&mut self, phase: Phase, cause: Cause, healing: Healing) {
        self.place(phase);
        self.cause(cause);
        self.healing(healing);
    }

    /// Sets the phase, unless the reach contradicts it: what was handed over is in flight.
    pub(crate) fn place(&mut self, phase: Phase) {
        if self.reach != Reach::Foreign {
            self.phase.get_or_insert(phase);
        }
    }

    /// Sets the phase although an outer error named a vaguer one.
    pub(crate) fn replace_phase(&mut self, phase: Phase) {
        if self.reach != Reach::Foreign {
            self.phase = Some(phase);
        }
    }

    pub(crate) fn cause(&mut self, cause: Cause) {
        if self.reach != Reach::Foreign {
            self.cause.get_or_insert(cause);
        }
    }

    pub(crate) fn healing(&mut self, healing: Healing) {
        if self.reach != Reach::Foreign {
            self.healing.get_or_insert(healing);
        }
    }

    /// Sets the healing although an outer error was more hopeful: it knew less of why.
    pub(crate) fn permanent(&mut self) {
        if self.reach != Reach::Foreign {
            self.healing = Some(Healing::Permanent);
        }
    }

    /// The fault that the answers make; what nobody answered is unknown.
    pub(crate) fn fault(self) -> Fault {
        let phase = self.phase.unwrap_or(match self.reach {
            Reach::Untold => Phase::Unknown,
            Reach::NotHandedOver => Phase::Pool,
            Reach::HandedOver | Reach::Foreign => Phase::InFlight,
        });
        Fault::new(
            phase,
            self.delivery.unwrap_or(Delivery::Perhaps),
            self.cause.unwrap_or(Cause::Other),
            self.healing.unwrap_or(Healing::Unknown),
        )
    }
}

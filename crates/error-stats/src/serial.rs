//! How a snapshot is serialised: moments as seconds since the Unix epoch, durations in seconds, the names of
//! phases, causes and their like as in the code.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use serde::ser::{Serialize, SerializeStruct, Serializer};
use wire_fault::{CallId, QueryId};

use crate::failure::{Failure, Reason};
use crate::grpc::GrpcCode;
use crate::label::Label;
use crate::pattern::Evidence;
use crate::place::Place;
use crate::wall::Moment;

pub(crate) fn name<S: Serializer>(value: &impl Debug, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{value:?}"))
}

pub(crate) fn optional_name<S: Serializer>(
    value: &Option<impl Debug>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => name(value, serializer),
        None => serializer.serialize_none(),
    }
}

pub(crate) fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

/// As a map, by the codes' names.
pub(crate) fn grpc<S: Serializer>(counts: &[(GrpcCode, u64)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(counts.iter().map(|(code, count)| (code.as_str(), count)))
}

/// What the evidence amounts to.
pub(crate) fn pattern<S: Serializer>(evidence: &Arc<Evidence>, serializer: S) -> Result<S::Ok, S::Error> {
    evidence.pattern().serialize(serializer)
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(match self.wall.duration_since(UNIX_EPOCH) {
            Ok(after) => after.as_secs_f64(),
            Err(before) => -before.duration().as_secs_f64(),
        })
    }
}

impl Serialize for Label {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Phase(phase) => name(phase, serializer),
            _ => name(self, serializer),
        }
    }
}

/// Flat: a status, a gRPC code, or else a fault's parts; `null` where there is none.
impl Serialize for Failure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { reason, at, call, query_id } = self;
        let text = |part: Option<&dyn Debug>| part.map(|part| format!("{part:?}"));
        let fault = match reason {
            Reason::Error { fault, .. } => Some(fault),
            Reason::Status(_) | Reason::Grpc(_) => None,
        };
        let verdict = reason.verdict();
        let mut fields = serializer.serialize_struct("Failure", 9)?;
        fields.serialize_field("at", at)?;
        fields.serialize_field("call", &call.map(CallId::get))?;
        fields.serialize_field("query_id", &query_id.as_ref().map(QueryId::as_str))?;
        fields.serialize_field("status", &reason.status().map(|status| status.as_u16()))?;
        fields.serialize_field("grpc", &reason.grpc().map(GrpcCode::as_str))?;
        fields.serialize_field("phase", &text(fault.map(|fault| &fault.phase as _)))?;
        fields.serialize_field("cause", &text(fault.map(|fault| &fault.cause as _)))?;
        fields.serialize_field("delivery", &text(fault.map(|fault| &fault.delivery as _)))?;
        fields.serialize_field("verdict", &text(verdict.as_ref().map(|verdict| verdict as _)))?;
        fields.end()
    }
}

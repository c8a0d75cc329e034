//! How a call can end without an answer that can be used.

use std::error::Error;
use std::fmt;

use ovh_auth::InvalidPath;
use retry_on_tls_eof::{OutcomeUnknown, RetrySafety};
use tower::BoxError;
use wire_fault::Fault;

use super::answer_error::AnswerError;
use super::api_error::ApiError;
use crate::stack::BodyTooLong;

/// How a call can end without an answer that can be used.
#[non_exhaustive]
#[derive(Debug)]
pub enum CallError {
    /// The API answered with an error. After a repeat it is the last answer. The call may have been carried out all the same
    /// ([`ApiError::may_have_landed`]).
    Api(ApiError),
    /// The call may have been carried out, and nobody can know: look before you call again.
    OutcomeUnknown(Box<OutcomeUnknown>),
    /// The API answered with success, but not what was asked for. By its status the call has been carried out.
    Answer(AnswerError),
    /// The path can't be one. Nothing was sent.
    Path(InvalidPath),
    /// The body can't be written as JSON. Nothing was sent.
    Body(serde_json::Error),
    /// The call failed: the network, the limits of the retry ([`Exhausted`](retry_on_tls_eof::Exhausted)), a limiter's bound, the
    /// signing, … It was not carried out, or is idempotent and may be made again.
    Failed(BoxError),
}

impl CallError {
    /// A call of this kind has failed.
    pub(super) fn failed(error: BoxError, safety: RetrySafety) -> Self {
        // Found, for the caller's own attempt layer may have wrapped it.
        if let Some(answered) = BodyTooLong::of(&*error) {
            return match answered.status().is_success() {
                true => Self::Answer(AnswerError::without_body(answered, safety)),
                false => Self::Api(ApiError::without_body(answered, safety)),
            };
        }
        match error.downcast() {
            Ok(unknown) => Self::OutcomeUnknown(unknown),
            Err(error) => Self::Failed(error),
        }
    }

    /// Whether the call may have been carried out although it failed, and would do harm if it were made again: look before you
    /// do. That is so
    ///
    /// - of every [`OutcomeUnknown`](Self::OutcomeUnknown);
    /// - after an answer 5xx or 408 ([`ApiError::may_have_landed`]), and after a success whose body can't be used, if the call is
    ///   not idempotent. Its method says whether it is, or [`Call::retry_safety`](crate::Call::retry_safety).
    ///
    /// Of an idempotent call it is not: that can simply be made again.
    #[must_use]
    pub fn may_have_landed(&self) -> bool {
        match self {
            Self::Api(error) => error.may_have_landed(),
            Self::OutcomeUnknown(_) => true,
            Self::Answer(error) => error.may_have_landed(),
            Self::Path(_) | Self::Body(_) | Self::Failed(_) => false,
        }
    }

    /// The API's error, if it answered one.
    #[must_use]
    pub const fn api(&self) -> Option<&ApiError> {
        match self {
            Self::Api(error) => Some(error),
            _ => None,
        }
    }

    /// Where and how the call failed on its way, if it did.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        match self {
            Self::OutcomeUnknown(error) => Some(error.fault()),
            Self::Failed(error) => Some(Fault::of(&**error)),
            _ => None,
        }
    }

    fn inner(&self) -> &(dyn Error + 'static) {
        match self {
            Self::Api(error) => error,
            Self::OutcomeUnknown(error) => &**error,
            Self::Answer(error) => error,
            Self::Path(error) => error,
            Self::Body(error) => error,
            Self::Failed(error) => &**error,
        }
    }
}

/// The variant's own.
impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.inner(), f)
    }
}

/// The chain of causes is the variant's own.
impl Error for CallError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.inner().source()
    }
}

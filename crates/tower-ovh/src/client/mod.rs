//! A small client for people who just want to call the API.

mod answer_error;
mod api;
mod api_error;
mod call;
mod call_error;
mod escaped;
mod ovh_client;

pub use self::answer_error::AnswerError;
pub use self::api_error::ApiError;
pub use self::call::{Call, CallFuture};
pub use self::call_error::CallError;
pub use self::ovh_client::OvhClient;

//! A time limit for each attempt, whose error knows whether the request can have been sent.

mod error;
mod future;
mod layer;
mod note;
mod range;
mod service;

pub use self::error::{AttemptTimedOut, InvalidTimeout};
pub use self::future::ResponseFuture;
pub use self::layer::AttemptTimeoutLayer;
pub use self::service::AttemptTimeout;

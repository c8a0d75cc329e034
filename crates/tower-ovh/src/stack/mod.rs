//! The recommended stack of layers, as one.

mod attempt;
mod auth;
mod body_too_long;
mod collect;
mod gate;
mod identity;
mod layer;
mod pausing;
mod permitted;
mod prepared;
mod presets;
mod service;
mod settings;

pub use self::attempt::{OvhAttempt, OvhAttemptFuture};
pub use self::body_too_long::BodyTooLong;
pub use self::layer::OvhLayer;
pub use self::service::{Ovh, ResponseFuture};
pub use self::settings::OvhStack;

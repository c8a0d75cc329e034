//! The recommended stack of layers, as one.

mod body_too_long;
mod collect;
mod gate;
mod layer;
mod service;
mod settings;

pub use self::body_too_long::BodyTooLong;
pub use self::layer::OvhLayer;
pub use self::service::{Ovh, ResponseFuture};
pub use self::settings::OvhStack;

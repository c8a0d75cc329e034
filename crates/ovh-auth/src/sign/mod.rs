//! Signing.

mod body;
mod future;
mod layer;
mod rejected;
mod service;
mod signable;
mod signer;

pub use self::body::ResponseBody;
pub use self::future::ResponseFuture;
pub use self::layer::SignLayer;
pub use self::service::Sign;
pub use self::signable::SignableBody;

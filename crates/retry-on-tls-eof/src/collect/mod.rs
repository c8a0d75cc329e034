//! Collects response bodies below a retry, so that a cut in one is a failure that the retry sees.

mod body;
mod error;
mod future;
mod held;
mod layer;
mod length;
mod range;
mod service;

pub use self::body::CollectedBody;
pub use self::error::{BodyCut, InvalidBodyLimit};
pub use self::future::ResponseFuture;
pub use self::layer::CollectBodyLayer;
pub use self::service::CollectBody;

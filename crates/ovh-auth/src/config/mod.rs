//! Which API, and as whom.

mod assemble;
mod error;
mod file;
mod found;
mod setting;
mod sources;
mod value;

pub use self::error::{ConfigError, ConfigErrorKind};
pub use self::setting::{Origin, Setting};
pub use self::sources::Sources;
pub use self::value::Config;

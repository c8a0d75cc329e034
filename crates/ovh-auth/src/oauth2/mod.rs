//! OAuth2 access tokens.

mod future;
mod holder;
mod layer;
mod service;
mod token;
mod tokens;

pub use self::future::BearerFuture;
pub use self::layer::BearerLayer;
pub use self::service::Bearer;
pub(crate) use self::token::Token;
pub use self::tokens::{NoTokenUrl, Tokens};

//! A CONNECT proxy in front of the server, which fails where it is told to.

mod connection;
mod credentials;
mod head;
mod leg;
mod names;
mod record;
mod running;
mod scenario;
mod server;

pub use credentials::InvalidCredentials;
pub use names::UnknownProxyScenario;
pub use record::{ProxyRecord, SentCredentials};
pub use running::RunningProxy;
pub use scenario::{ProxyPoint, ProxyScenario};
pub use server::FlakyProxy;

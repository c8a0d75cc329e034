//! The way to the server: names, TCP, proxy, TLS.

mod connect;
mod connecting;
mod invalid_connect_timeout;
mod invalid_proxy;
mod invalid_roots;
mod no_proxy;
mod proxy;
mod proxy_error;
mod proxy_url;
mod resolver;
mod roots;
mod route;
mod stream;
mod tcp;
mod tunnel;

pub use self::connect::{Connector, HyperClient};
pub use self::connecting::{ConnectTimedOut, Connecting, PlainHttp};
pub use self::invalid_connect_timeout::InvalidConnectTimeout;
pub use self::invalid_proxy::InvalidProxy;
pub use self::invalid_roots::InvalidRoots;
pub use self::proxy::Proxy;
pub use self::proxy_error::ProxyError;
pub use self::roots::Roots;
pub use self::stream::Stream;

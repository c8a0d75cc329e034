//! A server that writes its answers byte by byte: for what no server means to do. The faults of `flaky_tls` are cuts of a
//! protocol that is kept; these break it.

mod connect;
mod frames;
mod hello;
mod http1;
mod http2;
mod identity;
mod play;
mod proxy;
mod records;
mod requests;
mod serve;

pub use connect::{CONNECT, ConnectPlay};
pub use hello::HELLO;
pub use http1::HTTP1;
pub use http2::HTTP2;
pub use play::{At, Play, Step, Then};
pub use proxy::ProxyPeer;
pub use serve::Peer;

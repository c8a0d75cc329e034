//! Evidence gathered where the connection is made: what failed there, and whether anything was ever written to it.
//! The crate's own page says where each goes.

mod connector;
mod evidence;
mod future;
mod io;
mod layer;
mod listen;
mod stamp;
mod stamp_layer;
mod stamped;
mod tunnel;

pub use self::connector::Witnessed;
pub use self::evidence::Witness;
pub use self::future::Connecting;
pub use self::io::WitnessedIo;
pub use self::layer::WitnessLayer;
pub use self::listen::Tunneled;
pub use self::stamp_layer::StampLayer;
pub use self::stamped::Stamped;
pub use self::tunnel::{InvalidProxy, ProxyRefused, ProxyTunnel, Tunneling};

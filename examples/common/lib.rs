//! What the example clients share: the cuts they live with, their rounds, and the accounts they must give.

mod account;
mod cuts;
mod demo;

pub use self::account::{account, faults};
pub use self::cuts::cuts;
pub use self::demo::Demo;

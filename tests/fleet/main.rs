//! One quota for several processes, over a real server: each test starts its own. Here a "process" is a fleet of its own,
//! with its own connection; the bench `fleet` has real ones.

mod away;
mod common;
mod costs;
mod distant;
mod doors;
mod halves;
mod log;
mod older;
mod proxy;
mod quota;
mod runtimes;
mod server;
mod slots;
mod spaced;
mod tls;
mod troubles;
mod unwaiting;

//! One call over its attempts: what is known of it, and what follows from how an attempt ended. No I/O here.

mod decide;
mod ending;
mod record;
mod state;

pub(crate) use self::decide::After;
pub(crate) use self::state::Call;

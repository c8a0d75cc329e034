use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::Extensions;
use hyper_util::client::legacy::connect::Connected;

/// What is known of the writes to one connection.
///
/// Comes with every connection made through a [`WitnessLayer`](crate::WitnessLayer): in its [`Connected`], in the extensions of
/// its responses, and so in the `connect_info` of hyper-util's errors, where [`Fault::of`](crate::Fault::of) finds it.
///
/// It counts *attempts* to write, over the connection's whole life, and no read ever resets it. So it proves something
/// of a fresh connection only: nothing was ever written, therefore no request was sent. A connection that has been used
/// before has been written to, and an HTTP/2 connection writes its preface before any request: of these it proves nothing.
///
/// # Clone
///
/// Clones speak of the same connection.
#[derive(Clone, Debug, Default)]
pub struct Witness {
    state: Arc<AtomicU64>,
}

/// Above every count: no write may follow.
const SEALED: u64 = 1 << 63;

impl Witness {
    /// The witness of a connection, if it was made through a [`WitnessLayer`](crate::WitnessLayer).
    ///
    /// A time limit that has captured a connection (hyper-util's `capture_connection`) asks it so.
    #[must_use]
    pub fn of(connected: &Connected) -> Option<Self> {
        let mut extras = Extensions::new();
        connected.get_extras(&mut extras);
        extras.remove()
    }

    /// How often something was written, or tried to be.
    #[must_use]
    pub fn writes(&self) -> u64 {
        match self.state.load(Ordering::Acquire) {
            state if state >= SEALED => 0,
            writes => writes,
        }
    }

    /// Whether nothing has been written yet, nor tried to be.
    ///
    /// Proof only once the call has failed: while it goes on, the next write may be a moment away. See
    /// [`seal`](Self::seal).
    #[must_use]
    pub fn is_unwritten(&self) -> bool {
        self.writes() == 0
    }

    /// Forbids every write from now on, unless there has been one. Answers whether it did.
    ///
    /// For whoever gives up on a call that still goes on, a time limit say: true is proof that the request was never sent
    /// and never will be, at the price of the connection, whose next write fails. On false nothing has changed.
    ///
    /// ```
    /// let witness = wire_fault::Witness::default();
    /// assert!(witness.is_unwritten());
    /// assert!(witness.seal());
    /// assert!(witness.seal(), "sealed already");
    /// ```
    #[must_use]
    pub fn seal(&self) -> bool {
        match self.state.compare_exchange(0, SEALED, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => true,
            Err(state) => state >= SEALED,
        }
    }

    /// Notes an attempt to write.
    ///
    /// Before the attempt, and whatever becomes of it: a write that fails may have carried bytes. The counter is one atomic, so
    /// either a seal or the first attempt comes first, and the other sees it.
    pub(super) fn attempt(&self) -> io::Result<()> {
        if self.state.fetch_add(1, Ordering::AcqRel) >= SEALED {
            // 2^63 refused writes would be needed to wrap.
            return Err(io::Error::new(io::ErrorKind::BrokenPipe, "given up before anything was written"));
        }
        Ok(())
    }
}

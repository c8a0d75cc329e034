//! Until when a call may go on, told to the layers below, and what they tell back.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use wire_fault::{Cause, Delivery, Fault, Healing, Mark, Phase, Verdict};

/// When a call's time is up: an extension of each attempt's request.
///
/// [`RetryOnTlsEof`](crate::RetryOnTlsEof) puts it there, and [`AttemptTimeout`](crate::AttemptTimeout) gives the attempt no
/// more time than that; other layers below may read it. A caller may put one on a request to give this call less time
/// than the layer's [`Limits`](jittered_backoff::Limits) do.
///
/// ```
/// use std::time::Duration;
///
/// use http::Request;
/// use retry_on_tls_eof::Deadline;
/// use tokio::time::Instant;
///
/// let soon = Instant::now() + Duration::from_secs(2);
/// let request = Request::get("/1.0/me").extension(Deadline::at(soon)).body(()).unwrap();
/// assert_eq!(request.extensions().get().map(Deadline::instant), Some(soon));
/// ```
///
/// # Why two layers keep it
///
/// An attempt that is cut must not lose what is known of it, or a POST that was never sent ends as
/// [`OutcomeUnknown`](crate::OutcomeUnknown). What is known, the attempt's time limit knows: it sits next to the client and
/// drops the attempt in the same moment in which it looks whether there was a connection. So it cuts the attempts that have
/// come as far as it. The retry's own timer cuts all else at the same instant: attempts still in a limiter's queue, waits
/// for readiness, and attempts over stacks without such a limit. Only if the limit has the attempt and has not cut it yet,
/// which takes a busy runtime, does the retry wait for it, for a millisecond at most.
///
/// The two agree through a flag that comes with the extension: an attempt cut by the retry before it came as far as the time
/// limit is refused there if it comes after all.
///
/// # Clone
///
/// Clones are about the same attempt.
#[derive(Clone)]
pub struct Deadline {
    at: Instant,
    progress: Arc<AtomicU8>,
}

/// The attempt has not come to a layer that keeps the deadline.
const ON_ITS_WAY: u8 = 0;
/// It has, and that layer ends it.
const REACHED: u8 = 1;
/// It was cut before it had.
const CLOSED: u8 = 2;

impl Deadline {
    /// Time is up at this instant.
    #[must_use]
    pub fn at(at: Instant) -> Self {
        Self { at, progress: Arc::new(AtomicU8::new(ON_ITS_WAY)) }
    }

    /// When time is up.
    #[must_use]
    pub const fn instant(&self) -> Instant {
        self.at
    }

    /// The attempt has come to a layer that will keep the deadline. `false` if it is too late: it must not be sent.
    pub(crate) fn reach(&self) -> bool {
        let seen = self.progress.compare_exchange(ON_ITS_WAY, REACHED, Ordering::AcqRel, Ordering::Acquire);
        !matches!(seen, Err(CLOSED))
    }

    /// Somebody below holds it still: it can come to such a layer.
    pub(crate) fn is_held_below(&self) -> bool {
        Arc::strong_count(&self.progress) > 1
    }

    pub(crate) fn is_reached(&self) -> bool {
        self.progress.load(Ordering::Acquire) == REACHED
    }

    /// The attempt is cut: answers whether it had not come to such a layer, which from now on refuses it.
    pub(crate) fn close(&self) -> bool {
        self.progress.compare_exchange(ON_ITS_WAY, CLOSED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

impl fmt::Debug for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deadline").field("at", &self.at).finish_non_exhaustive()
    }
}

/// The call's time was up, while an attempt was under way or waited for its turn.
///
/// The source of an [`Exhausted`](crate::Exhausted) or [`OutcomeUnknown`](crate::OutcomeUnknown) where no attempt had failed
/// by itself before. An error of its own, with [`Verdict::RefusedLocally`], where a call began too late to be sent at all.
#[derive(Debug)]
pub struct DeadlinePassed {
    after: Duration,
    fault: Fault,
    mark: Mark,
}

impl DeadlinePassed {
    pub(crate) fn new(after: Duration, fault: Fault) -> Self {
        Self { after, fault, mark: Mark::fault(fault) }
    }

    pub(crate) fn before_sent() -> Self {
        let fault = NOT_BEGUN;
        let mark = Mark::verdict(Verdict::RefusedLocally).with_fault(fault);
        Self { after: Duration::ZERO, fault, mark }
    }

    /// How long the call had.
    #[must_use]
    pub const fn after(&self) -> Duration {
        self.after
    }

    /// Whether the attempt that was cut can have been sent. [`Phase::Unknown`] if it was still waiting for its turn: then no
    /// connection had been asked for.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        self.fault
    }
}

/// Of an attempt that time ran out for before it was handed to the client: no fault of the network's.
pub(crate) const NOT_BEGUN: Fault =
    Fault::new(Phase::Unknown, Delivery::NeverSent, Cause::Timeout, Healing::Transient);

/// Of one that the client had, and no connection for it.
pub(crate) const NOT_SENT: Fault =
    Fault::new(Phase::Pool, Delivery::NeverSent, Cause::Timeout, Healing::Transient);

/// Of one that may have been sent.
pub(crate) const IN_FLIGHT: Fault =
    Fault::new(Phase::InFlight, Delivery::Perhaps, Cause::Timeout, Healing::Transient);

impl fmt::Display for DeadlinePassed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.after.is_zero() {
            return f.write_str("the call's deadline had passed before it began");
        }
        write!(f, "the call's deadline passed after {:.1?}", self.after)?;
        if self.fault == NOT_BEGUN {
            f.write_str(", while an attempt waited for its turn: it was not sent")?;
        }
        Ok(())
    }
}

impl Error for DeadlinePassed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.mark)
    }
}

//! Evidence of tower's `LoadShed`, by type. There is no text for it: a server may say the same of itself, and then it had the
//! request.

use std::error::Error;

use crate::reading::Reading;

#[cfg(not(feature = "tower"))]
pub(crate) fn read(_: &(dyn Error + 'static), _: &mut Reading) -> bool {
    false
}

/// Reads the error by which tower's `LoadShed` refuses a call. Answers whether it was one.
///
/// It is made in place of a call to the service below, which was not ready (tower 0.5.3): nothing has been sent. Load passes.
#[cfg(feature = "tower")]
pub(crate) fn read(error: &(dyn Error + 'static), reading: &mut Reading) -> bool {
    use crate::fault::Healing;

    let overloaded = error.is::<tower::load_shed::error::Overloaded>();
    if overloaded {
        reading.never_sent();
        reading.healing(Healing::Transient);
    }
    overloaded
}

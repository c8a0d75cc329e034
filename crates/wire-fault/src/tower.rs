//! Evidence of tower's `LoadShed` and `Buffer`, by type. No text of theirs is a proof: a server may say the same of itself,
//! and then it had the request.

use std::error::Error;

use crate::reading::Reading;

#[cfg(not(feature = "tower"))]
pub(crate) fn read(_: &(dyn Error + 'static), _: &mut Reading) -> bool {
    false
}

/// Reads an error that tower 0.5.3 makes in place of a call to the service below. Answers whether it was one.
///
/// `LoadShed` refuses a call since that service was not ready: load passes. `Buffer`'s service broke before it was this
/// call's turn: the next ones fail in the same way, for ever.
#[cfg(feature = "tower")]
pub(crate) fn read(error: &(dyn Error + 'static), reading: &mut Reading) -> bool {
    use crate::fault::Healing;

    if error.is::<tower::load_shed::error::Overloaded>() {
        reading.never_sent();
        reading.healing(Healing::Transient);
    } else if error.is::<tower::buffer::error::ServiceError>() {
        reading.never_sent();
        reading.permanent();
    } else {
        return false;
    }
    true
}

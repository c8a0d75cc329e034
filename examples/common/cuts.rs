//! What is done to the connections.

use flaky_tls::{CutBy, CutPoint, RequestFault, RequestPoint, Scenario};

/// Every cut, but the one right after the handshake: there it is a matter of timing whether the client has sent its
/// request, which this server would not have read, and the counts could not be compared. As many connections live for two
/// requests before they are cut, for a [`Mix`](flaky_tls::Mix).
pub fn cuts() -> impl Iterator<Item = (Scenario, u32)> {
    let cuts = Scenario::cuts().filter(|cut| !matches!(cut, Scenario::Cut { at: CutPoint::Handshake, .. }));
    let later = RequestFault::Cut { at: RequestPoint::Request, by: CutBy::Fin };
    cuts.map(|cut| (cut, 1)).chain([(Scenario::After { requests: 2, then: later }, 18)])
}

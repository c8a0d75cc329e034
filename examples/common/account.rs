//! Both sides' figures, one beside the other.

use error_stats::{Snapshot, Tally};
use flaky_tls::Truth;
use wire_fault::Delivery;

/// How many attempts failed with what the client knows of their delivery.
#[must_use]
pub fn faults(attempts: &Tally, delivery: Delivery) -> u64 {
    attempts.faults.iter().filter(|fault| fault.delivery == delivery).map(|fault| fault.count).sum()
}

/// Prints what both sides counted, of calls that came one after another.
///
/// # Panics
///
/// If they don't agree: each failed attempt must be a cut that the server made, and each attempt that is not known to have
/// been unsent, or refused, must have been received.
pub fn account(counted: &Snapshot, truth: &Truth) {
    let Snapshot { calls, attempts, .. } = counted;
    let never_sent = faults(attempts, Delivery::NeverSent);
    let refused = faults(attempts, Delivery::Refused);
    let cut = truth.connections().iter().filter(|connection| connection.carried_out).count() as u64;
    let received = truth.total().received;
    println!("\n{counted}\n");
    println!(
        "{} calls, {} attempts, {} cut, {never_sent} of them before anything was sent",
        calls.started,
        attempts.started,
        attempts.faults.iter().map(|fault| fault.count).sum::<u64>()
    );
    println!("the server: {} connections, {cut} of them cut, {received} requests", truth.accepted());

    assert!(cut > 0, "nothing was cut");
    assert_eq!(attempts.faults.iter().map(|fault| fault.count).sum::<u64>(), cut);
    assert_eq!(attempts.started - never_sent - refused, received);
    assert_eq!(refused, truth.total().refused);
}

//! Whether what came of a call is right.

use http::{Method, StatusCode};

use crate::ATTEMPTS;
use crate::expect::{Expect, Reach};
use crate::run::{Cell, Outcome, Seen, Times};

/// What was wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// A POST that the server had received was sent again, whether the second arrived or not.
    Twice,
    /// A failure that does not heal was repeated.
    Futile,
    /// Anything else: this was asked for.
    Not(&'static str),
}

/// # Errors
///
/// What is wrong with it.
pub fn judge(cell: &Cell, expect: Expect, seen: &Seen) -> Result<(), Wrong> {
    let post = cell.method == Method::POST;
    let (received, attempts) = (seen.tally.received, seen.attempts);
    if post && (received > 1 || seen.tally.first.is_some_and(|first| attempts > first)) {
        return Err(Wrong::Twice);
    }
    if attempts > ATTEMPTS || seen.outcome == Outcome::Hung {
        return Err(Wrong::Not("ends within its attempts"));
    }
    let expect = match expect {
        // Out of patience before the fault could strike.
        _ if seen.struck == 0 && cell.case.stalls() && post => Expect::Transient(Reach::Perhaps),
        // It has no such request, say: a GET uploads nothing.
        _ if seen.struck == 0 && !cell.is_of_the_network() => Expect::Answer,
        expect => expect,
    };
    let answered = seen.outcome == Outcome::Answered { status: StatusCode::OK, whole: true };
    let demand = |right: bool, what| if right { Ok(()) } else { Err(Wrong::Not(what)) };
    match expect {
        Expect::Answer | Expect::Overtaken => demand(answered && received >= 1, "answered"),
        Expect::Says(says) => demand(
            matches!(seen.outcome, Outcome::Answered { status, .. } if status.as_u16() == says)
                && attempts == 1,
            "that answer, once",
        ),
        Expect::Early(early) => match &seen.outcome {
            Outcome::Answered { status, .. } => {
                demand(*status == early && attempts == 1, "the early answer, once")
            }
            outcome => demand(*outcome == Outcome::Unknown, "the early answer, or unknown"),
        },
        Expect::Truncated => demand(
            matches!(seen.outcome, Outcome::Answered { status: StatusCode::OK, .. }) && attempts == 1,
            "half an answer, once",
        ),
        Expect::Permanent => {
            if attempts > 1 {
                return Err(Wrong::Futile);
            }
            let landed = post && received > 0;
            let honest = if landed { Outcome::Unknown } else { Outcome::Failed };
            demand(seen.outcome == honest, "the failure itself, or unknown if it was received")
        }
        Expect::Hopeless => {
            if attempts > 1 {
                return Err(Wrong::Futile);
            }
            demand(
                seen.outcome == Outcome::Failed || (post && seen.outcome == Outcome::Unknown),
                "the failure itself, or unknown",
            )
        }
        Expect::Lost if post => {
            demand(seen.outcome == Outcome::Unknown && received == 1, "unknown, and sent once")
        }
        Expect::Lost => demand(!matches!(seen.outcome, Outcome::Unknown), "certain that it does no harm"),
        Expect::Hidden if post => demand(attempts == 1, "made once"),
        Expect::Hidden => demand(seen.outcome != Outcome::Unknown, "certain that it does no harm"),
        Expect::Unclear => {
            let right = answered || matches!(seen.outcome, Outcome::Failed | Outcome::Exhausted);
            demand(right, "certain that it was not sent")
        }
        Expect::Transient(reach) => heals(cell, reach, seen, answered),
    }
}

fn heals(cell: &Cell, reach: Reach, seen: &Seen, answered: bool) -> Result<(), Wrong> {
    let received = seen.tally.received;
    let demand = |right: bool, what| if right { Ok(()) } else { Err(Wrong::Not(what)) };
    // On a connection after the first, what struck the first need not strike again: an idle one is closed after its answer.
    let healed = match cell.times {
        Times::Twice if !cell.is_of_the_network() => answered,
        Times::Always if cell.case.heals_by_itself(cell.client) => answered,
        _ => seen.outcome == Outcome::Exhausted && seen.attempts == ATTEMPTS,
    };
    if cell.method != Method::POST {
        return demand(healed, "healed, or given up after the last attempt");
    }
    let unknown = seen.outcome == Outcome::Unknown;
    match reach {
        Reach::Unsent | Reach::Refused | Reach::GoneAway => demand(
            healed && received == u64::from(answered),
            "healed, or given up after the last attempt: it was not sent",
        ),
        Reach::Received => demand(unknown && seen.attempts == 1 && received == 1, "unknown, and sent once"),
        Reach::Perhaps => demand(
            unknown || (healed && received == u64::from(answered)),
            "unknown, or healed if it was not received",
        ),
    }
}

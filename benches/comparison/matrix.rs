//! The matrix through other retries. `cargo bench -p comparison` prints the table of the README.

mod peers;

use std::collections::BTreeSet;

use http::Method;
use matrix_tests::clients::hyper_util::{WITNESS, WITNESS_HTTP2};
use matrix_tests::clients::reqwest::{REQWEST13, REQWEST13_HTTP2};
use matrix_tests::expect::{Expect, Reach, expected};
use matrix_tests::ours::ours;
use matrix_tests::run::{Caller, Cell, Outcome, Seen, Times};
use matrix_tests::suite::{cells, run_all};

/// Of so many.
#[derive(Default)]
struct Share {
    are: u32,
    of: u32,
}

impl Share {
    fn add(&mut self, is: bool) {
        self.of += 1;
        self.are += u32::from(is);
    }
}

#[derive(Default)]
struct Row {
    /// Whether its errors say whether the server may have the request.
    tells: bool,
    /// A POST that the server had was sent again, of all that it can have had.
    twice: Share,
    /// What passes, and may be repeated, ended in an answer.
    healed: Share,
    /// What does not pass was repeated.
    futile: Share,
    /// A POST that failed, and of which the caller was told rightly whether the server may have it.
    told: Share,
}

impl Row {
    fn add(&mut self, cell: &Cell, seen: &Seen) {
        let post = cell.method == Method::POST;
        let expect = match expected(&cell.case, cell.client) {
            // Nothing struck: a GET uploads nothing, say.
            _ if seen.struck == 0 && !cell.is_of_the_network() => Expect::Answer,
            expect => expect,
        };
        let answered = matches!(seen.outcome, Outcome::Answered { whole: true, .. });
        if post {
            self.twice.add(seen.tally.received > 1);
        }
        match expect {
            Expect::Permanent | Expect::Hopeless => {
                let sent = u64::from(seen.attempts).max(seen.tally.received + seen.tally.refused);
                self.futile.add(sent > 1);
                if sent > 1 && self.tells {
                    eprintln!("repeated in vain: {cell}: {seen:?}");
                }
            }
            Expect::Transient(reach)
                if cell.times == Times::Twice
                    && !cell.is_of_the_network()
                    && (!post || matches!(reach, Reach::Unsent | Reach::Refused)) =>
            {
                self.healed.add(answered && (!post || seen.tally.received == 1));
            }
            _ => {}
        }
        if post && !matches!(seen.outcome, Outcome::Answered { .. }) {
            // A plain failure leaves it open whether the server has it; only certainty that it has not is given by ours.
            let certain = matches!(seen.outcome, Outcome::Failed | Outcome::Exhausted)
                && seen.fault.is_some_and(|fault| !fault.may_have_landed());
            let told = seen.outcome == Outcome::Unknown || (certain && seen.tally.received == 0);
            self.told.add(told);
        }
    }
}

#[tokio::main]
async fn main() {
    let contenders: [(&str, &[_], Caller, bool); 5] = [
        ("these layers, over hyper-util", &[WITNESS, WITNESS_HTTP2], ours, true),
        ("these layers, over reqwest 0.13", &[REQWEST13, REQWEST13_HTTP2], ours, true),
        ("reqwest-retry 0.9, its default", &[REQWEST13, REQWEST13_HTTP2], peers::reqwest_retry, false),
        ("reqwest 0.13's own retry", &[REQWEST13, REQWEST13_HTTP2], peers::reqwest_alone, false),
        ("tower::retry on any error", &[REQWEST13, REQWEST13_HTTP2], peers::any_error, false),
    ];
    println!("| retry | POST sent twice | healed | repeated in vain | told right |");
    println!("|---|---|---|---|---|");
    let mut scenarios = BTreeSet::new();
    for (name, clients, caller, tells) in contenders {
        let mut row = Row { tells, ..Row::default() };
        run_all(cells(clients), caller, |cell, seen| {
            scenarios.insert(cell.case.name.clone());
            row.add(cell, seen);
        })
        .await;
        let share = |Share { are, of }: Share| format!("{are} of {of}");
        let (twice, healed, futile) = (share(row.twice), share(row.healed), share(row.futile));
        let told = if row.tells { share(row.told) } else { format!("– of {}", row.told.of) };
        println!("| {name} | {twice} | {healed} | {futile} | {told} |");
    }
    println!(
        "\n{} scenarios, over HTTP/1.1 and HTTP/2. Told right: the others' errors don't say.",
        scenarios.len()
    );
}

//! Many purchases, and what the API's books say of them.

use std::fmt;

use fake_ovh::{APPLICATION_KEY, APPLICATION_SECRET, CONSUMER_KEY, Failure, FakeOvh, Order};
use flaky_tls::{CutBy, FlakyTls, InvalidMix, Mix, RequestFault, RequestPoint, Scenario, Script};
use http::Method;
use ovh_auth::{ApplicationKeys, Endpoint};
use tower::BoxError;

use crate::buy::{Buyer, DATACENTER, How, OPTION, PLAN, Purchase};
use crate::stack::Patience;

/// How many runs are listed one by one.
const LISTED: u32 = 20;

/// How many of the API's calls are answered by each of its failures; some of these have carried out the call.
const FAILURE_RATE: f64 = 0.01;

/// What became of all runs.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// How many there were.
    pub runs: u32,
    /// Ordered at once.
    pub at_once: u32,
    /// Ordered by a repeat.
    pub healed: u32,
    /// Ordered, and found by looking.
    pub found: u32,
    /// The orders in the API's books.
    pub orders: usize,
    /// How often the API received a checkout.
    pub checkouts: u64,
    /// The connections that were made.
    pub connections: u64,
    /// How many of these were cut.
    pub cut: usize,
    /// What does not add up, one line each.
    pub wrong: Vec<String>,
}

impl Summary {
    /// Whether each run ended in exactly one order, and its buyer knew.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.wrong.is_empty()
            && self.at_once + self.healed + self.found == self.runs
            && self.orders as u64 == u64::from(self.runs)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { runs, at_once, healed, found, orders, checkouts, connections, cut, wrong } = self;
        for line in wrong {
            writeln!(f, "WRONG {line}")?;
        }
        writeln!(f, "runs: {runs}; ordered at once {at_once}, healed {healed}, found by looking {found}")?;
        writeln!(f, "wire: {connections} connections, {cut} of them cut")?;
        writeln!(f, "books: {orders} orders, by {checkouts} checkouts received")?;
        f.write_str(match self.is_sound() {
            true => "result: exactly one order for each run, and the buyer knew each time",
            false => "result: it does not add up",
        })
    }
}

/// Buys this many servers over a wire whose cuts are drawn of `seed`, the next run's of one more. `tell` gets a line for
/// each of the first runs.
///
/// # Errors
///
/// If the server can't be started.
pub async fn run(runs: u32, seed: u64, mut tell: impl FnMut(String)) -> Result<Summary, BoxError> {
    let api = Failure::ALL
        .into_iter()
        // This one looks like an answer, and no retry can know better.
        .filter(|failure| *failure != Failure::HtmlOk)
        .try_fold(FakeOvh::new(), |api, failure| api.with_failure_rate(failure, FAILURE_RATE))?;
    let server = FlakyTls::new().serve(api.router()).await?;
    let endpoint: Endpoint = format!("{}/1.0", server.url()).parse()?;
    let keys = ApplicationKeys::new(APPLICATION_KEY, APPLICATION_SECRET)?.with_consumer_key(CONSUMER_KEY)?;
    let tls = server.authority().client_config()?;
    let mix = mix()?;

    let mut summary = Summary { runs, ..Summary::default() };
    for nth in 0..runs {
        let seed = seed.wrapping_add(nth.into());
        server.set_script(Script::seeded(seed, mix.clone()));
        // New connections for each run, so that each has its own script from the start.
        let buyer = Buyer::new(&endpoint, &keys, tls.clone(), Patience::default(), seed)?;
        let before = api.orders().len();
        let told = buyer.buy().await;
        let orders = &api.orders()[before..];
        if nth < LISTED {
            tell(line(seed, &told, orders.len()));
        }
        summary.count(seed, told, orders);
    }

    summary.orders = api.orders().len();
    summary.checkouts = api.received(&Method::POST, "/order/cart/*/checkout");
    let truth = server.shutdown().await;
    summary.connections = truth.accepted();
    summary.cut = truth.connections().iter().filter(|connection| connection.carried_out).count();
    Ok(summary)
}

fn line(seed: u64, told: &Result<Purchase, BoxError>, orders: usize) -> String {
    match told {
        Ok(Purchase { order, how, attempts }) => {
            format!(
                "seed {seed}: {how:16}  attempts {attempts}  told order {order}  orders in the books {orders}"
            )
        }
        Err(error) => format!("seed {seed}: {error}  orders in the books {orders}"),
    }
}

impl Summary {
    /// Holds what the buyer was told against the books.
    fn count(&mut self, seed: u64, told: Result<Purchase, BoxError>, orders: &[Order]) {
        match told {
            Ok(Purchase { how, order, .. }) => {
                match how {
                    How::AtOnce => self.at_once += 1,
                    How::Healed => self.healed += 1,
                    How::Found => self.found += 1,
                }
                if !matches!(orders, [one] if one.id == order && is_what_was_asked_for(one)) {
                    self.wrong
                        .push(format!("seed {seed}: told order {order}, but the books have {orders:?}"));
                }
            }
            Err(error) => {
                let chain: Vec<_> = wire_fault::chain(&*error).map(ToString::to_string).collect();
                self.wrong.push(format!("seed {seed}: {}; the books have {orders:?}", chain.join(": ")));
            }
        }
    }
}

/// One server, its option, where it was wanted, and not paid.
fn is_what_was_asked_for(order: &Order) -> bool {
    let [server, option] = &order.items[..] else { return false };
    let (label, datacenter) = DATACENTER;
    server.plan_code == PLAN
        && server.quantity == 1
        && server.configuration.len() == 1
        && server.configured(label) == Some(datacenter)
        && (&*option.plan_code, option.quantity) == (OPTION, 1)
        && option.option_of == Some(server.id)
        && order.charges == 0
}

/// Every cut point by every means, each as likely as the others; those of a request at the first to the fourth of its
/// connection. No connection is healthy for ever.
fn mix() -> Result<Mix, InvalidMix> {
    let points = [RequestPoint::Start, RequestPoint::Request, RequestPoint::Head, RequestPoint::Body];
    let later = (1..=3).flat_map(move |requests| {
        points.into_iter().flat_map(move |at| {
            CutBy::ALL
                .into_iter()
                .map(move |by| Scenario::After { requests, then: RequestFault::Cut { at, by } })
        })
    });
    Mix::new(Scenario::cuts().chain(later).map(|cut| (cut, 1)))
}

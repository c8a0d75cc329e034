//! gRPC calls by tonic, over the layers and the project's connector, to a server that keeps cutting connections.
//!
//! ```text
//! cargo run -p tonic-client-example --example tonic_client
//! ```
//!
//! Each round looks at the stock and places an order. A look may be repeated, and is; an order is not, once it may have
//! landed: then the client looks it up. In the end both sides must agree on every order, on every gRPC status (which most
//! often comes in the trailers, after a head that says 200), and on every cut.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use error_stats::{ErrorStats, GrpcCode};
use examples_common::{account, cuts, faults};
use flaky_tls::{CutBy, FlakyTls, Http2Error, HttpVersions, Mix, RequestFault, Scenario, Script};
use retry_on_tls_eof::OutcomeUnknown;
use tonic::{Code, Status};
use tower::service_fn;
use wire_fault::Delivery;

use crate::client::{Client, PER_SECOND};
use crate::server::Shop;

mod client;
mod messages;
mod server;

const ROUNDS: u32 = 40;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let shop = Shop::default();
    let serving = shop.clone();
    let server = FlakyTls::new()
        .with_http(HttpVersions::Http2)
        .with_script(Script::seeded(5, mix()?))
        .serve(service_fn(move |request| serving.clone().serve(request)))
        .await?;
    let stats = ErrorStats::new();
    let mut client = Client::new(&server, &stats)?;

    let (mut codes, mut placed, mut unknown) = (Codes::default(), BTreeMap::new(), 0);
    for round in 1..=ROUNDS {
        let look = codes.count(client.look("24adv01-v3").await);
        let reference = format!("order-{round}");
        let how = match codes.count(client.place(&reference).await) {
            Ok(_) => "placed",
            Err(status) if OutcomeUnknown::of(&status).is_some() => {
                unknown += 1;
                match codes.count(client.find(&reference).await) {
                    Ok(_) => "perhaps placed; found",
                    Err(status) if status.code() == Code::NotFound => "perhaps placed; not found",
                    Err(status) => return Err(status.into()),
                }
            }
            Err(status) => return Err(status.into()),
        };
        if !how.ends_with("not found") {
            placed.insert(reference, 1);
        }
        match look {
            Ok(servers) => println!("{round}: {} free; {how}", servers.free),
            Err(status) => println!("{round}: {:?}, {}; {how}", status.code(), status.message()),
        }
    }

    let counted = stats.snapshot();
    let truth = server.shutdown().await;
    account(&counted, &truth);

    // Nothing was ordered twice, and of nothing the client doesn't know.
    assert_eq!(shop.orders(), placed);
    let (calls, attempts) = (&counted.calls, &counted.attempts);
    assert_eq!(calls.verdicts.outcome_unknown, unknown);
    assert!(
        unknown > 0 && counted.healed > 0 && faults(attempts, Delivery::Refused) > 0,
        "the cuts were too kind"
    );
    // Each call ended by a status, or unknown.
    assert_eq!(calls.grpc, codes.0);
    assert!(codes.0.iter().any(|(code, _)| *code == GrpcCode::Unavailable), "no outage was met");
    let failed = calls.grpc.iter().filter(|(code, _)| code.is_failure()).map(|(_, count)| count).sum::<u64>();
    assert_eq!((calls.failed, calls.in_flight, calls.cancelled), (failed + unknown, 0, 0));
    // Each answer that got through had its status.
    assert_eq!(attempts.grpc.iter().map(|(_, count)| count).sum::<u64>(), truth.total().answered);
    assert!(truth.busiest(Duration::from_secs(1)) <= PER_SECOND as usize);
    Ok(())
}

/// How the calls ended that ended by a status, as the caller saw it.
#[derive(Default)]
struct Codes(Vec<(GrpcCode, u64)>);

impl Codes {
    fn count<T>(&mut self, result: Result<T, Status>) -> Result<T, Status> {
        let code = match &result {
            Err(status) if OutcomeUnknown::of(status).is_some() => return result,
            Err(status) => GrpcCode::ALL[status.code() as usize],
            Ok(_) => GrpcCode::Ok,
        };
        match self.0.binary_search_by_key(&(code as usize), |(code, _)| *code as usize) {
            Ok(at) => self.0[at].1 += 1,
            Err(at) => self.0.insert(at, (code, 1)),
        }
        result
    }
}

/// The usual cuts, and the polite one of HTTP/2: a GOAWAY that says the request was not processed.
fn mix() -> Result<Mix, flaky_tls::InvalidMix> {
    let refusal = RequestFault::GoAway { covers: false, reason: Http2Error::NoError, by: CutBy::Fin };
    Mix::new(cuts().chain([(Scenario::After { requests: 1, then: refusal }, 6)]))
}

//! The demo's endpoint: the fake of the API behind a server that cuts connections.

use std::error::Error;
use std::time::Duration;

use fake_ovh::{Failure, FakeOvh};
use flaky_tls::{AlertDescription, BadCertificate, CutPoint, FlakyTls, Mix, Running, Scenario, Script};

/// What the demo watches unless told otherwise.
pub(crate) const PLANS: [&str; 3] = ["24sk10", "24rise01", "24adv01-v3"];

/// What the base URL ends in.
const ROOT: &str = "/1.0";

/// How often an answer is a gateway's 503.
const GATEWAY_FAILS: f64 = 1.0 / 41.0;

/// Each entry of the stock is drawn anew in this time, so that of three plans some four change in a second.
const STOCK_PERIOD: Duration = Duration::from_secs(60);

/// Starts the server. Which connection is cut where depends on the seed, and on the order in which they come.
pub(crate) async fn start(seed: u64) -> Result<Running, Box<dyn Error>> {
    let api = FakeOvh::new()
        .with_seed(seed)
        .with_stock_period(STOCK_PERIOD)?
        .with_failure_rate(Failure::Unavailable, GATEWAY_FAILS)?;
    let server = FlakyTls::new()
        .with_script(Script::seeded(seed, mix()?))
        // More than a day of connections at the limiter's rate.
        .with_record_limit(1_000_000)
        .with_grace(Duration::from_secs(1))
        .serve(api.router())
        .await?;
    Ok(server)
}

/// The base URL for [`Endpoint`](crate::endpoint::Endpoint).
pub(crate) fn base(server: &Running) -> String {
    format!("{}{ROOT}", server.url())
}

/// Every cut there is, each as often as any other; and stalls, alerts that pass, and now and then a certificate that no
/// repeat can heal.
fn mix() -> Result<Mix, flaky_tls::InvalidMix> {
    let cuts = Scenario::cuts().map(|cut| (cut, 10));
    Mix::new(cuts.chain([
        (Scenario::Healthy, 700),
        (Scenario::Alert(AlertDescription::InternalError), 20),
        (Scenario::Alert(AlertDescription::UserCanceled), 10),
        (Scenario::Stall(CutPoint::ClientHello), 10),
        (Scenario::Stall(CutPoint::Request), 10),
        (Scenario::Certificate(BadCertificate::Expired), 8),
    ]))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Request;
    use http_body_util::{BodyExt as _, Full};
    use tower::ServiceExt as _;

    use super::*;
    use crate::stock::Stock;
    use crate::watch::{PATH, query};

    #[tokio::test]
    async fn what_the_watcher_asks_is_what_the_api_reads() {
        let ask = async |query: String| {
            let request =
                Request::get(format!("{ROOT}{PATH}?{query}")).body(Full::<Bytes>::default()).unwrap();
            let response = FakeOvh::new().router().oneshot(request).await.unwrap();
            let status = response.status();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            if status == 404 { None } else { Some(Stock::parse(&body).unwrap().len()) }
        };
        for plan in PLANS {
            assert_eq!(ask(query(plan, &[], &[])).await, Some(28 * 8));
        }
        let list = |values: &[&str]| values.iter().map(ToString::to_string).collect::<Vec<_>>();
        let (datacenters, options) =
            (list(&["gra", "rbx"]), list(&["ram-64g-ecc-2133", "softraid-2x2000sa", "softraid-4x4000sa"]));
        assert_eq!(ask(query("24sk10", &datacenters, &options)).await, Some(2 * 2));
        assert_eq!(ask(query("99none01", &[], &[])).await, None);
    }
}

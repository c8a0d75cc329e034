//! Buys over a wire that cuts, and over a server that takes its time.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fake_ovh::{APPLICATION_KEY, APPLICATION_SECRET, CONSUMER_KEY, FakeOvh};
use flaky_tls::{FlakyTls, RequestBody, Running};
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use order_safely_example::{Buyer, How, Patience, run};
use ovh_auth::ApplicationKeys;
use parking_lot::Mutex;
use retry_on_tls_eof::OutcomeUnknown;
use tower::{BoxError, ServiceExt as _, service_fn};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_runs_end_in_thirty_orders() -> Result<(), BoxError> {
    let mut lines = Vec::new();
    let summary = run(30, 5_000, |line| lines.push(line)).await?;
    assert!(summary.is_sound(), "{summary}");
    assert_eq!((summary.orders, lines.len()), (30, 20), "{summary}");
    // Each way to the end was taken, and not by chance alone: of the attempts nearly half are cut.
    assert!(summary.at_once > 2 && summary.found > 2, "{summary}");
    assert!(summary.cut > 150, "{summary}");
    Ok(())
}

/// A checkout that was received, and after how many more looks it is carried out, if ever.
type Held = (Request<Full<Bytes>>, Option<u32>);

/// An API whose checkout is carried out when so many more looks at the orders have come, or never; and never answered.
async fn slow(api: &FakeOvh, after_looks: Option<u32>) -> Running {
    let held: Arc<Mutex<Option<Held>>> = Arc::default();
    let router = api.router();
    let service = service_fn(move |request: Request<RequestBody>| {
        let (router, held) = (router.clone(), Arc::clone(&held));
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.expect("it was read in full").to_bytes();
            let request = Request::from_parts(head, Full::new(body));
            let path = request.uri().path();
            if request.method() == Method::POST && path.ends_with("/checkout") {
                *held.lock() = Some((request, after_looks));
                std::future::pending::<()>().await;
                unreachable!("it is never answered");
            }
            let due = path.ends_with("/me/order") && {
                let mut held = held.lock();
                match &mut *held {
                    Some((_, Some(looks))) => {
                        *looks -= 1;
                        *looks == 0
                    }
                    _ => false,
                }
            };
            let response = router.clone().oneshot(request).await.expect("infallible");
            // After the answer to this look: it is the next one that finds the order.
            let checkout = if due { held.lock().take() } else { None };
            if let Some((checkout, _)) = checkout {
                let placed = router.oneshot(checkout).await.expect("infallible");
                assert_eq!(placed.status(), 200);
            }
            Ok::<Response<_>, Infallible>(response)
        }
    });
    FlakyTls::new().serve(service).await.expect("a free port")
}

fn buyer(server: &Running, patience: Patience) -> Result<Buyer, BoxError> {
    let keys = ApplicationKeys::new(APPLICATION_KEY, APPLICATION_SECRET)?.with_consumer_key(CONSUMER_KEY)?;
    let endpoint = format!("{}/1.0", server.url()).parse()?;
    Buyer::new(&endpoint, &keys, server.authority().client_config()?, patience, 1)
}

/// The attempt ran out of time, the server had not even begun, and three looks find nothing: none of this is taken for
/// proof.
#[tokio::test]
async fn a_checkout_that_is_still_under_way_is_waited_for() -> Result<(), BoxError> {
    let api = FakeOvh::new();
    let server = slow(&api, Some(3)).await;
    let patience = Patience { attempt: Duration::from_secs(1), ..Patience::default() };
    let purchase = buyer(&server, patience)?.buy().await?;
    assert_eq!((purchase.how, purchase.attempts), (How::Found, 1));
    let orders: Vec<_> = api.orders().iter().map(|order| order.id).collect();
    assert_eq!(orders, [purchase.order]);
    Ok(())
}

/// A checkout that is never carried out is not sent again, because nobody can know that it never will be; and the caller is
/// told so.
#[tokio::test]
async fn a_checkout_that_no_look_finds_stays_unknown() -> Result<(), BoxError> {
    let api = FakeOvh::new();
    let server = slow(&api, None).await;
    let patience = Patience { attempt: Duration::from_secs(1), call: Duration::from_secs(2) };
    let error = buyer(&server, patience)?.buy().await.expect_err("unknown");
    let unknown = OutcomeUnknown::of(&*error).expect("nobody can know");
    assert!(unknown.path().ends_with("/checkout") && unknown.attempts() == 1, "{unknown}");
    assert_eq!(api.orders().len(), 0);
    assert!(api.received(&Method::GET, "/me/order") > 2, "it went on looking");
    Ok(())
}

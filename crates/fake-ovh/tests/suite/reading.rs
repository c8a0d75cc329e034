//! Time, stock, catalog, account; what every answer carries.

use std::collections::HashSet;
use std::time::{Duration, UNIX_EPOCH};

use crate::common::{BASE, Http, Reply, direct, signed, unsigned};
use fake_ovh::FakeOvh;
use http::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

const STOCK: &str = "/dedicated/server/datacenter/availabilities";

fn get(path: &str) -> http::Request<http_body_util::Full<bytes::Bytes>> {
    unsigned(BASE, Method::GET, path, "")
}

#[tokio::test(start_paused = true)]
async fn the_time_is_a_bare_integer_that_goes_on_jumps_and_goes_back() {
    let api = FakeOvh::new().with_time(UNIX_EPOCH + Duration::from_secs(1_566_485_767));
    let time = async || direct(&api, get("/auth/time")).await.text().to_owned();
    assert_eq!(time().await, "1566485767");
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(time().await, "1566485777");
    api.set_skew(3_600);
    assert_eq!(time().await, "1566489377");
    api.set_skew(-3_600);
    assert_eq!(time().await, "1566482177");
    assert_eq!((api.time(), api.tally().time_fetches), (1_566_482_177, 4));
    let reply = direct(&api, get("/auth/time")).await;
    assert_eq!(reply.header("date"), "Thu, 22 Aug 2019 13:56:17 GMT", "the header is of the same clock");
}

#[tokio::test]
async fn the_time_is_the_machines_unless_told() {
    let api = FakeOvh::new();
    let server = api.serve().await.unwrap();
    let http = Http::new(&api, server.base());
    let time = http.open(Method::GET, "/auth/time", "").await;
    assert!(time.good().as_i64().unwrap() > 1_700_000_000);
    let me = http.signed(Method::GET, "/me", "").await.good();
    assert_eq!((&me["nichandle"], &me["ovhSubsidiary"]), (&json!("fk12345-ovh"), &json!("FR")));
    // Both names of the version, and the URL is signed as it is sent.
    let v1 = Http::new(&api, server.base().replace("/1.0", "/v1"));
    assert_eq!(v1.signed(Method::GET, "/me", "").await.good(), me);
    assert_eq!(api.received(&Method::GET, "/me"), 2);
    server.shutdown().await;
}

#[tokio::test]
async fn answers_are_as_long_and_shaped_as_the_real_ones() {
    let api = FakeOvh::new();
    let server = api.serve().await.unwrap();
    let http = Http::new(&api, server.base());
    let whole = http.open(Method::GET, STOCK, "").await;
    assert!((4_200_000..4_500_000).contains(&whole.body.len()), "{}", whole.body.len());
    let one = http.open(Method::GET, &format!("{STOCK}?planCode=24adv01-v3"), "").await;
    assert!((16_000..20_000).contains(&one.body.len()), "{}", one.body.len());

    let all = whole.good();
    assert_eq!(all.as_array().unwrap().len(), 270 * 28);
    let first = &one.good()[0];
    assert_eq!(first["fqn"], "24adv01-v3.ram-32g-ecc-3200.softraid-2x450nvme");
    assert_eq!((&first["planCode"], &first["server"]), (&json!("24adv01-v3"), &json!("24adv01")));
    assert_eq!(
        (&first["memory"], &first["storage"]),
        (&json!("ram-32g-ecc-3200"), &json!("softraid-2x450nvme"))
    );
    assert_eq!(first["datacenters"][0]["datacenter"], "bhs");
    let values: HashSet<&str> = all
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|one| one["datacenters"].as_array().unwrap())
        .map(|one| one["availability"].as_str().unwrap())
        .collect();
    let known = "1H-low 1H-high 24H 72H 120H 240H 480H 720H 1440H 2160H comingSoon unavailable unknown";
    assert_eq!(values, known.split(' ').collect());

    let catalog = http.open(Method::GET, "/order/catalog/public/eco?ovhSubsidiary=PL", "").await;
    assert!((3_000_000..12_000_000).contains(&catalog.body.len()), "{}", catalog.body.len());
    let catalog = catalog.good();
    assert_eq!(catalog["locale"], json!({ "currencyCode": "PLN", "subsidiary": "PL", "taxRate": 0 }));
    let plans = catalog["plans"].as_array().unwrap();
    let plan = plans.iter().find(|plan| plan["planCode"] == "24adv01-v3").unwrap();
    assert_eq!(plan["pricings"][3]["price"], 8_999_000_000_u64);
    let addons: HashSet<&Value> =
        catalog["addons"].as_array().unwrap().iter().map(|one| &one["planCode"]).collect();
    for family in plan["addonFamilies"].as_array().unwrap() {
        assert!(family["addons"].as_array().unwrap().iter().all(|addon| addons.contains(addon)));
    }
    assert_eq!(http.open(Method::GET, "/order/catalog/public/eco", "").await.status, 400);
}

#[tokio::test(start_paused = true)]
async fn the_stock_filters_and_says_404_where_there_is_none() {
    let api = FakeOvh::new();
    let found = async |query: &str| direct(&api, get(&format!("{STOCK}?{query}"))).await;
    let places = |reply: &Reply| {
        let json = reply.good();
        let all = json.as_array().unwrap();
        (all.len(), all[0]["datacenters"].as_array().unwrap().len())
    };
    assert_eq!(places(&found("planCode=24sk10&datacenters=gra,rbx&excludeDatacenters=false").await), (28, 2));
    assert_eq!(places(&found("planCode=24sk10&datacenters=gra&excludeDatacenters=true").await), (28, 7));
    assert_eq!(places(&found("planCode=24sk10&planCode=24rise01").await), (56, 8));
    let options = "planCode=24sk10&addonFamily=ram-64g-ecc-2133&addonFamily=softraid-2x512nvme";
    assert_eq!(places(&found(options).await), (1, 8));
    assert_eq!(found("excludeDatacenters=perhaps").await.status, 400);
    for query in ["planCode=99none", "planCode=24sk10&datacenters=mars", "planCode=24sk10&addonFamily=ram-1g"]
    {
        let none = found(query).await;
        assert_eq!(none.status, 404, "{query}");
        assert_eq!(none.json(), json!({ "class": "Client::NotFound", "message": "No availabilities found" }));
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_has_the_same_history_whoever_asks_how_often() {
    let path = format!("{STOCK}?planCode=24sk10");
    let make = |seed| FakeOvh::new().with_seed(seed).with_stock_period(Duration::from_secs(60)).unwrap();
    let (one, same, other) = (make(1), make(1), make(2));
    let at = async |api: &FakeOvh| direct(api, get(&path)).await.body;
    let start = at(&one).await;
    assert_eq!(start, at(&one).await);
    assert_ne!(start, at(&other).await);
    for _ in 0..60 {
        tokio::time::advance(Duration::from_secs(1)).await;
        at(&one).await;
    }
    let later = at(&one).await;
    assert_ne!(start, later);
    assert_eq!(later, at(&same).await);
    // The skew is of the clock people read; the stock does not grow old by it.
    same.set_skew(86_400);
    assert_eq!(later, at(&same).await);
    for period in [Duration::ZERO, Duration::MAX] {
        assert!(FakeOvh::new().with_stock_period(period).is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn every_answer_has_a_query_id_of_its_own_and_the_same_seed_the_same_ones() {
    let history = async |seed: u64| {
        let api = FakeOvh::new().with_seed(seed).with_time(UNIX_EPOCH + Duration::from_secs(1_566_485_767));
        api.fail_next("/auth/time", fake_ovh::Failure::Unavailable);
        let mut ids = Vec::new();
        for request in [
            get("/auth/time"),
            get("/me"),
            get("/nothing"),
            signed(BASE, Method::GET, "/me", "", 0),
            signed(BASE, Method::GET, "/me", "", api.time()),
            unsigned("https://eu.api.ovh.com", Method::GET, "/", ""),
            unsigned(BASE, Method::POST, "/order/cart", r#"{"ovhSubsidiary":"FR"}"#),
            unsigned(BASE, Method::POST, "/order/cart", &"x".repeat(2_000_000)),
        ] {
            let reply = direct(&api, request).await;
            let id = reply.header("x-ovh-queryid").to_owned();
            assert!(id.starts_with("EU.ext-1.5d5ead07."), "{id}");
            if let Some(call) = api.calls().get(ids.len()) {
                assert_eq!((&call.query_id, call.status), (&id, Some(reply.status)));
            }
            ids.push(id);
        }
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
        (ids, api.carts()[0].id.clone())
    };
    assert_eq!(history(1).await, history(1).await);
    assert_ne!(history(1).await, history(2).await);
}

#[tokio::test(start_paused = true)]
async fn the_ledger_tells_calls_and_the_worst_second() {
    let api = FakeOvh::new();
    for _ in 0..3 {
        direct(&api, get("/auth/time?a=b")).await;
    }
    tokio::time::advance(Duration::from_millis(999)).await;
    direct(&api, get("/nothing")).await;
    tokio::time::advance(Duration::from_millis(1)).await;
    direct(&api, signed(BASE, Method::GET, "/me", "", api.time())).await;
    let tally = api.tally();
    assert_eq!((tally.calls, tally.worst_second, tally.time_fetches), (5, 4, 3));
    let calls = api.calls();
    assert_eq!((&*calls[0].path, calls[0].query.as_deref()), ("/1.0/auth/time", Some("a=b")));
    assert_eq!((calls[3].at - calls[0].at).as_millis(), 999);
    let authenticated: Vec<_> = calls.iter().map(|call| call.authenticated).collect();
    assert_eq!(authenticated, [false, false, false, false, true]);
    assert_eq!(api.received(&Method::GET, "/auth/*"), 3);
    // A clone is the same API.
    assert_eq!(api.clone().tally(), tally);
    assert!(!format!("{api:?}").contains(fake_ovh::APPLICATION_SECRET));
}

#[tokio::test(start_paused = true)]
async fn a_server_stops_when_told_and_waits_for_nobody_for_ever() {
    let api = FakeOvh::new();
    let server = api.serve().await.unwrap();
    let address = server.address();
    // A client in mid-request. The paused clock jumps over the grace.
    let mut stalled = tokio::net::TcpStream::connect(address).await.unwrap();
    stalled
        .write_all(b"POST /1.0/order/cart HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n{")
        .await
        .unwrap();
    server.shutdown().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    assert_eq!(api.tally().calls, 0, "half a call is none");

    let server = api.serve().await.unwrap();
    assert_eq!(server.base(), format!("http://{}/1.0", server.address()));
    assert!(api.serve_on(server.address().port()).await.is_err(), "the port is taken");
}

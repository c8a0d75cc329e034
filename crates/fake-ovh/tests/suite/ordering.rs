//! From the catalog to the order, over loopback.

use crate::common::Http;
use fake_ovh::FakeOvh;
use http::Method;
use serde_json::{Value, json};

const GET: Method = Method::GET;
const POST: Method = Method::POST;
const DELETE: Method = Method::DELETE;

const ITEM: &str = r#"{"planCode":"24adv01-v3","duration":"P1M","pricingMode":"default","quantity":1}"#;

async fn cart(http: &Http) -> String {
    let cart = http.open(POST, "/order/cart", r#"{"ovhSubsidiary":"FR"}"#).await.good();
    format!("/order/cart/{}", cart["cartId"].as_str().unwrap())
}

/// A cart that is ready for its checkout.
async fn ready(http: &Http) -> String {
    let cart = cart(http).await;
    let item = &http.open(POST, &format!("{cart}/eco"), ITEM).await.good()["itemId"];
    let configuration = r#"{"label":"dedicated_datacenter","value":"gra"}"#;
    http.open(POST, &format!("{cart}/item/{item}/configuration"), configuration).await.good();
    assert_eq!(http.signed(POST, &format!("{cart}/assign"), "").await.good(), Value::Null);
    cart
}

#[tokio::test]
async fn a_server_is_bought_step_by_step() {
    let api = FakeOvh::new();
    let server = api.serve().await.unwrap();
    let http = Http::new(&api, server.base());

    let made = http.open(POST, "/order/cart", r#"{"ovhSubsidiary":"FR","description":"mine"}"#).await.good();
    assert_eq!((&made["description"], &made["items"]), (&json!("mine"), &json!([])));
    let id = made["cartId"].as_str().unwrap();
    assert_eq!(id.len(), 36);
    let cart = format!("/order/cart/{id}");
    assert_eq!(http.open(GET, &cart, "").await.good(), made);

    let offers = http.open(GET, &format!("{cart}/eco?planCode=24adv01-v3"), "").await.good();
    assert_eq!(offers.as_array().unwrap().len(), 1);
    assert_eq!(
        (&offers[0]["planCode"], &offers[0]["productName"]),
        (&json!("24adv01-v3"), &json!("ADVANCE-1"))
    );
    let renewal = &offers[0]["prices"][1];
    assert_eq!((&renewal["duration"], &renewal["capacities"]), (&json!("P1M"), &json!(["renew"])));
    assert_eq!(renewal["price"], json!({ "currencyCode": "EUR", "text": "89.99 €", "value": 89.99 }));
    assert_eq!(http.open(GET, &format!("{cart}/eco"), "").await.good().as_array().unwrap().len(), 270);

    let item = http.open(POST, &format!("{cart}/eco"), ITEM).await.good();
    assert_eq!(
        item["settings"],
        json!({ "planCode": "24adv01-v3", "pricingMode": "default", "quantity": 1 })
    );
    let item = item["itemId"].as_u64().unwrap();

    let options = http.open(GET, &format!("{cart}/eco/options?planCode=24adv01-v3"), "").await.good();
    assert_eq!(options.as_array().unwrap().len(), 4 + 7);
    let option = "ram-64g-ecc-2133-24adv01-v3";
    assert!(options.as_array().unwrap().iter().any(|one| one["planCode"] == option));
    let body = json!({ "itemId": item, "planCode": option, "duration": "P1M", "pricingMode": "default", "quantity": 1 });
    let added = http.open(POST, &format!("{cart}/eco/options"), &body.to_string()).await.good();
    assert_eq!(added["parentItemId"], item);
    let item_path = format!("{cart}/item/{item}");
    assert_eq!(http.open(GET, &item_path, "").await.good()["options"], json!([added["itemId"]]));
    assert_eq!(http.open(GET, &format!("{cart}/item"), "").await.good(), json!([item, added["itemId"]]));

    let required = http.open(GET, &format!("{item_path}/requiredConfiguration"), "").await.good();
    assert_eq!(required[0]["label"], "dedicated_datacenter");
    assert_eq!(required[0]["required"], false, "the real one says so too");
    let configuration = r#"{"label":"dedicated_datacenter","value":"atlantide"}"#;
    let configured = http.open(POST, &format!("{item_path}/configuration"), configuration).await.good();
    let ids = format!("{item_path}/configuration?label=dedicated_datacenter");
    assert_eq!(http.open(GET, &ids, "").await.good(), json!([configured["id"]]));
    let one = format!("{item_path}/configuration/{}", configured["id"]);
    assert_eq!(http.open(GET, &one, "").await.good(), configured);

    // What is wrong is said at the checkout, one thing at a time.
    let checkout = format!("{cart}/checkout");
    let refusal = http.signed(GET, &checkout, "").await;
    assert_eq!(refusal.status, 400);
    assert_eq!(refusal.json()["message"], "This cart hasn't been assigned yet");
    assert_eq!(http.open(POST, &format!("{cart}/assign"), "").await.status, 401);
    http.signed(POST, &format!("{cart}/assign"), "").await.good();
    assert_eq!(http.signed(GET, "/order/cart?description=mine", "").await.good(), json!([id]));
    assert_eq!(http.signed(GET, "/order/cart?description=yours", "").await.good(), json!([]));
    let refusal = http.signed(POST, &checkout, "{}").await;
    assert_eq!(refusal.status, 400, "{refusal:?}");
    assert!(refusal.json()["message"].as_str().unwrap().contains("atlantide"));
    let configuration = r#"{"label":"dedicated_datacenter","value":"gra"}"#;
    http.open(POST, &format!("{item_path}/configuration"), configuration).await.good();

    let quote = http.signed(GET, &checkout, "").await.good();
    assert_eq!((&quote["orderId"], &quote["url"]), (&Value::Null, &Value::Null));
    // A month, the installation, and the option: a tenth of the month.
    assert_eq!(quote["prices"]["withTax"]["value"], 89.99 + 89.99 + 8.99);
    assert_eq!(quote["details"].as_array().unwrap().len(), 3);
    assert!(api.orders().is_empty(), "a preview orders nothing");

    let placed = http.signed(POST, &checkout, r#"{"autoPayWithPreferredPaymentMethod":false}"#).await.good();
    assert_eq!(placed["prices"], quote["prices"]);
    let order = format!("/me/order/{}", placed["orderId"]);
    assert_eq!(http.signed(GET, "/me/order", "").await.good(), json!([placed["orderId"]]));
    let read = http.signed(GET, &order, "").await.good();
    assert_eq!((&read["orderId"], &read["url"]), (&placed["orderId"], &placed["url"]));
    assert_eq!(read["priceWithTax"], quote["prices"]["withTax"]);
    assert_eq!(http.signed(GET, &format!("{order}/status"), "").await.good(), "notPaid");
    assert_eq!(http.signed(POST, &format!("{order}/pay"), "{}").await.status, 400);
    let pay = http.signed(POST, &format!("{order}/pay"), r#"{"paymentMethod":{"id":1}}"#).await;
    assert_eq!(pay.good(), Value::Null);
    assert_eq!(http.signed(GET, &format!("{order}/status"), "").await.good(), "delivering");

    assert_eq!(http.signed(DELETE, &cart, "").await.good(), Value::Null);
    assert_eq!(http.open(GET, &cart, "").await.status, 404);
    assert!(api.carts().is_empty());
    let orders = api.orders();
    assert_eq!((orders.len(), orders[0].charges, orders[0].cents), (1, 1, 18_897));
    assert_eq!(orders[0].items[0].configured("dedicated_datacenter"), Some("gra"));
    server.shutdown().await;
}

#[tokio::test]
async fn each_checkout_orders_each_payment_charges_each_item_counts() {
    let api = FakeOvh::new();
    let server = api.serve().await.unwrap();
    let http = Http::new(&api, server.base());
    let cart = ready(&http).await;
    let first = http.signed(POST, &format!("{cart}/checkout"), "").await.good();
    let second = http.signed(POST, &format!("{cart}/checkout"), "").await.good();
    assert_ne!(first["orderId"], second["orderId"]);
    assert_eq!((api.orders().len(), api.carts()[0].orders.len()), (2, 2));

    let pay = format!("/me/order/{}/payWithRegisteredPaymentMean", first["orderId"]);
    for _ in 0..3 {
        http.signed(POST, &pay, r#"{"paymentMean":"creditCard","paymentMeanId":1}"#).await.good();
    }
    let charges: Vec<_> = api.orders().iter().map(|order| order.charges).collect();
    assert_eq!(charges, [3, 0]);
    let paid =
        http.signed(POST, &format!("{cart}/checkout"), r#"{"autoPayWithPreferredPaymentMethod":true}"#).await;
    paid.good();
    assert_eq!(api.orders()[2].charges, 1);

    http.open(POST, &format!("{cart}/eco"), ITEM).await.good();
    assert_eq!(api.carts()[0].items.len(), 2, "a repeated POST adds a second item");
    let refusal = http.signed(GET, &format!("{cart}/checkout"), "").await;
    let message = "in customFields there must be a field with name 'dedicated_datacenter'";
    assert_eq!(refusal.json(), json!({ "class": "Client::BadRequest", "message": message }));
    let second = api.carts()[0].items[1].id;
    http.open(DELETE, &format!("{cart}/item/{second}"), "").await.good();
    assert_eq!(api.carts()[0].items.len(), 1);
}

#[tokio::test]
async fn orders_are_found_by_date() {
    let api = FakeOvh::new();
    let server = api.serve().await.unwrap();
    let http = Http::new(&api, server.base());
    let cart = ready(&http).await;
    http.signed(POST, &format!("{cart}/checkout"), "").await.good();
    for (query, count) in [
        ("?date.from=2020-01-01T00:00:00Z", 1),
        ("?date.to=2020-01-01T00:00:00%2B02:00", 0),
        ("?date.from=2020-01-01T00:00:00Z&date.to=2199-01-01T00:00:00Z", 1),
        ("?date.from=2199-01-01T00:00:00Z", 0),
    ] {
        let found = http.signed(GET, &format!("/me/order{query}"), "").await.good();
        assert_eq!(found.as_array().unwrap().len(), count, "{query}");
    }
    assert_eq!(http.signed(GET, "/me/order?date.from=yesterday", "").await.status, 400);
}

#[tokio::test]
async fn what_can_not_be_is_refused() {
    let api = FakeOvh::new();
    let server = api.serve().await.unwrap();
    let http = Http::new(&api, server.base());
    let cart = cart(&http).await;
    let with = |change: Value| {
        let mut item: Value = serde_json::from_str(ITEM).unwrap();
        item.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        item.to_string()
    };
    let (eco, options) = (format!("{cart}/eco"), format!("{cart}/eco/options"));
    for (path, body, status) in [
        ("/order/cart", r#"{"ovhSubsidiary":"XX"}"#.to_owned(), 400),
        ("/order/cart", "{}".into(), 400),
        ("/order/cart", "<html>".into(), 400),
        ("/order/cart", r#"{"ovhSubsidiary":"FR","expire":"soon"}"#.into(), 400),
        (&eco, with(json!({ "planCode": "99none" })), 404),
        (&eco, with(json!({ "duration": "P3M" })), 400),
        (&eco, with(json!({ "pricingMode": "upfront12" })), 400),
        (&eco, with(json!({ "quantity": 0 })), 400),
        (&eco, with(json!({ "quantity": 101 })), 400),
        (&options, with(json!({})), 400),
        (&options, with(json!({ "itemId": 1 })), 404),
        ("/order/cart/none/eco", ITEM.into(), 404),
        ("/order/cart/none/item/1/configuration", r#"{"label":"a","value":"b"}"#.into(), 404),
    ] {
        let reply = http.open(POST, path, &body).await;
        assert_eq!(reply.status, status, "{path} {body}");
        assert!(reply.json()["message"].is_string());
    }
    http.signed(POST, &format!("{cart}/assign"), "").await.good();
    assert_eq!(http.signed(POST, &format!("{cart}/checkout"), "").await.status, 400, "an empty cart");
    assert_eq!(http.open(GET, &format!("{cart}/eco/options"), "").await.status, 400);
    for path in
        ["/me/order/1", "/me/order/x", "/order/cart/none", "/nothing", "/order/catalog/public/telephony"]
    {
        assert_eq!(http.signed(GET, path, "").await.status, 404, "{path}");
    }
    let twice = http.open(POST, "/auth/time", "").await;
    assert_eq!(twice.json(), json!({ "class": "Client::MethodNotAllowed", "message": "Method not allowed" }));
    assert!(api.orders().is_empty() && api.carts()[0].items.is_empty());
}

#[tokio::test]
async fn a_cart_ends_by_the_servers_clock() {
    let api = FakeOvh::new();
    let server = api.serve().await.unwrap();
    let http = Http::new(&api, server.base());
    let cart = ready(&http).await;
    api.set_skew(24 * 60 * 60 - 60);
    http.open(GET, &cart, "").await.good();
    api.set_skew(24 * 60 * 60);
    assert_eq!(http.open(GET, &cart, "").await.status, 404);
    assert_eq!(http.signed(POST, &format!("{cart}/checkout"), "").await.status, 404);
    assert_eq!(http.signed(GET, "/order/cart", "").await.good(), json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn carts_of_many_callers_do_not_mix() {
    let api = FakeOvh::new();
    let server = api.serve().await.unwrap();
    let buyers = (0..20_usize).map(|nth| {
        let http = Http::new(&api, server.base());
        tokio::spawn(async move {
            let cart = ready(&http).await;
            for _ in 0..nth % 4 {
                http.signed(POST, &format!("{cart}/checkout"), "").await.good();
            }
            (cart, nth % 4)
        })
    });
    let mut orders = 0;
    for buyer in buyers.collect::<Vec<_>>() {
        let (path, count) = buyer.await.unwrap();
        let carts = api.carts();
        let cart = carts.iter().find(|cart| path.ends_with(&cart.id)).unwrap();
        assert_eq!((cart.items.len(), cart.items[0].configuration.len(), cart.orders.len()), (1, 1, count));
        orders += count;
    }
    let mut ids: Vec<_> = api.orders().iter().map(|order| order.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), api.carts().len()), (orders, 20));
    assert_eq!(api.received(&POST, "/order/cart/*/checkout"), orders as u64);
    assert_eq!(api.tally().calls, 20 * 4 + orders as u64);
}

//! A faithful OVH API on loopback, for tests and examples: it checks signatures to the byte, sells servers, and keeps
//! account of what it really received, so that a client's claims can be held against the truth.
//!
//! [`FakeOvh`] is the API: its settings (`with_…`), what can be changed while it runs (`set_…`), and what happened
//! ([`tally`](FakeOvh::tally), [`received`](FakeOvh::received), [`calls`](FakeOvh::calls), [`carts`](FakeOvh::carts),
//! [`orders`](FakeOvh::orders)). [`FakeOvh::serve`] puts it on a port without TLS; [`FakeOvh::router`] is a service for
//! any server, such as `flaky_tls::FlakyTls`, which cuts connections around it; in a test it can be called with no
//! network at all. All time is tokio's, so a paused clock moves timestamps, tokens, stock and quotas.
//!
//! ```
//! use fake_ovh::FakeOvh;
//! use http::{Method, Request};
//! use tower::ServiceExt as _;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let api = FakeOvh::new().with_skew(3_600);
//! let request = Request::get("https://eu.api.ovh.com/1.0/auth/time").body(String::new())?;
//! let response = api.router().oneshot(request).await?;
//! assert_eq!(response.status(), 200);
//! assert!(response.headers().contains_key("x-ovh-queryid"));
//! assert_eq!((api.tally().time_fetches, api.received(&Method::GET, "/auth/*")), (1, 1));
//! # Ok(())
//! # }
//! ```
//!
//! # Endpoints
//!
//! Below `/1.0`, and below its alias `/v1`. "Open" calls need no authentication, but where they come with a signature or a
//! token it must be good.
//!
//! | | |
//! |---|---|
//! | `GET /auth/time` | open, never checked |
//! | `POST /auth/credential` | application key only |
//! | `GET /auth/currentCredential` | consumer key |
//! | `POST /auth/oauth2/token` | at the root; the real one has a host of its own |
//! | `GET /dedicated/server/datacenter/availabilities` | open |
//! | `GET /order/catalog/public/eco` | open |
//! | `POST /order/cart`, `GET /order/cart/{cart}` | open |
//! | `GET /order/cart`, `DELETE /order/cart/{cart}`, `POST …/assign` | account |
//! | `GET`, `POST /order/cart/{cart}/eco`, `…/eco/options` | open |
//! | `GET …/item`, `GET`, `DELETE …/item/{item}` | open |
//! | `GET`, `POST …/item/{item}/configuration`, `GET …/requiredConfiguration` | open |
//! | `GET`, `POST /order/cart/{cart}/checkout` | account; each POST makes an order |
//! | `GET /me`, `/me/order`, `/me/order/{order}`, `…/status` | account |
//! | `POST /me/order/{order}/pay`, `…/payWithRegisteredPaymentMean` | account; each charges |
//!
//! Which calls are open is as the published description of the API has it.
//!
//! # What is not known of the real API
//!
//! Nothing here was held against the live API. Taken from official clients, their issue trackers and recorded answers
//! are: paths, the signature, the codes and texts of refused authentication, both shapes of errors, the shapes of
//! availabilities, offers, quotes and orders, and that a checkout is refused without assignment or datacenter. Made up
//! are, and said to be so where they stand: the width of the timestamp window; the order in which credentials are
//! checked; which endpoint answers which shape of error; the texts of most 400 and 404 answers; how filters of one kind
//! combine; throttling and its 429; the answers to bad OAuth2 clients and tokens; prices, plans and stock. Some order
//! calls of the real API break when they are authenticated; which is unknown, and not imitated. The stock does not stop
//! a checkout. There is no paging and no `/v2`.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod answer;
mod auth;
mod availabilities;
mod cart;
mod carts;
mod catalog;
mod checkout;
mod clock;
mod credentials;
mod draw;
mod error;
mod failure;
mod failures;
mod fake;
mod gate;
mod hardware;
mod identify;
mod items;
mod ledger;
mod me;
mod oauth2;
mod order;
mod pattern;
mod price;
mod query;
mod router;
mod running;
mod setters;
mod settings;
mod shop;
mod signature;
mod stock;
mod throttle;

pub use crate::answer::ErrorShape;
pub use crate::cart::{Cart, CartItem, Configuration};
pub use crate::credentials::{AccessRule, CredentialState};
pub use crate::error::InvalidSetting;
pub use crate::failure::Failure;
pub use crate::fake::{APPLICATION_KEY, APPLICATION_SECRET, CONSUMER_KEY, FakeOvh};
pub use crate::ledger::{Call, Tally};
pub use crate::order::Order;
pub use crate::running::Running;
pub use crate::signature::signature;
pub use crate::throttle::{RetryAfter, Throttle};

#[doc = include_str!("../README.md")]
#[cfg(doctest)]
struct Readme;

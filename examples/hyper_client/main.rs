//! Signed calls through `OvhClient`, over the project's connector and hyper-util, to an API that keeps cutting connections.
//!
//! ```text
//! cargo run --example hyper_client
//! ```
//!
//! The API is a fake on loopback, behind a TLS server that ends every connection sooner or later, most of them before the
//! first answer. No call fails, and the client's count of what arrived is the server's.
//!
//! Against the real API all of it, but for the calls, is `OvhClient::from_env()?`.

use std::error::Error;

use examples_common::Demo;
use tower_ovh::{Connector, OvhClient, Roots};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let demo = Demo::start().await?;
    let roots = Roots::none().with_pem(demo.server().authority().pem())?;
    let ovh = OvhClient::connect(&demo.config()?, demo.stack()?, &Connector::trusting(roots)?)?;
    demo.run(&ovh).await
}

//! Signed calls through `OvhClient`, over reqwest, to an API that keeps cutting connections.
//!
//! ```text
//! cargo run -p reqwest-client-example --example reqwest_client
//! ```
//!
//! The API is a fake on loopback, behind a TLS server that ends every connection sooner or later, most of them before the
//! first answer. No call fails, and the client's count of what arrived is the server's.
//!
//! Against the real API the configuration is `Config::load()?`, and the builder needs neither `no_proxy` nor a certificate.

use std::error::Error;

use examples_common::Demo;
use tower_ovh::{OvhClient, ReqwestTransport};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let demo = Demo::start().await?;
    let tls = demo.server().authority().client_config()?;
    let client = reqwest::Client::builder().no_proxy().tls_backend_preconfigured(tls);
    let ovh = OvhClient::with_stack(&demo.config()?, demo.stack()?, ReqwestTransport::new(client)?)?;
    demo.run(&ovh).await
}

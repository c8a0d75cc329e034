//! Serves the API without TLS until Ctrl-C, then tells what it received. A port may be given.

use std::error::Error;

use fake_ovh::{APPLICATION_KEY, APPLICATION_SECRET, CONSUMER_KEY, FakeOvh};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::args().nth(1).map_or(Ok(0), |port| port.parse())?;
    let api = FakeOvh::new();
    let server = api.serve_on(port).await?;
    println!("endpoint={}", server.base());
    println!("application_key={APPLICATION_KEY}");
    println!("application_secret={APPLICATION_SECRET}");
    println!("consumer_key={CONSUMER_KEY}");
    tokio::signal::ctrl_c().await?;
    println!("{:#?}", api.tally());
    server.shutdown().await;
    Ok(())
}

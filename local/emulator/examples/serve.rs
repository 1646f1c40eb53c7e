//! Serves the emulator on a loopback port for trying it out: `serve PORT DIRECTORY`, credentials `test`/`test`.

use emulator::{Clock, Emulator, Options};
use std::sync::Arc;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments.next().ok_or("usage: serve PORT DIRECTORY")?.parse()?;
    let directory = arguments.next().ok_or("usage: serve PORT DIRECTORY")?.into();
    let emulator = Emulator::open(Options {
        directory,
        region: "us-east-1".to_owned(),
        account: "000000000000".to_owned(),
        clock: Clock::default(),
        credentials: Arc::new(|id| (id == "test").then(|| emulator::Key::to_everything("test"))),
    })?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    let shutdown = async { drop(tokio::signal::ctrl_c().await) };
    emulator.serve(listener, shutdown).await?;
    Ok(())
}

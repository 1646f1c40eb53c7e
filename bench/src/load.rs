//! Loads an optimised host on loopback and prints what it does: notes a second, latencies, CPU and memory.
#![forbid(unsafe_code)]

mod client;
mod measure;
mod phases;

use clap::Parser;
use end_to_end::{Host, Options};
use measure::Processes;
use phases::{Phase, Plan};
use std::path::PathBuf;
use std::time::Duration;

/// `cargo run --profile optimised --bin bench-load`
#[derive(Parser)]
struct Arguments {
    /// Clients of the open loop; each creates a note a second.
    #[arg(long, default_value_t = 1000)]
    clients: usize,
    /// Seconds of each phase.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Connections of the closed loop.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Only these phases; all of them unless told.
    #[arg(long, value_enum)]
    phase: Vec<Phase>,
    /// A 12-megapixel photograph to upload.
    #[arg(long, default_value = "target/photographs/Dragonfly_by_Bolly.jpg")]
    photograph: PathBuf,
    /// Writes the table into this file, in place of the section of the same name.
    #[arg(long)]
    write: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<(), client::Error> {
    let arguments = Arguments::parse();
    let plan = Plan {
        clients: arguments.clients,
        connections: arguments.connections,
        duration: Duration::from_secs(arguments.seconds),
        photograph: std::fs::read(&arguments.photograph).map_err(|error| {
            format!("{}: {error}; run tests/photographs.sh", arguments.photograph.display())
        })?,
    };
    let mut rows = Vec::new();
    let phases = if arguments.phase.is_empty() { Phase::ALL.to_vec() } else { arguments.phase };
    for phase in phases {
        eprintln!("{}", phase.title(&plan));
        // A host of its own for each phase: none pays for another's data.
        let host = Host::start_with(Options { optimised: true, ..Options::default() }).await;
        phase.warm_up(&host).await?;
        let before = Processes::of(host.pid());
        let mut outcome = phase.run(&host, &plan).await?;
        outcome.add_cost(&before, &Processes::of(host.pid()));
        rows.push((phase.title(&plan), outcome));
    }
    let table = measure::table(&rows);
    println!("{table}");
    if let Some(path) = arguments.write {
        section::write(&path, "Load", &table)?;
    }
    Ok(())
}

//! `cargo run`: the laptop cloud. See `--help`.
#![forbid(unsafe_code)]

use clap::Parser;
use local::cli::{Cli, Command};
use local::{dead_letters, host};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let run = async {
        match cli.command {
            None => host::run(cli.host).await.map(|()| ExitCode::SUCCESS),
            Some(Command::DeadLetters(options)) => Ok(dead_letters::run(options).await),
        }
    };
    runtime.block_on(run).unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::FAILURE
    })
}

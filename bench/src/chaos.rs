//! The long run of chaos: what was lost, what was doubled, and how much went wrong meanwhile.
#![forbid(unsafe_code)]

use chaos::{Outcome, Plan, Progress};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// `cargo run --profile optimised --bin bench-chaos`
#[derive(Parser)]
struct Arguments {
    /// The seed of a run; several for several runs, one after the other.
    #[arg(long = "seed", default_values_t = [1])]
    seeds: Vec<u64>,
    /// The run of the test command instead of the long one.
    #[arg(long)]
    short: bool,
    /// Leaves each run's data below this directory.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Writes the table into this file, in place of the section of the same name.
    #[arg(long)]
    write: Option<PathBuf>,
}

/// The run's writes and uploads, as they are acknowledged.
struct Bar(ProgressBar);

impl Bar {
    fn new(plan: &Plan) -> Self {
        let template = "  {bar:40} {pos}/{len} {elapsed} {msg}";
        let style = ProgressStyle::with_template(template);
        let bar = ProgressBar::new((plan.writes + plan.uploads) as u64);
        bar.enable_steady_tick(Duration::from_secs(1));
        Self(bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())))
    }
}

impl Progress for Bar {
    fn did(&self, writes: usize, uploads: usize) {
        self.0.inc((writes + uploads) as u64);
    }

    fn stage(&self, stage: &str) {
        self.0.set_message(stage.to_owned());
        if self.0.is_hidden() {
            eprintln!("{:6.0} s  {stage}", self.0.elapsed().as_secs_f64());
        }
    }
}

#[tokio::main]
async fn main() -> Result<ExitCode, chaos::Error> {
    let arguments = Arguments::parse();
    let mut outcomes = Vec::new();
    for seed in &arguments.seeds {
        outcomes.push(run(*seed, &arguments).await?);
    }
    let table = chaos::table(&outcomes);
    println!("{table}");
    if let Some(path) = arguments.write {
        section::write(&path, "Chaos", &table)?;
    }
    let hold = outcomes.iter().all(|outcome| outcome.violations.is_empty());
    Ok(if hold { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One run, with what did not hold told at once.
async fn run(seed: u64, arguments: &Arguments) -> Result<Outcome, chaos::Error> {
    let mut plan = if arguments.short { Plan::short(seed) } else { Plan::long(seed) };
    plan.data = arguments.data.as_ref().map(|data| data.join(format!("seed-{seed}")));
    eprintln!("seed {seed}");
    let bar = Arc::new(Bar::new(&plan));
    let outcome = chaos::run(&plan, bar.clone()).await?;
    bar.0.finish_and_clear();
    for violation in &outcome.violations {
        eprintln!("seed {seed}: {violation}");
    }
    Ok(outcome)
}

//! What every operation asks of AWS on a host of its own, and what that comes to in a month.
#![forbid(unsafe_code)]

mod bill;
mod cost;
mod operations;
mod prices;

use bill::Stack;
use clap::Parser;
use end_to_end::{Host, Options, workspace};
use operations::{Operation, Operations};
use std::fmt::Write;
use std::path::PathBuf;

/// `cargo run --profile optimised --bin bench-costs`
#[derive(Parser)]
struct Arguments {
    /// A 12-megapixel photograph to upload.
    #[arg(long, default_value = "target/photographs/Dragonfly_by_Bolly.jpg")]
    photograph: PathBuf,
    /// Measures an unoptimised host: all but Lambda's time is the same.
    #[arg(long)]
    dev: bool,
    /// Writes the tables into this file, in place of the section of the same name.
    #[arg(long)]
    write: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let photograph = std::fs::read(&arguments.photograph)
        .map_err(|error| format!("{}: {error}; run tests/photographs.sh", arguments.photograph.display()))?;
    let stack = Stack::of(&std::fs::read_to_string(workspace().join("template.yaml"))?);
    let options = Options { optimised: !arguments.dev, ..Options::default() };
    let operations = operations::measure(&Host::start_with(options).await, &photograph).await;
    let text = format!("{}\n{}", table(&operations), bill::table(&operations, &stack));
    println!("{text}");
    if let Some(path) = arguments.write {
        section::write(&path, "Costs", &text)?;
    }
    Ok(())
}

/// Every operation, as a Markdown table.
fn table(operations: &Operations) -> String {
    let mut table = String::from(
        "| operation | times a month | DynamoDB requests | RCU | WCU | then, by events: requests | RCU | WCU | \
         S3 | SQS | SES | Lambdas | USD a million | |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    let night =
        Operation { name: "both schedules with nothing to do", monthly: 0.0, cost: operations.empty_day };
    let all = || operations.all.iter().chain([&night]);
    let dearest = operations.all.iter().map(|operation| operation.cost.per_million()).fold(0.0, f64::max);
    for Operation { name, monthly, cost } in all() {
        let (answered, followed) = (cost.answered, cost.followed);
        let counts = [
            *monthly,
            answered.requests,
            answered.read_units,
            answered.write_units,
            followed.requests,
            followed.read_units,
            followed.write_units,
            cost.s3_writes + cost.s3_reads,
            cost.sqs_requests,
            cost.emails,
            cost.invocations,
        ];
        let cells: Vec<String> = counts.iter().map(|count| short(*count)).collect();
        let usd = cost.per_million();
        let bar = "█".repeat((usd / dearest * 20.0).round().min(20.0) as usize);
        // Writing into a String cannot fail.
        let _infallible = writeln!(table, "| {name} | {} | {usd:.2} | {bar} |", cells.join(" | "));
    }
    table
}

/// A count as people write it: no zeros, and two digits behind the point at most.
fn short(count: f64) -> String {
    if count.abs() < 0.005 {
        return String::new();
    }
    let text = format!("{count:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

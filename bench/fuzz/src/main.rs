//! Runs the fuzz targets of the thumbnail crate one after the other, and says how far they came.
//!
//! | module | is |
//! |---|---|
//! | `tool` | `cargo fuzz`, and its installation |
//! | `run` | one target's run, and what libFuzzer says of it |
#![forbid(unsafe_code)]

mod run;
mod tool;

use clap::Parser;
use console::style;
use run::Run;
use std::fmt::Write;
use std::io::{Error, Result};
use std::path::{Path, PathBuf};
use tool::Tool;

/// The targets, which are named as the files are that they begin with.
const TARGETS: [&str; 5] = ["jpg", "png", "webp", "gif", "avif"];

/// `cargo run --bin bench-fuzz`
#[derive(Parser)]
struct Arguments {
    /// Only these targets.
    targets: Vec<String>,
    /// Seconds for each of them.
    #[arg(long, default_value_t = 120)]
    seconds: u64,
    /// Writes the table into this file, in place of the section of the same name.
    #[arg(long)]
    write: Option<PathBuf>,
    /// Where the tool, the instrumented build and the files that were found stay from one run to the next.
    #[arg(long, default_value = "target/fuzz")]
    directory: PathBuf,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(unknown) = arguments.targets.iter().find(|name| !TARGETS.contains(&name.as_str())) {
        return Err(Error::other(format!("{unknown} is none of the targets {TARGETS:?}")));
    }
    let is_meant =
        |name: &&str| arguments.targets.is_empty() || arguments.targets.iter().any(|one| one == name);
    std::fs::create_dir_all(&arguments.directory)?;
    let tool = Tool::install(&arguments.directory.canonicalize()?)?;
    let mut runs = Vec::new();
    for target in TARGETS.into_iter().filter(is_meant) {
        tool.build(target)?;
        let run = Run::of(&tool, target, arguments.seconds)?;
        println!("{}", line(&run));
        runs.push(run);
    }
    if let Some(path) = arguments.write {
        section::write(&path, "Fuzzing", &table(&runs))?;
    }
    finding(&runs).map_or(Ok(()), |path| Err(Error::other(format!("a file breaks it: {}", path.display()))))
}

fn finding(runs: &[Run]) -> Option<&Path> {
    runs.iter().find_map(|run| run.breaks.as_deref())
}

fn line(run: &Run) -> String {
    let verdict = match run.breaks {
        Some(_) => style("broken").red().bold(),
        None => style("holds").green(),
    };
    let Run { target, files, seconds, edges, megabytes, .. } = run;
    format!("{target:>5} {verdict}  {files} files in {seconds} s, {edges} edges, {megabytes} MB at most")
}

fn table(runs: &[Run]) -> String {
    let mut table =
        "| target | files tried | seconds | edges reached | peak MB | |\n|---|---|---|---|---|---|\n"
            .to_owned();
    for Run { target, files, seconds, edges, megabytes, breaks } in runs {
        let verdict = if breaks.is_some() { "**broken**" } else { "holds" };
        let _ = writeln!(table, "| {target} | {files} | {seconds} | {edges} | {megabytes} | {verdict} |");
    }
    table
}

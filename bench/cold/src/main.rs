//! Measures what each function costs from its start to its first answers: instructions, CPU time, memory and size, against
//! the Runtime API and an AWS behind HTTPS that are stubs in this process.
#![forbid(unsafe_code)]

mod answers;
mod aws;
mod build;
mod callgrind;
mod environment;
mod functions;
mod goals;
mod http_server;
mod phases;
mod process;
mod report;
mod runtime_api;
mod table;

use clap::Parser;
use environment::Way;
use functions::Program;
use phases::Phases;
use process::Run;
use report::{Cost, Size};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;

/// The function that has goals, and twins.
const SAVE_NOTE: &str = "save-note";

/// What to do about a gate that is shut.
const WHERE: &str = "A start or a request got dearer. To see by what, add `--dumps target/dumps` here and where it was cheaper,
and compare what `callgrind_annotate --inclusive=yes target/dumps/save-note-https.1` says: .1 is the start, .2 the first
request, .3 ten warm ones. What has to cost more may: the limits are in bench/cold/src/goals.rs.";

/// `cargo run --bin bench-cold`
#[derive(Parser)]
struct Arguments {
    /// Only counts the instructions of save-note as the tests build it, and fails when they are too many.
    #[arg(long, conflicts_with_all = ["functions", "write", "no_twins", "profile", "rounds"])]
    gate: bool,
    /// Only these functions; all of them unless told.
    #[arg(long = "function", value_name = "NAME")]
    functions: Vec<String>,
    /// Leaves the twins in Python and Node out.
    #[arg(long)]
    no_twins: bool,
    /// The Cargo profile of the functions; the default is what is deployed.
    #[arg(long, default_value = compiler::PROFILE)]
    profile: String,
    /// How often CPU time is measured, each program once in every round.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Leaves callgrind's files in this directory, for callgrind_annotate.
    #[arg(long, value_name = "DIR")]
    dumps: Option<PathBuf>,
    /// Writes the tables into this file, in place of the section `Cold starts`.
    #[arg(long, value_name = "PATH")]
    write: Option<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            anstream::eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all figures are as they should be.
async fn run(arguments: &Arguments) -> Result<bool, Error> {
    let workspace = workspace()?;
    let directory = tempfile::tempdir()?;
    let tls = aws::Tls::new(directory.path())?;
    callgrind::is_there().await?;
    let dumps = match &arguments.dumps {
        Some(dumps) => std::fs::create_dir_all(dumps).and_then(|()| std::path::absolute(dumps))?,
        None => directory.path().to_owned(),
    };
    match arguments.gate {
        true => gate(&workspace, &tls, &dumps).await,
        false => measure(arguments, &workspace, &tls, &dumps).await,
    }
}

fn workspace() -> Result<PathBuf, Error> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(package.ancestors().nth(2).ok_or("the package is not in the workspace")?.to_owned())
}

async fn gate(workspace: &Path, tls: &aws::Tls, dumps: &Path) -> Result<bool, Error> {
    let mut executables = build::handlers(workspace, "dev", &[SAVE_NOTE.to_owned()])?;
    let executable = executables.remove(SAVE_NOTE).ok_or("save-note was not built")?;
    let program = handler(workspace, SAVE_NOTE.to_owned(), executable)?;
    let with_tls = callgrind::count(&program, Way::Https(tls), dumps).await?;
    let without = callgrind::count(&program, Way::Http, dumps).await?;
    let verdicts = report::gate(with_tls, without.init);
    verdicts.table().print();
    if !verdicts.hold() {
        anstream::eprintln!("{WHERE}");
    }
    Ok(verdicts.hold())
}

/// Whether the goals are met.
async fn measure(
    arguments: &Arguments,
    workspace: &Path,
    tls: &aws::Tls,
    dumps: &Path,
) -> Result<bool, Error> {
    let functions = match arguments.functions.is_empty() {
        true => functions::names(workspace)?,
        false => arguments.functions.clone(),
    };
    let mut programs: Vec<(Program, Option<Size>)> = programs(workspace, &arguments.profile, &functions)?;
    if !arguments.no_twins {
        programs.push((twin("Python's twin", workspace, build::python_twin(workspace)?)?, None));
        programs.push((twin("Node's twin", workspace, build::node_twin(workspace)?)?, None));
    }
    let mut runs: Vec<Vec<Run>> = programs.iter().map(|_| Vec::new()).collect();
    for round in 1..=arguments.rounds {
        anstream::eprintln!("CPU time, round {round} of {}", arguments.rounds);
        for ((program, _), runs) in programs.iter().zip(&mut runs) {
            runs.push(process::run(program, Way::Https(tls)).await?);
        }
    }
    let mut costs = Vec::new();
    for ((program, size), runs) in programs.into_iter().zip(runs) {
        let instructions = match size {
            Some(_) => Some(callgrind::count(&program, Way::Https(tls), dumps).await?),
            None => None,
        };
        let peak_kilobytes = runs.iter().map(|run| run.peak_kilobytes).max().unwrap_or(0);
        costs.push(Cost { name: program.name, instructions, cpu: medians(&runs), peak_kilobytes, size });
    }
    show(&costs, arguments.write.as_deref())
}

fn show(costs: &[Cost], write: Option<&Path>) -> Result<bool, Error> {
    let named = |name: &str| costs.iter().find(|cost| cost.name == name);
    let save_note = named(SAVE_NOTE).ok_or("without save-note there is nothing to compare with")?;
    let functions = report::functions(costs, save_note);
    let goals = report::goals(save_note, named("Python's twin"), named("Node's twin"));
    functions.print();
    goals.table().print();
    if let Some(path) = write {
        let text = format!("{}\n{}", functions.markdown(), goals.table().markdown());
        section::write(path, "Cold starts", &text)?;
    }
    Ok(goals.hold())
}

/// The functions' programs, and how large they are.
fn programs(
    workspace: &Path,
    profile: &str,
    functions: &[String],
) -> Result<Vec<(Program, Option<Size>)>, Error> {
    let executables = build::handlers(workspace, profile, functions)?;
    let zips = build::zips(workspace, &executables)?;
    let mut programs = Vec::new();
    for (name, executable) in executables {
        let zip = zips.get(&name).copied().unwrap_or_default();
        let size = Size { binary: std::fs::metadata(&executable)?.len(), zip };
        programs.push((handler(workspace, name, executable)?, Some(size)));
    }
    Ok(programs)
}

fn handler(workspace: &Path, name: String, executable: PathBuf) -> Result<Program, Error> {
    let event = functions::event(workspace, &name)?;
    Ok(Program { function: name.clone(), command: vec![executable], event, name })
}

fn twin(name: &str, workspace: &Path, command: Vec<PathBuf>) -> Result<Program, Error> {
    let event = functions::event(workspace, SAVE_NOTE)?;
    Ok(Program { name: name.to_owned(), function: SAVE_NOTE.to_owned(), command, event })
}

fn medians(runs: &[Run]) -> Phases<Duration> {
    let median = |of: fn(&Phases<Duration>) -> Duration| {
        let mut times: Vec<Duration> = runs.iter().map(|run| of(&run.cpu)).collect();
        times.sort();
        times.get(times.len() / 2).copied().unwrap_or_default()
    };
    Phases { init: median(|cpu| cpu.init), first: median(|cpu| cpu.first), warm: median(|cpu| cpu.warm) }
}

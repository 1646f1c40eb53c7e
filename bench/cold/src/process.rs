//! CPU time and memory of a program, as the kernel counts them.

use crate::Error;
use crate::environment::{Environment, Way};
use crate::functions::Program;
use crate::phases::{Phases, WARM};
use std::time::Duration;

/// One run.
pub(crate) struct Run {
    pub(crate) cpu: Phases<Duration>,
    /// The most memory that it had at once.
    pub(crate) peak_kilobytes: u64,
}

pub(crate) async fn run(program: &Program, way: Way<'_>) -> Result<Run, Error> {
    let directory = tempfile::tempdir()?;
    let mut environment = Environment::start(program, &[], way, directory.path()).await?;
    let pid = environment.pid()?;
    environment.is_ready().await?;
    let started = cpu(pid).await?;
    environment.invoke(&program.event).await?;
    let answered = cpu(pid).await?;
    for _ in 0..WARM {
        environment.invoke(&program.event).await?;
    }
    let warm = cpu(pid).await?.saturating_sub(answered) / WARM;
    let cpu = Phases { init: started, first: answered.saturating_sub(started), warm };
    Ok(Run { cpu, peak_kilobytes: peak_kilobytes(pid)? })
}

/// CPU time so far, once the process has come to rest: it asks for an event a moment before it waits for one.
async fn cpu(pid: u32) -> Result<Duration, Error> {
    while runs(pid)? {
        tokio::task::yield_now().await;
    }
    let mut total = Duration::ZERO;
    for thread in threads(pid)? {
        // Nanoseconds on a processor, then two figures that are of no interest.
        let text = std::fs::read_to_string(format!("{thread}/schedstat"))?;
        let nanoseconds = text.split(' ').next().and_then(|text| text.parse().ok());
        total += Duration::from_nanos(nanoseconds.ok_or("the kernel has no statistics of its scheduler")?);
    }
    Ok(total)
}

/// Whether any of its threads is on a processor, or wants to be.
fn runs(pid: u32) -> Result<bool, Error> {
    for thread in threads(pid)? {
        let text = std::fs::read_to_string(format!("{thread}/stat"))?;
        // Behind the name, which may itself hold anything.
        if text.rsplit_once(") ").is_none_or(|(_, fields)| fields.starts_with('R')) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn threads(pid: u32) -> Result<Vec<String>, Error> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"))?;
    tasks.map(|task| Ok(task?.path().to_string_lossy().into_owned())).collect()
}

fn peak_kilobytes(pid: u32) -> Result<u64, Error> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    peak.ok_or_else(|| "the kernel does not tell the peak of memory".into())
}

//! Counts instructions with valgrind's callgrind. Unlike times, counts are the same on a busy machine, and nearly the same
//! in every run: what differs is the seeds of hash maps and the numbers that cryptography draws.

use crate::Error;
use crate::environment::{Environment, Way};
use crate::functions::Program;
use crate::phases::{Phases, WARM};
use std::path::Path;
use tokio::process::Command;

/// # Errors
/// When valgrind is not there.
pub(crate) async fn is_there() -> Result<(), Error> {
    match Command::new("valgrind").arg("--version").output().await {
        Ok(output) if output.status.success() => Ok(()),
        _ => Err("valgrind is not installed: apt-get install valgrind".into()),
    }
}

/// Instructions of each phase, in user space and in all threads. What callgrind writes of each is left in `dumps`.
pub(crate) async fn count(program: &Program, way: Way<'_>, dumps: &Path) -> Result<Phases<u64>, Error> {
    let directory = tempfile::tempdir()?;
    let dumps = dumps.join(format!("{}-{}", program.name, way.name()));
    let pipe = directory.path().join("vgdb");
    let wrapper = [
        "valgrind".to_owned(),
        "--tool=callgrind".to_owned(),
        format!("--callgrind-out-file={}", dumps.display()),
        format!("--vgdb-prefix={}", pipe.display()),
    ];
    let mut environment = Environment::start(program, &wrapper, way, directory.path()).await?;
    let pid = environment.pid()?;
    environment.is_ready().await?;
    dump(pid, &pipe).await?;
    environment.invoke(&program.event).await?;
    dump(pid, &pipe).await?;
    for _ in 0..WARM {
        environment.invoke(&program.event).await?;
    }
    dump(pid, &pipe).await?;
    Ok(Phases {
        init: total(&dumps, 1)?,
        first: total(&dumps, 2)?,
        warm: total(&dumps, 3)? / u64::from(WARM),
    })
}

/// Has the counters written, and set to zero.
async fn dump(pid: u32, pipe: &Path) -> Result<(), Error> {
    let mut vgdb = Command::new("vgdb");
    vgdb.arg(format!("--pid={pid}")).arg(format!("--vgdb-prefix={}", pipe.display())).arg("dump");
    let output = vgdb.output().await.map_err(|error| format!("vgdb: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("vgdb: {}", String::from_utf8_lossy(&output.stderr)).into())
}

/// The sum of a dump.
fn total(dumps: &Path, number: u32) -> Result<u64, Error> {
    let path = dumps.with_extension(number.to_string());
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: ")?.trim().parse().ok());
    total.ok_or_else(|| format!("{} has no totals", path.display()).into())
}

//! A process that makes thumbnails of one file and tells what that took.

use std::fmt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use thumbnail::{Limits, Output};

/// The variable that names the file.
pub(crate) const FILE: &str = "THUMBNAILS_OF";
const SIZES: [u32; 3] = [160, 480, 1280];
/// Kilobytes of address space, so that what is reserved and never touched is bounded too.
const ADDRESSES: u64 = 128 * 1024;

/// What came of a process.
pub(crate) struct Run {
    /// The thumbnails' dimensions, or why there are none; `None` when the process died.
    pub(crate) outcome: Option<Result<String, String>>,
    pub(crate) time: Duration,
    /// Kilobytes at most, with the program itself.
    pub(crate) memory: u64,
}

/// Makes thumbnails of a file in a process of its own.
pub(crate) fn run(file: &Path) -> Run {
    let output = Command::new("sh")
        .args(["-c", &format!("ulimit -v {ADDRESSES} && exec \"$0\"")])
        .arg(std::env::current_exe().unwrap())
        .env(FILE, file)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut lines = said.lines();
    let mut number = || lines.next().and_then(|line| line.parse().ok()).unwrap_or(0);
    let (memory, time) = (number(), Duration::from_nanos(number()));
    let outcome = lines.next().filter(|_| output.status.success()).and_then(|line| {
        let made = line.strip_prefix("made ").map(|made| Ok(made.to_owned()));
        made.or_else(|| line.strip_prefix("refused ").map(|reason| Err(reason.to_owned())))
    });
    if outcome.is_none() {
        eprintln!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Run { outcome, time, memory }
}

/// What that process does.
pub(crate) fn make(file: &Path) {
    let bytes = std::fs::read(file).unwrap();
    let made = thumbnail::make(&bytes, &SIZES, Output::WebP, &Limits::default());
    println!("{}\n{}", peak_memory(), processor_time());
    match made {
        Ok(picture) => {
            let sides = picture.thumbnails.iter().map(|made| format!("{} × {}", made.width, made.height));
            println!("made {}", sides.collect::<Vec<_>>().join(", "));
        }
        Err(refused) => println!("refused {refused}"),
    }
}

/// Kilobytes.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Nanoseconds, of the only thread.
fn processor_time() -> u64 {
    let times = std::fs::read_to_string("/proc/self/schedstat").unwrap();
    times.split(' ').next().unwrap().parse().unwrap()
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = match &self.outcome {
            Some(Ok(made)) => made,
            Some(Err(reason)) => reason,
            None => "died",
        };
        write!(f, "{:.0} ms, {} kB: {outcome}", self.time.as_secs_f64() * 1000.0, self.memory)
    }
}

//! What is counted, and how it is shown.

use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// What a phase did.
#[derive(Default)]
pub(crate) struct Outcome {
    /// Things done: notes created, photographs made ready.
    pub(crate) done: u64,
    pub(crate) errors: u64,
    pub(crate) elapsed: Duration,
    /// From the last acknowledgement until nothing was left to do.
    pub(crate) drain: Duration,
    pub(crate) latencies: Option<Histogram<u64>>,
    host_cpu: Duration,
    handler_cpu: Duration,
    host_peak_megabytes: u64,
    handler_peak_megabytes: u64,
}

impl Outcome {
    /// Adds what the host and its handlers used between two looks.
    pub(crate) fn add_cost(&mut self, before: &Processes, after: &Processes) {
        self.host_cpu = after.host.cpu.saturating_sub(before.host.cpu);
        self.handler_cpu = after.handlers_cpu().saturating_sub(before.handlers_cpu());
        self.host_peak_megabytes = after.host.peak_kilobytes / 1024;
        self.handler_peak_megabytes =
            after.handlers.values().map(|process| process.peak_kilobytes).max().unwrap_or(0) / 1024;
    }
}

/// The host and its children, as `/proc` has them.
pub(crate) struct Processes {
    host: Usage,
    handlers: BTreeMap<u32, Usage>,
}

#[derive(Clone, Copy, Default)]
struct Usage {
    cpu: Duration,
    peak_kilobytes: u64,
}

impl Processes {
    pub(crate) fn of(host: u32) -> Self {
        let mut handlers = BTreeMap::new();
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            if parent(pid) == Some(host) {
                handlers.insert(pid, usage(pid));
            }
        }
        Self { host: usage(host), handlers }
    }

    fn handlers_cpu(&self) -> Duration {
        self.handlers.values().map(|process| process.cpu).sum()
    }
}

/// The fields of `/proc/<pid>/stat` behind the process's name, which may itself hold anything.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(") ")?;
    Some(fields.split(' ').map(ToOwned::to_owned).collect())
}

fn parent(pid: u32) -> Option<u32> {
    stat(pid)?.get(1)?.parse().ok()
}

fn usage(pid: u32) -> Usage {
    // Linux counts these in hundredths of a second.
    let ticks = stat(pid)
        .and_then(|fields| Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?));
    let peak = std::fs::read_to_string(format!("/proc/{pid}/status")).ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("VmHWM:"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    });
    Usage { cpu: Duration::from_millis(ticks.unwrap_or(0) * 10), peak_kilobytes: peak.unwrap_or(0) }
}

/// The figures as a Markdown table.
pub(crate) fn table(rows: &[(String, Outcome)]) -> String {
    let mut table = String::from(
        "| phase | done | errors | per s, accepted | per s, drained | p50 ms | p99 ms | max ms | CPU s per 1,000: \
         host | handlers | peak MB: host | largest handler |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for (title, outcome) in rows {
        let per_second = |time: Duration| outcome.done as f64 / time.as_secs_f64().max(1e-9);
        let quantile = |q: f64| {
            outcome.latencies.as_ref().map_or(0.0, |latencies| latencies.value_at_quantile(q) as f64 / 1e3)
        };
        let per_thousand = |cpu: Duration| cpu.as_secs_f64() * 1e3 / outcome.done.max(1) as f64;
        // Writing into a String cannot fail.
        let _infallible = writeln!(
            table,
            "| {title} | {} | {} | {:.0} | {:.0} | {:.1} | {:.1} | {:.1} | {:.2} | {:.2} | {} | {} |",
            outcome.done,
            outcome.errors,
            per_second(outcome.elapsed),
            per_second(outcome.elapsed + outcome.drain),
            quantile(0.5),
            quantile(0.99),
            quantile(1.0),
            per_thousand(outcome.host_cpu),
            per_thousand(outcome.handler_cpu),
            outcome.host_peak_megabytes,
            outcome.handler_peak_megabytes,
        );
    }
    table
}

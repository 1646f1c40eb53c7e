//! The figures of a run.

use crate::Plan;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// What was done, what went wrong, and what did not hold.
#[derive(Debug, Default)]
pub struct Outcome {
    pub seed: u64,
    /// Acknowledged.
    pub writes: usize,
    pub uploads: usize,
    /// Injected, by service and kind.
    pub faults: BTreeMap<String, u64>,
    pub host_kills: usize,
    pub handler_kills: BTreeMap<String, u64>,
    pub poison: usize,
    /// Parked messages: more than the poison where one was parked twice.
    pub parked: usize,
    pub schedule_runs: u64,
    /// Notifications that must be sent, and that were.
    pub notifications: usize,
    pub sent: usize,
    /// E-mails beyond the first of their job; all of them inside the documented window, or it is a violation.
    pub doubled: usize,
    /// Microseconds between SES's answer and the record of it: median, 99th percentile, longest.
    pub window_us: [u64; 3],
    /// Each in a sentence; none when all held.
    pub violations: Vec<String>,
    pub elapsed: Duration,
}

impl Outcome {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self { seed: plan.seed, ..Self::default() }
    }

    /// The figures as a Markdown table.
    pub fn table(&self) -> String {
        let mut table = String::from("| figure | |\n|---|---|\n");
        let mut row = |name: &str, value: String| {
            // Writing into a String cannot fail.
            let _infallible = writeln!(table, "| {name} | {value} |");
        };
        row("seed", self.seed.to_string());
        row("time", format!("{} s", self.elapsed.as_secs()));
        row("writes acknowledged", self.writes.to_string());
        row("uploads acknowledged", self.uploads.to_string());
        row("runs of schedules", self.schedule_runs.to_string());
        row("host killed", self.host_kills.to_string());
        let kills: u64 = self.handler_kills.values().sum();
        row("handlers killed", format!("{kills} ({})", list(&self.handler_kills)));
        let faults: u64 = self.faults.values().sum();
        row("faults injected", format!("{faults} ({})", list(&self.faults)));
        row("poison put in, and parked", format!("{}, {}", self.poison, self.parked));
        row("notifications due, and sent", format!("{}, {}", self.notifications, self.sent));
        row("**lost** (writes, notifications, pictures, counts)", self.violations.len().to_string());
        row("**doubled** e-mails, all inside the documented window", self.doubled.to_string());
        let [median, p99, longest] = self.window_us.map(|us| format!("{:.1}", us as f64 / 1e3));
        row("that window, ms: p50, p99, max", format!("{median}, {p99}, {longest}"));
        table
    }
}

fn list(counts: &BTreeMap<String, u64>) -> String {
    counts.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
}

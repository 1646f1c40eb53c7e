//! The figures of a run.

use crate::{Plan, faults};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// What was done, what went wrong, and what did not hold.
#[derive(Debug, Default)]
pub struct Outcome {
    pub seed: u64,
    /// Acknowledged.
    pub writes: usize,
    pub uploads: usize,
    /// Injected, by service and kind; every kind is here.
    pub faults: BTreeMap<String, u64>,
    pub host_kills: u64,
    /// By function.
    pub handler_kills: BTreeMap<String, u64>,
    pub poison: usize,
    /// Parked messages: more than the poison where one was parked twice.
    pub parked: usize,
    pub schedule_runs: u64,
    /// Of these, parked after three attempts.
    pub given_up_runs: usize,
    /// Notifications that must be sent, and that were.
    pub notifications: usize,
    pub sent: usize,
    /// E-mails beyond the first of their job, inside the documented window.
    pub doubled_in_window: usize,
    /// Microseconds between SES's answer and the record of it: median, 99th percentile, longest.
    pub window_us: [u64; 3],
    /// None when all held.
    pub violations: Vec<Violation>,
    pub elapsed: Duration,
}

/// A rule that did not hold, in a sentence.
#[derive(Debug, PartialEq, Eq)]
pub struct Violation {
    pub is: Kind,
    pub what: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Something that was acknowledged, or had to follow from it, is not there.
    Lost,
    /// Something was done again.
    Doubled,
    /// Anything else.
    Wrong,
}

impl Violation {
    pub(crate) fn lost(what: String) -> Self {
        Self { is: Kind::Lost, what }
    }

    pub(crate) fn doubled(what: String) -> Self {
        Self { is: Kind::Doubled, what }
    }

    pub(crate) fn wrong(what: String) -> Self {
        Self { is: Kind::Wrong, what }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Outcome {
    pub(crate) fn new(plan: &Plan) -> Self {
        let faults = faults::kinds().into_iter().map(|kind| (kind, 0)).collect();
        Self { seed: plan.seed, faults, ..Self::default() }
    }

    fn count(&self, is: Kind) -> usize {
        self.violations.iter().filter(|violation| violation.is == is).count()
    }

    /// The figures in the order of the table, each with its name.
    fn figures(&self) -> Vec<(String, String)> {
        let mut figures = Vec::new();
        let mut add = |name: &str, value: String| figures.push((name.to_owned(), value));
        add("writes acknowledged", self.writes.to_string());
        add("uploads acknowledged", self.uploads.to_string());
        add("runs of schedules", self.schedule_runs.to_string());
        add("e-mails due", self.notifications.to_string());
        add("e-mails sent", self.sent.to_string());
        for (kind, count) in &self.faults {
            add(kind, count.to_string());
        }
        add("handlers killed", self.handler_kills.values().sum::<u64>().to_string());
        add("host killed", self.host_kills.to_string());
        add("**lost**", self.count(Kind::Lost).to_string());
        add("**doubled**", self.count(Kind::Doubled).to_string());
        add("otherwise wrong", self.count(Kind::Wrong).to_string());
        add("e-mails doubled in the documented window", self.doubled_in_window.to_string());
        let [median, p99, longest] = self.window_us.map(|us| format!("{:.1}", us as f64 / 1e3));
        add("that window, ms: p50 / p99 / max", format!("{median} / {p99} / {longest}"));
        add("runs of schedules parked, and made good by the next", self.given_up_runs.to_string());
        add("poison put in", self.poison.to_string());
        add("parked in all", self.parked.to_string());
        add("minutes", format!("{:.1}", self.elapsed.as_secs_f64() / 60.0));
        figures
    }
}

/// The figures of several runs as a Markdown table with a column for each.
pub fn table(outcomes: &[Outcome]) -> String {
    let columns: Vec<_> = outcomes.iter().map(Outcome::figures).collect();
    let row = |name: &str, cells: Vec<String>| format!("| {name} | {} |\n", cells.join(" | "));
    let mut table = row("", outcomes.iter().map(|outcome| format!("seed {}", outcome.seed)).collect());
    table += &format!("|---|{}\n", "--:|".repeat(outcomes.len()));
    for (at, (name, _)) in columns.first().into_iter().flatten().enumerate() {
        table += &row(name, columns.iter().map(|column| column[at].1.clone()).collect());
    }
    table
}

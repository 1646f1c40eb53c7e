//! The lines in which invocations tell what they asked of AWS.

use end_to_end::Host;
use serde_json::Value;
use shared::usage::Usage;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long a line may take from a handler's output into the host's log.
const LATE: Duration = Duration::from_secs(10);

/// One invocation.
#[derive(Clone)]
pub struct Invocation {
    pub function: String,
    /// Whether somebody waited for its answer.
    pub is_request: bool,
    pub milliseconds: f64,
    pub usage: Usage,
}

/// What was logged since the last look.
#[derive(Default)]
pub struct Logged {
    pub invocations: Vec<Invocation>,
    /// Of all lines, by function.
    pub bytes: BTreeMap<String, usize>,
}

impl Logged {
    /// The part of some functions.
    pub fn of(&self, functions: &[&str]) -> Self {
        let is_one = |function: &str| functions.contains(&function);
        let invocations = self.invocations.iter().filter(|invocation| is_one(&invocation.function));
        let bytes = self.bytes.iter().filter(|(function, _)| is_one(function));
        Self {
            invocations: invocations.cloned().collect(),
            bytes: bytes.map(|(function, bytes)| (function.clone(), *bytes)).collect(),
        }
    }
}

/// Reads the host's logs, each line once. The host hands out the last 500 lines of a function: look before more are new.
#[derive(Default)]
pub struct Reader {
    /// The function to read of; `None` for all.
    only: Option<&'static str>,
    seen: BTreeMap<String, Seen>,
}

#[derive(Default)]
struct Seen {
    last: Option<String>,
    invocations: u64,
}

impl Reader {
    /// One that reads of one function, and leaves the others' lines alone.
    pub fn of(function: &'static str) -> Self {
        Self { only: Some(function), ..Self::default() }
    }

    /// Waits until nothing is left to do and every invocation has told what it did; returns what is new.
    pub async fn read(&mut self, host: &Host) -> Logged {
        host.api.idle().await;
        let mut logged = Logged::default();
        for function in host.api.get("/_local/functions").await.expect(200).as_array().into_iter().flatten() {
            let name = function["name"].as_str().unwrap_or_default();
            if self.only.is_some_and(|only| only != name) {
                continue;
            }
            let ended = function["invocations"].as_u64().unwrap_or_default();
            let seen = self.seen.entry(name.to_owned()).or_default();
            let since = Instant::now();
            while seen.invocations < ended {
                assert!(
                    since.elapsed() < LATE,
                    "{name} ended {ended} invocations and told of {}",
                    seen.invocations
                );
                seen.read(host, name, &mut logged).await;
            }
        }
        logged
    }
}

impl Seen {
    async fn read(&mut self, host: &Host, function: &str, logged: &mut Logged) {
        let lines = host.api.get(&format!("/_local/functions/{function}/logs")).await.expect(200);
        let lines: Vec<&str> = lines.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let old = lines.iter().rposition(|line| Some(*line) == self.last.as_deref());
        assert!(
            old.is_some() || self.last.is_none(),
            "{function} logged more than the host hands out at once"
        );
        for line in lines.iter().skip(old.map_or(0, |old| old + 1)) {
            *logged.bytes.entry(function.to_owned()).or_default() += line.len();
            if let Some(invocation) = invocation(function, line) {
                logged.invocations.push(invocation);
                self.invocations += 1;
            }
        }
        self.last = lines.last().map(|line| (*line).to_owned()).or(self.last.take());
    }
}

/// The invocation that a line tells of, if it does.
fn invocation(function: &str, line: &str) -> Option<Invocation> {
    let line: Value = serde_json::from_str(line).ok()?;
    let is_request = line["message"] == "request";
    if !is_request && line["message"] != "invocation" {
        return None;
    }
    let milliseconds = line["duration_ms"].as_f64()?;
    let usage = serde_json::from_value(line).ok()?;
    Some(Invocation { function: function.to_owned(), is_request, milliseconds, usage })
}

//! Lambda itself: the Runtime API, a pool of execution environments for each function, and the one way to invoke them.

mod environment;
mod extensions;
mod job;
mod logs;
mod memory;
mod pool;
mod process;
mod runtime_api;
mod statistics;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use statistics::{EnvironmentCounts, FunctionStatus};

use crate::app;
use bytes::Bytes;
use job::{Job, Meter, Work};
use logs::Log;
use pool::Pool;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::broadcast;

/// The largest event, and the largest response, that Lambda takes (6 MB and room for the envelope).
pub const PAYLOAD_LIMIT: usize = 6 * 1024 * 1024 + 100;

/// Invocations that one environment may work on at a time here; on Lambda it is 1,600.
pub const MOST_CONCURRENCY: usize = 64;

/// Who asks for an invocation; shown in the event log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    Http,
    Stream,
    Queue,
    Schedule,
    Asynchronous,
}

/// How one invocation ended, in the terms that event sources decide by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The function's response, as it wrote it (not necessarily JSON).
    Response(Bytes),
    /// The function reported an error, panicked, crashed, ran out of time or answered too much.
    FunctionError(FunctionError),
    /// No environment could take it: concurrency is used up, or the function does not start. Worth another try.
    Throttled,
}

/// A failed invocation, in Lambda's own words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FunctionError {
    #[serde(rename = "errorType")]
    pub error_type: String,
    #[serde(rename = "errorMessage")]
    pub message: String,
}

impl FunctionError {
    fn new(error_type: &str, message: impl Into<String>) -> Self {
        Self { error_type: error_type.to_owned(), message: message.into() }
    }
}

/// One finished invocation, as the event log and the page show it.
#[derive(Clone, Debug, Serialize)]
pub struct Invocation {
    pub at: chrono::DateTime<chrono::Utc>,
    pub function: String,
    pub source: Source,
    pub batch_size: usize,
    /// `ok`, `error`, `timeout` or `throttled`, and for partial batches `partial`.
    pub result: String,
    #[serde(rename = "duration_ms", serialize_with = "as_millis")]
    pub duration: Duration,
    pub request_id: String,
    pub cold_start: bool,
}

fn as_millis<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((duration.as_secs_f64() * 1e6).round() / 1e3)
}

/// The host's own variables for a function.
pub type Variables = Arc<dyn Fn(&app::Function) -> BTreeMap<String, String> + Send + Sync>;

/// How functions are run.
#[derive(Clone)]
pub struct Options {
    pub clock: emulator::Clock,
    pub region: String,
    /// At most so many environments of each function.
    pub max_environments: usize,
    /// Invocations that one environment works on at a time, as on Lambda Managed Instances; 1 as everywhere else.
    pub concurrency: usize,
    /// Variables on top of the template's: the endpoint, credentials.
    pub environment: Variables,
    /// The directory for what handlers print: one file for each function, bounded in size.
    pub log: PathBuf,
    /// Of the jitter in start delays.
    pub seed: u64,
}

/// What is bounded, and by how much.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Invocations of one function that may wait for an environment.
    queue: usize,
    /// How long each may wait.
    wait: Duration,
    /// How long an environment may take to ask for its first event, the first time.
    init: Duration,
    /// How long an environment is kept without work.
    idle: Duration,
    /// How long running invocations may go on at shutdown.
    drain: Duration,
    /// Environments of one function that may be starting at the same time: more than there are cores only makes
    /// every one of them later.
    starts: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            queue: 10_000,
            wait: Duration::from_secs(30),
            init: Duration::from_secs(10),
            idle: Duration::from_secs(5 * 60),
            drain: Duration::from_secs(10),
            starts: std::thread::available_parallelism().map_or(2, usize::from),
        }
    }
}

/// What all pools share.
struct Shared {
    options: Options,
    limits: Limits,
    work: Arc<Work>,
    events: broadcast::Sender<Invocation>,
}

/// The functions of one application. Clones share the environments.
#[derive(Clone)]
pub struct Lambda(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    pools: HashMap<String, Arc<Pool>>,
}

impl Lambda {
    /// Gets `functions` (each with its executable) ready to be started on demand. Call it inside a Tokio runtime.
    pub fn new(functions: Vec<(app::Function, PathBuf)>, options: Options) -> Self {
        Self::with_limits(functions, options, Limits::default())
    }

    fn with_limits(functions: Vec<(app::Function, PathBuf)>, options: Options, limits: Limits) -> Self {
        let (events, _) = broadcast::channel(4096);
        let shared = Arc::new(Shared { options, limits, work: Arc::default(), events });
        let pool = |(function, executable): (app::Function, PathBuf)| {
            let log = Log::new(&shared.options.log, &function.name);
            let meter = Meter::new(&function, shared.work.clone(), shared.events.clone());
            (function.name.clone(), Pool::new(function, executable, shared.clone(), meter, log))
        };
        let pools = functions.into_iter().map(pool).collect();
        let inner = Arc::new(Inner { shared, pools });
        tokio::spawn(sweep(Arc::downgrade(&inner)));
        Self(inner)
    }

    /// Runs `function` on `payload` once. Waits for a free environment within bounds, starts one if that helps.
    /// Dropping the future does not stop the invocation.
    pub async fn invoke(&self, function: &str, payload: Bytes, source: Source, batch_size: usize) -> Outcome {
        let Some(pool) = self.0.pools.get(function) else {
            let message = format!("Function not found: {function}");
            return Outcome::FunctionError(FunctionError::new("ResourceNotFoundException", message));
        };
        if payload.len() > PAYLOAD_LIMIT {
            let message = format!("{} byte payload is too large for the Invoke operation", payload.len());
            return Outcome::FunctionError(FunctionError::new("RequestEntityTooLargeException", message));
        }
        let (job, outcome) = Job::new(pool.meter.clone(), payload, source, batch_size, self.now());
        pool.submit(job);
        // A job that is dropped without an outcome never ran.
        outcome.await.unwrap_or(Outcome::Throttled)
    }

    fn now(&self) -> chrono::DateTime<chrono::Utc> {
        self.0.shared.options.clock.now()
    }

    /// Starts environments until `function` has `count` of them (within its maximum), and returns when they are ready.
    pub async fn warm(&self, function: &str, count: usize) {
        if let Some(pool) = self.0.pools.get(function) {
            pool.warm(count).await;
        }
    }

    /// Invocations that wait or run.
    pub fn active(&self) -> usize {
        self.0.shared.work.active()
    }

    /// Invocations begun since the start.
    pub fn begun(&self) -> u64 {
        self.0.shared.work.begun()
    }

    /// Every invocation from now on, as it ends. A slow reader misses the oldest.
    pub fn events(&self) -> broadcast::Receiver<Invocation> {
        self.0.shared.events.subscribe()
    }

    /// What each function has done and has, by name.
    pub fn status(&self) -> Vec<FunctionStatus> {
        let mut all: Vec<_> = self.0.pools.values().map(|pool| pool.status()).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// The last lines that `function` printed, oldest first.
    pub fn logs(&self, function: &str, last: usize) -> Vec<String> {
        self.0.pools.get(function).map(|pool| pool.log.tail(last)).unwrap_or_default()
    }

    /// Takes no more work, lets what runs end (within bounds), then ends every process.
    pub async fn shutdown(&self) {
        self.0.pools.values().for_each(|pool| pool.close());
        let limit = self.0.shared.limits.drain;
        if tokio::time::timeout(limit, self.0.shared.work.until_none()).await.is_err() {
            tracing::warn!(active = self.active(), "invocations did not end in time and are cut off");
        }
        self.0.pools.values().for_each(|pool| pool.end_all());
        for pool in self.0.pools.values() {
            // Every environment bounds its own end; this bound is for what nobody thought of.
            let _ = tokio::time::timeout(Duration::from_secs(10), pool.until_empty()).await;
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        for pool in self.pools.values() {
            pool.close();
            pool.end_all();
        }
    }
}

/// Once a second: expires what waited too long and ends environments that nobody needed for a while.
async fn sweep(lambda: Weak<Inner>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    loop {
        ticks.tick().await;
        let Some(lambda) = lambda.upgrade() else { return };
        lambda.pools.values().for_each(|pool| pool.sweep());
    }
}

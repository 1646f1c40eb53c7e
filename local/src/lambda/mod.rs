//! Lambda itself: the Runtime API, a pool of execution environments for each function, and the one way to invoke them.

use bytes::Bytes;
use serde::Serialize;
use std::time::Duration;

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

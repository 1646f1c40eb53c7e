//! One invocation from the moment it is asked for until its outcome is told, and what is counted about it.

use super::statistics::Statistics;
use super::{FunctionError, Invocation, Outcome, Source};
use crate::app;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, broadcast, oneshot};
use tokio::time::Instant;

/// Locks `mutex`. A panic while it was held would be a bug of ours that the next user cannot mend by panicking too.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts invocations that wait or run.
#[derive(Default)]
pub(super) struct Work {
    active: AtomicUsize,
    begun: AtomicU64,
    none: Notify,
}

impl Work {
    pub(super) fn active(&self) -> usize {
        self.active.load(Ordering::SeqCst)
    }

    pub(super) fn begun(&self) -> u64 {
        self.begun.load(Ordering::SeqCst)
    }

    pub(super) async fn until_none(&self) {
        loop {
            let mut none = std::pin::pin!(self.none.notified());
            // Listen before looking, so that the end between the two is not missed.
            none.as_mut().enable();
            if self.active() == 0 {
                return;
            }
            none.await;
        }
    }
}

/// Holds one count of `Work`.
struct Counted(Arc<Work>);

impl Counted {
    fn new(work: &Arc<Work>) -> Self {
        work.active.fetch_add(1, Ordering::SeqCst);
        work.begun.fetch_add(1, Ordering::SeqCst);
        Self(work.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if self.0.active.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.none.notify_waiters();
        }
    }
}

/// Where the end of a function's invocations is counted and announced.
pub(super) struct Meter {
    function: String,
    work: Arc<Work>,
    events: broadcast::Sender<Invocation>,
    statistics: Mutex<Statistics>,
}

impl Meter {
    pub(super) fn new(
        function: &app::Function,
        work: Arc<Work>,
        events: broadcast::Sender<Invocation>,
    ) -> Arc<Self> {
        let statistics = Mutex::new(Statistics::new(function.timeout));
        Arc::new(Self { function: function.name.clone(), work, events, statistics })
    }

    pub(super) fn statistics(&self) -> MutexGuard<'_, Statistics> {
        lock(&self.statistics)
    }
}

/// The environment's part in an invocation: since when it runs, and whether it is the environment's first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) started: Instant,
    pub(super) cold: bool,
}

/// How an invocation is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Ok,
    Partial,
    Error,
    Timeout,
    Throttled,
}

impl Verdict {
    fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Partial => "partial",
            Self::Error => "error",
            Self::Timeout => "timeout",
            Self::Throttled => "throttled",
        }
    }
}

/// An invocation that has no outcome yet.
pub(super) struct Job {
    pub(super) request_id: String,
    pub(super) payload: Bytes,
    /// When it was asked for, to bound the wait.
    pub(super) asked: Instant,
    at: DateTime<Utc>,
    source: Source,
    batch_size: usize,
    reply: oneshot::Sender<Outcome>,
    meter: Arc<Meter>,
    // Released last, after the outcome is told: whoever waits for "nothing active" may rely on it.
    _counted: Counted,
}

impl Job {
    pub(super) fn new(
        meter: Arc<Meter>,
        payload: Bytes,
        source: Source,
        batch_size: usize,
        at: DateTime<Utc>,
    ) -> (Self, oneshot::Receiver<Outcome>) {
        let (reply, outcome) = oneshot::channel();
        let job = Self {
            request_id: uuid::Uuid::new_v4().to_string(),
            payload,
            asked: Instant::now(),
            at,
            source,
            batch_size,
            reply,
            _counted: Counted::new(&meter.work),
            meter,
        };
        (job, outcome)
    }

    /// Whether nobody waits for the outcome any more.
    pub(super) fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    /// Ends without having run.
    pub(super) fn throttle(self) {
        self.finish(Outcome::Throttled, Verdict::Throttled, None);
    }

    /// Ends with what the function answered.
    pub(super) fn respond(self, response: Bytes, run: Run) {
        let verdict = if self.is_batch() && has_failures(&response) { Verdict::Partial } else { Verdict::Ok };
        self.finish(Outcome::Response(response), verdict, Some(run));
    }

    /// Ends with an error; `run` is `None` when the environment failed before it could take the job.
    pub(super) fn fail(self, error: FunctionError, run: Option<Run>) {
        self.finish(Outcome::FunctionError(error), Verdict::Error, run);
    }

    /// Ends with the error of a timeout.
    pub(super) fn time_out(self, error: FunctionError, run: Run) {
        self.finish(Outcome::FunctionError(error), Verdict::Timeout, Some(run));
    }

    fn is_batch(&self) -> bool {
        matches!(self.source, Source::Stream | Source::Queue)
    }

    fn finish(self, outcome: Outcome, verdict: Verdict, run: Option<Run>) {
        let duration = run.map(|run| run.started.elapsed()).unwrap_or_default();
        let cold_start = run.is_some_and(|run| run.cold);
        self.meter.statistics().record(verdict, duration, cold_start);
        if self.meter.events.receiver_count() > 0 {
            let event = Invocation {
                at: self.at,
                function: self.meter.function.clone(),
                source: self.source,
                batch_size: self.batch_size,
                result: verdict.label().to_owned(),
                duration,
                request_id: self.request_id,
                cold_start,
            };
            // Every reader may have left since it was counted.
            let _ = self.meter.events.send(event);
        }
        // The caller may have gone away; the invocation ran all the same.
        let _ = self.reply.send(outcome);
    }
}

/// Whether a batch response names failed items. What to make of them is for the event source to decide.
fn has_failures(response: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Partial {
        #[serde(rename = "batchItemFailures", default)]
        failures: Option<Vec<serde::de::IgnoredAny>>,
    }
    // A list would be taken for an object's fields in order.
    response.trim_ascii_start().starts_with(b"{")
        && serde_json::from_slice::<Partial>(response)
            .is_ok_and(|partial| partial.failures.is_some_and(|failures| !failures.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_list_that_names_items_makes_a_batch_partial() {
        assert!(has_failures(br#"{"batchItemFailures":[{"itemIdentifier":"1"}]}"#));
        for whole in
            ["{\"batchItemFailures\":[]}", "{\"batchItemFailures\":null}", "null", "{}", "", "oops", "[[1]]"]
        {
            assert!(!has_failures(whole.as_bytes()), "{whole}");
        }
    }
}

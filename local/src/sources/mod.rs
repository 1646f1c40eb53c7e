//! Event sources: streams, queues, buckets, asynchronous invocations and schedules, with the semantics that AWS documents.
//!
//! The rules are pure and stand alone: `lanes` (stream batches), `gathered` (queue batches), `responses` (partial batch
//! responses), `filters`, `cron`, `expression`. Around them `shard`, `queues`, `bucket_calls`, `asynchronous` and
//! `schedules` do the reading, waiting and writing, against the traits of `endpoint` and `invoke`.

mod activity;
mod asynchronous;
mod aws;
mod bucket_calls;
mod cron;
mod endpoint;
pub(crate) mod expression;
mod failures;
pub(crate) mod filters;
mod gathered;
mod invoke;
mod lanes;
mod queue_event;
mod queues;
mod record;
mod responses;
mod schedule_input;
mod schedules;
mod shard;
mod start;
mod streams;

#[cfg(test)]
mod emulator_tests;
#[cfg(test)]
mod environments_tests;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod testing;

pub use activity::SourceStatus;
pub use asynchronous::AcceptError;
pub use aws::{SdkQueues, SdkStreams};
pub use cron::CronError;
pub use endpoint::{
    EndpointError, Message, MessageAttribute, Page, Pending, Position, QueueClient, Shard, StreamReader,
};
pub use expression::ExpressionError;
pub use filters::FilterError;
pub use invoke::Invoke;
pub use schedules::ScheduleStatus;

use crate::app::App;
use crate::lambda::Source;
use crate::state::{State, StateError};
use activity::{Activity, lock};
use asynchronous::Asynchronous;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use emulator::Clock;
use schedules::Runner;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What sources work with.
#[derive(Clone)]
pub struct Context {
    pub invoke: Arc<dyn Invoke>,
    pub streams: Arc<dyn StreamReader>,
    pub queues: Arc<dyn QueueClient>,
    /// URLs by queue name.
    pub queue_urls: BTreeMap<String, String>,
    /// ARNs of streams by table name.
    pub stream_arns: BTreeMap<String, String>,
    pub clock: Clock,
    pub state: State,
    /// Tells when there may be something new, if the endpoint can say so; otherwise sources poll.
    pub hints: Option<Arc<dyn Hints>>,
    /// What may go wrong within a source itself on purpose.
    pub mishaps: Option<Arc<dyn Mishaps>>,
    /// Where all jitter comes from.
    pub seed: u64,
}

/// Says when a source has reason to look. A hint too many is harmless; where none is given, sources poll.
pub trait Hints: Send + Sync {
    /// Changes with every new stream record.
    fn records(&self) -> Option<watch::Receiver<u64>>;
    /// Changes when a message of the queue may have become visible.
    fn messages(&self, queue: &str) -> Option<watch::Receiver<u64>>;
}

/// Says when a source is to have a mishap that AWS's own may have.
pub trait Mishaps: Send + Sync {
    /// Whether the checkpoint of what was just settled of this table's stream is lost.
    fn loses_checkpoint(&self, table: &str) -> bool;
}

impl Mishaps for emulator::Emulator {
    fn loses_checkpoint(&self, table: &str) -> bool {
        Self::loses_checkpoint(self, table)
    }
}

impl Hints for emulator::Emulator {
    fn records(&self) -> Option<watch::Receiver<u64>> {
        Some(self.new_records())
    }

    fn messages(&self, queue: &str) -> Option<watch::Receiver<u64>> {
        self.arrivals(queue)
    }
}

/// Why sources cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("{id}: {error}")]
    Filter { id: String, error: FilterError },
    #[error("{id}: {error}")]
    Expression { id: String, error: ExpressionError },
    #[error("{id}: there is no function {function:?}")]
    UnknownFunction { id: String, function: String },
    #[error("{id}: the endpoint has no queue {queue:?}")]
    UnknownQueue { id: String, queue: String },
    #[error("{id}: the table {table:?} has no stream")]
    NoStream { id: String, table: String },
    #[error("{id}: failures can only be sent to an SQS queue, not to {arn:?}")]
    Destination { id: String, arn: String },
    #[error(transparent)]
    State(#[from] StateError),
}

/// `Invoke` from outside.
impl emulator::lambda::Functions for Sources {
    fn accept(&self, function: &str, event: &Bytes) -> Result<(), emulator::lambda::Refused> {
        let accepted = self.invoke_asynchronously(function, event, Source::Asynchronous);
        accepted.map(drop).map_err(|error| {
            let (status, code) = error.status_and_code();
            emulator::lambda::Refused { status, code, message: error.to_string() }
        })
    }
}

/// All running sources of an application.
pub struct Sources {
    streams: Vec<Arc<streams::Mapping>>,
    queues: Vec<Arc<queues::Mapping>>,
    buckets: Vec<Arc<bucket_calls::Passing>>,
    schedules: Vec<Arc<Runner>>,
    asynchronous: Arc<Asynchronous>,
    activity: Arc<Activity>,
    stop: watch::Sender<bool>,
    tasks: Mutex<JoinSet<()>>,
}

impl Sources {
    /// Starts every source that the template has. Call inside a Tokio runtime.
    pub fn start(app: &App, context: Context) -> Result<Self, SourceError> {
        start::start(app, &context)
    }

    /// How each stream and queue mapping and the asynchronous invocations are doing.
    pub fn status(&self) -> Vec<SourceStatus> {
        let streams = self.streams.iter().map(|mapping| mapping.meter.status());
        let queues = self.queues.iter().map(|mapping| mapping.meter.status());
        let buckets = self.buckets.iter().map(|passing| passing.meter.status());
        streams.chain(queues).chain(buckets).chain([self.asynchronous.meter.status()]).collect()
    }

    /// Whether nothing is in flight and nothing is queued that could run now. Asks every endpoint: a read of each shard gives
    /// nothing, no queue has a visible message. What waits for a later time (see `next_due`) does not count; what the
    /// caller itself has in flight (HTTP requests) it has to ask elsewhere.
    pub async fn idle(&self) -> bool {
        if self.activity.is_busy() {
            return false;
        }
        // While this is held no source takes anything, so that nothing is between an endpoint and our counting.
        let _hold = self.activity.hold().await;
        let before = self.activity.turns();
        let local = || {
            !self.activity.is_busy()
                // Schedules first: a run leaves them only after it has been accepted as an invocation.
                && self.schedules.iter().all(|schedule| schedule.idle())
                && self.asynchronous.idle()
        };
        if !local() {
            return false;
        }
        // Twice: what the endpoint itself moved meanwhile to a place already seen, the second look finds.
        if !(self.endpoints_idle().await && self.endpoints_idle().await) {
            return false;
        }
        // Retries and schedules need no endpoint to begin: had one begun meanwhile, it could have written anything.
        local() && self.activity.turns() == before
    }

    async fn endpoints_idle(&self) -> bool {
        for mapping in &self.streams {
            if !mapping.idle().await {
                return false;
            }
        }
        for mapping in &self.queues {
            if !mapping.idle().await {
                return false;
            }
        }
        for passing in &self.buckets {
            if !passing.idle().await {
                return false;
            }
        }
        true
    }

    /// The earliest moment on the clock at which something that waits now becomes runnable: retries of asynchronous
    /// invocations and of stream batches, and batches whose window is open. Delays inside queues are the endpoint's to know.
    pub fn next_due(&self) -> Option<DateTime<Utc>> {
        let statuses = self.status();
        statuses.into_iter().filter_map(|status| status.next_due).min()
    }

    /// All schedules in the template's order.
    pub fn schedules(&self) -> Vec<ScheduleStatus> {
        self.schedules.iter().map(|schedule| schedule.status()).collect()
    }

    /// Runs a schedule now, enabled or not, the way a due run goes; its scheduled time is the present. Gives the execution
    /// id; `None` when there is no such schedule or the host is stopping.
    pub async fn run_schedule(&self, name: &str) -> Option<String> {
        let schedule = self.schedules.iter().find(|schedule| schedule.name() == name)?;
        schedule.run_now(self.stop.subscribe()).await
    }

    /// Accepts an asynchronous invocation: kept before this returns, run afterwards. Gives the request id.
    pub fn invoke_asynchronously(
        &self,
        function: &str,
        payload: &Bytes,
        source: Source,
    ) -> Result<String, AcceptError> {
        self.asynchronous.accept(function, payload, source)
    }

    /// Takes no new work and returns when everything in flight has ended and its checkpoint is written.
    pub async fn shutdown(&self) {
        self.stop.send_replace(true);
        let mut tasks = std::mem::take(&mut *lock(&self.tasks));
        while tasks.join_next().await.is_some() {}
    }
}

#[cfg(test)]
#[path = "sources_tests.rs"]
mod tests;

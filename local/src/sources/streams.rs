//! DynamoDB Streams event source mappings: finds the shards of a stream, parents before children, and runs one reader for
//! each. What to do with the records is decided in `lanes.rs`, what is read and written in `shard.rs`.

use super::activity::{Activity, Alarm, Meter, lock};
use super::endpoint::{EndpointError, Position, Shard, StreamReader};
use super::failures::Destination;
use super::filters::Filters;
use super::invoke::Invoke;
use super::lanes::Settings;
use super::{Mishaps, shard};
use crate::app::{StartingPosition, StreamSource};
use crate::backoff::seed_for;
use crate::state::{State, StateError};
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use emulator::Clock;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Records leave a DynamoDB stream after a day.
const STREAM_RETENTION: TimeDelta = TimeDelta::hours(24);
/// The kind under which checkpoints are kept in the host's state.
const CHECKPOINTS: &str = "stream-checkpoint";
/// The kind under which is kept when a mapping first ran.
const BEGINNINGS: &str = "stream-beginning";
/// How often the shards are listed when nothing asks for it sooner.
const SHARDS_REFRESH: TimeDelta = TimeDelta::seconds(30);

/// How far a shard is done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Checkpoint {
    /// The last record up to which everything is settled.
    pub(super) sequence: Option<String>,
    /// The shard was closed and is settled to its end.
    pub(super) finished: bool,
}

/// Where a shard begins that has no checkpoint.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    pub(super) position: StartingPosition,
    /// When the mapping began at `LATEST`, to the second as records tell it: older ones are not wanted.
    pub(super) since: Option<DateTime<Utc>>,
}

/// What others may know of a running shard.
#[derive(Clone, Debug, Default)]
pub(super) struct ShardView {
    /// Where the next read will be; `None` while there is no iterator.
    pub(super) iterator: Option<String>,
    /// Records read and not settled.
    pub(super) held: usize,
    /// Invocations under way.
    pub(super) running: usize,
    /// When something held is to run next.
    pub(super) due: Option<DateTime<Utc>>,
    /// The shard has been read to its end.
    pub(super) closed: bool,
    /// And everything in it is settled.
    pub(super) finished: bool,
}

/// One event source mapping and everything it works with.
pub(super) struct Mapping {
    pub(super) id: String,
    pub(super) function: String,
    pub(super) function_arn: String,
    pub(super) stream: String,
    pub(super) table: String,
    pub(super) starting: StartingPosition,
    pub(super) settings: Settings,
    pub(super) report: bool,
    pub(super) filters: Filters,
    pub(super) destination: Option<Destination>,
    pub(super) seed: u64,

    pub(super) reader: Arc<dyn StreamReader>,
    pub(super) invoke: Arc<dyn Invoke>,
    pub(super) clock: Clock,
    pub(super) state: State,
    pub(super) changes: Option<watch::Receiver<u64>>,
    pub(super) mishaps: Option<Arc<dyn Mishaps>>,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) activity: Arc<Activity>,
    pub(super) meter: Meter,
    /// By shard id; empty until the shards have been listed.
    pub(super) shards: Mutex<BTreeMap<String, ShardView>>,
}

/// The settings of a mapping that decisions depend on.
pub(super) fn settings(source: &StreamSource) -> Settings {
    let delta = |duration| TimeDelta::from_std(duration).unwrap_or(STREAM_RETENTION);
    Settings {
        batch_size: usize::try_from(source.batch_size).unwrap_or(1).clamp(1, 10_000),
        window: delta(source.window),
        maximum_retry_attempts: source.maximum_retry_attempts,
        maximum_record_age: source.maximum_record_age.map_or(STREAM_RETENTION, delta),
        bisect: source.bisect_on_error,
        lanes: usize::try_from(source.parallelization_factor).unwrap_or(1).clamp(1, 10),
    }
}

impl Mapping {
    pub(super) fn alarm(&self) -> Alarm {
        Alarm::new(self.clock.clone(), self.changes.clone(), self.stop.clone())
    }

    pub(super) fn seed_of(&self, shard: &str) -> u64 {
        seed_for(self.seed, shard)
    }

    fn key(&self, shard: &str) -> String {
        // The stream's ARN too: a table that was made anew has another stream, whose numbers start again.
        format!("{} {} {shard}", self.id, self.stream)
    }

    pub(super) fn checkpoint(&self, shard: &str) -> Result<Option<Checkpoint>, StateError> {
        self.state.get(CHECKPOINTS, &self.key(shard))
    }

    pub(super) fn save(&self, shard: &str, checkpoint: &Checkpoint) -> Result<(), StateError> {
        self.state.put(CHECKPOINTS, &self.key(shard), checkpoint)
    }

    pub(super) fn loses_checkpoint(&self) -> bool {
        self.mishaps.as_ref().is_some_and(|mishaps| mishaps.loses_checkpoint(&self.table))
    }

    pub(super) fn show(&self, shard: &str, view: ShardView) {
        let mut shards = lock(&self.shards);
        shards.insert(shard.to_owned(), view);
        let held = shards.values().map(|view| view.held).sum();
        let due = shards.values().filter(|view| view.held > 0).filter_map(|view| view.due).min();
        drop(shards);
        self.meter.holds(held, due);
    }

    /// Runs until told to stop; every batch under way ends and is checkpointed before this returns.
    pub(super) async fn run(self: Arc<Self>) {
        let mut readers: JoinSet<String> = JoinSet::new();
        let mut reading = HashSet::new();
        let mut start = None;
        let mut alarm = self.alarm();
        while !alarm.stopping() {
            alarm.look();
            match self.due_shards(&mut start).await {
                Ok((shards, start)) => {
                    for shard in shards.into_iter().filter(|shard| reading.insert(shard.clone())) {
                        readers.spawn(shard::run(self.clone(), shard, start));
                    }
                }
                Err(error) => self.meter.troubled(&error.to_string()),
            }
            // A stream may get its first shard with its first record: until then every sign of life is worth a look.
            let eager = lock(&self.shards).is_empty();
            let next = self.clock.now() + SHARDS_REFRESH;
            tokio::select! {
                () = self.clock.sleep_until(next), if !eager => {}
                () = alarm.quiet(None), if eager => {}
                Some(_) = readers.join_next() => {}
                () = stopped(self.stop.clone()) => {}
            }
        }
        while readers.join_next().await.is_some() {}
    }

    /// The shards that may be read (not finished, and their parents finished or gone), and where they begin. `known` is
    /// where the next ones will.
    async fn due_shards(&self, known: &mut Option<Start>) -> Result<(Vec<String>, Start), EndpointError> {
        let all = self.reader.shards(&self.stream).await?;
        let mut finished = HashSet::new();
        for shard in &all {
            let checkpoint =
                self.checkpoint(&shard.id).map_err(|error| EndpointError::Other(error.to_string()))?;
            if checkpoint.is_some_and(|checkpoint| checkpoint.finished) {
                finished.insert(shard.id.as_str());
            }
        }
        let start = match *known {
            Some(start) => start,
            None => self.beginning().map_err(|error| EndpointError::Other(error.to_string()))?,
        };
        // Shards that come later are children, which lose nothing only from their own beginning.
        *known = Some(Start { position: StartingPosition::TrimHorizon, ..start });
        let due = readable(&all, &finished);
        let mut views = lock(&self.shards);
        for shard in &due {
            views.entry(shard.clone()).or_default();
        }
        Ok((due, start))
    }

    /// Where the mapping begins: at its starting position when it runs for the first time. `LATEST` means the moment of
    /// that first run for ever, or a restart before the first checkpoint would lose what was written meanwhile.
    fn beginning(&self) -> Result<Start, StateError> {
        let key = format!("{} {}", self.id, self.stream);
        let known: Option<DateTime<Utc>> = self.state.get(BEGINNINGS, &key)?;
        let began = known.unwrap_or_else(|| self.clock.now().trunc_subsecs(0));
        if known.is_none() {
            self.state.put(BEGINNINGS, &key, &began)?;
        }
        let position = if known.is_some() { StartingPosition::TrimHorizon } else { self.starting };
        Ok(Start { position, since: (self.starting == StartingPosition::Latest).then_some(began) })
    }

    /// Whether everything in the stream is settled or waits for a later time. Call while takers are held off.
    pub(super) async fn idle(&self) -> bool {
        let views = lock(&self.shards).clone();
        if views.is_empty() {
            // Nothing listed yet, or a stream without shards: ask.
            return self.reader.shards(&self.stream).await.is_ok_and(|shards| shards.is_empty());
        }
        let now = self.clock.now();
        for view in views.values().filter(|view| !view.finished) {
            let runnable = view.held > 0 && view.due.is_none_or(|due| due <= now);
            if view.running > 0 || runnable {
                return false;
            }
            if view.closed && view.held > 0 {
                continue;
            }
            let Some(iterator) = &view.iterator else {
                return false;
            };
            let page = self.reader.read(iterator, 1).await;
            if !page.is_ok_and(|page| page.records.is_empty()) {
                return false;
            }
        }
        true
    }

    pub(super) fn position(&self, checkpoint: Option<Checkpoint>, starting: StartingPosition) -> Position {
        match (checkpoint.and_then(|checkpoint| checkpoint.sequence), starting) {
            (Some(sequence), _) => Position::After(sequence),
            (None, StartingPosition::TrimHorizon) => Position::TrimHorizon,
            (None, StartingPosition::Latest) => Position::Latest,
        }
    }
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that whoever could stop us is gone, which is a stop as well.
    let _ = stop.wait_for(|stop| *stop).await;
}

fn readable(all: &[Shard], finished: &HashSet<&str>) -> Vec<String> {
    let ids: HashSet<&str> = all.iter().map(|shard| shard.id.as_str()).collect();
    let unread_parent = |shard: &Shard| {
        shard.parent.as_deref().is_some_and(|parent| ids.contains(parent) && !finished.contains(parent))
    };
    let due = all.iter().filter(|shard| !finished.contains(shard.id.as_str()) && !unread_parent(shard));
    due.map(|shard| shard.id.clone()).collect()
}

#[cfg(test)]
#[path = "streams_tests.rs"]
mod tests;

//! Reads one shard and carries out what `lanes.rs` decides: invokes, tells destinations, writes checkpoints.

use super::activity::{Alarm, Busy};
use super::endpoint::{EndpointError, Page, Position};
use super::failures::stream_failure;
use super::lanes::{Batch, Condition, Lanes, Step};
use super::record::{self, Record};
use super::responses::{Verdict, judge};
use super::streams::{Checkpoint, Mapping, ShardView, Start};
use crate::app::StartingPosition;
use crate::backoff::Backoff;
use crate::lambda::Source;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde_json::Value;
use std::sync::Arc;
use tokio::task::JoinSet;

/// Reads a shard until it is finished or the host stops; gives the shard's id back.
pub(super) async fn run(mapping: Arc<Mapping>, shard: String, start: Start) -> String {
    let backoff = Backoff::of_streams(mapping.seed_of(&shard));
    let reader = Reader {
        lanes: Lanes::new(mapping.settings.clone(), backoff.clone()),
        alarm: mapping.alarm(),
        id: shard.clone(),
        mapping,
        start,
        unwanted_before: None,
        iterator: None,
        last_read: None,
        saved: None,
        relapse: Relapse::No,
        closed: false,
        errors: 0,
        backoff,
        not_before: None,
        running: JoinSet::new(),
    };
    reader.run().await;
    shard
}

/// How a step ended.
struct Done {
    lane: usize,
    end: End,
    /// Held until the checkpoint is written.
    _busy: Busy,
}

enum End {
    Invoked(Verdict),
    Discarded { condition: Condition, told: bool },
}

struct Reader {
    mapping: Arc<Mapping>,
    id: String,
    start: Start,
    /// Records made before this are passed over, up to the first that was not.
    unwanted_before: Option<DateTime<Utc>>,
    lanes: Lanes,
    alarm: Alarm,
    iterator: Option<String>,
    /// The last record read, from where a new iterator goes on.
    last_read: Option<String>,
    /// The checkpoint in the host's state.
    saved: Option<String>,
    relapse: Relapse,
    /// The shard has no more records than were read.
    closed: bool,
    /// Failed reads in a row, and when to try again.
    errors: u32,
    backoff: Backoff,
    not_before: Option<DateTime<Utc>>,
    running: JoinSet<Done>,
}

/// Going back to the checkpoint and over what followed it once more.
#[derive(PartialEq, Eq)]
enum Relapse {
    No,
    /// As soon as nothing runs any more.
    Due,
    /// Gone back to this checkpoint; not again before it has moved, so that the shard goes on.
    Done(Option<String>),
}

impl Reader {
    async fn run(mut self) {
        while !self.alarm.stopping() {
            self.alarm.look();
            if self.relapse == Relapse::Due {
                match self.running.join_next().await {
                    Some(done) => self.end(done),
                    None => self.start_over(),
                }
                continue;
            }
            let more = self.take().await;
            self.start();
            if self.finish_if_done() {
                return;
            }
            self.wait(more).await;
        }
        while let Some(done) = self.running.join_next().await {
            self.end(done);
        }
    }

    /// Waits for a step to end or for a reason to look again; not at all when there is more to read.
    async fn wait(&mut self, more: bool) {
        if more && self.lanes.room() > 0 {
            // Steps that ended meanwhile free their lanes.
            while let Some(done) = self.running.try_join_next() {
                self.end(done);
            }
            // Fairness towards the other sources on the same thread.
            tokio::task::yield_now().await;
            return;
        }
        let due = self.lanes.due(self.mapping.clock.now());
        let due = [due, self.not_before].into_iter().flatten().min();
        tokio::select! {
            Some(done) = self.running.join_next() => self.end(done),
            () = self.alarm.quiet(due) => {}
        }
    }

    /// Reads what there is room for; whether there is likely more.
    async fn take(&mut self) -> bool {
        let now = self.mapping.clock.now();
        let room = self.lanes.room();
        let waits = self.not_before.is_some_and(|not_before| not_before > now);
        let mapping = self.mapping.clone();
        // Held until the view shows what was read, so that nothing is overlooked in between.
        let _taking = mapping.activity.taking().await;
        let mut more = false;
        if room > 0 && !self.closed && !waits {
            match self.read(room).await {
                Ok(page) => {
                    // Without hints any record is a reason: AWS ends pages by their size as well.
                    let enough = if mapping.changes.is_some() { mapping.settings.batch_size } else { 1 };
                    more = page.records.len() >= room.min(enough);
                    self.push(page);
                }
                Err(error) => self.failed_read(&error),
            }
        }
        self.show();
        more
    }

    async fn read(&mut self, room: usize) -> Result<Page, EndpointError> {
        let mapping = self.mapping.clone();
        let iterator = match self.iterator.take() {
            Some(iterator) => iterator,
            None => {
                let position = self.position()?;
                self.unwanted_before = self.start.since.filter(|_| position == Position::TrimHorizon);
                let iterator = mapping.reader.iterator(&mapping.stream, &self.id, position).await?;
                // Should it be lost, another one at `LATEST` would be later.
                self.start.position = StartingPosition::TrimHorizon;
                iterator
            }
        };
        let page = mapping.reader.read(&iterator, room).await;
        if !matches!(page, Err(EndpointError::Expired | EndpointError::Trimmed)) {
            self.iterator = Some(iterator);
        }
        page
    }

    fn position(&mut self) -> Result<Position, EndpointError> {
        if let Some(sequence) = &self.last_read {
            return Ok(Position::After(sequence.clone()));
        }
        let checkpoint = self.mapping.checkpoint(&self.id);
        let checkpoint = checkpoint.map_err(|error| EndpointError::Other(error.to_string()))?;
        self.saved = checkpoint.as_ref().and_then(|checkpoint| checkpoint.sequence.clone());
        Ok(self.mapping.position(checkpoint, self.start.position))
    }

    fn push(&mut self, page: Page) {
        if self.errors > 0 {
            self.mapping.meter.recovered();
        }
        (self.errors, self.not_before) = (0, None);
        let now = self.mapping.clock.now();
        for mut event in page.records {
            event["eventSourceARN"] = self.mapping.stream.clone().into();
            if event["awsRegion"].is_null() {
                event["awsRegion"] = self.mapping.stream.split(':').nth(3).into();
            }
            self.push_record(&event, now);
        }
        self.closed = page.next.is_none();
        if self.closed {
            self.lanes.end();
        }
        self.iterator = page.next;
        self.save_checkpoint();
    }

    fn push_record(&mut self, event: &Value, now: DateTime<Utc>) {
        let Some(record) = Record::new(event, now) else {
            self.mapping.meter.troubled("the stream gave a record without a sequence number");
            return;
        };
        self.last_read = Some(record.sequence.clone());
        self.unwanted_before = self.unwanted_before.filter(|since| record.created < *since);
        if self.unwanted_before.is_none() && self.mapping.filters.pass(event) {
            self.lanes.push(record, now);
        } else {
            self.lanes.skip(record.sequence);
        }
    }

    fn failed_read(&mut self, error: &EndpointError) {
        match error {
            // Not a trouble: the next iterator starts after what was read.
            EndpointError::Expired => return,
            // The stream dropped what we wanted to read next: go on with the oldest that it has.
            EndpointError::Trimmed => {
                tracing::warn!(source = %self.mapping.id, shard = %self.id, "records left the stream unread");
                self.last_read = None;
                self.start = Start { position: StartingPosition::TrimHorizon, since: None };
                self.forget_checkpoint();
            }
            EndpointError::Other(_) => {}
        }
        self.mapping.meter.troubled(&error.to_string());
        self.errors = self.errors.saturating_add(1);
        self.not_before = Some(self.mapping.clock.now() + self.backoff.delay(self.errors));
    }

    fn forget_checkpoint(&mut self) {
        if let Err(error) = self.mapping.save(&self.id, &Checkpoint::default()) {
            self.mapping.meter.troubled(&error.to_string());
        }
    }

    fn start(&mut self) {
        for step in self.lanes.start(self.mapping.clock.now()) {
            let (mapping, shard) = (self.mapping.clone(), self.id.clone());
            let busy = mapping.activity.begin();
            self.running.spawn(async move {
                let (lane, end) = match step {
                    Step::Invoke { lane, batch } => (lane, invoke(&mapping, &batch).await),
                    Step::Discard { lane, batch, condition } => {
                        let told = tell(&mapping, &shard, &batch, condition).await;
                        (lane, End::Discarded { condition, told })
                    }
                };
                Done { lane, end, _busy: busy }
            });
        }
        self.show();
    }

    fn end(&mut self, done: Result<Done, tokio::task::JoinError>) {
        let done = match done {
            Ok(done) => done,
            // A step that panicked leaves its lane occupied and its records unsettled: nothing is lost, and a restart
            // takes them up again. It cannot happen short of a bug.
            Err(error) => return self.mapping.meter.troubled(&error.to_string()),
        };
        let now = self.mapping.clock.now();
        match done.end {
            End::Invoked(verdict) => {
                if verdict == Verdict::Succeeded && self.may_relapse() && self.mapping.loses_checkpoint() {
                    self.relapse = Relapse::Due;
                    // Until it reads again nobody takes it for idle.
                    self.iterator = None;
                }
                self.lanes.invoked(done.lane, verdict, now);
            }
            End::Discarded { condition, told } => self.lanes.discarded(done.lane, condition, told, now),
        }
        self.save_checkpoint();
        self.show();
    }

    /// Whether going back is to somewhere: `LATEST` without a checkpoint has only the second in which it began.
    fn may_relapse(&self) -> bool {
        let has_somewhere = self.saved.is_some() || self.mapping.starting == StartingPosition::TrimHorizon;
        let has_moved = match &self.relapse {
            Relapse::No => true,
            Relapse::Due => false,
            Relapse::Done(at) => *at != self.saved,
        };
        has_somewhere && has_moved
    }

    /// Forgets everything since the checkpoint, as another reader would that takes the shard over.
    fn start_over(&mut self) {
        tracing::debug!(source = %self.mapping.id, shard = %self.id, "a checkpoint is lost, as a fault has it");
        self.lanes = Lanes::new(self.mapping.settings.clone(), self.backoff.clone());
        (self.iterator, self.last_read, self.closed) = (None, None, false);
        self.relapse = Relapse::Done(self.saved.clone());
        self.show();
    }

    /// Writes the checkpoint if it has moved. When that fails the records are delivered again after a restart.
    fn save_checkpoint(&mut self) {
        let sequence = self.lanes.checkpoint();
        if self.relapse == Relapse::Due || sequence.is_none() || sequence == self.saved.as_deref() {
            return;
        }
        let checkpoint = Checkpoint { sequence: sequence.map(str::to_owned), finished: false };
        match self.mapping.save(&self.id, &checkpoint) {
            Ok(()) => self.saved = checkpoint.sequence,
            Err(error) => self.mapping.meter.troubled(&error.to_string()),
        }
    }

    /// Marks a shard that was read and settled to its end as finished, which is what its children wait for.
    fn finish_if_done(&mut self) -> bool {
        if !self.closed || !self.lanes.is_empty() || !self.running.is_empty() {
            return false;
        }
        let sequence = self.lanes.checkpoint().map(str::to_owned).or_else(|| self.saved.clone());
        match self.mapping.save(&self.id, &Checkpoint { sequence, finished: true }) {
            Ok(()) => {
                self.mapping.show(&self.id, ShardView { finished: true, ..ShardView::default() });
                true
            }
            Err(error) => {
                self.mapping.meter.troubled(&error.to_string());
                false
            }
        }
    }

    fn show(&self) {
        let view = ShardView {
            iterator: self.iterator.clone(),
            held: self.lanes.len(),
            running: self.running.len(),
            due: self.lanes.due(self.mapping.clock.now()),
            closed: self.closed,
            finished: false,
        };
        self.mapping.show(&self.id, view);
    }
}

async fn invoke(mapping: &Mapping, batch: &Batch) -> End {
    let payload = Bytes::from(record::event(batch.records()));
    let size = batch.records().len();
    let outcome = mapping.invoke.invoke(&mapping.function, payload, Source::Stream, size).await;
    let identifiers: Vec<&str> = batch.records().map(|record| record.sequence.as_str()).collect();
    let verdict = judge(outcome, mapping.report, &identifiers);
    match &verdict {
        Verdict::Succeeded => mapping.meter.settled(size),
        // Everything from the first failed record on is tried again.
        Verdict::Partly(failed) => mapping.meter.partly(failed.first().copied().unwrap_or(size), size),
        Verdict::Failed(failure) => mapping.meter.failed(&failure.message),
        Verdict::Throttled => mapping.meter.failed("throttled"),
    }
    End::Invoked(verdict)
}

/// Tells the failure destination of records that are given up; whether that is done (or nobody wants to know).
async fn tell(mapping: &Mapping, shard: &str, batch: &Batch, condition: Condition) -> bool {
    let size = batch.records().len();
    tracing::warn!(source = %mapping.id, shard, records = size, ?condition, "records of the stream are given up");
    if let Some(destination) = &mapping.destination {
        let now = mapping.clock.now();
        let message = stream_failure(batch, condition, &mapping.function_arn, &mapping.stream, shard, now);
        if let Err(error) = destination.tell(&message).await {
            mapping.meter.troubled(&format!("the failure destination: {error}"));
            return false;
        }
    }
    mapping.meter.discarded(size);
    true
}

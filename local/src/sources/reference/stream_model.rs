//! The reference model of a stream mapping: what Lambda does with each record, by the developer guide's "Polling and
//! batching streams", "Configuring partial batch response with DynamoDB and Lambda" and "Retain discarded records".
//!
//! It watches invocations, answers, messages to the destination and saved checkpoints, and keeps a few facts of each
//! record. Where the guide is silent it holds the host to what `lanes.rs` says of itself: what is left of a batch keeps the
//! attempts used, and with bisect a response that names the first record halves the batch. Backoff takes at most a minute.

use super::answers::Meaning;
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

type Checked = Result<(), TestCaseError>;

/// The longest that a lane may wait after a failure.
const LONGEST_BACKOFF: TimeDelta = TimeDelta::seconds(60);

/// What the mapping was told to do.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) batch_size: usize,
    pub(super) window: TimeDelta,
    /// `None`: without limit.
    pub(super) retries: Option<u32>,
    pub(super) age: TimeDelta,
    pub(super) bisect: bool,
    /// Keys whose records pass the filters.
    pub(super) wanted: BTreeSet<char>,
}

/// A record, and what has become of it since the host last started.
#[derive(Clone, Debug)]
struct Record {
    lane: Lane,
    wanted: bool,
    created: DateTime<Utc>,
    /// When the mapping can have read it.
    read: Option<DateTime<Utc>>,
    settled: bool,
    /// Records that were in one batch stay together, unless it is split.
    batch: Option<usize>,
    /// Invocations, and those that used up an attempt.
    invocations: u32,
    failures: u32,
    /// Whether the last invocation ended in an error of the function.
    error: bool,
}

/// The records of a shard that wait for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Lane {
    shard: usize,
    number: usize,
}

#[derive(Clone, Debug, Default)]
struct LaneFacts {
    /// When a batch last failed, or its records could not be told to the destination.
    failed: Option<DateTime<Utc>>,
    /// When the last batch of new records was made up: the next window begins no earlier.
    formed: Option<DateTime<Utc>>,
    /// Old records were cut off the front of a new batch: what is left of it goes out as it is.
    cut: bool,
}

pub(super) struct Model {
    rules: Rules,
    /// Which keys share a lane.
    lanes: BTreeMap<char, usize>,
    /// By sequence number, less one.
    records: Vec<Record>,
    /// Whether each shard is closed; each is the child of the one before it.
    closed: Vec<bool>,
    facts: BTreeMap<Lane, LaneFacts>,
    running: BTreeMap<usize, Vec<usize>>,
    /// The last record before each shard's checkpoint, when nothing was under way.
    saved: BTreeMap<usize, Option<usize>>,
    batches: usize,
    /// The destination takes no messages, or began to take them again at this moment.
    refused: Option<DateTime<Utc>>,
}

/// Sequence numbers are places in the stream, from 1.
fn place(sequence: &str) -> usize {
    sequence.parse::<usize>().expect("our own sequence number") - 1
}

impl Model {
    pub(super) fn new(rules: Rules, lanes: BTreeMap<char, usize>) -> Self {
        Self {
            rules,
            lanes,
            records: Vec::new(),
            closed: vec![false],
            facts: BTreeMap::new(),
            running: BTreeMap::new(),
            saved: BTreeMap::new(),
            batches: 0,
            refused: None,
        }
    }

    /// A record was written to the newest shard.
    pub(super) fn wrote(&mut self, key: char, now: DateTime<Utc>) {
        self.records.push(Record {
            lane: Lane { shard: self.closed.len() - 1, number: self.lanes[&key] },
            wanted: self.rules.wanted.contains(&key),
            created: now,
            read: None,
            settled: false,
            batch: None,
            invocations: 0,
            failures: 0,
            error: false,
        });
    }

    /// The newest shard was closed and got a child.
    pub(super) fn split(&mut self) {
        *self.closed.last_mut().expect("a shard") = true;
        self.closed.push(false);
    }

    pub(super) fn refuses(&mut self, now: DateTime<Utc>) {
        self.refused = Some(now);
    }

    /// What has to be settled before anything else of its lane, in order.
    fn queue(&self, lane: Lane) -> Vec<usize> {
        let open = |record: &Record| record.lane == lane && record.wanted && !record.settled;
        (0..self.records.len()).filter(|place| open(&self.records[*place])).collect()
    }

    fn is_old(&self, place: usize, now: DateTime<Utc>) -> bool {
        now - self.records[place].created > self.rules.age
    }

    fn exhausted(&self, place: usize) -> bool {
        self.rules.retries.is_some_and(|most| self.records[place].failures > most)
    }

    /// Whether nothing is left to do in the shards before this one.
    fn parents_done(&self, shard: usize) -> bool {
        let done = |record: &Record| record.settled || !record.wanted;
        self.records.iter().all(|record| record.lane.shard >= shard || done(record))
    }

    /// The function was invoked with these records.
    pub(super) fn called(&mut self, call: usize, records: &[&str], now: DateTime<Utc>) -> Checked {
        let batch: Vec<usize> = records.iter().map(|sequence| place(sequence)).collect();
        let (first, size) = (batch[0], batch.len());
        let lane = self.records[first].lane;
        let queue = self.queue(lane);
        prop_assert!(size <= self.rules.batch_size, "{size} records are more than a batch");
        prop_assert!(queue.starts_with(&batch), "{batch:?} is not what the lane has to do next: {queue:?}");
        prop_assert!(self.parents_done(lane.shard), "a parent shard is not done");
        let busy = self.running.values().find(|other| self.records[other[0]].lane == lane);
        prop_assert!(busy.is_none(), "{busy:?} runs in the same lane");
        prop_assert!(!batch.iter().any(|place| self.is_old(*place, now)), "{batch:?} holds old records");
        match self.records[first].batch {
            Some(_) => self.called_again(&batch, &queue, now)?,
            None => self.called_first(&batch, &queue, now)?,
        }
        self.running.insert(call, batch);
        Ok(())
    }

    fn called_again(&self, batch: &[usize], queue: &[usize], now: DateTime<Utc>) -> Checked {
        let whole = self.rest_of_batch(queue);
        prop_assert_eq!(batch, &whole, "a batch is tried again as it was");
        prop_assert!(!self.exhausted(batch[0]), "the attempts were used up");
        let failed = self.facts.get(&self.records[batch[0]].lane).and_then(|facts| facts.failed);
        prop_assert!(failed.is_none_or(|failed| failed < now), "tried again without a pause");
        Ok(())
    }

    /// The records that were in one batch with the first.
    fn rest_of_batch(&self, queue: &[usize]) -> Vec<usize> {
        let batch = self.records[queue[0]].batch;
        queue.iter().copied().take_while(|place| self.records[*place].batch == batch).collect()
    }

    fn called_first(&mut self, batch: &[usize], queue: &[usize], now: DateTime<Utc>) -> Checked {
        let lane = self.records[batch[0]].lane;
        let facts = self.facts.entry(lane).or_default();
        facts.formed = Some(now);
        if std::mem::take(&mut facts.cut) {
            return Ok(());
        }
        let head = &self.records[batch[0]];
        let full = batch.len() == self.rules.batch_size;
        let ended = self.closed[lane.shard];
        let waited = head.read.unwrap_or(now) + self.rules.window <= now;
        prop_assert!(full || ended || waited, "the window is open and the batch not full");
        let left = queue.get(batch.len()).filter(|place| self.records[**place].read.is_some());
        prop_assert!(full || left.is_none(), "there was room for {left:?} in the batch");
        Ok(())
    }

    /// An invocation ended.
    pub(super) fn answered(&mut self, call: usize, meaning: &Meaning, now: DateTime<Utc>) {
        let batch = self.running.remove(&call).expect("a running call");
        let first_failed = match meaning {
            Meaning::Done => batch.len(),
            Meaning::Items(places) => *places.first().expect("failed items"),
            Meaning::Whole { .. } | Meaning::Throttled => 0,
        };
        let throttled = *meaning == Meaning::Throttled;
        for place in batch.iter().filter(|_| !throttled) {
            self.records[*place].invocations += 1;
            self.records[*place].error = *meaning == Meaning::Whole { error: true };
        }
        let (done, failed) = batch.split_at(first_failed);
        self.settle(done);
        let facts = self.facts.entry(self.records[batch[0]].lane).or_default();
        facts.failed = None;
        if failed.is_empty() {
            return;
        }
        let splits = self.rules.bisect && !throttled && batch.len() > 1;
        if !splits {
            facts.failed = Some(now);
        }
        // What succeeded before the first failed record was split off; otherwise the batch is halved.
        let (first, second) = failed.split_at(if splits && done.is_empty() { failed.len() / 2 } else { 0 });
        self.keep_together(first);
        self.keep_together(second);
        for place in failed {
            self.records[*place].failures += u32::from(!splits && !throttled);
        }
    }

    fn settle(&mut self, places: &[usize]) {
        for place in places {
            self.records[*place].settled = true;
        }
    }

    fn keep_together(&mut self, places: &[usize]) {
        self.batches += 1;
        for place in places {
            self.records[*place].batch = Some(self.batches);
        }
    }

    /// The destination was told that records are given up.
    pub(super) fn told(&mut self, message: &Value, shards: &[String], now: DateTime<Utc>) -> Checked {
        let info = &message["DDBStreamBatchInfo"];
        let text = |name: &str| info[name].as_str().unwrap_or_default();
        let (first, last) = (place(text("startSequenceNumber")), place(text("endSequenceNumber")));
        let size = usize::try_from(info["batchSize"].as_u64().unwrap_or_default()).expect("a size");
        let lane = self.records[first].lane;
        let queue = self.queue(lane);
        prop_assert!((1..=queue.len()).contains(&size) && size <= self.rules.batch_size);
        let (told, rest) = queue.split_at(size);
        prop_assert_eq!((told[0], told[size - 1]), (first, last), "not what the lane has to do next");
        prop_assert_eq!(text("shardId"), &shards[lane.shard]);
        let times =
            [first, last].map(|place| self.records[place].created.to_rfc3339().replace("+00:00", "Z"));
        prop_assert_eq!(
            [text("approximateArrivalOfFirstRecord"), text("approximateArrivalOfLastRecord")],
            [times[0].as_str(), &times[1]]
        );
        prop_assert!(!self.running.values().flatten().any(|place| told.contains(place)), "still running");
        let condition = message["requestContext"]["condition"].as_str();
        match condition {
            Some("RetryAttemptsExhausted") => {
                prop_assert_eq!(told, self.rest_of_batch(&queue), "a batch is given up as it was tried");
                prop_assert!(self.exhausted(first), "there were attempts left");
            }
            Some("RecordAgeExceeded") => {
                prop_assert!(told.iter().all(|place| self.is_old(*place, now)), "given up too young");
                let mates = |place: &&usize| self.records[**place].batch == self.records[first].batch;
                let missed = rest.first().filter(mates).filter(|place| self.is_old(**place, now));
                let missed = missed.filter(|place| self.records[**place].read.is_some());
                // Where the destination refused for a while, more may have grown old meanwhile.
                let all = size == self.rules.batch_size || self.refused.is_some() || missed.is_none();
                prop_assert!(all, "{missed:?} is as old");
            }
            other => prop_assert!(false, "{other:?} is no condition"),
        }
        self.told_history(message, first)?;
        self.forget_told(told, now);
        Ok(())
    }

    fn told_history(&self, message: &Value, first: usize) -> Checked {
        let record = &self.records[first];
        prop_assert_eq!(&message["requestContext"]["approximateInvokeCount"], &json!(record.invocations));
        prop_assert_eq!(message["responseContext"].is_null(), record.invocations == 0);
        prop_assert_eq!(message["responseContext"]["functionError"] == "Unhandled", record.error);
        Ok(())
    }

    fn forget_told(&mut self, told: &[usize], now: DateTime<Utc>) {
        let facts = self.facts.entry(self.records[told[0]].lane).or_default();
        facts.failed = None;
        if self.records[told[0]].batch.is_none() {
            facts.formed = Some(now);
            facts.cut = true;
        }
        self.settle(told);
    }

    /// No source can go on; these are the checkpoints in the host's state.
    pub(super) fn quiet(
        &mut self,
        checkpoints: &[Option<String>],
        refusing: bool,
        now: DateTime<Utc>,
    ) -> Checked {
        for (shard, checkpoint) in checkpoints.iter().enumerate() {
            if self.parents_done(shard) {
                self.read(shard, now);
            }
            let checkpoint = checkpoint.as_deref().map(place);
            prop_assert_eq!(checkpoint, self.settled_to(shard), "the checkpoint of shard {}", shard);
            self.saved.insert(shard, checkpoint);
        }
        let lanes: BTreeSet<Lane> = self.records.iter().map(|record| record.lane).collect();
        for lane in lanes {
            self.facts.entry(lane).or_default().cut = false;
            let running = self.running.values().any(|batch| self.records[batch[0]].lane == lane);
            let queue = self.queue(lane);
            if !queue.is_empty() && !running && self.parents_done(lane.shard) {
                prop_assert!(self.may_wait(lane, &queue, refusing, now), "nobody works on {queue:?}");
            }
        }
        Ok(())
    }

    fn read(&mut self, shard: usize, now: DateTime<Utc>) {
        for record in self.records.iter_mut().filter(|record| record.lane.shard == shard) {
            record.read.get_or_insert(now);
            record.settled |= !record.wanted;
        }
    }

    /// The last record of a shard before which all is settled.
    fn settled_to(&self, shard: usize) -> Option<usize> {
        let of_shard = |place: &usize| self.records[*place].lane.shard == shard;
        (0..self.records.len()).filter(of_shard).take_while(|place| self.records[*place].settled).last()
    }

    /// Whether a lane that does nothing has a reason: a failure a while ago, a destination that refuses, a window.
    fn may_wait(&self, lane: Lane, queue: &[usize], refusing: bool, now: DateTime<Utc>) -> bool {
        let (head, facts) = (&self.records[queue[0]], &self.facts[&lane]);
        let recent = |at: Option<DateTime<Utc>>| at.is_some_and(|at| now < at + LONGEST_BACKOFF);
        let full = queue.len() >= self.rules.batch_size;
        let since = head.read.max(facts.formed).unwrap_or(now);
        let gathers =
            head.batch.is_none() && !full && !self.closed[lane.shard] && now < since + self.rules.window;
        let lost = self.exhausted(queue[0]) || self.is_old(queue[0], now);
        gathers || recent(facts.failed) || (lost && (refusing || recent(self.refused)))
    }

    /// The host died; these are the checkpoints it left.
    pub(super) fn crashed(&mut self, checkpoints: &[Option<String>]) -> Checked {
        for (shard, checkpoint) in checkpoints.iter().enumerate() {
            let checkpoint = checkpoint.as_deref().map(place);
            let (least, most) = (self.saved.get(&shard).copied().flatten(), self.settled_to(shard));
            prop_assert!(
                least <= checkpoint && checkpoint <= most,
                "{least:?} <= {checkpoint:?} <= {most:?}"
            );
            self.begin_after(shard, checkpoint);
        }
        self.running.clear();
        self.facts.clear();
        Ok(())
    }

    /// Everything after the checkpoint comes again, as if it never had.
    fn begin_after(&mut self, shard: usize, checkpoint: Option<usize>) {
        for (place, record) in self.records.iter_mut().enumerate() {
            if record.lane.shard == shard && Some(place) > checkpoint {
                *record = Record {
                    read: None,
                    settled: false,
                    batch: None,
                    invocations: 0,
                    failures: 0,
                    error: false,
                    ..record.clone()
                };
            }
        }
    }

    /// The host shut down in order: what it knew is saved.
    pub(super) fn stopped(&mut self, checkpoints: &[Option<String>]) -> Checked {
        for (shard, checkpoint) in checkpoints.iter().enumerate() {
            prop_assert_eq!(checkpoint.as_deref().map(place), self.settled_to(shard));
        }
        self.crashed(checkpoints)
    }

    pub(super) fn all_settled(&self) -> bool {
        self.records.iter().all(|record| record.settled)
    }
}

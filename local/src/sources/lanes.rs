//! What to do with the records of one shard, and when: a state machine without I/O.
//!
//! Records are dealt into as many lanes as the parallelization factor says, by item, so that lanes run side by side while
//! the order of each item holds. A lane works on one batch at a time; a batch that fails is retried, split or given up
//! before the lane goes on. The checkpoint is the last record before which nothing is unsettled.
//!
//! Rules: Lambda developer guide, "Polling and batching streams", "Configuring partial batch response with DynamoDB and
//! Lambda" and "Retain discarded records for a DynamoDB event source". Where they are silent:
//! - A partial response without bisect uses up an attempt, and what is left keeps the attempts of its batch.
//! - With bisect, a response that names the first record splits the batch in two like an error: there is nothing before
//!   the returned sequence number to split off.

use super::record::Record;
use super::responses::{Failure, Verdict};
use crate::backoff::Backoff;
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::VecDeque;

/// What Lambda lets one synchronous invocation carry.
pub(super) const PAYLOAD_LIMIT: usize = 6 * 1024 * 1024;
/// `{"Records":[` and `]}`.
pub(super) const ENVELOPE: usize = 14;
/// Bounds on what is held in memory of one shard.
const MOST_RECORDS: usize = 20_000;
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// The settings of the mapping that decisions depend on.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) batch_size: usize,
    pub(super) window: TimeDelta,
    /// `None`: until the records are too old.
    pub(super) maximum_retry_attempts: Option<u32>,
    pub(super) maximum_record_age: TimeDelta,
    pub(super) bisect: bool,
    pub(super) lanes: usize,
}

/// Records that are invoked together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Batch {
    entries: Vec<Entry>,
    /// Failed attempts, splits not counted.
    failures: u32,
    /// Invocations that these records were part of.
    pub(super) invocations: u32,
    /// How the last invocation failed, if it failed as a whole.
    pub(super) failure: Option<Failure>,
}

/// A record with its place in the shard, counted from where reading began.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    place: u64,
    record: Record,
}

impl Batch {
    pub(super) fn records(&self) -> impl ExactSizeIterator<Item = &Record> {
        self.entries.iter().map(|entry| &entry.record)
    }

    /// Cuts off everything from `at` on, as a batch of its own with the same history.
    fn split_off(&mut self, at: usize) -> Self {
        Self { entries: self.entries.split_off(at), failure: self.failure.clone(), ..*self }
    }
}

/// Why records are given up, in the words of the destination's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    RetryAttemptsExhausted,
    RecordAgeExceeded,
}

/// The next thing to do for a lane; its end is reported back with the lane's number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Invoke { lane: usize, batch: Batch },
    Discard { lane: usize, batch: Batch, condition: Condition },
}

/// What an outcome means for a batch of `size` records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Decision {
    /// How many records, from the first, are settled.
    settled: usize,
    rest: Rest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    Nothing,
    /// Try what is left again, at once: a split at the returned sequence number.
    Again,
    /// Try the first `n` of what is left and then the others, at once.
    Halves(usize),
    /// Try again after a while.
    Later {
        counts: bool,
    },
    GiveUp,
}

/// The rules themselves.
fn decide(size: usize, failures: u32, verdict: &Verdict, settings: &Settings) -> Decision {
    let exhausted = settings.maximum_retry_attempts.is_some_and(|most| failures >= most);
    let counted = if exhausted { Rest::GiveUp } else { Rest::Later { counts: true } };
    let whole = if settings.bisect && size > 1 { Rest::Halves(size / 2) } else { counted };
    let (settled, rest) = match verdict {
        Verdict::Succeeded => (size, Rest::Nothing),
        Verdict::Throttled => (0, Rest::Later { counts: false }),
        Verdict::Failed(_) => (0, whole),
        Verdict::Partly(failed) => match failed.first().copied().unwrap_or(size) {
            0 => (0, whole),
            first if first >= size => (size, Rest::Nothing),
            first if settings.bisect => (first, Rest::Again),
            first => (first, counted),
        },
    };
    Decision { settled, rest }
}

#[derive(Debug, Default)]
struct Lane {
    /// Read, not yet in a batch.
    waiting: VecDeque<Entry>,
    waiting_bytes: usize,
    /// When the oldest waiting record was read: the window counts from here.
    since: Option<DateTime<Utc>>,
    /// Batches that were tried and what splitting made of them, first to run first.
    pending: VecDeque<Batch>,
    /// Given up, to be told to the destination before anything else runs.
    lost: Option<(Batch, Condition)>,
    /// Handed out as a step.
    running: Option<Batch>,
    /// Failures in a row, for the backoff.
    misses: u32,
    not_before: Option<DateTime<Utc>>,
}

/// Everything read from one shard and not yet settled.
#[derive(Debug)]
pub(super) struct Lanes {
    settings: Settings,
    lanes: Vec<Lane>,
    /// Sequence numbers from the first unsettled record on, and whether each is settled.
    open: VecDeque<(String, bool, usize)>,
    /// The place of the first of `open`.
    first_open: u64,
    open_bytes: usize,
    checkpoint: Option<String>,
    backoff: Backoff,
    /// Nothing more will be read: windows need not be waited for.
    ended: bool,
}

impl Lanes {
    pub(super) fn new(settings: Settings, backoff: Backoff) -> Self {
        let lanes = (0..settings.lanes.max(1)).map(|_| Lane::default()).collect();
        Self {
            settings,
            lanes,
            open: VecDeque::new(),
            first_open: 0,
            open_bytes: 0,
            checkpoint: None,
            backoff,
            ended: false,
        }
    }

    /// How many more records may be pushed.
    pub(super) fn room(&self) -> usize {
        let most = (self.settings.batch_size * self.lanes.len() * 2).clamp(1_000, MOST_RECORDS);
        if self.open_bytes >= MOST_BYTES { 0 } else { most.saturating_sub(self.open.len()) }
    }

    /// Takes the next record of the shard.
    pub(super) fn push(&mut self, record: Record, now: DateTime<Utc>) {
        let place = self.open_place(record.sequence.clone(), record.json.len());
        let lanes = self.lanes.len() as u64;
        #[expect(clippy::cast_possible_truncation, reason = "less than the number of lanes")]
        let lane = &mut self.lanes[(record.item % lanes) as usize];
        lane.since.get_or_insert(now);
        lane.waiting_bytes += record.json.len() + 1;
        lane.waiting.push_back(Entry { place, record });
    }

    /// Takes a record that no filter lets through: it is settled as it is.
    pub(super) fn skip(&mut self, sequence: String) {
        let place = self.open_place(sequence, 0);
        self.settle([place]);
    }

    /// Says that the shard has nothing more to read.
    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    fn open_place(&mut self, sequence: String, bytes: usize) -> u64 {
        self.open.push_back((sequence, false, bytes));
        self.open_bytes += bytes;
        self.first_open + self.open.len() as u64 - 1
    }

    fn settle(&mut self, places: impl IntoIterator<Item = u64>) {
        for place in places {
            let index = usize::try_from(place.saturating_sub(self.first_open)).unwrap_or(usize::MAX);
            if let Some((_, settled, _)) = self.open.get_mut(index) {
                *settled = true;
            }
        }
        while self.open.front().is_some_and(|(_, settled, _)| *settled) {
            let Some((sequence, _, bytes)) = self.open.pop_front() else {
                break;
            };
            self.first_open += 1;
            self.open_bytes -= bytes;
            self.checkpoint = Some(sequence);
        }
    }

    /// The last record before and at which everything is settled; `None` until there is a new one.
    pub(super) fn checkpoint(&self) -> Option<&str> {
        self.checkpoint.as_deref()
    }

    /// Whether nothing is waiting, running or held back.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// How many records are not settled, skipped ones behind them included.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Starts what can start now. Each step occupies its lane until `invoked` or `discarded` is called.
    pub(super) fn start(&mut self, now: DateTime<Utc>) -> Vec<Step> {
        let (settings, ended) = (&self.settings, self.ended);
        let lanes = self.lanes.iter_mut().enumerate();
        lanes.filter_map(|(number, lane)| lane.start(number, settings, ended, now)).collect()
    }

    /// When `start` has something to do, if nothing else happens: a moment passed already, or one to come.
    pub(super) fn due(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.lanes.iter().filter_map(|lane| lane.due(&self.settings, self.ended, now)).min()
    }

    /// Takes the verdict on the batch that `lane` was running.
    pub(super) fn invoked(&mut self, lane: usize, verdict: Verdict, now: DateTime<Utc>) {
        let Some(mut batch) = self.lanes[lane].running.take() else {
            return;
        };
        let decision = decide(batch.entries.len(), batch.failures, &verdict, &self.settings);
        if verdict != Verdict::Throttled {
            batch.invocations = batch.invocations.saturating_add(1);
            batch.failure = match verdict {
                Verdict::Failed(failure) => Some(failure),
                // It answered, whatever the invocation before did.
                _ => None,
            };
        }
        let mut rest = batch.split_off(decision.settled);
        self.settle(batch.entries.iter().map(|entry| entry.place));
        let lane = &mut self.lanes[lane];
        if decision.settled > 0 || !matches!(decision.rest, Rest::Later { .. }) {
            lane.misses = 0;
        }
        match decision.rest {
            Rest::Nothing => {}
            Rest::Again => lane.pending.push_front(rest),
            Rest::Halves(at) => {
                let second = rest.split_off(at);
                lane.pending.push_front(second);
                lane.pending.push_front(rest);
            }
            Rest::Later { counts } => {
                rest.failures = rest.failures.saturating_add(u32::from(counts));
                lane.pending.push_front(rest);
                lane.miss(&mut self.backoff, now);
            }
            Rest::GiveUp => lane.lost = Some((rest, Condition::RetryAttemptsExhausted)),
        }
    }

    /// Takes whether the destination has been told of the batch that `lane` gave up. Until it has, the lane waits.
    pub(super) fn discarded(&mut self, lane: usize, condition: Condition, told: bool, now: DateTime<Utc>) {
        let Some(batch) = self.lanes[lane].running.take() else {
            return;
        };
        if told {
            self.settle(batch.entries.iter().map(|entry| entry.place));
            self.lanes[lane].misses = 0;
        } else {
            let lane = &mut self.lanes[lane];
            lane.lost = Some((batch, condition));
            lane.miss(&mut self.backoff, now);
        }
    }
}

impl Lane {
    fn miss(&mut self, backoff: &mut Backoff, now: DateTime<Utc>) {
        self.misses = self.misses.saturating_add(1);
        self.not_before = Some(now + backoff.delay(self.misses));
    }

    fn due(&self, settings: &Settings, ended: bool, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if self.running.is_some() {
            return None;
        }
        if self.lost.is_some() || !self.pending.is_empty() {
            return Some(self.not_before.unwrap_or(now));
        }
        let since = self.since?;
        let full =
            self.waiting.len() >= settings.batch_size || self.waiting_bytes + ENVELOPE >= PAYLOAD_LIMIT;
        Some(if ended || full { since } else { since + settings.window })
    }

    fn start(&mut self, number: usize, settings: &Settings, ended: bool, now: DateTime<Utc>) -> Option<Step> {
        if self.due(settings, ended, now)? > now {
            return None;
        }
        self.not_before = None;
        if let Some((batch, condition)) = self.lost.take() {
            return Some(self.discard(number, batch, condition));
        }
        let mut batch = self.pending.pop_front().unwrap_or_else(|| self.form(settings, now));
        let too_old = |entry: &Entry| now - entry.record.created > settings.maximum_record_age;
        let aged = batch.entries.iter().take_while(|entry| too_old(entry)).count();
        if aged > 0 {
            let young = batch.split_off(aged);
            if !young.entries.is_empty() {
                self.pending.push_front(young);
            }
            return Some(self.discard(number, batch, Condition::RecordAgeExceeded));
        }
        self.running = Some(batch.clone());
        Some(Step::Invoke { lane: number, batch })
    }

    fn discard(&mut self, lane: usize, batch: Batch, condition: Condition) -> Step {
        self.running = Some(batch.clone());
        Step::Discard { lane, batch, condition }
    }

    /// Takes a batch off the waiting records: as many as the batch size and the payload limit allow, at least one.
    fn form(&mut self, settings: &Settings, now: DateTime<Utc>) -> Batch {
        let mut batch = Batch::default();
        let mut bytes = ENVELOPE;
        while batch.entries.len() < settings.batch_size
            && let Some(entry) = self.waiting.pop_front()
        {
            let size = entry.record.json.len() + 1;
            if !batch.entries.is_empty() && bytes + size > PAYLOAD_LIMIT {
                self.waiting.push_front(entry);
                break;
            }
            bytes += size;
            self.waiting_bytes -= size;
            batch.entries.push(entry);
        }
        self.since = (!self.waiting.is_empty()).then_some(now);
        batch
    }
}

#[cfg(test)]
#[path = "lanes_tests.rs"]
mod tests;

//! SQS event source mappings (Lambda developer guide, "Using Lambda with Amazon SQS"): receives messages, gathers them to
//! batches (`gathered.rs`), and deletes what succeeded. What failed is left alone and reappears when its visibility timeout
//! ends.

use super::activity::{Activity, Alarm, Busy, Meter, lock};
use super::endpoint::{Message, QueueClient};
use super::filters::Filters;
use super::gathered::{Batch, Gathered, Held};
use super::invoke::Invoke;
use super::queue_event;
use super::responses::{Verdict, judge};
use crate::backoff::Backoff;
use crate::lambda::{Outcome, Source};
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use emulator::Clock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

/// What SQS takes and gives in one call.
const CALL_LIMIT: usize = 10;
/// Batches of one mapping in flight without `MaximumConcurrency`: where AWS starts.
const DEFAULT_CONCURRENCY: usize = 5;
/// Invocations of a batch that is throttled, before its messages go back to the queue.
const TRIES_WHEN_THROTTLED: u32 = 5;
/// Tries to delete messages that were processed; after that they are delivered again.
const TRIES_TO_DELETE: u32 = 4;
/// How long a receive waits for a message where the endpoint gives no hint. Short, because nobody can ask whether all is
/// idle meanwhile.
const WAIT_WITHOUT_HINTS: u32 = 1;

/// One event source mapping and everything it works with.
pub(super) struct Mapping {
    pub(super) function: String,
    pub(super) url: String,
    pub(super) queue_arn: String,
    pub(super) fifo: bool,
    pub(super) batch_size: usize,
    pub(super) window: TimeDelta,
    pub(super) report: bool,
    pub(super) concurrency: usize,
    pub(super) filters: Filters,
    pub(super) seed: u64,

    pub(super) queues: Arc<dyn QueueClient>,
    pub(super) invoke: Arc<dyn Invoke>,
    pub(super) clock: Clock,
    pub(super) changes: Option<watch::Receiver<u64>>,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) activity: Arc<Activity>,
    pub(super) meter: Meter,
    /// Messages received and not yet in a batch, and when they will be.
    pub(super) gathered: Mutex<(usize, Option<DateTime<Utc>>)>,
    /// Throttled batches in a row.
    pub(super) throttles: AtomicU32,
}

/// `MaximumConcurrency` of a mapping, or where AWS starts.
pub(super) fn concurrency(maximum: Option<u32>) -> usize {
    maximum.and_then(|most| usize::try_from(most).ok()).unwrap_or(DEFAULT_CONCURRENCY).clamp(1, 1_000)
}

/// What is done with the messages of a batch, by their places in it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Settlement {
    delete: Vec<usize>,
    /// Given back early: the function was not invoked.
    release: Vec<usize>,
}

/// The rule itself: what the function did not fail is deleted, what it failed is left to its visibility timeout.
fn settle(size: usize, verdict: &Verdict) -> Settlement {
    match verdict {
        Verdict::Succeeded => Settlement { delete: (0..size).collect(), ..Settlement::default() },
        Verdict::Partly(failed) => {
            let delete = (0..size).filter(|place| failed.binary_search(place).is_err()).collect();
            Settlement { delete, ..Settlement::default() }
        }
        Verdict::Failed(_) => Settlement::default(),
        Verdict::Throttled => Settlement { release: (0..size).collect(), ..Settlement::default() },
    }
}

impl Mapping {
    /// Runs until told to stop; batches under way end, gathered messages go back to the queue.
    pub(super) async fn run(self: Arc<Self>) {
        let alarm = Alarm::new(self.clock.clone(), self.changes.clone(), self.stop.clone());
        let poller = Poller {
            permits: Arc::new(Semaphore::new(self.concurrency)),
            alarm,
            gathered: Gathered::new(self.batch_size, self.window),
            errors: 0,
            not_before: None,
            backoff: Backoff::of_streams(self.seed),
            batches: 0,
            running: JoinSet::new(),
            mapping: self,
        };
        poller.run().await;
    }

    /// Whether there is no message that could be taken now. Call while takers are held off.
    pub(super) async fn idle(&self) -> bool {
        let (gathered, due) = *lock(&self.gathered);
        if gathered > 0 && due.is_none_or(|due| due <= self.clock.now()) {
            return false;
        }
        self.queues.visible(&self.url).await.is_ok_and(|visible| visible == 0)
    }

    async fn process(&self, batch: &mut Batch, mut backoff: Backoff) {
        let messages = batch.messages();
        let identifiers: Vec<&str> = messages.iter().map(|held| held.id.as_str()).collect();
        let outcome = self.invoke(messages, &mut backoff).await;
        let verdict = judge(outcome, self.report, &identifiers);
        let size = messages.len();
        match &verdict {
            Verdict::Succeeded => self.meter.settled(size),
            Verdict::Partly(failed) => self.meter.partly(size - failed.len(), size),
            Verdict::Failed(failure) => self.meter.failed(&failure.message),
            Verdict::Throttled => self.meter.failed("throttled"),
        }
        let settlement = settle(size, &verdict);
        let handles = |places: &[usize]| -> Vec<String> {
            let messages = places.iter().filter_map(|place| messages.get(*place));
            messages.map(|held| held.receipt_handle.clone()).collect()
        };
        let deleted = self.delete(&handles(&settlement.delete)).await;
        self.release(&handles(&settlement.release), &mut backoff).await;
        batch.deleted(deleted.iter().filter_map(|at| settlement.delete.get(*at)));
    }

    /// Invokes, and again a few times when throttled, so that a moment's shortage does not count as a receive.
    async fn invoke(&self, batch: &[Held], backoff: &mut Backoff) -> Outcome {
        let mut payload = String::from(r#"{"Records":["#);
        for (place, held) in batch.iter().enumerate() {
            payload.push_str(if place == 0 { "" } else { "," });
            payload.push_str(&held.json);
        }
        payload.push_str("]}");
        let payload = Bytes::from(payload);
        let mut tries = 0;
        loop {
            let outcome =
                self.invoke.invoke(&self.function, payload.clone(), Source::Queue, batch.len()).await;
            tries += 1;
            if outcome != Outcome::Throttled || tries >= TRIES_WHEN_THROTTLED {
                return outcome;
            }
            self.pause(backoff.delay(tries)).await;
            if self.stopping() {
                return outcome;
            }
        }
    }

    fn stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// Waits, but no longer than the host runs.
    async fn pause(&self, delay: TimeDelta) {
        let mut stop = self.stop.clone();
        tokio::select! {
            () = self.clock.sleep(delay) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    /// Deletes messages; gives the places, among their receipt handles, of those that the queue no longer has. It will give
    /// the others again.
    async fn delete(&self, handles: &[String]) -> Vec<usize> {
        let mut deleted = Vec::new();
        for (call, some) in handles.chunks(CALL_LIMIT).enumerate() {
            let places = self.delete_some(some).await;
            deleted.extend(places.into_iter().map(|place| call * CALL_LIMIT + place));
        }
        deleted
    }

    /// One call's worth of `delete`, tried again for what SQS may yet delete. It never deletes by a receipt that expired.
    async fn delete_some(&self, handles: &[String]) -> Vec<usize> {
        let mut backoff = Backoff::new(TimeDelta::milliseconds(100), TimeDelta::seconds(2), self.seed);
        let mut deleted = Vec::new();
        let mut left: Vec<usize> = (0..handles.len()).collect();
        for tries in 1..=TRIES_TO_DELETE {
            let asked: Vec<String> = left.iter().filter_map(|place| handles.get(*place)).cloned().collect();
            let refusals = self.queues.delete(&self.url, &asked).await;
            let (mut again, mut never) = (Vec::new(), None);
            for (place, at) in left.into_iter().enumerate() {
                match refusals.iter().find(|refusal| refusal.place == place) {
                    None => deleted.push(at),
                    Some(refusal) if refusal.passing && tries < TRIES_TO_DELETE => again.push(at),
                    Some(refusal) => never = never.or(Some(&refusal.reason)),
                }
            }
            if let Some(reason) = never {
                self.meter.troubled(&format!("processed messages could not be deleted: {reason}"));
            }
            if again.is_empty() {
                break;
            }
            left = again;
            self.pause(backoff.delay(tries)).await;
        }
        deleted
    }

    /// Gives messages back that the function never saw, later the longer it has been throttled; at once to whoever follows a
    /// host that stops.
    async fn release(&self, handles: &[String], backoff: &mut Backoff) {
        if self.stopping() {
            return self.give_back(handles, 0).await;
        }
        if handles.is_empty() {
            self.throttles.store(0, Ordering::Relaxed);
            return;
        }
        let throttles = self.throttles.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let seconds = backoff.delay(throttles.saturating_add(1)).num_seconds().clamp(1, 30);
        let seconds = u32::try_from(seconds).unwrap_or(1);
        self.give_back(handles, seconds).await;
    }

    /// Makes messages visible again after `seconds`. Where this fails the visibility timeout does.
    async fn give_back(&self, handles: &[String], seconds: u32) {
        for some in handles.chunks(CALL_LIMIT) {
            if let Some(refusal) = self.queues.change_visibility(&self.url, some, seconds).await.first() {
                self.meter.troubled(&format!("messages could not be given back: {}", refusal.reason));
            }
        }
    }
}

/// The one task that receives for a mapping.
struct Poller {
    mapping: Arc<Mapping>,
    alarm: Alarm,
    permits: Arc<Semaphore>,
    gathered: Gathered,
    errors: u32,
    not_before: Option<DateTime<Utc>>,
    backoff: Backoff,
    batches: u64,
    running: JoinSet<()>,
}

impl Poller {
    async fn run(mut self) {
        while let Some(permit) = self.permit().await {
            let mut permit = Some(permit);
            while permit.is_some() && !self.alarm.stopping() {
                self.alarm.look();
                let found = self.take(&mut permit).await;
                let ended = std::iter::from_fn(|| self.running.try_join_next()).count() > 0;
                // The group of a batch that ended may be what gathered messages wait for.
                if !found && permit.is_some() && (!ended || self.gathered.is_empty()) {
                    self.rest().await;
                }
            }
        }
        // Nobody will process them here.
        self.mapping.give_back(&self.gathered.drain(), 0).await;
        while self.running.join_next().await.is_some() {}
    }

    /// The right to run one more batch; `None` when the host stops.
    async fn permit(&mut self) -> Option<OwnedSemaphorePermit> {
        let mut stop = self.mapping.stop.clone();
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => None,
            permit = self.permits.clone().acquire_owned() => permit.ok(),
        }
    }

    /// Waits for a reason to look again.
    async fn rest(&mut self) {
        let due = [self.gathered.due(), self.not_before].into_iter().flatten().min();
        tokio::select! {
            () = self.alarm.quiet(due) => {}
            Some(_) = self.running.join_next(), if !self.gathered.is_empty() => {}
        }
    }

    /// Receives once, and starts a batch if one is ready; whether anything was received.
    async fn take(&mut self, permit: &mut Option<OwnedSemaphorePermit>) -> bool {
        let mapping = self.mapping.clone();
        let waits = self.not_before.is_some_and(|not_before| not_before > mapping.clock.now());
        // Held until what was received is counted as gathered or as in flight.
        let taking = mapping.activity.taking().await;
        mapping.give_back(&self.gathered.behind_failures(), 0).await;
        let room = self.gathered.room().min(CALL_LIMIT);
        let wait =
            if mapping.changes.is_some() || !self.gathered.is_empty() { 0 } else { WAIT_WITHOUT_HINTS };
        let mut found = false;
        let mut unwanted = Vec::new();
        if room > 0 && !waits {
            match mapping.queues.receive(&mapping.url, room, wait).await {
                Ok(messages) => {
                    found = !messages.is_empty();
                    unwanted = self.gather(messages);
                }
                Err(error) => self.failed_receive(&error.to_string()),
            }
        }
        if let Some(batch) = self.gathered.form(mapping.clock.now()) {
            self.batches += 1;
            let backoff = Backoff::new(
                TimeDelta::milliseconds(100),
                TimeDelta::seconds(30),
                mapping.seed ^ self.batches,
            );
            let busy = mapping.activity.begin();
            self.running.spawn(process(mapping.clone(), batch, backoff, permit.take(), busy));
        }
        let (gathered, due) = (self.gathered.len(), self.gathered.due());
        *lock(&mapping.gathered) = (gathered, due);
        mapping.meter.holds(gathered, due);
        drop(taking);
        mapping.delete(&unwanted).await;
        found
    }

    /// Takes messages that pass the filters; gives the receipt handles of those that no pattern matches.
    fn gather(&mut self, messages: Vec<Message>) -> Vec<String> {
        if self.errors > 0 {
            self.mapping.meter.recovered();
        }
        (self.errors, self.not_before) = (0, None);
        let mut unwanted = Vec::new();
        for message in messages {
            let record = queue_event::record(&message, &self.mapping.queue_arn);
            let json = record.to_string();
            if !self.mapping.filters.is_empty() && !self.mapping.filters.pass(&queue_event::filtered(record))
            {
                unwanted.push(message.receipt_handle);
                continue;
            }
            let group = message.attributes.get("MessageGroupId").filter(|_| self.mapping.fifo).cloned();
            let (id, receipt_handle) = (message.id, message.receipt_handle);
            self.gathered.hold(Held { id, receipt_handle, group, json, since: self.mapping.clock.now() });
        }
        unwanted
    }

    fn failed_receive(&mut self, reason: &str) {
        self.mapping.meter.troubled(reason);
        self.errors = self.errors.saturating_add(1);
        self.not_before = Some(self.mapping.clock.now() + self.backoff.delay(self.errors));
    }
}

async fn process(
    mapping: Arc<Mapping>,
    mut batch: Batch,
    backoff: Backoff,
    permit: Option<OwnedSemaphorePermit>,
    busy: Busy,
) {
    mapping.process(&mut batch, backoff).await;
    // Its groups are open, or known to have failed, before the poller hears of the end.
    drop(batch);
    drop((permit, busy));
}

#[cfg(test)]
#[path = "queues_tests.rs"]
mod tests;

//! SQS: queues in memory on the clock, written through to SQLite. Times within are milliseconds since the epoch.

mod admin;
mod disturb;
pub(crate) mod json;
mod message;
mod queue;
mod receipts;
mod request;
mod settings;
mod store;
#[cfg(test)]
mod tests;

use crate::wire::ServiceError;
use crate::{Delivery, Shared, lock};
use chrono::{DateTime, Utc};
use message::{Content, Message};
use queue::{DEDUPLICATION, Queue, Recent};
use receipts::{change_one, delete_one};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::watch;

pub(crate) use message::{Attribute, Attributes};

/// Bytes of one message, or of all in a batch.
const LARGEST_BATCH: usize = 1_048_576;

type Result<T = ()> = std::result::Result<T, ServiceError>;

/// A message as it lies in its queue.
#[derive(Serialize, Clone, Debug)]
pub struct PeekedMessage {
    /// The message's id.
    pub message_id: String,
    /// The whole body.
    pub body: String,
    /// The system attributes, by name.
    pub attributes: BTreeMap<String, String>,
    /// The sender's attributes, by name; binary ones in Base64.
    pub message_attributes: BTreeMap<String, String>,
    /// How often it was received from this queue.
    pub receive_count: u32,
    /// `visible`, `in-flight` or `delayed`.
    pub state: String,
    /// When it was sent.
    pub sent_at: DateTime<Utc>,
}

/// Every queue.
pub(crate) struct Sqs {
    state: Mutex<State>,
    shared: Arc<Shared>,
    /// True once no long poll may wait any more.
    closed: watch::Sender<bool>,
}

struct State {
    queues: BTreeMap<String, Queue>,
    store: store::Store,
    /// The last sequence number given out.
    sequence: u64,
    moves: Vec<admin::MoveTask>,
}

/// A message to be sent.
#[derive(Debug, Default, Clone)]
struct Outgoing {
    body: String,
    attributes: Attributes,
    trace: Option<String>,
    /// Seconds; the queue's own delay when `None`.
    delay: Option<i64>,
    group: Option<String>,
    deduplication: Option<String>,
    sender: String,
    /// Milliseconds that a fault holds it back beyond its delay.
    late: i64,
}

/// What a sender is told.
#[derive(Debug)]
struct Sent {
    id: String,
    body_md5: String,
    attributes_md5: Option<String>,
    trace_md5: Option<String>,
    /// Of FIFO queues.
    sequence: Option<u64>,
}

impl Sqs {
    pub(crate) fn open(directory: &Path, shared: Arc<Shared>) -> rusqlite::Result<Self> {
        let store = store::Store::open(directory)?;
        let (queues, highest) = store.load(shared.clock.now_millis())?;
        // Above every number given out before, even to messages long deleted: numbers name messages in handles.
        let sequence = highest.max(u64::try_from(Utc::now().timestamp_micros()).unwrap_or_default());
        let state = Mutex::new(State { queues, store, sequence, moves: Vec::new() });
        Ok(Self { state, shared, closed: watch::Sender::new(false) })
    }

    /// Ends every long poll, now and from now on.
    pub(crate) fn close(&self) {
        self.closed.send_replace(true);
    }

    /// Whether the queue of `arn` exists.
    pub(crate) fn exists(&self, arn: &str) -> bool {
        self.state().queues.contains_key(settings::queue_of(arn))
    }

    /// Sends messages in order; each may be refused on its own.
    ///
    /// # Errors
    /// When the queue does not exist or the store fails.
    fn send(&self, queue: &str, outgoing: Vec<Outgoing>) -> Result<Vec<Result<Sent>>> {
        let now = self.shared.clock.now_millis();
        let state = &mut *self.state();
        let queue = find(&mut state.queues, queue)?;
        let sequence = &mut state.sequence;
        let sent = state.store.together(|store| {
            let mut sent = Vec::with_capacity(outgoing.len());
            for outgoing in outgoing {
                let outgoing = self.delayed(queue, outgoing);
                sent.push(accept(queue, store, outgoing, sequence, now)?);
            }
            Ok(sent)
        })?;
        // Delayed messages as well: long polls compute from them when to wake.
        queue.announce();
        self.shared.changed();
        Ok(sent)
    }

    /// Receives up to `limit` messages, waiting up to `wait` seconds for the first.
    ///
    /// # Errors
    /// When the queue does not exist or the store fails.
    async fn receive(
        &self,
        queue: &str,
        limit: usize,
        visibility: Option<i64>,
        wait: Option<i64>,
    ) -> Result<Vec<Message>> {
        let started = self.shared.clock.now();
        let mut closed = self.closed.subscribe();
        let mut deadline = None;
        loop {
            let (found, mut arrivals, next_due, default_wait) = self.receive_now(queue, limit, visibility)?;
            let deadline = *deadline.get_or_insert_with(|| {
                started
                    + wait.map_or(chrono::TimeDelta::milliseconds(default_wait), chrono::TimeDelta::seconds)
            });
            if !found.is_empty() || self.shared.clock.now() >= deadline || *closed.borrow() {
                return Ok(found);
            }
            let wake = next_due.map_or(deadline, |due| due.min(deadline));
            tokio::select! {
                _ = arrivals.changed() => {}
                () = self.shared.clock.sleep_until(wake) => {}
                _ = closed.changed() => {}
            }
        }
    }

    /// What is there now; with what to wait for when that is nothing.
    #[allow(clippy::type_complexity, reason = "read once, right above")]
    fn receive_now(
        &self,
        name: &str,
        limit: usize,
        visibility: Option<i64>,
    ) -> Result<(Vec<Message>, watch::Receiver<u64>, Option<DateTime<Utc>>, i64)> {
        let now = self.shared.clock.now_millis();
        let state = &mut *self.state();
        settle(find(&mut state.queues, name)?, &state.store, now)?;
        let queue = find(&mut state.queues, name)?;
        let target = queue.settings.redrive.as_ref().map(|redrive| redrive.target().to_owned());
        let backwards = queue.has_several() && self.disturb(queue, Delivery::OutOfOrder).is_some();
        let mut taken = queue.choose(limit, backwards);
        if let Some(target) = target.filter(|_| !taken.dead.is_empty()) {
            bury(state, name, &target, &taken.dead, &self.shared, now)?;
            // The dead no longer hold the places of the living.
            taken = find(&mut state.queues, name)?.choose(limit, backwards);
        }
        let queue = find(&mut state.queues, name)?;
        self.leave_behind(queue, &state.store, &mut state.sequence, &taken.received, now)?;
        hand_out(queue, &state.store, &taken.received, visibility, now)
    }

    /// Deletes by receipt handle; each may be refused on its own.
    ///
    /// # Errors
    /// When the queue does not exist or the store fails.
    fn delete(&self, name: &str, handles: &[&str]) -> Result<Vec<Result>> {
        let now = self.shared.clock.now_millis();
        let state = &mut *self.state();
        let queue = find(&mut state.queues, name)?;
        settle(queue, &state.store, now)?;
        let deleted = state.store.together(|store| {
            handles
                .iter()
                .map(|handle| delete_one(queue, store, handle))
                .collect::<rusqlite::Result<Vec<_>>>()
        })?;
        // The next of a FIFO group may have become receivable.
        if queue.settings.fifo {
            queue.announce();
            self.shared.changed();
        }
        Ok(deleted)
    }

    /// Sets the visibility timeouts of messages in flight, in seconds from now; each may be refused on its own.
    ///
    /// # Errors
    /// When the queue does not exist or the store fails.
    fn change_visibility(&self, name: &str, changes: &[(&str, i64)]) -> Result<Vec<Result>> {
        let now = self.shared.clock.now_millis();
        let state = &mut *self.state();
        let queue = find(&mut state.queues, name)?;
        settle(queue, &state.store, now)?;
        let changed = state.store.together(|store| {
            let change =
                |(handle, seconds): &(&str, i64)| change_one(queue, store, handle, now + seconds * 1000);
            changes.iter().map(change).collect::<rusqlite::Result<Vec<_>>>()
        })?;
        if queue.promote(now) {
            queue.announce();
        }
        // Long polls compute their waking time from what waits.
        queue.announce();
        self.shared.changed();
        Ok(changed)
    }

    /// The first `limit` messages of a queue, oldest first; none of an unknown queue.
    pub(crate) fn peek(&self, queue: &str, limit: usize) -> Vec<PeekedMessage> {
        let now = self.shared.clock.now_millis();
        let mut state = self.state();
        let Some(queue) = state.queues.get_mut(queue) else {
            return Vec::new();
        };
        queue.promote(now);
        queue.iter().take(limit).map(|message| peeked(message, queue.settings.fifo, now)).collect()
    }

    /// When the next waiting message of any queue becomes visible.
    pub(crate) fn next_due(&self) -> Option<DateTime<Utc>> {
        let due = self.state().queues.values().filter_map(Queue::next_due).min()?;
        DateTime::from_timestamp_millis(due)
    }

    /// Tells of messages of one queue that may have become visible.
    pub(crate) fn arrivals(&self, queue: &str) -> Option<watch::Receiver<u64>> {
        self.state().queues.get(queue).map(Queue::arrivals)
    }

    /// Makes visible what has come due and tells everyone who waits.
    pub(crate) fn announce_due(&self) {
        let now = self.shared.clock.now_millis();
        for queue in self.state().queues.values_mut() {
            if queue.promote(now) {
                queue.announce();
            }
        }
        self.shared.changed();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// # Errors
/// `QueueDoesNotExist`.
fn find<'a>(queues: &'a mut BTreeMap<String, Queue>, name: &str) -> Result<&'a mut Queue> {
    queues
        .get_mut(name)
        .ok_or_else(|| ServiceError::sender("QueueDoesNotExist", "The specified queue does not exist."))
}

/// Brings a queue up to `now`: what is due becomes visible, what is too old goes.
fn settle(queue: &mut Queue, store: &store::Store, now: i64) -> rusqlite::Result<()> {
    queue.promote(now);
    let expired = queue.expired(now);
    if expired.is_empty() {
        return Ok(());
    }
    store.together(|store| expired.iter().try_for_each(|sequence| store.delete(*sequence)))?;
    for sequence in expired {
        queue.remove(sequence);
    }
    Ok(())
}

/// Takes one message into the queue; what to tell the sender. The outer error is the store's, the inner a refusal.
fn accept(
    queue: &mut Queue,
    store: &store::Store,
    outgoing: Outgoing,
    sequence: &mut u64,
    now: i64,
) -> rusqlite::Result<Result<Sent>> {
    let key = match request::check(queue, &outgoing) {
        Ok(key) => key,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let fifo = queue.settings.fifo;
    let mut sent = Sent {
        id: uuid::Uuid::new_v4().to_string(),
        body_md5: message::body_md5(&outgoing.body),
        attributes_md5: message::attributes_md5(outgoing.attributes.iter()),
        trace_md5: request::trace_md5(outgoing.trace.as_deref()),
        sequence: None,
    };
    if let Some(recent) = key.as_ref().and_then(|key| queue.duplicate(key, now)) {
        sent.id.clone_from(&recent.message_id);
        sent.sequence = Some(recent.sequence);
        return Ok(Ok(sent));
    }
    *sequence += 1;
    sent.sequence = fifo.then_some(*sequence);
    // A FIFO queue delays all its messages alike, or their order would break.
    let delay = outgoing.delay.filter(|_| !fifo).map_or(queue.settings.delay, |seconds| seconds * 1000);
    let content = Content {
        id: sent.id.clone(),
        body_md5: sent.body_md5.clone(),
        deduplication: outgoing.deduplication.or_else(|| fifo.then(|| request::content_hash(&outgoing.body))),
        body: outgoing.body,
        attributes: outgoing.attributes,
        group: outgoing.group,
        sender: outgoing.sender,
        trace: outgoing.trace,
        sent_at: now,
        dead_letter_source: None,
    };
    let message = fresh(*sequence, content, now + delay + outgoing.late);
    store.insert(&queue.name, &message)?;
    if let Some(key) = key {
        let recent = Recent { until: now + DEDUPLICATION, message_id: sent.id.clone(), sequence: *sequence };
        store.remember(&queue.name, &key, &recent)?;
        if queue.remember(key, recent, now) {
            store.forget(&queue.name, now)?;
        }
    }
    queue.insert(message, now);
    Ok(Ok(sent))
}

/// A message that nobody has received yet.
fn fresh(sequence: u64, content: Content, due: i64) -> Message {
    let content = Arc::new(content);
    Message { sequence, content, due, in_flight: false, receive_count: 0, first_received: None, receipt: 0 }
}

/// Moves what was received too often to the dead-letter queue. Without one it stays and is received no more.
fn bury(state: &mut State, from: &str, to: &str, dead: &[u64], shared: &Shared, now: i64) -> Result {
    if !state.queues.contains_key(to) {
        tracing::warn!(queue = from, target = to, "the dead-letter queue does not exist");
        return Ok(());
    }
    let source = shared.arn("sqs", from);
    let fifo = find(&mut state.queues, from)?.settings.fifo;
    transfer(state, from, dead, now, |content| {
        content.dead_letter_source = Some(source.clone());
        // A dead letter of a standard queue expires by when it was first sent, one of a FIFO queue by when it died.
        if fifo {
            content.sent_at = now;
        }
        Some(to.to_owned())
    })?;
    shared.changed();
    Ok(())
}

/// Moves messages to the queues that `route` names, body and attributes kept, receive counts new. Those that it gives
/// no queue stay. Returns how many were moved.
fn transfer(
    state: &mut State,
    from: &str,
    sequences: &[u64],
    now: i64,
    mut route: impl FnMut(&mut Content) -> Option<String>,
) -> Result<usize> {
    let mut moved = Vec::with_capacity(sequences.len());
    let queue = find(&mut state.queues, from)?;
    for old in sequences {
        let Some(message) = queue.get(*old) else { continue };
        let mut content = Content::clone(&message.content);
        let Some(to) = route(&mut content) else { continue };
        state.sequence += 1;
        moved.push((*old, to, fresh(state.sequence, content, now)));
    }
    state.store.together(|store| {
        moved.iter().try_for_each(|(old, to, message)| {
            store.delete(*old)?;
            store.insert(to, message)
        })
    })?;
    let count = moved.len();
    for (old, to, message) in moved {
        find(&mut state.queues, from)?.remove(old);
        if let Some(queue) = state.queues.get_mut(&to) {
            queue.insert(message, now);
            queue.announce();
        }
    }
    Ok(count)
}

#[allow(clippy::type_complexity, reason = "handed through")]
fn hand_out(
    queue: &mut Queue,
    store: &store::Store,
    sequences: &[u64],
    visibility: Option<i64>,
    now: i64,
) -> Result<(Vec<Message>, watch::Receiver<u64>, Option<DateTime<Utc>>, i64)> {
    let due = now + visibility.map_or(queue.settings.visibility, |seconds| seconds * 1000);
    let mut received = Vec::with_capacity(sequences.len());
    for sequence in sequences {
        let (receipt, _) = uuid::Uuid::new_v4().as_u64_pair();
        received.extend(queue.receive(*sequence, now, due, receipt));
    }
    if !received.is_empty() {
        store.together(|store| received.iter().try_for_each(|message| store.update(message)))?;
    }
    let next_due = queue.next_due().and_then(DateTime::from_timestamp_millis);
    Ok((received, queue.arrivals(), next_due, queue.settings.wait))
}

fn peeked(message: &Message, fifo: bool, now: i64) -> PeekedMessage {
    let content = &message.content;
    let value = |attribute: &Attribute| {
        attribute.string_value.clone().or_else(|| attribute.binary_value.clone()).unwrap_or_default()
    };
    let state = match message {
        Message { in_flight: true, .. } => "in-flight",
        Message { due, .. } if *due > now => "delayed",
        _ => "visible",
    };
    PeekedMessage {
        message_id: content.id.clone(),
        body: content.body.clone(),
        attributes: request::system_attributes(message, fifo),
        message_attributes: content.attributes.iter().map(|(name, a)| (name.clone(), value(a))).collect(),
        receive_count: message.receive_count,
        state: state.to_owned(),
        sent_at: DateTime::from_timestamp_millis(content.sent_at).unwrap_or_default(),
    }
}

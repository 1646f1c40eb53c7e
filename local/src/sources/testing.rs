//! Stand-ins for Lambda, DynamoDB Streams and SQS that tests script and look into.

use super::activity::lock;
use super::endpoint::*;
use super::invoke::Invoke;
use super::{Hints, Mishaps};
use crate::app::{self, App, Asynchronous, Build, Function, QueueSource, StartingPosition, StreamSource};
use crate::lambda::{FunctionError, Outcome, Source};
use crate::sources::{Context, Sources};
use crate::state::State;
use bytes::Bytes;
use emulator::Clock;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

/// What a scripted function does with an event.
pub(super) type Script = Box<dyn Fn(&Value) -> Outcome + Send + Sync>;

/// A function that answers by a script and remembers its events.
pub(super) struct Scripted {
    script: Mutex<Script>,
    pub(super) events: Mutex<Vec<Value>>,
    pub(super) most_at_once: Mutex<(usize, usize)>,
    /// An invocation lasts until this holds.
    until: Mutex<Box<dyn Fn() -> bool + Send + Sync>>,
    /// Message groups in flight, and those that were so twice at the same time.
    groups: Mutex<(Vec<String>, Vec<String>)>,
}

impl Scripted {
    pub(super) fn set(&self, script: impl Fn(&Value) -> Outcome + Send + Sync + 'static) {
        *lock(&self.script) = Box::new(script);
    }

    pub(super) fn lasts_until(&self, until: impl Fn() -> bool + Send + Sync + 'static) {
        *lock(&self.until) = Box::new(until);
    }
}

impl Scripted {
    pub(super) fn answering(script: impl Fn(&Value) -> Outcome + Send + Sync + 'static) -> Self {
        Self {
            script: Mutex::new(Box::new(script)),
            events: Mutex::default(),
            most_at_once: Mutex::default(),
            until: Mutex::new(Box::new(|| true)),
            groups: Mutex::default(),
        }
    }

    /// Message groups of which two batches were in flight.
    pub(super) fn overlapping_groups(&self) -> Vec<String> {
        lock(&self.groups).1.clone()
    }

    fn enter(&self, groups: &BTreeSet<String>) {
        let mut at_once = lock(&self.most_at_once);
        at_once.0 += 1;
        at_once.1 = at_once.1.max(at_once.0);
        let (in_flight, twice) = &mut *lock(&self.groups);
        twice.extend(groups.iter().filter(|group| in_flight.contains(group)).cloned());
        in_flight.extend(groups.iter().cloned());
    }

    fn leave(&self, groups: &BTreeSet<String>) {
        lock(&self.most_at_once).0 -= 1;
        lock(&self.groups).0.retain(|group| !groups.contains(group));
    }
}

fn groups(event: &Value) -> BTreeSet<String> {
    let records = event["Records"].as_array().into_iter().flatten();
    records
        .filter_map(|record| Some(record.pointer("/attributes/MessageGroupId")?.as_str()?.to_owned()))
        .collect()
}

impl Invoke for Scripted {
    fn invoke<'a>(
        &'a self,
        _function: &'a str,
        payload: Bytes,
        _source: Source,
        _batch_size: usize,
    ) -> Pending<'a, Outcome> {
        Box::pin(async move {
            let event: Value = serde_json::from_slice(&payload).unwrap();
            let groups = groups(&event);
            self.enter(&groups);
            let outcome = (lock(&self.script))(&event);
            for _ in 0..8 {
                tokio::task::yield_now().await;
            }
            while !lock(&self.until)() {
                tokio::task::yield_now().await;
            }
            self.leave(&groups);
            lock(&self.events).push(event);
            outcome
        })
    }
}

pub(super) fn answer(value: &Value) -> Outcome {
    Outcome::Response(Bytes::from(value.to_string()))
}

pub(super) fn failed_ids(ids: &[&str]) -> Outcome {
    let items: Vec<Value> = ids.iter().map(|id| json!({ "itemIdentifier": id })).collect();
    answer(&json!({ "batchItemFailures": items }))
}

pub(super) fn function_error() -> Outcome {
    Outcome::FunctionError(FunctionError { error_type: "Test".into(), message: "as told".into() })
}

/// One stream of shards held in memory. An iterator is `<shard> <index>`.
#[derive(Default)]
pub(super) struct MemoryStream {
    pub(super) shards: Mutex<Vec<MemoryShard>>,
    pub(super) changes: watch::Sender<u64>,
    /// The iterators handed out so far are refused once.
    pub(super) expire: Mutex<bool>,
}

#[derive(Clone, Default)]
pub(super) struct MemoryShard {
    pub(super) id: String,
    pub(super) parent: Option<String>,
    pub(super) records: Vec<Value>,
    pub(super) closed: bool,
}

impl MemoryStream {
    pub(super) fn write(&self, shard: &str, item: &str, number: u64, created: i64) {
        let record = json!({"eventID": format!("e{number}"), "eventName": "INSERT", "dynamodb": {
            "Keys": {"pk": {"S": item}}, "SequenceNumber": number.to_string(),
            "ApproximateCreationDateTime": created}});
        let mut shards = lock(&self.shards);
        shards.iter_mut().find(|found| found.id == shard).unwrap().records.push(record);
        drop(shards);
        self.changes.send_modify(|count| *count += 1);
    }
}

impl StreamReader for MemoryStream {
    fn shards<'a>(&'a self, _: &'a str) -> Pending<'a, Result<Vec<Shard>, EndpointError>> {
        let shards = lock(&self.shards);
        let shards = shards.iter().map(|shard| Shard { id: shard.id.clone(), parent: shard.parent.clone() });
        let shards = shards.collect();
        Box::pin(async move { Ok(shards) })
    }

    fn iterator<'a>(
        &'a self,
        _: &'a str,
        shard: &'a str,
        position: Position,
    ) -> Pending<'a, Result<String, EndpointError>> {
        let shards = lock(&self.shards);
        let found = shards.iter().find(|found| found.id == shard).unwrap();
        let index = match position {
            Position::TrimHorizon => 0,
            Position::Latest => found.records.len(),
            Position::After(sequence) => {
                let same = |record: &Value| record["dynamodb"]["SequenceNumber"] == sequence.as_str();
                match found.records.iter().position(same) {
                    Some(index) => index + 1,
                    None => return Box::pin(async { Err(EndpointError::Trimmed) }),
                }
            }
        };
        Box::pin(async move { Ok(format!("{shard} {index}")) })
    }

    fn read<'a>(&'a self, iterator: &'a str, limit: usize) -> Pending<'a, Result<Page, EndpointError>> {
        if std::mem::take(&mut *lock(&self.expire)) {
            return Box::pin(async { Err(EndpointError::Expired) });
        }
        let (shard, index) = iterator.split_once(' ').unwrap();
        let index: usize = index.parse().unwrap();
        let shards = lock(&self.shards);
        let found = shards.iter().find(|found| found.id == shard).unwrap();
        let records: Vec<Value> = found.records.iter().skip(index).take(limit).cloned().collect();
        let next = index + records.len();
        let ended = found.closed && next == found.records.len();
        let page = Page { records, next: (!ended).then(|| format!("{shard} {next}")) };
        Box::pin(async move { Ok(page) })
    }
}

/// Queues in memory, by URL. A received message stays hidden until it is deleted or its visibility is changed.
#[derive(Default)]
pub(super) struct MemoryQueues {
    pub(super) queues: Mutex<BTreeMap<String, MemoryQueue>>,
    pub(super) changes: watch::Sender<u64>,
    /// Sends are refused as long as it is set.
    pub(super) refuse_sends: Mutex<bool>,
}

#[derive(Default)]
pub(super) struct MemoryQueue {
    pub(super) visible: VecDeque<Message>,
    pub(super) hidden: Vec<Message>,
    pub(super) deleted: Vec<String>,
    /// Receipt handles by which the next deletion is refused, and whether another may succeed.
    pub(super) refusals: Vec<(String, bool)>,
    /// How many handles each call to delete had.
    pub(super) deletions: Vec<usize>,
    /// Messages given back, with the delay asked for.
    pub(super) given_back: Vec<(String, u32)>,
    pub(super) sent: Vec<(Value, BTreeMap<String, MessageAttribute>)>,
}

impl MemoryQueue {
    fn delete(&mut self, handles: &[String]) -> Vec<Refusal> {
        self.deletions.push(handles.len());
        let mut refused = Vec::new();
        for (place, handle) in handles.iter().enumerate() {
            if let Some(found) = self.refusals.iter().position(|(refused, _)| refused == handle) {
                let (_, passing) = self.refusals.remove(found);
                refused.push(Refusal { place, reason: "refused".into(), passing });
                continue;
            }
            self.hidden.retain(|message| message.receipt_handle != *handle);
            self.deleted.push(handle.clone());
        }
        refused
    }
}

impl MemoryQueues {
    pub(super) fn put(&self, queue: &str, id: &str, body: &str) {
        self.put_in_group(queue, None, id, body);
    }

    /// Like `put`. A group is only an attribute here: it locks nothing.
    pub(super) fn put_in_group(&self, queue: &str, group: Option<&str>, id: &str, body: &str) {
        let group = group.map(|group| ("MessageGroupId".to_owned(), group.to_owned()));
        let message = Message {
            id: id.into(),
            receipt_handle: format!("r-{id}"),
            body: body.into(),
            attributes: group.into_iter().collect(),
            ..Message::default()
        };
        lock(&self.queues).entry(queue.into()).or_default().visible.push_back(message);
        self.changes.send_modify(|count| *count += 1);
    }

    pub(super) fn with<T>(&self, queue: &str, look: impl FnOnce(&mut MemoryQueue) -> T) -> T {
        look(lock(&self.queues).entry(queue.into()).or_default())
    }
}

impl QueueClient for MemoryQueues {
    fn receive<'a>(
        &'a self,
        queue: &'a str,
        most: usize,
        _: u32,
    ) -> Pending<'a, Result<Vec<Message>, EndpointError>> {
        let messages = self.with(queue, |queue| {
            let most = most.min(queue.visible.len());
            let taken: Vec<Message> = queue.visible.drain(..most).collect();
            queue.hidden.extend(taken.iter().cloned());
            taken
        });
        Box::pin(async move { Ok(messages) })
    }

    fn delete<'a>(&'a self, queue: &'a str, handles: &'a [String]) -> Pending<'a, Vec<Refusal>> {
        assert!(!handles.is_empty() && handles.len() <= 10);
        let refused = self.with(queue, |queue| queue.delete(handles));
        Box::pin(async { refused })
    }

    fn change_visibility<'a>(
        &'a self,
        queue: &'a str,
        handles: &'a [String],
        seconds: u32,
    ) -> Pending<'a, Vec<Refusal>> {
        assert!(!handles.is_empty() && handles.len() <= 10);
        let given_back = handles.iter().map(|handle| (handle.clone(), seconds));
        self.with(queue, |queue| queue.given_back.extend(given_back));
        Box::pin(async { Vec::new() })
    }

    fn send<'a>(
        &'a self,
        queue: &'a str,
        body: String,
        attributes: BTreeMap<String, MessageAttribute>,
    ) -> Pending<'a, Result<(), EndpointError>> {
        if *lock(&self.refuse_sends) {
            return Box::pin(async { Err(EndpointError::Other("refused".into())) });
        }
        let body = serde_json::from_str(&body).unwrap_or(Value::String(body));
        self.with(queue, |queue| queue.sent.push((body, attributes)));
        Box::pin(async { Ok(()) })
    }

    fn visible<'a>(&'a self, queue: &'a str) -> Pending<'a, Result<u64, EndpointError>> {
        let visible = self.with(queue, |queue| queue.visible.len() as u64);
        Box::pin(async move { Ok(visible) })
    }
}

/// Everything a test needs, with a function `F`, a table `T` and the queues `jobs` and `failures`.
pub(super) struct World {
    pub(super) app: App,
    pub(super) function: Arc<Scripted>,
    pub(super) stream: Arc<MemoryStream>,
    pub(super) queues: Arc<MemoryQueues>,
    pub(super) clock: Clock,
    pub(super) state: State,
    /// How many checkpoints will be lost.
    pub(super) lost_checkpoints: Arc<Mutex<u32>>,
    changes: watch::Receiver<u64>,
    _directory: tempfile::TempDir,
}

/// The same hint for everyone.
struct AnyWrite(watch::Receiver<u64>);

impl Hints for AnyWrite {
    fn records(&self) -> Option<watch::Receiver<u64>> {
        Some(self.0.clone())
    }

    fn messages(&self, _: &str) -> Option<watch::Receiver<u64>> {
        Some(self.0.clone())
    }
}

struct Lost(Arc<Mutex<u32>>);

impl Mishaps for Lost {
    fn loses_checkpoint(&self, _: &str) -> bool {
        let mut left = lock(&self.0);
        let is_lost = *left > 0;
        *left = left.saturating_sub(1);
        is_lost
    }
}

pub(super) const FAILURES: &str = "arn:aws:sqs:us-east-1:123456789012:failures";

impl World {
    pub(super) fn new() -> Self {
        let changes = watch::Sender::new(0);
        let receiver = changes.subscribe();
        let directory = tempfile::tempdir().unwrap();
        let function = Function {
            name: "F".into(),
            arn: "arn:aws:lambda:us-east-1:123456789012:function:F".into(),
            handler: "bootstrap".into(),
            memory_megabytes: 128,
            timeout: Duration::from_secs(3),
            environment: BTreeMap::new(),
            build: Build::Prebuilt { bootstrap: "bootstrap".into() },
            asynchronous: Asynchronous { on_failure: Some(FAILURES.into()), ..Asynchronous::default() },
            policies: Vec::new(),
        };
        Self {
            app: App { functions: vec![function], ..App::default() },
            function: Arc::new(Scripted::answering(|_| answer(&json!({})))),
            stream: Arc::new(MemoryStream {
                shards: Mutex::new(vec![MemoryShard { id: "s1".into(), ..MemoryShard::default() }]),
                changes: changes.clone(),
                ..MemoryStream::default()
            }),
            queues: Arc::new(MemoryQueues { changes, ..MemoryQueues::default() }),
            clock: Clock::default(),
            state: State::open(directory.path()).unwrap(),
            lost_checkpoints: Arc::default(),
            changes: receiver,
            _directory: directory,
        }
    }

    pub(super) fn now(&self) -> i64 {
        self.clock.now().timestamp()
    }

    pub(super) fn start(&self) -> Sources {
        self.start_with(self.function.clone())
    }

    /// With something else in place of the scripted function.
    pub(super) fn start_with(&self, invoke: Arc<dyn Invoke>) -> Sources {
        let queue = |name: &str| (name.to_owned(), name.to_owned());
        let context = Context {
            invoke,
            streams: self.stream.clone(),
            queues: self.queues.clone(),
            queue_urls: BTreeMap::from([queue("jobs"), queue("jobs.fifo"), queue("failures")]),
            stream_arns: BTreeMap::from([("T".to_owned(), "arn:stream".to_owned())]),
            clock: self.clock.clone(),
            state: self.state.clone(),
            hints: Some(Arc::new(AnyWrite(self.changes.clone()))),
            mishaps: Some(Arc::new(Lost(self.lost_checkpoints.clone()))),
            seed: 1,
        };
        Sources::start(&self.app, context).unwrap()
    }

    /// The values that a path gives in every record of every event so far, one list per event.
    pub(super) fn batches(&self, pointer: &str) -> Vec<Vec<String>> {
        let text = |record: &Value| record.pointer(pointer).unwrap().as_str().unwrap().to_owned();
        let events = lock(&self.function.events);
        events.iter().map(|event| event["Records"].as_array().unwrap().iter().map(text).collect()).collect()
    }
}

/// Waits until the sources are idle, moving the clock on when `jump` says so and something is due later.
pub(super) async fn drain(sources: &Sources, clock: Option<&Clock>) {
    let wait = async {
        loop {
            if !sources.idle().await {
                tokio::task::yield_now().await;
                continue;
            }
            match (clock, sources.next_due()) {
                (Some(clock), Some(due)) => {
                    let left = due - clock.now() + chrono::TimeDelta::milliseconds(1);
                    clock.advance(left.max(chrono::TimeDelta::zero()));
                }
                _ => return,
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), wait).await.expect("idle in time");
}

pub(super) fn stream_source() -> StreamSource {
    StreamSource {
        id: "F.Changes".into(),
        function: "F".into(),
        table: "T".into(),
        starting_position: StartingPosition::TrimHorizon,
        batch_size: 100,
        window: Duration::ZERO,
        maximum_retry_attempts: Some(2),
        maximum_record_age: None,
        bisect_on_error: false,
        parallelization_factor: 1,
        report_batch_item_failures: true,
        on_failure: Some(FAILURES.into()),
        filters: Vec::new(),
    }
}

pub(super) fn queue_source() -> QueueSource {
    QueueSource {
        id: "F.Jobs".into(),
        function: "F".into(),
        queue_arn: "arn:aws:sqs:us-east-1:123456789012:jobs".into(),
        queue_name: "jobs".into(),
        batch_size: 10,
        window: Duration::ZERO,
        report_batch_item_failures: true,
        maximum_concurrency: Some(2),
        filters: Vec::new(),
    }
}

pub(super) fn schedule(expression: &str) -> app::Schedule {
    app::Schedule {
        name: "Daily".into(),
        function: "F".into(),
        expression: expression.into(),
        time_zone: "UTC".into(),
        start: None,
        end: None,
        input: Some(
            r#"{"at":"<aws.scheduler.scheduled-time>","attempt":"<aws.scheduler.attempt-number>"}"#.into(),
        ),
        enabled: true,
        maximum_retry_attempts: 0,
        maximum_event_age: Duration::from_secs(3600),
        dead_letter_queue: Some(FAILURES.into()),
    }
}

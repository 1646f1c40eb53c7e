//! One life of a host: the real sources over stand-ins that a script moves by hand.

use super::super::activity::lock;
use super::super::endpoint::{EndpointError, Message, MessageAttribute, Pending, QueueClient, Refusal};
use super::super::{Context, Hints, Invoke, Sources};
use crate::app::App;
use crate::lambda::{Outcome, Source};
use bytes::Bytes;
use chrono::TimeDelta;
use emulator::Clock;
use serde_json::Value;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{oneshot, watch};

/// Something that the sources did.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    /// Invoked a function; the call goes on until the script ends it.
    Called { call: usize, function: String, source: Source, payload: Value },
    /// Sent a message to a queue.
    Sent { body: Value, attributes: BTreeMap<String, MessageAttribute> },
    /// Wanted to send a message to a queue that took none.
    Refused { body: Value, attributes: BTreeMap<String, MessageAttribute> },
    /// Was given messages by a queue.
    Received(Vec<Message>),
    /// Told a queue to delete the message of this receipt.
    Deleted { receipt: String },
    /// Told a queue to show the message of this receipt again after so long.
    GivenBack { receipt: String, seconds: u32 },
}

impl Deed {
    /// In one line, without what everybody knows.
    pub(super) fn short(&self) -> String {
        match self {
            Self::Called { call, payload, .. } => {
                let short = |record: &Value| {
                    let number = record.pointer("/dynamodb/SequenceNumber").or(record.get("body"));
                    number.unwrap_or(record).to_string()
                };
                match payload["Records"].as_array() {
                    Some(records) => {
                        format!("call {call}: {}", records.iter().map(short).collect::<Vec<_>>().join(" "))
                    }
                    None => format!("call {call}: {payload}"),
                }
            }
            Self::Sent { body, attributes } => format!("sent {body} {attributes:?}"),
            Self::Refused { body, .. } => format!("could not send {body}"),
            Self::Received(messages) => {
                let short = |message: &Message| format!("{} ({})", message.body, message.receipt_handle);
                format!("received {}", messages.iter().map(short).collect::<Vec<_>>().join(" "))
            }
            Self::Deleted { receipt } => format!("deleted {receipt}"),
            Self::GivenBack { receipt, seconds } => format!("gave back {receipt} for {seconds} s"),
        }
    }
}

/// What the sources did and nobody has looked at yet, in order.
#[derive(Default)]
pub(super) struct Deeds(Mutex<Vec<Deed>>);

impl Deeds {
    pub(super) fn take(&self) -> Vec<Deed> {
        std::mem::take(&mut lock(&self.0))
    }

    pub(super) fn add(&self, deed: Deed) {
        lock(&self.0).push(deed);
    }
}

/// A function whose invocations run until the script ends them.
#[derive(Default)]
pub(super) struct Function {
    deeds: Arc<Deeds>,
    calls: Mutex<usize>,
    running: Mutex<BTreeMap<usize, oneshot::Sender<Outcome>>>,
}

impl Function {
    pub(super) fn new(deeds: Arc<Deeds>) -> Arc<Self> {
        Arc::new(Self { deeds, ..Self::default() })
    }

    pub(super) fn end(&self, call: usize, outcome: Outcome) {
        let ended = lock(&self.running).remove(&call).expect("the call runs");
        // Nobody listens when the host died meanwhile.
        let _ = ended.send(outcome);
    }

    /// The calls of a host that died: nobody learns how they end.
    pub(super) fn forget(&self) {
        lock(&self.running).clear();
    }
}

impl Invoke for Function {
    fn invoke<'a>(
        &'a self,
        function: &'a str,
        payload: Bytes,
        source: Source,
        _: usize,
    ) -> Pending<'a, Outcome> {
        Box::pin(async move {
            let function = function.to_owned();
            let payload = serde_json::from_slice(&payload).expect("events are JSON");
            let call = {
                let mut calls = lock(&self.calls);
                *calls += 1;
                *calls
            };
            let (end, ended) = oneshot::channel();
            lock(&self.running).insert(call, end);
            self.deeds.add(Deed::Called { call, function, source, payload });
            ended.await.expect("calls end, or die with their host")
        })
    }
}

/// Queues that are only sent to, and that refuse when the script says so.
#[derive(Default)]
pub(super) struct Outbox {
    deeds: Arc<Deeds>,
    refuse: Mutex<bool>,
}

impl Outbox {
    pub(super) fn new(deeds: Arc<Deeds>) -> Arc<Self> {
        Arc::new(Self { deeds, ..Self::default() })
    }

    pub(super) fn refuse(&self, refuse: bool) {
        *lock(&self.refuse) = refuse;
    }
}

impl QueueClient for Outbox {
    fn send<'a>(
        &'a self,
        _: &'a str,
        body: String,
        attributes: BTreeMap<String, MessageAttribute>,
    ) -> Pending<'a, Result<(), EndpointError>> {
        let body = serde_json::from_str(&body).unwrap_or(Value::String(body));
        if *lock(&self.refuse) {
            self.deeds.add(Deed::Refused { body, attributes });
            return Box::pin(async { Err(EndpointError::Other("refused".into())) });
        }
        self.deeds.add(Deed::Sent { body, attributes });
        Box::pin(async { Ok(()) })
    }

    fn receive<'a>(
        &'a self,
        _: &'a str,
        _: usize,
        _: u32,
    ) -> Pending<'a, Result<Vec<Message>, EndpointError>> {
        Box::pin(async { unreachable!("nothing receives here") })
    }

    fn delete<'a>(&'a self, _: &'a str, _: &'a [String]) -> Pending<'a, Vec<Refusal>> {
        Box::pin(async { unreachable!("nothing receives here") })
    }

    fn change_visibility<'a>(&'a self, _: &'a str, _: &'a [String], _: u32) -> Pending<'a, Vec<Refusal>> {
        Box::pin(async { unreachable!("nothing receives here") })
    }

    fn visible<'a>(&'a self, _: &'a str) -> Pending<'a, Result<u64, EndpointError>> {
        Box::pin(async { unreachable!("nothing receives here") })
    }
}

/// Hints that never come: moving the clock wakes every source.
pub(super) struct NoHints(pub(super) watch::Sender<u64>);

impl Hints for NoHints {
    fn records(&self) -> Option<watch::Receiver<u64>> {
        Some(self.0.subscribe())
    }

    fn messages(&self, _: &str) -> Option<watch::Receiver<u64>> {
        Some(self.0.subscribe())
    }
}

/// Notices that no task of a runtime can go on.
#[derive(Default)]
struct Parking(Mutex<Option<Waker>>);

impl Parking {
    fn parked(&self) {
        if let Some(waiting) = lock(&self.0).take() {
            waiting.wake();
        }
    }

    /// Returns when every task waits for something that is not in the runtime.
    async fn wait(&self) {
        let mut waiting = false;
        poll_fn(|context| {
            let mut waker = lock(&self.0);
            if waiting && waker.is_none() {
                return Poll::Ready(());
            }
            waiting = true;
            *waker = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// A running host. Dropping it is `kill -9`: no task of it takes another step.
pub(super) struct Host {
    // Before the sources, whose own end would let tasks go on for a while.
    runtime: Runtime,
    sources: Sources,
    parking: Arc<Parking>,
    clock: Clock,
}

impl Host {
    pub(super) fn start(app: &App, context: Context) -> Self {
        let parking = Arc::new(Parking::default());
        let parked = parking.clone();
        let mut runtime = Builder::new_current_thread();
        let runtime = runtime.enable_time().on_thread_park(move || parked.parked()).build();
        let runtime = runtime.expect("a runtime");
        let clock = context.clock.clone();
        let sources = {
            let _inside = runtime.enter();
            Sources::start(app, context).expect("the sources start")
        };
        Self { runtime, sources, parking, clock }
    }

    pub(super) fn sources(&self) -> &Sources {
        &self.sources
    }

    /// Wakes every source, and returns when none can go on before something happens outside.
    pub(super) fn settle(&self) {
        self.clock.advance(TimeDelta::zero());
        self.runtime.block_on(self.parking.wait());
    }

    /// Shuts down in order; `end_calls` ends what runs then.
    pub(super) fn stop(self, end_calls: impl FnOnce()) {
        let mut shutdown = pin!(self.sources.shutdown());
        let mut down = || {
            let parked = self.parking.wait();
            self.runtime.block_on(async {
                tokio::select! {
                    biased;
                    () = &mut shutdown => true,
                    () = parked => false,
                }
            })
        };
        let early = down();
        end_calls();
        assert!(early || down(), "a host with nothing left to wait for shuts down");
    }
}

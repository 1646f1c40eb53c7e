//! What every script plays on: an application, a clock that stands still, a function and queues that do as told, a host
//! when one runs, and the story of it all for whoever reads a failure.

use super::super::endpoint::{QueueClient, StreamReader};
use super::super::testing::{MemoryStream, World};
use super::super::{Context, Sources};
use super::host::{Deed, Deeds, Function, Host, NoHints, Outbox};
use crate::app::App;
use crate::state::State;
use chrono::{DateTime, TimeDelta, Utc};
use emulator::Clock;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

const STREAM: &str = "arn:aws:dynamodb:us-east-1:123456789012:table/T/stream/1";

/// When every script begins.
pub(super) fn beginning() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).expect("a moment")
}

pub(super) struct Stage {
    world: World,
    pub(super) deeds: Arc<Deeds>,
    pub(super) function: Arc<Function>,
    pub(super) outbox: Arc<Outbox>,
    host: Option<Host>,
    pub(super) story: Vec<String>,
}

impl Stage {
    /// The application has a function `F`, and what `change` gives it.
    pub(super) fn new(change: impl FnOnce(&mut App)) -> Self {
        Self::on(Clock::standing_at(beginning()), change)
    }

    /// Like `new`, on a clock that others read too.
    pub(super) fn on(clock: Clock, change: impl FnOnce(&mut App)) -> Self {
        let mut world = World::new();
        world.clock = clock;
        change(&mut world.app);
        let deeds = Arc::new(Deeds::default());
        Self {
            function: Function::new(deeds.clone()),
            outbox: Outbox::new(deeds.clone()),
            deeds,
            host: None,
            story: Vec::new(),
            world,
        }
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.world.clock.now()
    }

    pub(super) fn state(&self) -> &State {
        &self.world.state
    }

    /// The stream, for whoever writes to it.
    pub(super) fn stream(&self) -> &MemoryStream {
        &self.world.stream
    }

    /// Moves the clock, also backwards, as far as it goes.
    pub(super) fn pass(&self, time: TimeDelta) {
        self.world.clock.advance(time);
    }

    pub(super) fn note(&mut self, what: &impl Debug) {
        let now = self.now();
        self.story.push(format!("{now} {what:?}"));
    }

    /// Starts a host over the stream and the outbox.
    pub(super) fn start(&mut self) {
        self.start_over(self.world.stream.clone(), self.outbox.clone());
    }

    /// Starts a host over other queues.
    pub(super) fn start_with_queues(&mut self, queues: Arc<dyn QueueClient>) {
        self.start_over(self.world.stream.clone(), queues);
    }

    fn start_over(&mut self, streams: Arc<dyn StreamReader>, queues: Arc<dyn QueueClient>) {
        assert!(self.host.is_none(), "one host at a time");
        let same = |name: &str| (name.to_owned(), name.to_owned());
        let context = Context {
            invoke: self.function.clone(),
            streams,
            queues,
            queue_urls: BTreeMap::from([same("jobs"), same("jobs.fifo"), same("failures")]),
            stream_arns: BTreeMap::from([("T".to_owned(), STREAM.to_owned())]),
            clock: self.world.clock.clone(),
            state: self.world.state.clone(),
            hints: Some(Arc::new(NoHints(self.world.stream.changes.clone()))),
            mishaps: None,
            seed: 1,
        };
        self.host = Some(Host::start(&self.world.app, context));
    }

    /// The sources of the host that runs.
    pub(super) fn sources(&self) -> Option<&Sources> {
        self.host.as_ref().map(Host::sources)
    }

    pub(super) fn runs(&self) -> bool {
        self.host.is_some()
    }

    /// Lets the host do what it can, if one runs.
    pub(super) fn settle(&self) {
        if let Some(host) = &self.host {
            host.settle();
        }
    }

    /// What was done since the last look.
    pub(super) fn look(&mut self) -> Vec<Deed> {
        let deeds = self.deeds.take();
        self.story.extend(deeds.iter().map(|deed| format!("  {}", deed.short())));
        deeds
    }

    /// `kill -9`.
    pub(super) fn kill(&mut self) {
        self.host = None;
        self.function.forget();
    }

    /// The host, to be shut down in order.
    pub(super) fn leave(&mut self) -> Option<Host> {
        self.host.take()
    }
}

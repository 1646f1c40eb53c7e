//! From the template's plan to running sources.

use super::activity::{Activity, Meter};
use super::asynchronous::{Asynchronous, Target};
use super::expression::Expression;
use super::failures::Destination;
use super::filters::Filters;
use super::schedules::{Host, Runner};
use super::{Context, SourceError, Sources, bucket_calls, queues, streams};
use crate::app::{App, BucketSource, Function, QueueSource, Schedule, StreamSource};
use crate::backoff::seed_for;
use chrono::TimeDelta;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What is shared by everything that is started.
struct Starter<'a> {
    app: &'a App,
    context: &'a Context,
    activity: Arc<Activity>,
    stop: watch::Sender<bool>,
}

/// Builds every source before any of them runs, so that a mistake in the template starts nothing.
pub(super) fn start(app: &App, context: &Context) -> Result<Sources, SourceError> {
    let starter = Starter { app, context, activity: Arc::default(), stop: watch::Sender::new(false) };
    let asynchronous = starter.asynchronous()?;
    let streams = app.stream_sources.iter().map(|source| starter.stream(source).map(Arc::new));
    let streams = streams.collect::<Result<Vec<_>, _>>()?;
    let queues = app.queue_sources.iter().map(|source| starter.queue(source).map(Arc::new));
    let queues = queues.collect::<Result<Vec<_>, _>>()?;
    let buckets = app.bucket_sources.iter().map(|found| starter.bucket(found, &asynchronous).map(Arc::new));
    let buckets = buckets.collect::<Result<Vec<_>, _>>()?;
    let schedules = app.schedules.iter().map(|found| starter.schedule(found, &asynchronous).map(Arc::new));
    let schedules = schedules.collect::<Result<Vec<_>, _>>()?;

    let mut tasks = JoinSet::new();
    tasks.spawn(asynchronous.clone().run(starter.stop.subscribe()));
    for mapping in &streams {
        tasks.spawn(mapping.clone().run());
    }
    for mapping in &queues {
        tasks.spawn(mapping.clone().run());
    }
    for passing in &buckets {
        tasks.spawn(passing.clone().run());
    }
    for schedule in &schedules {
        tasks.spawn(schedule.clone().run(starter.stop.subscribe()));
    }
    let Starter { activity, stop, .. } = starter;
    Ok(Sources {
        streams,
        queues,
        buckets,
        schedules,
        asynchronous,
        activity,
        stop,
        tasks: Mutex::new(tasks),
    })
}

impl Starter<'_> {
    fn function(&self, id: &str, name: &str) -> Result<&Function, SourceError> {
        let found = self.app.functions.iter().find(|function| function.name == name);
        found.ok_or_else(|| SourceError::UnknownFunction { id: id.to_owned(), function: name.to_owned() })
    }

    fn queue_url(&self, id: &str, queue: &str) -> Result<String, SourceError> {
        let found = self.context.queue_urls.get(queue).cloned();
        found.ok_or_else(|| SourceError::UnknownQueue { id: id.to_owned(), queue: queue.to_owned() })
    }

    /// The URL of the queue that an ARN names.
    fn url_of(&self, id: &str, arn: &str) -> Result<String, SourceError> {
        let parts: Vec<&str> = arn.split(':').collect();
        match parts[..] {
            [_, _, "sqs", _, _, name] => self.queue_url(id, name),
            _ => Err(SourceError::Destination { id: id.to_owned(), arn: arn.to_owned() }),
        }
    }

    fn destination(&self, id: &str, arn: Option<&String>) -> Result<Option<Destination>, SourceError> {
        let url = arn.map(|arn| self.url_of(id, arn)).transpose()?;
        Ok(url.map(|url| Destination { queues: self.context.queues.clone(), url }))
    }

    fn asynchronous(&self) -> Result<Arc<Asynchronous>, SourceError> {
        let mut targets = BTreeMap::new();
        for function in &self.app.functions {
            let rules = function.asynchronous.clone();
            let destination = self.destination(&function.name, rules.on_failure.as_ref())?;
            let dead_letters = self.destination(&function.name, rules.dead_letter_queue.as_ref())?;
            let target = Target { arn: function.arn.clone(), rules, destination, dead_letters };
            targets.insert(function.name.clone(), target);
        }
        let Context { invoke, clock, state, seed, .. } = self.context.clone();
        let seed = seed_for(seed, "asynchronous");
        Ok(Arc::new(Asynchronous::new(targets, invoke, clock, state, self.activity.clone(), seed)?))
    }

    fn stream(&self, source: &StreamSource) -> Result<streams::Mapping, SourceError> {
        let id = &source.id;
        let stream = self.context.stream_arns.get(&source.table).cloned();
        let stream =
            stream.ok_or_else(|| SourceError::NoStream { id: id.clone(), table: source.table.clone() })?;
        let filters =
            Filters::new(&source.filters).map_err(|error| SourceError::Filter { id: id.clone(), error })?;
        let context = self.context.clone();
        Ok(streams::Mapping {
            id: id.clone(),
            function: source.function.clone(),
            function_arn: self.function(id, &source.function)?.arn.clone(),
            stream,
            table: source.table.clone(),
            starting: source.starting_position,
            settings: streams::settings(source),
            report: source.report_batch_item_failures,
            filters,
            destination: self.destination(id, source.on_failure.as_ref())?,
            seed: seed_for(context.seed, id),
            reader: context.streams,
            invoke: context.invoke,
            clock: context.clock,
            state: context.state,
            changes: context.hints.and_then(|hints| hints.records()),
            mishaps: context.mishaps,
            stop: self.stop.subscribe(),
            activity: self.activity.clone(),
            meter: Meter::new(id, "stream", &source.function),
            shards: Mutex::default(),
        })
    }

    fn queue(&self, source: &QueueSource) -> Result<queues::Mapping, SourceError> {
        let id = &source.id;
        self.function(id, &source.function)?;
        let filters =
            Filters::new(&source.filters).map_err(|error| SourceError::Filter { id: id.clone(), error })?;
        let context = self.context.clone();
        Ok(queues::Mapping {
            function: source.function.clone(),
            url: self.queue_url(id, &source.queue_name)?,
            queue_arn: source.queue_arn.clone(),
            fifo: source.queue_name.ends_with(".fifo"),
            batch_size: usize::try_from(source.batch_size).unwrap_or(10).clamp(1, 10_000),
            window: TimeDelta::from_std(source.window).unwrap_or_default(),
            report: source.report_batch_item_failures,
            concurrency: queues::concurrency(source.maximum_concurrency),
            filters,
            seed: seed_for(context.seed, id),
            queues: context.queues,
            invoke: context.invoke,
            clock: context.clock,
            changes: context.hints.and_then(|hints| hints.messages(&source.queue_name)),
            stop: self.stop.subscribe(),
            activity: self.activity.clone(),
            meter: Meter::new(id, "queue", &source.function),
            gathered: Mutex::default(),
            throttles: AtomicU32::default(),
        })
    }

    fn bucket(
        &self,
        source: &BucketSource,
        asynchronous: &Arc<Asynchronous>,
    ) -> Result<bucket_calls::Passing, SourceError> {
        let id = &source.id;
        self.function(id, &source.function)?;
        let context = self.context.clone();
        Ok(bucket_calls::Passing {
            function: source.function.clone(),
            url: self.queue_url(id, &source.queue_name)?,
            queues: context.queues,
            asynchronous: asynchronous.clone(),
            clock: context.clock,
            changes: context.hints.and_then(|hints| hints.messages(&source.queue_name)),
            stop: self.stop.subscribe(),
            activity: self.activity.clone(),
            meter: Meter::new(id, "bucket", &source.function),
            seed: seed_for(context.seed, id),
        })
    }

    fn schedule(&self, schedule: &Schedule, asynchronous: &Arc<Asynchronous>) -> Result<Runner, SourceError> {
        let id = &schedule.name;
        let expression = Expression::parse(&schedule.expression, &schedule.time_zone)
            .map_err(|error| SourceError::Expression { id: id.clone(), error })?
            .within(schedule.start, schedule.end);
        let dead_letters = self.destination(id, schedule.dead_letter_queue.as_ref())?;
        let target = self.function(id, &schedule.function)?.arn.clone();
        let host = Host {
            asynchronous: asynchronous.clone(),
            clock: self.context.clock.clone(),
            state: self.context.state.clone(),
            activity: self.activity.clone(),
            seed: seed_for(self.context.seed, id),
        };
        Ok(Runner::new(schedule.clone(), expression, target, dead_letters, host)?)
    }
}

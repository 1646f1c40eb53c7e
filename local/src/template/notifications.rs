//! What buckets tell, and whom: queues, or functions themselves.
//!
//! S3 calls a function as anybody does who does not wait for it: an asynchronous invocation. Here a queue stands between,
//! because S3 can tell one wherever the data services are; the host passes on what lies in it.

use super::events::Event;
use super::fields::Fields;
use super::problem::{Place, Problems};
use super::scope::Scope;
use crate::app::{App, BucketNotification, BucketSource, Queue, name_of};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Which changes of a bucket are told.
struct Changes {
    event: String,
    prefix: Option<String>,
    suffix: Option<String>,
}

impl Changes {
    fn told_to(self, queue_arn: String) -> BucketNotification {
        let Self { event, prefix, suffix } = self;
        BucketNotification { event, queue_arn, prefix, suffix }
    }
}

/// A bucket, by name, that calls a function, by name.
pub(super) struct Call {
    place: Place,
    pub(super) bucket: String,
    pub(super) function: String,
    changes: Changes,
}

/// `NotificationConfiguration` of the bucket of that name.
pub(super) fn of_bucket(bucket: &str, mut fields: Fields<'_>) -> (Vec<BucketNotification>, Vec<Call>) {
    let hint = "send them to a queue (QueueConfigurations) or to a function (LambdaConfigurations)";
    fields.unsupported(&[("EventBridgeConfiguration", hint), ("TopicConfigurations", hint)]);
    let queues = fields.objects("QueueConfigurations").into_iter().filter_map(|mut fields| {
        let changes = changes_with_event(&mut fields);
        let queue = fields.required_text("Queue");
        fields.finish();
        Some(changes?.told_to(queue?))
    });
    let queues = queues.collect();
    let calls = fields.objects("LambdaConfigurations").into_iter().filter_map(|mut fields| {
        let changes = changes_with_event(&mut fields);
        let function = fields.required_text("Function");
        let place = fields.place.key("Function");
        fields.finish();
        let function = name_of(&function?).to_owned();
        Some(Call { place, bucket: bucket.to_owned(), function, changes: changes? })
    });
    let calls = calls.collect();
    fields.finish();
    (queues, calls)
}

fn changes_with_event(fields: &mut Fields<'_>) -> Option<Changes> {
    let event = fields.required_text("Event").and_then(|event| known(event, fields, "Event"));
    let (prefix, suffix) = filter(fields);
    Some(Changes { event: event?, prefix, suffix })
}

/// `S3`: the event of a function, which a bucket of the same template calls.
pub(super) fn event(event: &Event<'_>, mut fields: Fields<'_>) -> Vec<Call> {
    let bucket = fields.required_text("Bucket");
    fields.require("Events");
    // SAM takes one as text.
    let events = match fields.take("Events") {
        Some(Value::Array(events)) => events,
        Some(event) => vec![event],
        None => Vec::new(),
    };
    let (prefix, suffix) = filter(&mut fields);
    let place = fields.place.key("Bucket");
    let mut calls = Vec::new();
    for name in events {
        let Some(name) = name.as_str() else {
            fields.wrong::<()>("Events", "it must be text");
            continue;
        };
        calls.extend(known(name.to_owned(), &fields, "Events").zip(bucket.clone()).map(|(name, bucket)| {
            let changes = Changes { event: name, prefix: prefix.clone(), suffix: suffix.clone() };
            Call { place: place.clone(), bucket, function: event.function.to_owned(), changes }
        }));
    }
    fields.finish();
    calls
}

fn known(event: String, fields: &Fields<'_>, key: &str) -> Option<String> {
    if event.starts_with("s3:Object") {
        Some(event)
    } else {
        fields.wrong(key, format_args!("{event:?} is no event that buckets tell here"))
    }
}

/// The prefix and the suffix that keys must have.
fn filter(fields: &mut Fields<'_>) -> (Option<String>, Option<String>) {
    let (mut prefix, mut suffix) = (None, None);
    if let Some(mut filter) = fields.object("Filter") {
        if let Some(mut key) = filter.object("S3Key") {
            for mut rule in key.objects("Rules") {
                rule.require("Name");
                let name = rule.choice("Name", &["prefix", "suffix"]);
                let value = rule.required_text("Value");
                *(if name == Some("suffix") { &mut suffix } else { &mut prefix }) = value;
                rule.finish();
            }
            key.finish();
        }
        filter.finish();
    }
    (prefix, suffix)
}

/// Puts queues between buckets and the functions that they call.
pub(super) fn attach(app: &mut App, scope: &Scope<'_>, calls: Vec<Call>) {
    // By function.
    let mut queues: BTreeMap<String, Queue> = BTreeMap::new();
    for call in calls {
        if !app.functions.iter().any(|function| function.name == call.function) {
            let message = format_args!("{:?} is no function of this template", call.function);
            scope.problems.add(call.place, message);
            continue;
        }
        let Some(bucket) = app.buckets.iter_mut().find(|bucket| bucket.name == call.bucket) else {
            told_of_no_bucket(&call, scope.problems);
            continue;
        };
        let queue = queues.entry(call.function.clone()).or_insert_with(|| queue(&call.function, scope));
        bucket.notifications.push(call.changes.told_to(queue.arn.clone()));
    }
    for (function, queue) in queues {
        let id = format!("{function}.S3");
        app.bucket_sources.push(BucketSource { id, function, queue_name: queue.name.clone() });
        app.queues.push(queue);
    }
}

fn told_of_no_bucket(call: &Call, problems: &Problems) {
    problems.add(&call.place, format_args!("{:?} is no bucket of this template", call.bucket));
}

fn queue(function: &str, scope: &Scope<'_>) -> Queue {
    let name = format!("{}-{function}-notifications", scope.settings.stack_name);
    let arn = scope.arn("sqs", &name);
    let policy = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "sqs:SendMessage", "Resource": arn}]});
    let attributes = BTreeMap::from([("Policy".to_owned(), policy.to_string())]);
    Queue { url: scope.settings.queue_url(&name), name, arn, attributes }
}

//! What only shows when everything is resolved: circles, and names of things that are not there.

use super::problem::Problems;
use crate::app::{App, Bucket, BucketNotification};
use emulator::access::{Asked, Verdict, judge};
use std::collections::{BTreeMap, BTreeSet};

/// Tells resources that need each other before they can be created.
pub(super) fn circles(dependencies: &BTreeMap<String, BTreeSet<String>>, problems: &Problems) {
    // What is left after taking away, again and again, whatever needs nothing that is left, is in a circle or needs one.
    let mut left: BTreeMap<&str, BTreeSet<&str>> = dependencies
        .iter()
        .map(|(id, needs)| (id.as_str(), needs.iter().map(String::as_str).collect()))
        .collect();
    while let Some(free) = {
        let free = |needs: &BTreeSet<&str>| !needs.iter().any(|need| left.contains_key(need));
        left.iter().find(|(_, needs)| free(needs)).map(|(id, _)| *id)
    } {
        left.remove(free);
    }
    let Some(start) = left.keys().next().copied() else {
        return;
    };
    let mut path = vec![start];
    // Each step stays within what is left, so it comes back to the path after at most as many steps.
    for _ in 0..=left.len() {
        let next = path.last().and_then(|id| left[id].iter().find(|need| left.contains_key(*need)).copied());
        let Some(next) = next else { return };
        if let Some(begin) = path.iter().position(|id| *id == next) {
            let circle: Vec<&str> = path[begin..].iter().chain([&next]).copied().collect();
            problems.add("the template", format_args!("circular dependency: {}", circle.join(" → ")));
            return;
        }
        path.push(next);
    }
}

/// Tells ARNs that name nothing of the template, and times that AWS would refuse together.
pub(super) fn targets(app: &App, problems: &Problems) {
    unique_names(app, problems);
    dead_letter_queues(app, problems);
    sources(app, problems);
    let queues: BTreeSet<&str> = app.queues.iter().map(|queue| queue.arn.as_str()).collect();
    let topics: BTreeSet<&str> = app.topics.iter().map(|topic| topic.arn.as_str()).collect();
    // Whatever AWS itself sends to a queue, it sends to standard queues only.
    let check = |place: String, arn: Option<&String>| {
        let Some(arn) = arn else { return };
        if topics.contains(arn.as_str()) {
            let message = "topics are not supported here by the laptop cloud: name a queue";
            problems.add(place, format_args!("{arn:?}: {message}"));
        } else if !queues.contains(arn.as_str()) {
            problems.add(place, format_args!("{arn:?} is no ARN of a queue of this template"));
        } else if arn.ends_with(".fifo") {
            problems.add(place, format_args!("{arn:?} is a FIFO queue; it must be a standard one"));
        }
    };
    for bucket in &app.buckets {
        for notification in &bucket.notifications {
            check(format!("bucket {}, notification", bucket.name), Some(&notification.queue_arn));
        }
        overlapping_notifications(bucket, problems);
    }
    for subscription in &app.subscriptions {
        check(format!("subscription to {}, Endpoint", subscription.topic_arn), Some(&subscription.endpoint));
    }
    for function in &app.functions {
        let place = format!("function {}, EventInvokeConfig.DestinationConfig", function.name);
        check(place, function.asynchronous.on_failure.as_ref());
        let place = format!("function {}, DeadLetterQueue", function.name);
        check(place, function.asynchronous.dead_letter_queue.as_ref());
    }
    for source in &app.stream_sources {
        check(format!("event {}, DestinationConfig", source.id), source.on_failure.as_ref());
    }
    for schedule in &app.schedules {
        check(format!("event {}, DeadLetterConfig", schedule.name), schedule.dead_letter_queue.as_ref());
    }
    let told = app.configuration_sets.iter().flat_map(|set| &set.destinations);
    let subscribed = app.subscriptions.iter().map(|subscription| &subscription.topic_arn);
    for arn in told.map(|destination| &destination.topic_arn).chain(subscribed) {
        if !topics.contains(arn.as_str()) {
            problems.add("the template", format_args!("{arn:?} is no ARN of a topic of this template"));
        }
    }
}

/// What Lambda does in the name of each function, and so asks its role for: the event source or function, the function's
/// name, the service, and what is asked.
pub(crate) fn asked_by_lambda(app: &App) -> Vec<(&str, &str, &'static str, Asked)> {
    let mut needed = Vec::new();
    let mut need = |id, function, service: &'static str, actions: &[&str], resource: &str| {
        let asked = |action: &&str| Asked::new(format!("{}:{action}", service.to_lowercase()), resource);
        needed.extend(actions.iter().map(asked).map(|asked| (id, function, service, asked)));
    };
    for source in &app.queue_sources {
        let actions = ["ReceiveMessage", "DeleteMessage", "GetQueueAttributes"];
        need(source.id.as_str(), source.function.as_str(), "SQS", &actions, &source.queue_arn);
    }
    for source in &app.stream_sources {
        let (id, function) = (source.id.as_str(), source.function.as_str());
        let Some(table) = app.tables.iter().find(|table| table.name == source.table) else { continue };
        let actions = ["DescribeStream", "GetRecords", "GetShardIterator"];
        need(id, function, "DynamoDB", &actions, &super::names::stream_arn(&table.arn));
        need(id, function, "DynamoDB", &["ListStreams"], &format!("{}/stream/*", table.arn));
        if let Some(queue) = &source.on_failure {
            need(id, function, "SQS", &["SendMessage"], queue);
        }
    }
    for function in &app.functions {
        let asynchronous = &function.asynchronous;
        for queue in asynchronous.on_failure.iter().chain(&asynchronous.dead_letter_queue) {
            need(&function.name, &function.name, "SQS", &["SendMessage"], queue);
        }
    }
    needed
}

/// Tells event sources that a function's own role may not read, in Lambda's words.
pub(super) fn rights(app: &App, problems: &Problems) {
    for (id, name, service, asked) in asked_by_lambda(app) {
        let Some(function) = app.functions.iter().find(|function| function.name == name) else { continue };
        if app.with_own_role.contains(name) && judge(&function.policies, &asked) != Verdict::Allowed {
            let action = asked.action.rsplit(':').next().unwrap_or_default();
            let message = "the provided execution role does not have permissions to call";
            problems.add(format_args!("event {id}"), format_args!("{message} {action} on {service}"));
        }
    }
}

/// Tells notifications of which one change could fit two (S3 user guide, "Configuring notifications with object key name
/// filtering").
fn overlapping_notifications(bucket: &Bucket, problems: &Problems) {
    for (index, one) in bucket.notifications.iter().enumerate() {
        for other in bucket.notifications[index + 1..].iter().filter(|other| overlap(one, other)) {
            let (one, other) = (described(one), described(other));
            let message = format_args!("{one} and {other} overlap, which S3 refuses");
            problems.add(format_args!("bucket {}, notification", bucket.name), message);
        }
    }
}

fn overlap(one: &BucketNotification, other: &BucketNotification) -> bool {
    let covers = |events: &str, event: &str| match events.strip_suffix('*') {
        Some(family) => event.starts_with(family),
        None => event == events,
    };
    let text = |part: &Option<String>| part.clone().unwrap_or_default();
    let (prefix, other_prefix) = (text(&one.prefix), text(&other.prefix));
    let (suffix, other_suffix) = (text(&one.suffix), text(&other.suffix));
    (covers(&one.event, &other.event) || covers(&other.event, &one.event))
        && (prefix.starts_with(&other_prefix) || other_prefix.starts_with(&prefix))
        && (suffix.ends_with(&other_suffix) || other_suffix.ends_with(&suffix))
}

/// `s3:ObjectCreated:* of in/….jpg`.
fn described(notification: &BucketNotification) -> String {
    let BucketNotification { event, prefix, suffix, .. } = notification;
    match (prefix.as_deref().unwrap_or_default(), suffix.as_deref().unwrap_or_default()) {
        ("", "") => event.clone(),
        (prefix, suffix) => format!("{event} of {prefix}…{suffix}"),
    }
}

fn unique_names(app: &App, problems: &Problems) {
    let kinds = [
        ("tables", app.tables.iter().map(|table| &table.name).collect::<Vec<_>>()),
        ("queues", app.queues.iter().map(|queue| &queue.name).collect()),
        ("buckets", app.buckets.iter().map(|bucket| &bucket.name).collect()),
        ("topics", app.topics.iter().map(|topic| &topic.name).collect()),
    ];
    for (kind, names) in kinds {
        let mut seen = BTreeSet::new();
        for name in names {
            if !seen.insert(name) {
                problems.add("the template", format_args!("two {kind} are called {name}"));
            }
        }
    }
}

fn dead_letter_queues(app: &App, problems: &Problems) {
    for queue in &app.queues {
        let Some(target) = queue.redrive_target() else { continue };
        let place = format!("queue {}, RedrivePolicy", queue.name);
        if !app.queues.iter().any(|other| other.arn == target) {
            problems.add(place, format_args!("{target:?} is no ARN of a queue of this template"));
        } else if target.ends_with(".fifo") != queue.name.ends_with(".fifo") {
            problems.add(place, "a FIFO queue's dead letters go to a FIFO queue, and no other's do");
        }
    }
}

fn sources(app: &App, problems: &Problems) {
    for source in &app.stream_sources {
        let streams = |table: &crate::app::Table| {
            table.name == source.table && table.create["StreamSpecification"].is_object()
        };
        if !app.tables.iter().any(streams) {
            let message = format!("{:?} is no table with a stream of this template", source.table);
            problems.add(format_args!("event {}, Stream", source.id), message);
        }
    }
    for source in &app.queue_sources {
        let place = format!("event {}", source.id);
        let Some(queue) = app.queues.iter().find(|queue| queue.arn == source.queue_arn) else {
            let message = format!("{:?} is no ARN of a queue of this template", source.queue_arn);
            problems.add(format_args!("{place}, Queue"), message);
            continue;
        };
        let visibility = queue.attributes.get("VisibilityTimeout").and_then(|seconds| seconds.parse().ok());
        let visibility: u64 = visibility.unwrap_or(30);
        let function = app.functions.iter().find(|function| function.name == source.function);
        let timeout = function.map_or(0, |function| function.timeout.as_secs());
        if visibility < timeout {
            let message = format!(
                "queue {} has a VisibilityTimeout of {visibility} s, less than the function's Timeout of {timeout} s",
                queue.name
            );
            problems.add(place, message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circle(edges: &[(&str, &[&str])]) -> Vec<String> {
        let dependencies = edges
            .iter()
            .map(|(id, needs)| ((*id).to_owned(), needs.iter().map(|need| (*need).to_owned()).collect()))
            .collect();
        let problems = Problems::default();
        circles(&dependencies, &problems);
        problems.messages()
    }

    #[test]
    fn a_circle_is_told_by_its_members() {
        assert!(circle(&[("A", &["B"]), ("B", &["C"]), ("C", &[])]).is_empty());
        assert_eq!(
            circle(&[("A", &["B"]), ("B", &["C"]), ("C", &["B"])]),
            ["the template: circular dependency: B → C → B"]
        );
        assert_eq!(circle(&[("A", &["A"])]), ["the template: circular dependency: A → A"]);
    }
}

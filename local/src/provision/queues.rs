//! SQS queues.

use super::ProvisionError;
use crate::app::Queue;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// What an attribute goes back to when the template no longer has it.
const DEFAULTS: [(&str, &str); 4] = [
    ("DelaySeconds", "0"),
    ("MessageRetentionPeriod", "345600"),
    ("ReceiveMessageWaitTimeSeconds", "0"),
    ("VisibilityTimeout", "30"),
];
const REDRIVE_POLICY: &str = "RedrivePolicy";

pub(super) async fn provision(
    queues: &[Queue],
    client: &Client,
) -> Result<BTreeMap<String, String>, ProvisionError> {
    let mut urls = BTreeMap::new();
    for queue in targets_first(queues) {
        let url = match url(queue, client).await? {
            Some(url) => {
                update(queue, &url, client).await?;
                url
            }
            None => create(queue, client).await?,
        };
        urls.insert(queue.name.clone(), url);
    }
    Ok(urls)
}

/// SQS refuses a dead-letter target that is not there yet.
fn targets_first(queues: &[Queue]) -> Vec<&Queue> {
    let mut waiting: Vec<&Queue> = queues.iter().collect();
    let mut ordered = Vec::new();
    while !waiting.is_empty() {
        let (later, now): (Vec<&Queue>, Vec<&Queue>) = waiting.iter().partition(|queue| {
            queue.redrive_target().is_some_and(|arn| waiting.iter().any(|other| other.arn == arn))
        });
        // Queues that are each other's target: SQS has to say what it thinks of that.
        let stuck = now.is_empty();
        ordered.extend(if stuck { &later } else { &now });
        waiting = if stuck { Vec::new() } else { later };
    }
    ordered
}

fn what(queue: &Queue) -> String {
    format!("queue {}", queue.name)
}

async fn url(queue: &Queue, client: &Client) -> Result<Option<String>, ProvisionError> {
    match client.get_queue_url().queue_name(&queue.name).send().await {
        Ok(output) => Ok(output.queue_url),
        Err(error) if error.as_service_error().is_some_and(|e| e.is_queue_does_not_exist()) => Ok(None),
        Err(error) => Err(ProvisionError::sdk(&what(queue))(error)),
    }
}

async fn create(queue: &Queue, client: &Client) -> Result<String, ProvisionError> {
    let attributes = queue.attributes.iter();
    let attributes = attributes.map(|(name, value)| (QueueAttributeName::from(name.as_str()), value.clone()));
    let request = client.create_queue().queue_name(&queue.name).set_attributes(Some(attributes.collect()));
    let output = request.send().await.map_err(ProvisionError::sdk(&what(queue)))?;
    output.queue_url.ok_or_else(|| ProvisionError::new(what(queue), "the endpoint told no URL for it"))
}

async fn update(queue: &Queue, url: &str, client: &Client) -> Result<(), ProvisionError> {
    let what = what(queue);
    let request = client.get_queue_attributes().queue_url(url).attribute_names(QueueAttributeName::All);
    let current = request.send().await.map_err(ProvisionError::sdk(&what))?.attributes.unwrap_or_default();
    let current: BTreeMap<String, String> =
        current.into_iter().map(|(name, value)| (name.as_str().to_owned(), value)).collect();
    let changes = changes(&queue.attributes, &current);
    if changes.is_empty() {
        return Ok(());
    }
    let request = client.set_queue_attributes().queue_url(url).set_attributes(Some(changes));
    request.send().await.map_err(ProvisionError::sdk(&what))?;
    Ok(())
}

/// The attributes to set, so that a queue is as the template has it.
fn changes(
    wanted: &BTreeMap<String, String>,
    current: &BTreeMap<String, String>,
) -> HashMap<QueueAttributeName, String> {
    let mut target = wanted.clone();
    for (name, default) in DEFAULTS {
        if current.contains_key(name) {
            target.entry(name.to_owned()).or_insert_with(|| default.to_owned());
        }
    }
    if current.get(REDRIVE_POLICY).is_some_and(|policy| !policy.is_empty()) {
        // An empty policy is how one is taken away.
        target.entry(REDRIVE_POLICY.to_owned()).or_default();
    }
    // What a queue is cannot change.
    target.remove("FifoQueue");
    target
        .into_iter()
        .filter(|(name, value)| !current.get(name).is_some_and(|current| same(current, value)))
        .map(|(name, value)| (QueueAttributeName::from(name.as_str()), value))
        .collect()
}

/// Policies are JSON, which endpoints write each in their own way: other spaces and order, counts as text.
fn same(one: &str, other: &str) -> bool {
    let object = |text: &str| match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Some(object),
        _ => None,
    };
    match (object(one), object(other)) {
        (Some(one), Some(other)) => {
            let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(key, value)| other.get(key).is_some_and(|other| text(other) == text(value)))
        }
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(name: &str, target: Option<&str>) -> Queue {
        let policy =
            target.map(|target| format!(r#"{{"deadLetterTargetArn":"{target}","maxReceiveCount":5}}"#));
        let attributes = policy.map(|policy| (REDRIVE_POLICY.to_owned(), policy)).into_iter().collect();
        Queue { name: name.to_owned(), arn: name.to_owned(), url: String::new(), attributes }
    }

    #[test]
    fn dead_letter_targets_come_first() {
        let queues = [queue("a", Some("b")), queue("b", Some("c")), queue("c", None), queue("d", Some("d"))];
        let names: Vec<&str> = targets_first(&queues).iter().map(|queue| queue.name.as_str()).collect();
        assert_eq!(names, ["c", "b", "a", "d"]);
    }

    #[test]
    fn only_what_changed_is_set() {
        let map = |entries: &[(&str, &str)]| {
            entries
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect::<BTreeMap<_, _>>()
        };
        let current = map(&[
            ("VisibilityTimeout", "60"),
            ("DelaySeconds", "5"),
            (REDRIVE_POLICY, r#"{"maxReceiveCount":"5", "deadLetterTargetArn":"b"}"#),
        ]);
        let wanted = map(&[
            ("VisibilityTimeout", "60"),
            (REDRIVE_POLICY, r#"{"deadLetterTargetArn":"b","maxReceiveCount":5}"#),
        ]);
        let changed = changes(&wanted, &current);
        assert_eq!(changed, HashMap::from([(QueueAttributeName::DelaySeconds, "0".to_owned())]));
        let removed = changes(&map(&[("VisibilityTimeout", "60"), ("DelaySeconds", "5")]), &current);
        assert_eq!(removed, HashMap::from([(QueueAttributeName::RedrivePolicy, String::new())]));
    }
}

//! The template's queues: how each stands, what lies in it, and dead letters on their way back. All of it is asked of SQS,
//! wherever it is; one thing alone the embedded one does better.

use super::{Control, Refusal};
use crate::app::Queue;
use crate::dead_letters::{Action, Course, DeadLetters, Which};
use crate::sources::{Message, MessageAttribute, QueueClient, SdkQueues};
use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::DateTime;
use emulator::PeekedMessage;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

/// Messages of one queue that are shown.
const LISTED: usize = 1_000;
/// What SQS gives and takes in one call.
const CALL_LIMIT: usize = 10;

/// How a queue stands. The counts are SQS's own, and as approximate as it has them.
#[derive(Debug, Serialize)]
pub(super) struct QueueStatus {
    name: String,
    arn: String,
    url: String,
    /// Messages that a receive would find.
    visible: u64,
    /// Messages received and neither deleted nor timed out.
    in_flight: u64,
    /// Messages sent and not yet visible.
    delayed: u64,
    /// The name of its dead-letter queue.
    dead_letter_target: Option<String>,
}

pub(super) async fn list(State(control): State<Arc<Control>>) -> Result<Json<Vec<QueueStatus>>, Refusal> {
    let mut statuses = Vec::new();
    for queue in &control.app.queues {
        statuses.push(control.queue_status(queue).await?);
    }
    Ok(Json(statuses))
}

pub(super) async fn messages(
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
) -> Result<Json<Vec<PeekedMessage>>, Refusal> {
    let queue = control.queue(&name)?;
    match &control.emulator {
        // It shows what it holds, hidden messages too, and disturbs nobody.
        Some(emulator) => Ok(Json(emulator.peek(&name, LISTED))),
        None => {
            let queues = SdkQueues(control.clients.sqs.clone());
            let messages = received(&queues, &queue.url).await.map_err(Refusal::failed)?;
            Ok(Json(messages.into_iter().map(peeked).collect()))
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct ReplayBody {
    /// One message; all of them when absent.
    message_id: Option<String>,
}

pub(super) async fn replay(
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    let body: ReplayBody = if body.is_empty() { ReplayBody::default() } else { super::read(&body)? };
    let letters = DeadLetters::open(control.clients.sqs.clone(), &name).await.map_err(Refusal::not_found)?;
    let which = body.message_id.map_or(Which::All, |id| Which::Only([id].into()));
    let outcome = letters.act(Action::Replay, &which, &Course::default()).await.map_err(Refusal::failed)?;
    if let Some(id) = outcome.missing.first() {
        return Err(Refusal::not_found(format!("there is no message {id} in {name}")));
    }
    // One that cannot be sent back stays, and does not keep the others.
    match outcome.stayed.first_key_value() {
        Some((id, reason)) => Err(Refusal::failed(format!("message {id} stays: {reason}"))),
        None => Ok(Json(json!({ "replayed": outcome.done }))),
    }
}

impl Control {
    fn queue(&self, name: &str) -> Result<&Queue, Refusal> {
        let found = self.app.queues.iter().find(|queue| queue.name == name);
        found.ok_or_else(|| Refusal::not_found(format!("there is no queue {name}")))
    }

    async fn queue_status(&self, queue: &Queue) -> Result<QueueStatus, Refusal> {
        let request = self.clients.sqs.get_queue_attributes().queue_url(&queue.url);
        let answer = request.attribute_names(Attribute::All).send().await;
        let attributes = answer.map_err(|error| Refusal::failed(error.into_service_error()))?.attributes;
        let attributes = attributes.unwrap_or_default();
        let count = |name| attributes.get(&name).and_then(|text| text.parse().ok()).unwrap_or_default();
        Ok(QueueStatus {
            name: queue.name.clone(),
            arn: queue.arn.clone(),
            url: queue.url.clone(),
            visible: count(Attribute::ApproximateNumberOfMessages),
            in_flight: count(Attribute::ApproximateNumberOfMessagesNotVisible),
            delayed: count(Attribute::ApproximateNumberOfMessagesDelayed),
            dead_letter_target: attributes.get(&Attribute::RedrivePolicy).and_then(|policy| target(policy)),
        })
    }
}

/// The name of the queue that a redrive policy names.
fn target(policy: &str) -> Option<String> {
    let policy: Value = serde_json::from_str(policy).ok()?;
    policy["deadLetterTargetArn"].as_str()?.rsplit(':').next().map(str::to_owned)
}

/// What a queue gives out now. Nothing but a receive shows a message of SQS's: it is hidden from everyone else until it is
/// given back here, and counts as received once more.
async fn received(queues: &SdkQueues, url: &str) -> Result<Vec<Message>, crate::sources::EndpointError> {
    let mut messages = Vec::new();
    let mut result = Ok(());
    while messages.len() < LISTED {
        match queues.receive(url, CALL_LIMIT, 0).await {
            Ok(more) if more.is_empty() => break,
            Ok(more) => messages.extend(more),
            Err(error) => {
                result = Err(error);
                break;
            }
        }
    }
    let handles: Vec<String> = messages.iter().map(|message| message.receipt_handle.clone()).collect();
    for some in handles.chunks(CALL_LIMIT) {
        result = result.and(queues.change_visibility(url, some, 0).await);
    }
    result.map(|()| messages)
}

fn peeked(message: Message) -> PeekedMessage {
    let number = |name: &str| message.attributes.get(name).and_then(|text| text.parse::<i64>().ok());
    let receive_count = number("ApproximateReceiveCount").and_then(|count| u32::try_from(count).ok());
    let sent_at = number("SentTimestamp").and_then(DateTime::from_timestamp_millis);
    PeekedMessage {
        receive_count: receive_count.unwrap_or_default(),
        state: "visible".to_owned(),
        sent_at: sent_at.unwrap_or_default(),
        message_id: message.id,
        body: message.body,
        message_attributes: message
            .message_attributes
            .into_iter()
            .map(|(name, found)| (name, shown(found)))
            .collect(),
        attributes: message.attributes,
    }
}

/// The value of an attribute; a binary one in Base64.
fn shown(attribute: MessageAttribute) -> String {
    attribute.string.unwrap_or_else(|| STANDARD.encode(attribute.binary.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_received_message_looks_like_a_peeked_one() {
        let text = |entries: &[(&str, &str)]| -> BTreeMap<String, String> {
            entries.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let binary = MessageAttribute { binary: Some(vec![1, 2]), ..MessageAttribute::default() };
        let system = text(&[("ApproximateReceiveCount", "3"), ("SentTimestamp", "1000")]);
        let message = Message {
            id: "m".to_owned(),
            body: "b".to_owned(),
            attributes: system.clone(),
            message_attributes: BTreeMap::from([("x".to_owned(), binary)]),
            ..Message::default()
        };
        let seen = peeked(message);
        assert_eq!((seen.message_id.as_str(), seen.body.as_str(), seen.receive_count), ("m", "b", 3));
        assert_eq!(seen.sent_at.timestamp(), 1);
        assert_eq!((seen.attributes, seen.message_attributes), (system, text(&[("x", "AQI=")])));
    }

    #[test]
    fn a_redrive_policy_names_a_queue() {
        let policy = r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:1:dead","maxReceiveCount":"5"}"#;
        assert_eq!(target(policy).as_deref(), Some("dead"));
        assert_eq!(target(""), None);
    }
}

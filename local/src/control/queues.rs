//! The template's queues: how each stands, what lies in it, and dead letters on their way back. All of it is asked of SQS,
//! wherever it is; one thing alone the embedded one does better.

use super::{Control, Refusal};
use crate::app::{Queue, name_of, redrive_target};
use crate::dead_letters::{Action, Course, DeadLetter, DeadLetters, Which};
use aws_sdk_sqs::types::{MessageAttributeValue, QueueAttributeName as Attribute};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::DateTime;
use emulator::PeekedMessage;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Messages of one queue that are shown.
const LISTED: usize = 1_000;

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
    control.queue(&name)?;
    match &control.emulator {
        // It shows what it holds, hidden messages too, and disturbs nobody.
        Some(emulator) => Ok(Json(emulator.peek(&name, LISTED))),
        // SQS shows a message only to who receives it, and counts that.
        None => {
            let letters =
                DeadLetters::open((&control.clients).into(), &name).await.map_err(Refusal::failed)?;
            let listing = letters.list(LISTED).await.map_err(Refusal::failed)?;
            Ok(Json(listing.letters.iter().map(peeked).collect()))
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
    let letters = DeadLetters::open((&control.clients).into(), &name).await.map_err(Refusal::not_found)?;
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
    redrive_target(policy).map(|arn| name_of(&arn).to_owned())
}

fn peeked(letter: &DeadLetter) -> PeekedMessage {
    let system: BTreeMap<String, String> =
        letter.system_attributes().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let sent_at = system.get("SentTimestamp").and_then(|millis| millis.parse().ok());
    PeekedMessage {
        message_id: letter.message_id.clone(),
        body: letter.body().to_owned(),
        attributes: system,
        message_attributes: letter.attributes().map(|(name, value)| (name.clone(), shown(value))).collect(),
        receive_count: letter.receives,
        // What is not visible cannot be received.
        state: "visible".to_owned(),
        sent_at: sent_at.and_then(DateTime::from_timestamp_millis).unwrap_or_default(),
    }
}

/// The value of an attribute; a binary one in Base64.
fn shown(attribute: &MessageAttributeValue) -> String {
    let binary = || attribute.binary_value().map(|binary| STANDARD.encode(binary));
    attribute.string_value().map(str::to_owned).or_else(binary).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redrive_policy_names_a_queue() {
        let policy = r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:1:dead","maxReceiveCount":"5"}"#;
        assert_eq!(target(policy).as_deref(), Some("dead"));
        assert_eq!(target(""), None);
    }
}

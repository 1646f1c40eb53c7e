//! Messages as they come and as they are sent.

use crate::failure::Failure;
use crate::timestamp::Timestamp;
use aws_lambda_events::sqs::{SqsMessage, SqsMessageAttribute};
use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{MessageAttributeValue, SendMessageBatchRequestEntry};
use serde::Serialize;
use std::collections::HashMap;
use std::time::Duration;

/// Entries of one `SendMessageBatch`.
const BATCH_ENTRIES: usize = 10;
/// Bytes of one `SendMessageBatch`, at most: what every SQS takes, though AWS's own takes four times as much by now. A
/// greater message goes alone.
const BATCH_BYTES: usize = 262_144;
/// The longest that SQS delays a message.
pub(super) const LONGEST_DELAY: Duration = Duration::from_secs(900);

/// What a sender says beside a message's body. Of whatever type it is, it is handed on as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// `String`, `Number` or `Binary`, perhaps with a suffix after a dot.
    data_type: String,
    text: Option<String>,
    binary: Option<Vec<u8>>,
}

pub type Attributes = HashMap<String, Attribute>;

/// The attribute that names the request of the API which a message follows from.
const CORRELATION: &str = "correlation_id";

impl Attribute {
    pub fn text(text: impl Into<String>) -> Self {
        Self { data_type: "String".to_owned(), text: Some(text.into()), binary: None }
    }

    /// The text, of an attribute that has one.
    pub fn as_text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    fn from_event(attribute: SqsMessageAttribute) -> Self {
        Self {
            data_type: attribute.data_type.unwrap_or_else(|| "String".to_owned()),
            text: attribute.string_value,
            binary: attribute.binary_value.map(|value| value.0),
        }
    }

    fn to_send(&self) -> Result<MessageAttributeValue, Failure> {
        MessageAttributeValue::builder()
            .data_type(&self.data_type)
            .set_string_value(self.text.clone())
            .set_binary_value(self.binary.clone().map(Blob::new))
            .build()
            .map_err(Failure::permanent)
    }

    fn size(&self) -> usize {
        let value = self.text.as_ref().map_or(0, String::len) + self.binary.as_ref().map_or(0, Vec::len);
        self.data_type.len() + value
    }
}

/// A message to send.
#[derive(Clone, Debug, Default)]
pub struct Outgoing {
    pub body: String,
    pub delay: Duration,
    pub attributes: Attributes,
}

impl Outgoing {
    /// A job as JSON, which follows from the request with this id, or from none.
    pub fn job<T: Serialize>(job: &T, correlation_id: Option<&str>) -> Result<Self, Failure> {
        let body = serde_json::to_string(job).map_err(Failure::permanent)?;
        let correlation = correlation_id.map(|id| (CORRELATION.to_owned(), Attribute::text(id)));
        Ok(Self { body, attributes: correlation.into_iter().collect(), ..Self::default() })
    }

    /// What it weighs against SQS's limits, in bytes.
    fn size(&self) -> usize {
        let attributes = self.attributes.iter().map(|(name, attribute)| name.len() + attribute.size());
        self.body.len() + attributes.sum::<usize>()
    }

    /// As an entry of a batch, of which `id` is its place there.
    pub(super) fn entry(&self, id: usize) -> Result<SendMessageBatchRequestEntry, Failure> {
        let mut entry = SendMessageBatchRequestEntry::builder().id(id.to_string()).message_body(&self.body);
        let delay = self.delay.min(LONGEST_DELAY).as_secs();
        if delay > 0 {
            entry = entry.delay_seconds(i32::try_from(delay).unwrap_or(i32::MAX));
        }
        for (name, attribute) in &self.attributes {
            entry = entry.message_attributes(name, attribute.to_send()?);
        }
        entry.build().map_err(Failure::permanent)
    }
}

/// Runs of messages that fit into one request.
pub(super) fn batches(messages: Vec<Outgoing>) -> Vec<Vec<Outgoing>> {
    let mut batches: Vec<Vec<Outgoing>> = Vec::new();
    let mut bytes = 0;
    for message in messages {
        let size = message.size();
        match batches.last_mut() {
            Some(batch) if batch.len() < BATCH_ENTRIES && bytes + size <= BATCH_BYTES => {
                bytes += size;
                batch.push(message);
            }
            _ => {
                bytes = size;
                batches.push(vec![message]);
            }
        }
    }
    batches
}

/// A message as a handler takes it.
#[derive(Clone, Debug, Default)]
pub struct Message {
    pub id: String,
    pub body: String,
    /// How often it was received, this time included.
    pub receive_count: u32,
    pub sent_at: Option<Timestamp>,
    /// The queue it was read from.
    pub queue_arn: String,
    /// The queue that SQS itself moved it here from, when it gave it up.
    pub dead_letter_source: Option<String>,
    pub attributes: Attributes,
    /// What this receive of it is known by.
    pub receipt_handle: String,
}

impl Message {
    pub(super) fn from_event(message: SqsMessage) -> Self {
        let number = |name: &str| message.attributes.get(name).and_then(|text| text.parse::<i64>().ok());
        Self {
            receive_count: number("ApproximateReceiveCount").and_then(|n| u32::try_from(n).ok()).unwrap_or(1),
            sent_at: number("SentTimestamp").map(Timestamp::from_millis),
            dead_letter_source: message.attributes.get("DeadLetterQueueSourceArn").cloned(),
            attributes: message
                .message_attributes
                .into_iter()
                .map(|(name, attribute)| (name, Attribute::from_event(attribute)))
                .collect(),
            id: message.message_id.unwrap_or_default(),
            body: message.body.unwrap_or_default(),
            queue_arn: message.event_source_arn.unwrap_or_default(),
            receipt_handle: message.receipt_handle.unwrap_or_default(),
        }
    }

    /// The request of the API that the message follows from, however many queues and retries lie between; `None` where it
    /// is not known, or it follows from none.
    pub fn correlation_id(&self) -> Option<&str> {
        self.attributes.get(CORRELATION)?.as_text()
    }

    /// When the message was sent, which is "now" for the work it asks for.
    pub fn now(&self) -> Timestamp {
        self.sent_at.unwrap_or_else(Timestamp::system)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_keep_to_both_limits_and_to_the_order() {
        let message = |size: usize| Outgoing { body: "x".repeat(size), ..Outgoing::default() };
        let of = |sizes: &[usize]| -> Vec<Vec<usize>> {
            let batches = batches(sizes.iter().map(|size| message(*size)).collect());
            batches.iter().map(|batch| batch.iter().map(Outgoing::size).collect()).collect()
        };
        let sizes = [1, 200_000, 62_143, 1, 300_000, 5];
        assert_eq!(of(&sizes), [vec![1, 200_000, 62_143], vec![1], vec![300_000], vec![5]]);
        assert_eq!(of(&[1; 25]).iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 5]);
        assert!(of(&[]).is_empty());
    }
}

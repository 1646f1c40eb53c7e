//! The edge to SQS: sending jobs, and working through batches of messages with a report of which failed.

use crate::failure::Failure;
use crate::timestamp::Timestamp;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use aws_sdk_sqs::types::{MessageAttributeValue, SendMessageBatchRequestEntry};
use serde::Serialize;
use std::collections::HashMap;
use std::time::Duration;

/// Entries of one `SendMessageBatch`.
const BATCH_ENTRIES: usize = 10;
/// The longest that SQS delays a message.
const LONGEST_DELAY: Duration = Duration::from_secs(900);
/// Rounds of sending the entries that a batch left unsent.
const SEND_ROUNDS: usize = 3;

/// A message to send.
#[derive(Clone, Debug, Default)]
pub struct Outgoing {
    pub body: String,
    pub delay: Duration,
    /// String attributes.
    pub attributes: HashMap<String, String>,
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
    /// On a message in a dead-letter queue: the queue it came from.
    pub dead_letter_source: Option<String>,
    /// String attributes.
    pub attributes: HashMap<String, String>,
    receipt_handle: String,
}

impl Message {
    fn from_event(message: SqsMessage) -> Self {
        let number = |name: &str| message.attributes.get(name).and_then(|text| text.parse::<i64>().ok());
        Self {
            receive_count: number("ApproximateReceiveCount").and_then(|n| u32::try_from(n).ok()).unwrap_or(1),
            sent_at: number("SentTimestamp").map(Timestamp::from_millis),
            dead_letter_source: message.attributes.get("DeadLetterQueueSourceArn").cloned(),
            attributes: message
                .message_attributes
                .into_iter()
                .filter_map(|(name, value)| value.string_value.map(|value| (name, value)))
                .collect(),
            id: message.message_id.unwrap_or_default(),
            body: message.body.unwrap_or_default(),
            queue_arn: message.event_source_arn.unwrap_or_default(),
            receipt_handle: message.receipt_handle.unwrap_or_default(),
        }
    }

    /// When the message was sent, which is "now" for the work it asks for.
    pub fn now(&self) -> Timestamp {
        self.sent_at.unwrap_or_else(Timestamp::system)
    }
}

/// The SQS client.
#[derive(Clone)]
pub struct Queues {
    client: aws_sdk_sqs::Client,
}

impl Queues {
    pub fn new(client: aws_sdk_sqs::Client) -> Self {
        Self { client }
    }

    /// Sends each value as JSON. Fails when any could not be sent; the caller's own retry sends all again, which is
    /// why jobs have keys.
    pub async fn send_all<T: Serialize>(&self, queue_url: &str, jobs: &[T]) -> Result<(), Failure> {
        let outgoing = jobs
            .iter()
            .map(|job| {
                let body = serde_json::to_string(job).map_err(Failure::permanent)?;
                Ok(Outgoing { body, ..Outgoing::default() })
            })
            .collect::<Result<Vec<_>, Failure>>()?;
        self.send(queue_url, outgoing).await
    }

    /// Sends messages, ten at a time.
    pub async fn send(&self, queue_url: &str, messages: Vec<Outgoing>) -> Result<(), Failure> {
        let mut entries = messages
            .into_iter()
            .enumerate()
            .map(|(index, message)| entry(index, message))
            .collect::<Result<Vec<_>, Failure>>()?;
        for _ in 0..SEND_ROUNDS {
            let mut unsent = Vec::new();
            while !entries.is_empty() {
                let batch: Vec<_> = entries.drain(..entries.len().min(BATCH_ENTRIES)).collect();
                unsent.extend(self.send_batch(queue_url, batch).await?);
            }
            if unsent.is_empty() {
                return Ok(());
            }
            entries = unsent;
        }
        Err(Failure::passing(format!("{} messages could not be sent", entries.len())))
    }

    /// Sends one batch; returns the entries that failed for a reason of SQS's own.
    async fn send_batch(
        &self,
        queue_url: &str,
        batch: Vec<SendMessageBatchRequestEntry>,
    ) -> Result<Vec<SendMessageBatchRequestEntry>, Failure> {
        let output = self
            .client
            .send_message_batch()
            .queue_url(queue_url)
            .set_entries(Some(batch.clone()))
            .send()
            .await
            .map_err(|error| crate::dynamodb::failure(&error))?;
        if let Some(refused) = output.failed().iter().find(|failed| failed.sender_fault()) {
            return Err(Failure::permanent(format!("SQS refused a message: {}", refused.code())));
        }
        let failed: Vec<&str> = output.failed().iter().map(|failed| failed.id()).collect();
        Ok(batch.into_iter().filter(|entry| failed.contains(&entry.id())).collect())
    }

    /// Gives each message of the batch to `work`, one after the other, and reports those that failed, so that SQS keeps
    /// them. A failed message comes back after a jittered, growing delay instead of the queue's whole visibility timeout.
    pub async fn consume<F>(&self, event: SqsEvent, work: F) -> SqsBatchResponse
    where
        F: AsyncFn(&Message) -> Result<(), Failure>,
    {
        let mut response = SqsBatchResponse::default();
        for record in event.records {
            let message = Message::from_event(record);
            let result = work(&message).await;
            let queue = message.queue_arn.rsplit(':').next().unwrap_or_default();
            match result {
                Ok(()) => {
                    tracing::info!(queue, message_id = message.id, attempt = message.receive_count, "done")
                }
                Err(failure) => {
                    tracing::warn!(queue, message_id = message.id, attempt = message.receive_count, %failure, "failed");
                    self.back_off(&message).await;
                    response.add_failure(message.id);
                }
            }
        }
        response
    }

    /// Makes a failed message visible again sooner than the queue would. Best effort: where it fails, the queue's own
    /// visibility timeout does the same more slowly.
    async fn back_off(&self, message: &Message) {
        let seconds = backoff(message.receive_count, jitter(&message.id)).as_secs();
        let result = self
            .client
            .change_message_visibility()
            .queue_url(queue_url(&message.queue_arn))
            .receipt_handle(&message.receipt_handle)
            .visibility_timeout(i32::try_from(seconds).unwrap_or(i32::MAX))
            .send()
            .await;
        if let Err(error) = result {
            tracing::warn!(message_id = message.id, error = %crate::dynamodb::failure(&error), "no early retry");
        }
    }
}

/// The URL of the queue with this ARN. SQS and its emulators take it in requests whatever host they answer on.
pub fn queue_url(arn: &str) -> String {
    let mut parts = arn.split(':').skip(1);
    let mut next = || parts.next().unwrap_or_default();
    let (partition, _, region, account, name) = (next(), next(), next(), next(), next());
    let suffix = if partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("https://sqs.{region}.{suffix}/{account}/{name}")
}

/// How long attempt number `attempt` waits before the next: 5 s, doubling to 15 min, between half and all of it.
/// `jitter` is from 0 to 1.
pub fn backoff(attempt: u32, jitter: f64) -> Duration {
    let full =
        Duration::from_secs(5).saturating_mul(1 << attempt.saturating_sub(1).min(10)).min(LONGEST_DELAY);
    full.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
}

/// A number from 0 to 1 that differs from message to message, which is all that jitter must do.
pub fn jitter(seed: &str) -> f64 {
    let hash = seed.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    f64::from(u32::try_from(hash >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
}

fn entry(index: usize, message: Outgoing) -> Result<SendMessageBatchRequestEntry, Failure> {
    let mut entry = SendMessageBatchRequestEntry::builder().id(index.to_string()).message_body(message.body);
    let delay = message.delay.min(LONGEST_DELAY).as_secs();
    if delay > 0 {
        entry = entry.delay_seconds(i32::try_from(delay).unwrap_or(i32::MAX));
    }
    for (name, value) in message.attributes {
        let value = MessageAttributeValue::builder()
            .data_type("String")
            .string_value(value)
            .build()
            .map_err(Failure::permanent)?;
        entry = entry.message_attributes(name, value);
    }
    entry.build().map_err(Failure::permanent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_to_a_limit_and_keep_at_least_half() {
        assert_eq!(backoff(1, 1.0), Duration::from_secs(5));
        assert_eq!(backoff(3, 0.0), Duration::from_secs(10));
        assert_eq!(backoff(u32::MAX, 1.0), LONGEST_DELAY);
    }

    #[test]
    fn jitter_stays_in_bounds_and_differs() {
        let values: Vec<f64> = ["a", "b", "c"].into_iter().map(jitter).collect();
        assert!(values.iter().all(|value| (0.0..=1.0).contains(value)));
        assert!(values[0] != values[1] && values[1] != values[2]);
    }

    #[test]
    fn an_arn_names_a_queue() {
        assert_eq!(queue_url("arn:aws:sqs:eu-west-1:12:mail"), "https://sqs.eu-west-1.amazonaws.com/12/mail");
    }
}

//! What starts this function, and what it answers: batches of the notes table's stream, and of the replays queue.

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use shared::json;

/// A batch, its records still text: each is read once, and one that cannot be read fails alone.
#[derive(Debug, Deserialize)]
pub struct Event {
    #[serde(rename = "Records")]
    pub(crate) records: Vec<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Source {
    #[serde(rename = "eventSource", default)]
    event_source: String,
}

impl Event {
    /// Whether the batch comes from a queue; its records all have one source.
    pub(crate) fn is_from_queue(&self) -> bool {
        let source =
            self.records.first().and_then(|record| json::object::<Source>(record.get().as_bytes()).ok());
        source.is_some_and(|source| source.event_source == "aws:sqs")
    }

    /// # Errors
    /// When a record is no message. SQS itself made them, so that would be a fault of the whole batch.
    pub(crate) fn into_messages(self) -> Result<SqsEvent, json::Error> {
        let mut event = SqsEvent::default();
        for record in self.records {
            event.records.push(json::object(record.get().as_bytes())?);
        }
        Ok(event)
    }
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Answer {
    Stream(DynamoDbEventResponse),
    Queue(SqsBatchResponse),
}

impl Answer {
    /// The whole batch of the stream is done.
    pub(crate) fn done() -> Self {
        Self::Stream(DynamoDbEventResponse::default())
    }

    /// The batch is done up to the record with this sequence number. Without one, the whole batch counts as failed:
    /// that is what Lambda takes a null for.
    pub(crate) fn failed_from(sequence_number: Option<String>) -> Self {
        let mut failure = DynamoDbBatchItemFailure::default();
        failure.item_identifier = sequence_number;
        let mut response = DynamoDbEventResponse::default();
        response.batch_item_failures.push(failure);
        Self::Stream(response)
    }
}

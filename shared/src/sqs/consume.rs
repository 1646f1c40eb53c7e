//! Working through batches of messages: what failed is reported, and what is given up leaves with the reason beside it.

use super::{Message, Queues, backoff, queue_url};
use crate::dead_letter::History;
use crate::dynamodb::failure;
use crate::failure::Failure;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use aws_sdk_sqs::types::QueueAttributeName;
use std::sync::PoisonError;

/// When a queue gives a message up, and where it goes then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Redrive {
    target_arn: String,
    most_receives: u64,
}

impl Redrive {
    /// Reads a queue's `RedrivePolicy`, whose count older tools write as text.
    fn parse(policy: &str) -> Option<Self> {
        let policy: serde_json::Value = serde_json::from_str(policy).ok()?;
        let count = &policy["maxReceiveCount"];
        Some(Self {
            target_arn: policy["deadLetterTargetArn"].as_str()?.to_owned(),
            most_receives: count.as_u64().or_else(|| count.as_str()?.parse().ok())?,
        })
    }
}

impl Queues {
    /// Gives each message of the batch to `work`, one after the other, and reports those that failed, so that SQS keeps
    /// them. A failed message comes back after a jittered, growing delay instead of the queue's whole visibility timeout.
    /// One that failed for good, or for the last time, is given up with the reason beside it.
    pub async fn consume<F>(&self, event: SqsEvent, work: F) -> SqsBatchResponse
    where
        F: AsyncFn(&Message) -> Result<(), Failure>,
    {
        let mut response = SqsBatchResponse::default();
        for record in event.records {
            let message = Message::from_event(record);
            let result = work(&message).await;
            let queue = message.queue_arn.rsplit(':').next().unwrap_or_default();
            let (message_id, attempt) = (message.id.as_str(), message.receive_count);
            let correlation_id = message.correlation_id();
            match result {
                Ok(()) => tracing::info!(queue, message_id, correlation_id, attempt, "done"),
                Err(failure) => {
                    tracing::warn!(queue, message_id, correlation_id, attempt, %failure, "failed");
                    if !self.give_up(&message, failure).await {
                        self.back_off(&message).await;
                        response.add_failure(message.id);
                    }
                }
            }
        }
        response
    }

    /// Moves a message to the queue's dead-letter queue with the reason beside it: at once where trying again cannot help,
    /// otherwise when it was received for the last time. `false` when it is not to be given up yet, or could not be: then
    /// it counts as failed, and SQS moves it when it is due, without the reason.
    async fn give_up(&self, message: &Message, failure: Failure) -> bool {
        match self.try_to_give_up(message, failure).await {
            Ok(Some(to)) => {
                let (message_id, correlation_id) = (message.id.as_str(), message.correlation_id());
                tracing::error!(message_id, correlation_id, to, "given up");
                self.delete(message).await;
                true
            }
            Ok(None) => false,
            Err(failure) => {
                tracing::warn!(message_id = message.id, %failure, "its failure cannot be noted");
                false
            }
        }
    }

    /// The queue it was sent to; `None` when it is not to be given up yet, or the queue never does.
    async fn try_to_give_up(&self, message: &Message, failure: Failure) -> Result<Option<String>, Failure> {
        let Some(redrive) = self.redrive(&message.queue_arn).await? else { return Ok(None) };
        if failure.is_passing() && u64::from(message.receive_count) < redrive.most_receives {
            return Ok(None);
        }
        let outgoing = History::of(message).with(failure, message).beside(message)?;
        self.send(&queue_url(&redrive.target_arn), vec![outgoing]).await?;
        Ok(Some(redrive.target_arn))
    }

    /// Deletes a message that was moved. Lambda deletes it as well, but only when the whole batch has ended: whatever
    /// kills the function before that would bring it again, to be given up a second time. That can still happen between
    /// the move and this, and is a repeated event like any other.
    async fn delete(&self, message: &Message) {
        let request = self.client.delete_message().queue_url(queue_url(&message.queue_arn));
        if let Err(error) = request.receipt_handle(&message.receipt_handle).send().await {
            tracing::warn!(message_id = message.id, error = %failure(&error), "not deleted before the batch ends");
        }
    }

    /// The redrive policy of the queue with this ARN, which is asked for it once.
    async fn redrive(&self, queue_arn: &str) -> Result<Option<Redrive>, Failure> {
        let known = || self.redrives.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(redrive) = known().get(queue_arn) {
            return Ok(redrive.clone());
        }
        let name = QueueAttributeName::RedrivePolicy;
        let request = self.client.get_queue_attributes().queue_url(queue_url(queue_arn));
        let output = request.attribute_names(name.clone()).send().await.map_err(|error| failure(&error))?;
        let policy = output.attributes.and_then(|mut attributes| attributes.remove(&name));
        let redrive = policy.and_then(|policy| Redrive::parse(&policy));
        known().insert(queue_arn.to_owned(), redrive.clone());
        Ok(redrive)
    }

    /// Makes a failed message visible again sooner than the queue would. Best effort: where it fails, the queue's own
    /// visibility timeout does the same more slowly.
    async fn back_off(&self, message: &Message) {
        let seconds = backoff(message.receive_count, &message.id).as_secs();
        let result = self
            .client
            .change_message_visibility()
            .queue_url(queue_url(&message.queue_arn))
            .receipt_handle(&message.receipt_handle)
            .visibility_timeout(i32::try_from(seconds).unwrap_or(i32::MAX))
            .send()
            .await;
        if let Err(error) = result {
            tracing::warn!(message_id = message.id, error = %failure(&error), "no early retry");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{Answer, FakeAws};
    use serde_json::{Value, json};

    const POLICY: &str = r#"{"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:12:dead","maxReceiveCount":3}"#;

    fn aws(redrive: Option<&str>) -> FakeAws {
        let attributes = redrive.map_or(json!({}), |policy| json!({ "RedrivePolicy": policy }));
        let answer = Answer::json(json!({ "Attributes": attributes }));
        FakeAws::answering(move |call| (call.operation == "GetQueueAttributes").then(|| answer.clone()))
    }

    /// Messages of one batch, by how often each was received.
    fn event(receives: &[u32]) -> SqsEvent {
        let record = |(index, receives): (usize, &u32)| {
            json!({
                "messageId": index.to_string(), "receiptHandle": format!("handle-{index}"), "body": "payload",
                "attributes": { "ApproximateReceiveCount": receives.to_string(), "SentTimestamp": "1000" },
                "messageAttributes": { "own": { "dataType": "Binary", "binaryValue": "AP8=" } },
                "eventSourceARN": "arn:aws:sqs:eu-west-1:12:mail", "awsRegion": "eu-west-1",
            })
        };
        let records: Vec<Value> = receives.iter().enumerate().map(record).collect();
        serde_json::from_value(json!({ "Records": records })).unwrap()
    }

    /// The ids of the messages that are reported as failed when all fail so.
    async fn reported(aws: &FakeAws, event: SqsEvent, failure: Failure) -> Vec<String> {
        let response = aws.queues().consume(event, async |_: &_| Err(failure.clone())).await;
        response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
    }

    #[tokio::test]
    async fn the_last_failure_goes_beside_the_message() {
        let aws = aws(Some(POLICY));
        assert_eq!(reported(&aws, event(&[1, 3, 2]), Failure::passing("Throttling")).await, ["0", "2"]);
        let sent = aws.sent("SendMessageBatch");
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0]["QueueUrl"], "https://sqs.eu-west-1.amazonaws.com/12/dead");
        let entry = &sent[0]["Entries"][0];
        assert_eq!(entry["MessageBody"], "payload");
        let text = |name: &str| entry["MessageAttributes"][name]["StringValue"].as_str().unwrap();
        assert_eq!((text("error"), text("failure")), ("Throttling", "passing"));
        assert_eq!(text("source_queue_arn"), "arn:aws:sqs:eu-west-1:12:mail");
        let own = &entry["MessageAttributes"]["own"];
        assert_eq!(own, &json!({ "DataType": "Binary", "BinaryValue": "AP8=" }));
        assert_eq!(aws.sent("GetQueueAttributes").len(), 1, "asked once");
        assert_eq!(aws.sent("ChangeMessageVisibility").len(), 2);
    }

    /// Before the rest of the batch has a chance to kill the function.
    #[tokio::test]
    async fn what_was_moved_is_deleted_at_once() {
        let aws = aws(Some(POLICY));
        assert!(reported(&aws, event(&[3, 3]), Failure::passing("Throttling")).await.is_empty());
        let moves = ["SendMessageBatch", "DeleteMessage"];
        assert_eq!(aws.operations(), [&["GetQueueAttributes"][..], &moves, &moves].concat());
        let handles: Vec<Value> =
            aws.sent("DeleteMessage").iter().map(|call| call["ReceiptHandle"].clone()).collect();
        assert_eq!(handles, ["handle-0", "handle-1"]);
    }

    #[tokio::test]
    async fn what_can_never_succeed_is_given_up_at_once() {
        let aws = aws(Some(POLICY));
        assert!(reported(&aws, event(&[1]), Failure::permanent("no job")).await.is_empty());
        let attributes = &aws.sent("SendMessageBatch")[0]["Entries"][0]["MessageAttributes"];
        assert_eq!(attributes["failure"]["StringValue"], "permanent");
    }

    #[tokio::test]
    async fn what_cannot_be_moved_is_left_to_sqs() {
        let failing = |operation: &'static str| {
            let aws = aws(Some(POLICY));
            FakeAws::answering(move |call| match call.operation == operation {
                true => Some(Answer::error("ServiceUnavailable")),
                false => aws.respond(call),
            })
        };
        let without_policy = aws(None);
        for aws in [without_policy, failing("SendMessageBatch"), failing("GetQueueAttributes")] {
            assert_eq!(reported(&aws, event(&[3]), Failure::permanent("no job")).await, ["0"]);
            assert!(aws.sent("DeleteMessage").is_empty());
        }
        // Lambda deletes it when the batch has ended.
        assert!(reported(&failing("DeleteMessage"), event(&[3]), Failure::passing("x")).await.is_empty());
    }

    #[test]
    fn a_policy_is_read_with_its_count_as_number_or_text() {
        let expected = Redrive { target_arn: "arn:aws:sqs:eu-west-1:12:dead".into(), most_receives: 3 };
        assert_eq!(Redrive::parse(POLICY).as_ref(), Some(&expected));
        assert_eq!(Redrive::parse(&POLICY.replace('3', "\"3\"")), Some(expected));
        assert_eq!(Redrive::parse("{}"), None);
    }
}

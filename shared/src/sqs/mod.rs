//! The edge to SQS: sending jobs, and working through batches of messages with a report of which failed.

mod consume;
mod message;

pub use message::{Attribute, Attributes, Message, Outgoing};

use crate::backoff::{delay, jitter};
use crate::failure::Failure;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use consume::Redrive;
use message::{LONGEST_DELAY, batches};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The delay after a message's first attempt.
const FIRST_DELAY: Duration = Duration::from_secs(5);

/// Rounds of sending the messages that a batch left unsent.
const SEND_ROUNDS: usize = 3;

/// The SQS client.
#[derive(Clone)]
pub struct Queues {
    client: aws_sdk_sqs::Client,
    /// The redrive policies of queues in which something failed, by ARN. An environment does not outlive a change of
    /// them by much, and until then SQS itself follows the new one.
    redrives: Arc<Mutex<HashMap<String, Option<Redrive>>>>,
}

/// What became of one batch.
#[derive(Default)]
struct Sent {
    /// Not taken for a reason of SQS's own.
    unsent: Vec<Outgoing>,
    /// The code by which one was refused for good.
    refused: Option<String>,
}

impl Queues {
    pub fn new(client: aws_sdk_sqs::Client) -> Self {
        Self { client, redrives: Arc::default() }
    }

    /// Sends messages, in as few requests as take them. When any could not be sent, the caller's own retry sends all again,
    /// which is why jobs have keys.
    ///
    /// # Errors
    /// Permanent when SQS refused one for good, which does not keep the others.
    pub async fn send(&self, queue_url: &str, mut messages: Vec<Outgoing>) -> Result<(), Failure> {
        let mut refused = None;
        for _ in 0..SEND_ROUNDS {
            let mut unsent = Vec::new();
            for batch in batches(messages) {
                let sent = self.send_batch(queue_url, batch).await?;
                unsent.extend(sent.unsent);
                refused = refused.or(sent.refused);
            }
            if unsent.is_empty() {
                let refusal = |code| Failure::permanent(format!("SQS refused a message: {code}"));
                return refused.map(refusal).map_or(Ok(()), Err);
            }
            messages = unsent;
        }
        Err(Failure::passing(format!("{} messages could not be sent", messages.len())))
    }

    async fn send_batch(&self, queue_url: &str, batch: Vec<Outgoing>) -> Result<Sent, Failure> {
        let entries = batch.iter().enumerate().map(|(index, message)| message.entry(index));
        let entries = entries.collect::<Result<Vec<_>, Failure>>()?;
        let request = self.client.send_message_batch().queue_url(queue_url).set_entries(Some(entries));
        let output = match request.send().await {
            Ok(output) => output,
            // Of a message that is too large alone. Some endpoints write the code with a prefix.
            Err(error) => match error.code() {
                Some(code) if code.ends_with("BatchRequestTooLong") => {
                    return Ok(Sent { refused: Some(code.to_owned()), ..Sent::default() });
                }
                _ => return Err(crate::dynamodb::failure(&error)),
            },
        };
        let (refused, unsent): (Vec<_>, Vec<_>) =
            output.failed().iter().partition(|failed| failed.sender_fault());
        let places: Vec<usize> = unsent.iter().filter_map(|failed| failed.id().parse().ok()).collect();
        let numbered = batch.into_iter().enumerate().filter(|(place, _)| places.contains(place));
        Ok(Sent {
            unsent: numbered.map(|(_, message)| message).collect(),
            refused: refused.first().map(|failed| failed.code().to_owned()),
        })
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

/// How long the message `id` waits after attempt number `attempt` before the next: 5 s, doubling to 15 min, with jitter.
pub fn backoff(attempt: u32, id: &str) -> Duration {
    delay(FIRST_DELAY, LONGEST_DELAY, attempt, jitter(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{Answer, FakeAws};
    use serde_json::json;

    #[test]
    fn an_arn_names_a_queue() {
        assert_eq!(queue_url("arn:aws:sqs:eu-west-1:12:mail"), "https://sqs.eu-west-1.amazonaws.com/12/mail");
    }

    fn messages(sizes: &[usize]) -> Vec<Outgoing> {
        sizes.iter().map(|size| Outgoing { body: "x".repeat(*size), ..Outgoing::default() }).collect()
    }

    #[tokio::test]
    async fn what_is_refused_for_good_does_not_keep_the_others() {
        let refused =
            json!({ "Failed": [{ "Id": "0", "Code": "InvalidMessageContents", "SenderFault": true }] });
        let too_long = Answer::error("BatchRequestTooLong");
        for first in [Answer::json(refused), too_long] {
            let aws = FakeAws::with([("SendMessageBatch", first)]);
            let sent = aws.queues().send("https://queue", messages(&[300_000, 1])).await;
            assert!(!sent.unwrap_err().is_passing());
            assert_eq!(aws.sent("SendMessageBatch").len(), 2, "the second goes all the same");
        }
    }

    #[tokio::test]
    async fn what_sqs_failed_to_take_is_sent_again_and_nothing_else() {
        let failed = json!({ "Failed": [{ "Id": "1", "Code": "InternalError", "SenderFault": false }] });
        let aws = FakeAws::with([("SendMessageBatch", Answer::json(failed))]);
        aws.queues().send("https://queue", messages(&[1, 2, 3])).await.unwrap();
        let again = &aws.sent("SendMessageBatch")[1]["Entries"];
        assert_eq!((again.as_array().unwrap().len(), &again[0]["MessageBody"]), (1, &json!("xx")));
    }
}

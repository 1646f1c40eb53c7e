//! Working with what failed: list, show, replay, discard the messages of a dead-letter or parking queue, over any SQS.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{Message, MessageAttributeValue, MessageSystemAttributeName};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// The attribute by which a parked message says where it belongs.
pub const SOURCE_ATTRIBUTE: &str = "source_queue_arn";
/// How long a message is hidden while it is looked at or moved, in seconds.
const HOLD_SECONDS: i32 = 30;
/// Receives that one pass makes at most: 10 messages each.
const MAXIMUM_RECEIVES: usize = 1_000;

/// Why dead letters cannot be worked with.
#[derive(Debug, thiserror::Error)]
pub enum DeadLetterError {
    #[error("queue {0}: {1}")]
    Sqs(String, String),
    #[error("message {0} does not say which queue it came from; discard it, or send its body yourself")]
    NoSource(String),
    #[error("there is no message {0} in the queue")]
    NotFound(String),
}

/// A failed message, as people see it.
#[derive(Clone, Debug, Serialize)]
pub struct DeadLetter {
    pub message_id: String,
    /// The queue it failed in, where known.
    pub source_queue_arn: Option<String>,
    pub body: String,
    /// Its attributes: what parked it says why, when and after how many replays.
    pub attributes: BTreeMap<String, String>,
    #[serde(skip)]
    receipt_handle: String,
    #[serde(skip)]
    message_attributes: HashMap<String, MessageAttributeValue>,
}

/// Which messages to act on.
#[derive(Clone, Debug)]
pub enum Which {
    All,
    Only(String),
}

impl Which {
    fn includes(&self, letter: &DeadLetter) -> bool {
        match self {
            Self::All => true,
            Self::Only(id) => letter.message_id == *id,
        }
    }
}

/// The dead letters of one queue.
pub struct DeadLetters {
    client: Client,
    queue_url: String,
}

impl DeadLetters {
    /// Finds the queue by its name.
    pub async fn open(client: Client, queue: &str) -> Result<Self, DeadLetterError> {
        let output =
            client.get_queue_url().queue_name(queue).send().await.map_err(|e| sqs_error(queue, &e))?;
        Ok(Self { client, queue_url: output.queue_url.unwrap_or_default() })
    }

    /// Every message there is, without taking it away.
    pub async fn list(&self) -> Result<Vec<DeadLetter>, DeadLetterError> {
        let letters = self.receive_all().await?;
        for letter in &letters {
            self.release(letter).await?;
        }
        Ok(letters)
    }

    /// Sends messages back to the queues they failed in, then removes them here. Returns how many.
    pub async fn replay(&self, which: &Which) -> Result<usize, DeadLetterError> {
        self.remove_each(which, true).await
    }

    /// Removes messages for good. Returns how many.
    pub async fn discard(&self, which: &Which) -> Result<usize, DeadLetterError> {
        self.remove_each(which, false).await
    }

    /// One message that cannot be sent back stays, and does not keep the others.
    async fn remove_each(&self, which: &Which, send_back: bool) -> Result<usize, DeadLetterError> {
        let mut done = 0;
        let mut first_error = None;
        for letter in self.receive_all().await? {
            if !which.includes(&letter) {
                self.release(&letter).await?;
                continue;
            }
            let result = if send_back { self.send_back(&letter).await } else { Ok(()) };
            match result {
                Ok(()) => {
                    self.remove(&letter).await?;
                    done += 1;
                }
                Err(error) => {
                    self.release(&letter).await?;
                    first_error.get_or_insert(error);
                }
            }
        }
        match (first_error, which) {
            (Some(error), _) => Err(error),
            (None, Which::Only(id)) if done == 0 => Err(DeadLetterError::NotFound(id.clone())),
            (None, _) => Ok(done),
        }
    }

    async fn send_back(&self, letter: &DeadLetter) -> Result<(), DeadLetterError> {
        let source = letter.source_queue_arn.as_deref();
        let source = source.ok_or_else(|| DeadLetterError::NoSource(letter.message_id.clone()))?;
        let name = source.rsplit(':').next().unwrap_or_default();
        let url =
            self.client.get_queue_url().queue_name(name).send().await.map_err(|e| sqs_error(name, &e))?;
        // What parked it is history; what came with it stays.
        let mut attributes = letter.message_attributes.clone();
        for added in [SOURCE_ATTRIBUTE, "error", "parked_at", "replays"] {
            attributes.remove(added);
        }
        self.client
            .send_message()
            .set_queue_url(url.queue_url)
            .message_body(&letter.body)
            .set_message_attributes(Some(attributes))
            .send()
            .await
            .map_err(|error| sqs_error(name, &error))?;
        Ok(())
    }

    async fn receive_all(&self) -> Result<Vec<DeadLetter>, DeadLetterError> {
        let mut letters: Vec<DeadLetter> = Vec::new();
        for _ in 0..MAXIMUM_RECEIVES {
            let output = self
                .client
                .receive_message()
                .queue_url(&self.queue_url)
                .max_number_of_messages(10)
                .visibility_timeout(HOLD_SECONDS)
                .message_attribute_names("All")
                .message_system_attribute_names(MessageSystemAttributeName::All)
                .send()
                .await
                .map_err(|error| sqs_error(&self.queue_url, &error))?;
            let messages = output.messages.unwrap_or_default();
            if messages.is_empty() {
                break;
            }
            letters.extend(messages.into_iter().map(letter));
        }
        Ok(letters)
    }

    async fn release(&self, letter: &DeadLetter) -> Result<(), DeadLetterError> {
        self.client
            .change_message_visibility()
            .queue_url(&self.queue_url)
            .receipt_handle(&letter.receipt_handle)
            .visibility_timeout(0)
            .send()
            .await
            .map_err(|error| sqs_error(&self.queue_url, &error))?;
        Ok(())
    }

    async fn remove(&self, letter: &DeadLetter) -> Result<(), DeadLetterError> {
        self.client
            .delete_message()
            .queue_url(&self.queue_url)
            .receipt_handle(&letter.receipt_handle)
            .send()
            .await
            .map_err(|error| sqs_error(&self.queue_url, &error))?;
        Ok(())
    }
}

fn letter(message: Message) -> DeadLetter {
    let system = message.attributes.unwrap_or_default();
    let message_attributes = message.message_attributes.unwrap_or_default();
    let attributes: BTreeMap<String, String> = message_attributes
        .iter()
        .filter_map(|(name, value)| value.string_value.clone().map(|value| (name.clone(), value)))
        .collect();
    DeadLetter {
        message_id: message.message_id.unwrap_or_default(),
        source_queue_arn: attributes
            .get(SOURCE_ATTRIBUTE)
            .or_else(|| system.get(&MessageSystemAttributeName::DeadLetterQueueSourceArn))
            .cloned(),
        body: message.body.unwrap_or_default(),
        receipt_handle: message.receipt_handle.unwrap_or_default(),
        attributes,
        message_attributes,
    }
}

fn sqs_error<E, R>(
    queue: &str,
    error: &aws_smithy_runtime_api::client::result::SdkError<E, R>,
) -> DeadLetterError
where
    E: std::error::Error + aws_smithy_types::error::metadata::ProvideErrorMetadata + 'static,
    R: std::fmt::Debug,
{
    let message = error
        .as_service_error()
        .and_then(|error| error.message().or(error.code()))
        .map_or_else(|| error.to_string(), ToOwned::to_owned);
    DeadLetterError::Sqs(queue.to_owned(), message)
}

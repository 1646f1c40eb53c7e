//! The thin line between event sources and AWS: what is asked of DynamoDB Streams and of SQS, so that tests can answer.
//! `aws.rs` asks the SDK.

use chrono::{DateTime, Utc};
use serde_json::Value;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;

/// A boxed future, as traits that are used as objects need it.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Why an endpoint did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// The iterator is older than it may be: ask for a new one.
    #[error("the shard iterator has expired")]
    Expired,
    /// The position lies before what the stream still holds.
    #[error("the records at this position are no longer in the stream")]
    Trimmed,
    #[error("{0}")]
    Other(String),
}

/// One shard of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    pub id: String,
    pub parent: Option<String>,
}

/// Where reading a shard begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Position {
    TrimHorizon,
    Latest,
    /// After the record with this sequence number.
    After(String),
}

/// What one read of a shard gave.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Records in the shape that Lambda's event has, without `eventSourceARN`.
    pub records: Vec<Value>,
    /// `None` when the shard is closed and read to its end.
    pub next: Option<String>,
}

/// DynamoDB Streams.
pub trait StreamReader: Send + Sync {
    /// All shards of the stream.
    fn shards<'a>(&'a self, stream: &'a str) -> Pending<'a, Result<Vec<Shard>, EndpointError>>;

    fn iterator<'a>(
        &'a self,
        stream: &'a str,
        shard: &'a str,
        position: Position,
    ) -> Pending<'a, Result<String, EndpointError>>;

    fn read<'a>(&'a self, iterator: &'a str, limit: usize) -> Pending<'a, Result<Page, EndpointError>>;
}

/// A message as `ReceiveMessage` gives it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    pub id: String,
    pub receipt_handle: String,
    pub body: String,
    pub md5_of_body: String,
    pub md5_of_attributes: Option<String>,
    /// System attributes, all strings.
    pub attributes: BTreeMap<String, String>,
    /// The sender's attributes.
    pub message_attributes: BTreeMap<String, MessageAttribute>,
}

/// One of the sender's attributes of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageAttribute {
    /// `String`, `Number` or `Binary`, perhaps with a suffix after a dot.
    pub data_type: String,
    pub string: Option<String>,
    pub binary: Option<Vec<u8>>,
}

impl MessageAttribute {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self { data_type: "String".to_owned(), string: Some(text.into()), binary: None }
    }

    pub(super) fn number(number: u32) -> Self {
        Self { data_type: "Number".to_owned(), string: Some(number.to_string()), binary: None }
    }
}

/// What SQS did not do of a call for several messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The message's place in the call, from 0.
    pub place: usize,
    pub reason: String,
    /// The same may be done when SQS is asked again.
    pub passing: bool,
}

impl Refusal {
    /// A call for so many messages that failed as a whole.
    pub(super) fn of_all(messages: usize, error: &EndpointError) -> Vec<Self> {
        let reason = error.to_string();
        (0..messages).map(|place| Self { place, reason: reason.clone(), passing: true }).collect()
    }
}

/// SQS. Queues are named by their URL.
pub trait QueueClient: Send + Sync {
    /// Takes up to `most` (at most 10) messages, waiting up to `wait_seconds` (at most 20) for the first.
    fn receive<'a>(
        &'a self,
        queue: &'a str,
        most: usize,
        wait_seconds: u32,
    ) -> Pending<'a, Result<Vec<Message>, EndpointError>>;

    /// Deletes up to 10 messages, but for those that it gives.
    fn delete<'a>(&'a self, queue: &'a str, receipt_handles: &'a [String]) -> Pending<'a, Vec<Refusal>>;

    /// Makes up to 10 messages visible again after `seconds`, but for those that it gives.
    fn change_visibility<'a>(
        &'a self,
        queue: &'a str,
        receipt_handles: &'a [String],
        seconds: u32,
    ) -> Pending<'a, Vec<Refusal>>;

    /// Sends a message.
    fn send<'a>(
        &'a self,
        queue: &'a str,
        body: String,
        attributes: BTreeMap<String, MessageAttribute>,
    ) -> Pending<'a, Result<(), EndpointError>>;

    /// How many messages could be received now.
    fn visible<'a>(&'a self, queue: &'a str) -> Pending<'a, Result<u64, EndpointError>>;
}

/// A moment as AWS's own messages write it: `2019-11-14T00:13:49.717Z`.
pub(super) fn moment(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

/// A moment to the second: `2019-11-14T00:13:49Z`.
pub(super) fn moment_in_seconds(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

//! Sends dead letters back to the queues they failed in, or to the functions they were for.

use super::letter::Origin;
use super::{BATCH, DeadLetter, Services, all_by_message, by_message, problem, queue_url, sqs_error};
use crate::app::name_of;
use aws_sdk_lambda::types::InvocationType;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    MessageAttributeValue, MessageSystemAttributeName, MessageSystemAttributeNameForSends,
    MessageSystemAttributeValue, SendMessageBatchRequestEntry,
};
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of one request, at most: what every SQS takes, though AWS's own takes four times as much by now. A greater
/// message goes alone.
const REQUEST_BYTES: usize = 262_144;

/// The queues that messages go back to: their URLs, or why they have none. Each is asked for once.
#[derive(Default)]
pub(super) struct Sources(BTreeMap<String, Result<String, String>>);

impl Sources {
    /// Sends each message to the queue it failed in, or to the function it was for; those that were not taken there, by id,
    /// with the reason.
    pub(super) async fn send_back(
        &mut self,
        services: &Services,
        from: &str,
        letters: &[&DeadLetter],
    ) -> BTreeMap<String, String> {
        let mut kept = BTreeMap::new();
        let mut by_queue: BTreeMap<String, Vec<&DeadLetter>> = BTreeMap::new();
        for letter in letters {
            let sent = match letter.origin() {
                Origin::Queue(arn) => {
                    let url = self.url_of(&services.sqs, from, name_of(arn)).await;
                    url.map(|url| by_queue.entry(url).or_default().push(letter))
                }
                Origin::Function { arn, event } => {
                    let invoked = invoke(&services.lambda, arn, event).await;
                    let function = letter.function.as_deref().unwrap_or(arn);
                    invoked.map_err(|problem| format!("function {function}: {problem}"))
                }
                Origin::Unknown(reason) => Err(format!("{reason}: discard it, or send its payload yourself")),
            };
            if let Err(reason) = sent {
                kept.insert(letter.message_id.clone(), reason);
            }
        }
        for (url, letters) in by_queue {
            kept.extend(send_to(&services.sqs, &url, &letters).await);
        }
        kept
    }

    async fn url_of(&mut self, client: &Client, from: &str, name: &str) -> Result<String, String> {
        if !self.0.contains_key(name) {
            let url = match queue_url(client, name).await {
                Ok(url) if url == from => Err(format!("it failed in {name} itself, where it is")),
                found => found.map_err(|error| error.to_string()),
            };
            self.0.insert(name.to_owned(), url);
        }
        self.0[name].clone()
    }
}

/// Hands an event to its function as whoever gave it up did: Lambda takes it, keeps it, and tries as often as then.
async fn invoke(client: &aws_sdk_lambda::Client, arn: &str, event: &str) -> Result<(), String> {
    let request = client.invoke().function_name(arn).invocation_type(InvocationType::Event);
    let accepted = request.payload(event.as_bytes().into()).send().await;
    accepted.map(drop).map_err(|error| problem(&error))
}

/// Sends messages to one queue, in their order. Of a FIFO group none goes before one that had to stay.
async fn send_to(client: &Client, url: &str, letters: &[&DeadLetter]) -> BTreeMap<String, String> {
    let is_fifo = url.ends_with(".fifo");
    let mut kept: BTreeMap<String, String> = BTreeMap::new();
    let mut stopped_groups = BTreeSet::new();
    for batch in batches(letters, if is_fifo { 1 } else { BATCH }) {
        let group = batch[0].system(&MessageSystemAttributeName::MessageGroupId);
        let failed = if is_fifo && stopped_groups.contains(&group) {
            all_by_message(batch, "a message of its group that comes before it stays")
        } else {
            send_batch(client, url, is_fifo, batch).await
        };
        if !failed.is_empty() {
            stopped_groups.insert(group);
        }
        kept.extend(failed);
    }
    kept
}

/// Runs of at most `most` messages that fit into one request.
fn batches<'a, 'b>(letters: &'a [&'b DeadLetter], most: usize) -> Vec<&'a [&'b DeadLetter]> {
    let mut batches = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (index, letter) in letters.iter().enumerate() {
        let size = size(letter);
        if index > start && (index - start == most || bytes + size > REQUEST_BYTES) {
            batches.push(&letters[start..index]);
            (start, bytes) = (index, 0);
        }
        bytes += size;
    }
    if start < letters.len() {
        batches.push(&letters[start..]);
    }
    batches
}

/// What a message weighs against SQS's limits.
fn size(letter: &DeadLetter) -> usize {
    let value = |value: &MessageAttributeValue| {
        value.string_value().map_or(0, str::len) + value.binary_value().map_or(0, |blob| blob.as_ref().len())
    };
    let attributes =
        letter.attributes().map(|(name, found)| name.len() + found.data_type().len() + value(found));
    letter.bytes + attributes.sum::<usize>()
}

async fn send_batch(
    client: &Client,
    url: &str,
    is_fifo: bool,
    letters: &[&DeadLetter],
) -> BTreeMap<String, String> {
    let name = url.rsplit('/').next().unwrap_or(url);
    let entries: Result<Vec<_>, _> =
        letters.iter().enumerate().map(|(index, letter)| entry(index, letter, is_fifo)).collect();
    let entries = match entries {
        Ok(entries) => entries,
        Err(error) => return all_by_message(letters, &error.to_string()),
    };
    match client.send_message_batch().queue_url(url).set_entries(Some(entries)).send().await {
        Ok(output) => by_message(letters, output.failed())
            .into_iter()
            .map(|(id, reason)| (id, format!("queue {name}: {reason}")))
            .collect(),
        Err(error) => all_by_message(letters, &sqs_error(name, &error).to_string()),
    }
}

/// A message as it first was: its payload, its own attributes of whatever type, its group and its trace.
fn entry(
    index: usize,
    letter: &DeadLetter,
    is_fifo: bool,
) -> Result<SendMessageBatchRequestEntry, aws_smithy_types::error::operation::BuildError> {
    let system = |name| letter.system(&name).map(ToOwned::to_owned);
    let mut entry = SendMessageBatchRequestEntry::builder()
        .id(index.to_string())
        .message_body(letter.body())
        .set_message_attributes(Some(letter.own_attributes()))
        .set_message_group_id(system(MessageSystemAttributeName::MessageGroupId));
    if is_fifo {
        // The id it was sent with may be one that the queue still remembers: it would take the message and deliver
        // nothing. The id of this dead letter is new to the queue, and the same when a replay is repeated.
        entry = entry.message_deduplication_id(&letter.message_id);
    }
    if let Some(trace) = system(MessageSystemAttributeName::AwsTraceHeader) {
        let value = MessageSystemAttributeValue::builder().data_type("String").string_value(trace).build()?;
        entry = entry.message_system_attributes(MessageSystemAttributeNameForSends::AwsTraceHeader, value);
    }
    entry.build()
}

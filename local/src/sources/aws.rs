//! DynamoDB Streams and SQS through the SDK: the one place where event sources know its types.

use super::endpoint::{
    EndpointError, Message, MessageAttribute, Page, Pending, Position, QueueClient, Refusal, Shard,
    StreamReader,
};
use aws_sdk_dynamodbstreams as streams;
use aws_sdk_sqs as sqs;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
    MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName,
};
use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use streams::types::{AttributeValue, Record, ShardIteratorType};

/// What `GetRecords` gives at most.
const MOST_RECORDS: usize = 1_000;
/// Pages of `DescribeStream` that are read; a day of a busy table has far fewer.
const MOST_PAGES: usize = 100;

/// Reads streams with the SDK's client.
#[derive(Clone, Debug)]
pub struct SdkStreams(pub streams::Client);

/// Uses queues with the SDK's client.
#[derive(Clone, Debug)]
pub struct SdkQueues(pub sqs::Client);

/// An SDK error with all its causes in one line.
fn other(error: impl Error) -> EndpointError {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    EndpointError::Other(text)
}

impl StreamReader for SdkStreams {
    fn shards<'a>(&'a self, stream: &'a str) -> Pending<'a, Result<Vec<Shard>, EndpointError>> {
        Box::pin(async move {
            let mut shards = Vec::new();
            let mut from = None;
            for _ in 0..MOST_PAGES {
                let request = self.0.describe_stream().stream_arn(stream).set_exclusive_start_shard_id(from);
                let page = request.send().await.map_err(|error| other(error.into_service_error()))?;
                let description = page.stream_description;
                from = description.as_ref().and_then(|found| found.last_evaluated_shard_id.clone());
                let found = description.and_then(|found| found.shards).unwrap_or_default();
                shards.extend(
                    found.into_iter().filter_map(|shard| {
                        Some(Shard { id: shard.shard_id?, parent: shard.parent_shard_id })
                    }),
                );
                if from.is_none() {
                    break;
                }
            }
            Ok(shards)
        })
    }

    fn iterator<'a>(
        &'a self,
        stream: &'a str,
        shard: &'a str,
        position: Position,
    ) -> Pending<'a, Result<String, EndpointError>> {
        Box::pin(async move {
            let (kind, after) = match position {
                Position::TrimHorizon => (ShardIteratorType::TrimHorizon, None),
                Position::Latest => (ShardIteratorType::Latest, None),
                Position::After(sequence) => (ShardIteratorType::AfterSequenceNumber, Some(sequence)),
            };
            let request = self.0.get_shard_iterator().stream_arn(stream).shard_id(shard);
            let request = request.shard_iterator_type(kind).set_sequence_number(after);
            match request.send().await {
                Ok(answer) => answer.shard_iterator.ok_or_else(|| EndpointError::Other("no iterator".into())),
                Err(error) => Err(match error.into_service_error() {
                    error if error.is_trimmed_data_access_exception() => EndpointError::Trimmed,
                    error => other(error),
                }),
            }
        })
    }

    fn read<'a>(&'a self, iterator: &'a str, limit: usize) -> Pending<'a, Result<Page, EndpointError>> {
        Box::pin(async move {
            let limit = i32::try_from(limit.clamp(1, MOST_RECORDS)).unwrap_or(i32::MAX);
            match self.0.get_records().shard_iterator(iterator).limit(limit).send().await {
                Ok(answer) => Ok(Page {
                    records: answer.records.unwrap_or_default().iter().map(record).collect(),
                    next: answer.next_shard_iterator,
                }),
                Err(error) => Err(match error.into_service_error() {
                    error if error.is_expired_iterator_exception() => EndpointError::Expired,
                    error if error.is_trimmed_data_access_exception() => EndpointError::Trimmed,
                    error => other(error),
                }),
            }
        })
    }
}

/// A record in the shape of Lambda's event (all but `eventSourceARN`).
fn record(record: &Record) -> Value {
    let mut change = Map::new();
    if let Some(found) = &record.dynamodb {
        if let Some(created) = found.approximate_creation_date_time {
            change.insert("ApproximateCreationDateTime".into(), created.secs().into());
        }
        for (name, image) in
            [("Keys", &found.keys), ("NewImage", &found.new_image), ("OldImage", &found.old_image)]
        {
            // The endpoint may give an empty image for a missing one; Lambda leaves it out.
            if let Some(image) = image.as_ref().filter(|image| !image.is_empty()) {
                change.insert(name.into(), item(image));
            }
        }
        change.insert("SequenceNumber".into(), found.sequence_number.clone().into());
        change.insert("SizeBytes".into(), found.size_bytes.unwrap_or_default().into());
        let view = found.stream_view_type.as_ref().map(streams::types::StreamViewType::as_str);
        change.insert("StreamViewType".into(), view.into());
    }
    let mut event = json!({
        "eventID": record.event_id,
        "eventName": record.event_name.as_ref().map(streams::types::OperationType::as_str),
        "eventVersion": record.event_version.as_deref().unwrap_or("1.1"),
        "eventSource": "aws:dynamodb",
        "awsRegion": record.aws_region,
        "dynamodb": change,
    });
    // Only deletions by time to live have one.
    if let Some(identity) = &record.user_identity {
        event["userIdentity"] = json!({"type": identity.r#type, "principalId": identity.principal_id});
    }
    event
}

fn item(image: &HashMap<String, AttributeValue>) -> Value {
    image.iter().map(|(name, attribute)| (name.clone(), value(attribute))).collect()
}

fn value(attribute: &AttributeValue) -> Value {
    let base64 = |blob: &aws_smithy_types::Blob| STANDARD.encode(blob);
    match attribute {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::Bool(yes) => json!({ "BOOL": yes }),
        AttributeValue::Null(yes) => json!({ "NULL": yes }),
        AttributeValue::B(blob) => json!({ "B": base64(blob) }),
        AttributeValue::Ss(set) => json!({ "SS": set }),
        AttributeValue::Ns(set) => json!({ "NS": set }),
        AttributeValue::Bs(set) => json!({ "BS": set.iter().map(base64).collect::<Vec<_>>() }),
        AttributeValue::L(list) => json!({ "L": list.iter().map(value).collect::<Vec<_>>() }),
        AttributeValue::M(map) => json!({ "M": item(map) }),
        // The SDK's enum may grow; a type that it does not know cannot be read from it either.
        _ => Value::Null,
    }
}

impl QueueClient for SdkQueues {
    fn receive<'a>(
        &'a self,
        queue: &'a str,
        most: usize,
        wait_seconds: u32,
    ) -> Pending<'a, Result<Vec<Message>, EndpointError>> {
        Box::pin(async move {
            let request = self.0.receive_message().queue_url(queue).message_attribute_names("All");
            let request = request.message_system_attribute_names(MessageSystemAttributeName::All);
            let request = request.max_number_of_messages(i32::try_from(most.clamp(1, 10)).unwrap_or(10));
            let request = request.wait_time_seconds(i32::try_from(wait_seconds.min(20)).unwrap_or(20));
            let answer = request.send().await.map_err(|error| other(error.into_service_error()))?;
            Ok(answer.messages.unwrap_or_default().into_iter().map(message).collect())
        })
    }

    fn delete<'a>(&'a self, queue: &'a str, receipt_handles: &'a [String]) -> Pending<'a, Vec<Refusal>> {
        let asked = async move {
            let mut request = self.0.delete_message_batch().queue_url(queue);
            for (place, handle) in receipt_handles.iter().enumerate() {
                let entry = DeleteMessageBatchRequestEntry::builder();
                let entry = entry.id(place.to_string()).receipt_handle(handle).build().map_err(other)?;
                request = request.entries(entry);
            }
            let answer = request.send().await.map_err(|error| other(error.into_service_error()))?;
            Ok(answer.failed)
        };
        Box::pin(async move { refusals(receipt_handles.len(), asked.await) })
    }

    fn change_visibility<'a>(
        &'a self,
        queue: &'a str,
        receipt_handles: &'a [String],
        seconds: u32,
    ) -> Pending<'a, Vec<Refusal>> {
        let asked = async move {
            let seconds = i32::try_from(seconds).unwrap_or(i32::MAX);
            let mut request = self.0.change_message_visibility_batch().queue_url(queue);
            for (place, handle) in receipt_handles.iter().enumerate() {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder();
                let entry = entry.id(place.to_string()).receipt_handle(handle).visibility_timeout(seconds);
                request = request.entries(entry.build().map_err(other)?);
            }
            let answer = request.send().await.map_err(|error| other(error.into_service_error()))?;
            Ok(answer.failed)
        };
        Box::pin(async move { refusals(receipt_handles.len(), asked.await) })
    }

    fn send<'a>(
        &'a self,
        queue: &'a str,
        body: String,
        attributes: BTreeMap<String, MessageAttribute>,
    ) -> Pending<'a, Result<(), EndpointError>> {
        Box::pin(async move {
            let mut request = self.0.send_message().queue_url(queue).message_body(body);
            for (name, found) in attributes {
                let attribute = MessageAttributeValue::builder()
                    .data_type(found.data_type)
                    .set_string_value(found.string)
                    .set_binary_value(found.binary.map(aws_smithy_types::Blob::new));
                request = request.message_attributes(name, attribute.build().map_err(other)?);
            }
            request.send().await.map_err(|error| other(error.into_service_error()))?;
            Ok(())
        })
    }

    fn visible<'a>(&'a self, queue: &'a str) -> Pending<'a, Result<u64, EndpointError>> {
        Box::pin(async move {
            let name = QueueAttributeName::ApproximateNumberOfMessages;
            let request = self.0.get_queue_attributes().queue_url(queue).attribute_names(name.clone());
            let answer = request.send().await.map_err(|error| other(error.into_service_error()))?;
            let count = answer.attributes.as_ref().and_then(|found| found.get(&name)?.parse().ok());
            count
                .ok_or_else(|| EndpointError::Other("the queue does not say how many messages it has".into()))
        })
    }
}

/// What SQS answered to a call for so many messages, whose entries are named by their places. An answer that names others
/// says nothing of any.
fn refusals(messages: usize, failed: Result<Vec<BatchResultErrorEntry>, EndpointError>) -> Vec<Refusal> {
    let refusal = |entry: BatchResultErrorEntry| {
        let place = entry.id.parse().ok().filter(|place| *place < messages);
        let place =
            place.ok_or_else(|| EndpointError::Other(format!("it answered of an entry {:?}", entry.id)))?;
        Ok(Refusal { place, reason: entry.code, passing: !entry.sender_fault })
    };
    let read = failed.and_then(|failed| failed.into_iter().map(refusal).collect());
    read.unwrap_or_else(|error| Refusal::of_all(messages, &error))
}

fn message(message: sqs::types::Message) -> Message {
    let attributes = message.attributes.unwrap_or_default();
    let message_attributes = message.message_attributes.unwrap_or_default();
    Message {
        id: message.message_id.unwrap_or_default(),
        receipt_handle: message.receipt_handle.unwrap_or_default(),
        body: message.body.unwrap_or_default(),
        md5_of_body: message.md5_of_body.unwrap_or_default(),
        md5_of_attributes: message.md5_of_message_attributes,
        attributes: attributes.into_iter().map(|(name, text)| (name.as_str().to_owned(), text)).collect(),
        message_attributes: message_attributes
            .into_iter()
            .map(|(name, found)| (name, attribute(found)))
            .collect(),
    }
}

fn attribute(attribute: MessageAttributeValue) -> MessageAttribute {
    MessageAttribute {
        data_type: attribute.data_type,
        string: attribute.string_value,
        binary: attribute.binary_value.map(aws_smithy_types::Blob::into_inner),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_smithy_types::{Blob, DateTime};
    use streams::types::{Identity, OperationType, StreamRecord, StreamViewType};

    #[test]
    fn a_record_has_the_shape_that_lambda_sends() {
        let change = StreamRecord::builder()
            .approximate_creation_date_time(DateTime::from_secs(1_479_499_740))
            .keys("pk", AttributeValue::S("a".into()))
            .old_image("pk", AttributeValue::S("a".into()))
            .old_image(
                "data",
                AttributeValue::M(HashMap::from([("b".into(), AttributeValue::B(Blob::new("x")))])),
            )
            .old_image(
                "tags",
                AttributeValue::L(vec![AttributeValue::N("1".into()), AttributeValue::Null(true)]),
            )
            .sequence_number("111")
            .size_bytes(26)
            .stream_view_type(StreamViewType::NewAndOldImages)
            .build();
        let identity = Identity::builder().principal_id("dynamodb.amazonaws.com").r#type("Service").build();
        let built = Record::builder()
            .event_id("e1")
            .event_name(OperationType::Remove)
            .event_version("1.1")
            .event_source("aws:dynamodb")
            .aws_region("us-east-1")
            .dynamodb(change)
            .user_identity(identity)
            .build();
        assert_eq!(
            record(&built),
            json!({
                "eventID": "e1", "eventName": "REMOVE", "eventVersion": "1.1", "eventSource": "aws:dynamodb",
                "awsRegion": "us-east-1",
                "dynamodb": {
                    "ApproximateCreationDateTime": 1_479_499_740, "Keys": {"pk": {"S": "a"}},
                    "OldImage": {"pk": {"S": "a"}, "data": {"M": {"b": {"B": "eA=="}}},
                        "tags": {"L": [{"N": "1"}, {"NULL": true}]}},
                    "SequenceNumber": "111", "SizeBytes": 26, "StreamViewType": "NEW_AND_OLD_IMAGES"
                },
                "userIdentity": {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
            })
        );
    }

    #[test]
    fn an_answer_about_others_says_nothing_of_any_message() {
        let failed = |id: &str| {
            BatchResultErrorEntry::builder().id(id).code("Busy").sender_fault(true).build().unwrap()
        };
        let places = |failed| refusals(2, Ok(failed)).iter().map(|one| (one.place, one.passing)).collect();
        let told: Vec<Vec<(usize, bool)>> =
            vec![places(vec![]), places(vec![failed("1")]), places(vec![failed("1"), failed("2")])];
        assert_eq!(told, [vec![], vec![(1, false)], vec![(0, true), (1, true)]]);
    }
}

//! The edge to DynamoDB Streams: fetching records again by their sequence numbers.

use crate::dynamodb::failure;
use crate::failure::Failure;
use aws_sdk_dynamodbstreams::types::{AttributeValue, Record, ShardIteratorType, StreamRecord};
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// `GetRecords` calls that one fetch makes at most.
const MAXIMUM_READS: usize = 50;

/// The Streams client.
#[derive(Clone)]
pub struct Streams {
    client: aws_sdk_dynamodbstreams::Client,
}

impl Streams {
    pub fn new(client: aws_sdk_dynamodbstreams::Client) -> Self {
        Self { client }
    }

    /// The records of a shard from sequence number `first` to `last`, both included, as far as the stream still holds
    /// them.
    ///
    /// # Errors
    /// Permanent when it holds none of them any more (it keeps records for a day). Passing when the reads ended before
    /// `last`: what could not be read is never taken for what is gone.
    pub async fn fetch(
        &self,
        stream_arn: &str,
        shard: &str,
        first: &str,
        last: &str,
    ) -> Result<Fetched, Failure> {
        let at_first = Some((ShardIteratorType::AtSequenceNumber, first));
        if let Some(iterator) = self.iterator(stream_arn, shard, at_first).await? {
            let records = self.read(iterator, stream_arn, first, last).await?;
            return Ok(Fetched { records, is_cut: false });
        }
        let iterator = self.iterator(stream_arn, shard, None).await?;
        let iterator =
            iterator.ok_or_else(|| Failure::permanent("the stream no longer holds the records"))?;
        let records = self.read(iterator, stream_arn, first, last).await?;
        if records.is_empty() {
            return Err(Failure::permanent("the stream no longer holds the records"));
        }
        Ok(Fetched { records, is_cut: true })
    }

    /// An iterator at a sequence number or else at the oldest record; `None` when the stream holds nothing there.
    async fn iterator(
        &self,
        stream_arn: &str,
        shard: &str,
        position: Option<(ShardIteratorType, &str)>,
    ) -> Result<Option<String>, Failure> {
        let request = self.client.get_shard_iterator().stream_arn(stream_arn).shard_id(shard);
        let (kind, sequence) = match position {
            Some((kind, sequence)) => (kind, Some(sequence.to_owned())),
            None => (ShardIteratorType::TrimHorizon, None),
        };
        match request.shard_iterator_type(kind).set_sequence_number(sequence).send().await {
            Ok(output) => Ok(output.shard_iterator),
            Err(error) => match error.as_service_error() {
                Some(service) if service.is_trimmed_data_access_exception() => Ok(None),
                // Shards go with their records, and streams with their tables.
                Some(service) if service.is_resource_not_found_exception() => Ok(None),
                _ => Err(failure(&error)),
            },
        }
    }

    /// Reads on from an iterator, each record as the JSON that Lambda delivers.
    async fn read(
        &self,
        iterator: String,
        stream_arn: &str,
        first: &str,
        last: &str,
    ) -> Result<Vec<Value>, Failure> {
        let mut iterator = Some(iterator);
        let mut found = Vec::new();
        for _ in 0..MAXIMUM_READS {
            let Some(position) = iterator else { break };
            let output =
                self.client.get_records().shard_iterator(position).send().await.map_err(|e| failure(&e))?;
            // A page may well be empty in the middle of a shard.
            for record in output.records.unwrap_or_default() {
                let sequence =
                    record.dynamodb().and_then(|change| change.sequence_number()).unwrap_or_default();
                if is_after(sequence, last) {
                    return Ok(found);
                }
                let is_last = sequence == last;
                if !is_after(first, sequence) {
                    found.push(to_lambda(record, stream_arn));
                }
                if is_last {
                    return Ok(found);
                }
            }
            iterator = output.next_shard_iterator;
        }
        Err(Failure::passing("the reads ended before the last record"))
    }
}

/// Records of a stream that were read again.
#[derive(Debug)]
pub struct Fetched {
    /// Each as the JSON that Lambda delivers.
    pub records: Vec<Value>,
    /// Whether the stream no longer holds the first ones of those asked for.
    pub is_cut: bool,
}

/// Sequence numbers are decimal texts without leading zeros: the longer is the greater.
fn is_after(sequence: &str, last: &str) -> bool {
    (sequence.len(), sequence) > (last.len(), last)
}

fn to_lambda(record: Record, stream_arn: &str) -> Value {
    let dynamodb = record.dynamodb.map(change_to_lambda).unwrap_or_default();
    let mut value = json!({
        "eventID": record.event_id,
        "eventName": record.event_name.map(|name| name.as_str().to_owned()),
        "eventVersion": record.event_version,
        "eventSource": record.event_source,
        "awsRegion": record.aws_region,
        "eventSourceARN": stream_arn,
        "dynamodb": dynamodb,
    });
    if let Some(identity) = record.user_identity {
        value["userIdentity"] = json!({ "type": identity.r#type, "principalId": identity.principal_id });
    }
    value
}

fn change_to_lambda(change: StreamRecord) -> Map<String, Value> {
    let mut json = Map::new();
    if let Some(at) = change.approximate_creation_date_time {
        json.insert("ApproximateCreationDateTime".into(), json!(at.as_secs_f64()));
    }
    for (name, image) in
        [("Keys", change.keys), ("NewImage", change.new_image), ("OldImage", change.old_image)]
    {
        if let Some(image) = image {
            json.insert(name.into(), item_to_json(&image));
        }
    }
    json.insert("SequenceNumber".into(), json!(change.sequence_number));
    json.insert("SizeBytes".into(), json!(change.size_bytes));
    json.insert("StreamViewType".into(), json!(change.stream_view_type.map(|view| view.as_str().to_owned())));
    json
}

fn item_to_json(item: &HashMap<String, AttributeValue>) -> Value {
    item.iter().map(|(name, value)| (name.clone(), attribute_to_json(value))).collect::<Map<_, _>>().into()
}

fn attribute_to_json(value: &AttributeValue) -> Value {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    let encode = |blob: &aws_smithy_types::Blob| BASE64_STANDARD.encode(blob.as_ref());
    match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::B(blob) => json!({ "B": encode(blob) }),
        AttributeValue::Bool(value) => json!({ "BOOL": value }),
        AttributeValue::Null(value) => json!({ "NULL": value }),
        AttributeValue::Ss(texts) => json!({ "SS": texts }),
        AttributeValue::Ns(numbers) => json!({ "NS": numbers }),
        AttributeValue::Bs(blobs) => json!({ "BS": blobs.iter().map(encode).collect::<Vec<_>>() }),
        AttributeValue::L(values) => json!({ "L": values.iter().map(attribute_to_json).collect::<Vec<_>>() }),
        AttributeValue::M(item) => json!({ "M": item_to_json(item) }),
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_numbers_compare_as_numbers() {
        assert!(is_after("1000", "999"));
        assert!(!is_after("999", "999"));
        assert!(is_after("21", "20"));
    }
}

//! One stream record as it is batched: ready to be put into an event, with the few facts that decisions need.

use chrono::{DateTime, Utc};
use serde_json::Value;
use std::hash::{DefaultHasher, Hash, Hasher};

/// A record of a DynamoDB stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) sequence: String,
    /// Equal for records of one item, so that they can be kept in order.
    pub(super) item: u64,
    /// When the change was made, to the second.
    pub(super) created: DateTime<Utc>,
    /// The record's JSON in the event.
    pub(super) json: String,
}

impl Record {
    /// Reads a record in Lambda's shape. `None` without a sequence number: such a record could not be checkpointed.
    pub(super) fn new(event: &Value, now: DateTime<Utc>) -> Option<Self> {
        let change = event.get("dynamodb")?;
        let sequence = change.get("SequenceNumber")?.as_str().filter(|sequence| !sequence.is_empty())?;
        let created = change.get("ApproximateCreationDateTime").and_then(Value::as_f64);
        #[expect(clippy::cast_possible_truncation, reason = "whole seconds are enough for an age")]
        let created = created.and_then(|seconds| DateTime::from_timestamp(seconds as i64, 0));
        let mut hasher = DefaultHasher::new();
        // Maps of `serde_json` are sorted, so the text is the same for the same key.
        change.get("Keys").map(Value::to_string).hash(&mut hasher);
        Some(Self {
            sequence: sequence.to_owned(),
            item: hasher.finish(),
            created: created.unwrap_or(now),
            json: event.to_string(),
        })
    }
}

/// The event that carries `records`.
pub(super) fn event<'a>(records: impl Iterator<Item = &'a Record>) -> String {
    let mut text = String::from(r#"{"Records":["#);
    for (place, record) in records.enumerate() {
        if place > 0 {
            text.push(',');
        }
        text.push_str(&record.json);
    }
    text.push_str("]}");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn records_of_one_item_share_their_item_and_make_an_event() {
        let record = |id: &str, sequence: &str| {
            let change = json!({"dynamodb": {"Keys": {"pk": {"S": id}}, "SequenceNumber": sequence,
                "ApproximateCreationDateTime": 1_700_000_000}});
            Record::new(&change, Utc::now()).unwrap()
        };
        let (first, second, other) = (record("a", "1"), record("a", "2"), record("b", "3"));
        assert_eq!(first.item, second.item);
        assert_ne!(first.item, other.item);
        assert_eq!(first.created.timestamp(), 1_700_000_000);
        let event: Value = serde_json::from_str(&event([first, other].iter())).unwrap();
        assert_eq!(event["Records"][1]["dynamodb"]["SequenceNumber"], "3");
        assert!(Record::new(&json!({"dynamodb": {}}), Utc::now()).is_none());
    }
}

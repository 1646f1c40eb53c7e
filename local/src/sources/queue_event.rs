//! SQS messages as Lambda hands them to a function, and as its filters see them.

use super::endpoint::Message;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// One record of the event.
pub(super) fn record(message: &Message, queue_arn: &str) -> Value {
    let region = queue_arn.split(':').nth(3).unwrap_or_default();
    let mut record = json!({
        "messageId": message.id,
        "receiptHandle": message.receipt_handle,
        "body": message.body,
        "attributes": message.attributes,
        "messageAttributes": attributes(message),
        "md5OfBody": message.md5_of_body,
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": region,
    });
    if let Some(digest) = &message.md5_of_attributes {
        record["md5OfMessageAttributes"] = digest.clone().into();
    }
    record
}

fn attributes(message: &Message) -> Map<String, Value> {
    let attributes = message.message_attributes.iter().map(|(name, attribute)| {
        let mut value = json!({
            "stringListValues": [], "binaryListValues": [], "dataType": attribute.data_type,
        });
        if let Some(text) = &attribute.string {
            value["stringValue"] = text.clone().into();
        }
        if let Some(bytes) = &attribute.binary {
            value["binaryValue"] = STANDARD.encode(bytes).into();
        }
        (name.clone(), value)
    });
    attributes.collect()
}

/// The record that filters look at: a body that is a JSON object is one (Lambda developer guide, "Properly filtering
/// Amazon SQS messages"); any other stays text.
pub(super) fn filtered(mut record: Value) -> Value {
    let body = record["body"].as_str().and_then(|text| serde_json::from_str::<Map<_, _>>(text).ok());
    if let Some(body) = body {
        record["body"] = Value::Object(body);
    }
    record
}

#[cfg(test)]
mod tests {
    use super::super::endpoint::MessageAttribute;
    use super::super::filters::Filters;
    use super::*;
    use std::collections::BTreeMap;

    fn message(body: &str) -> Message {
        Message {
            id: "m1".into(),
            receipt_handle: "r1".into(),
            body: body.into(),
            md5_of_body: "d1".into(),
            md5_of_attributes: Some("d2".into()),
            attributes: BTreeMap::from([("ApproximateReceiveCount".into(), "1".into())]),
            message_attributes: BTreeMap::from([(
                "trace".into(),
                MessageAttribute { data_type: "Binary".into(), string: None, binary: Some(vec![1]) },
            )]),
        }
    }

    #[test]
    fn a_record_has_the_shape_that_lambda_sends() {
        assert_eq!(
            record(&message("hello"), "arn:aws:sqs:eu-west-1:1:jobs"),
            json!({
                "messageId": "m1", "receiptHandle": "r1", "body": "hello", "md5OfBody": "d1",
                "md5OfMessageAttributes": "d2", "attributes": {"ApproximateReceiveCount": "1"},
                "messageAttributes": {"trace": {"binaryValue": "AQ==", "dataType": "Binary",
                    "stringListValues": [], "binaryListValues": []}},
                "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:eu-west-1:1:jobs", "awsRegion": "eu-west-1"
            })
        );
    }

    #[test]
    fn filters_see_into_a_json_body_and_only_into_one() {
        let passes = |pattern: Value, body: &str| {
            Filters::new(&[pattern]).unwrap().pass(&filtered(record(&message(body), "arn:aws:sqs:r:1:q")))
        };
        assert!(passes(json!({"body": {"kind": ["a"]}}), r#"{"kind":"a"}"#));
        assert!(!passes(json!({"body": {"kind": ["a"]}}), "a"));
        assert!(passes(json!({"body": ["a"]}), "a"));
        assert!(!passes(json!({"body": ["a"]}), r#"{"kind":"a"}"#));
    }
}

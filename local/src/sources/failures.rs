//! What Lambda and Scheduler tell a queue about an event that they give up.

use super::endpoint::{EndpointError, MessageAttribute, QueueClient, moment, moment_in_seconds};
use super::lanes::{Batch, Condition};
use crate::lambda::FunctionError;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A queue that failures are sent to.
#[derive(Clone)]
pub(super) struct Destination {
    pub(super) queues: Arc<dyn QueueClient>,
    pub(super) url: String,
}

impl Destination {
    /// Sends a message of Lambda's own.
    pub(super) async fn tell(&self, message: &Value) -> Result<(), EndpointError> {
        self.send(message.to_string(), BTreeMap::new()).await
    }

    /// Sends an event as it is, with attributes that say what became of it.
    pub(super) async fn send(
        &self,
        event: String,
        attributes: BTreeMap<String, MessageAttribute>,
    ) -> Result<(), EndpointError> {
        self.queues.send(&self.url, event, attributes).await
    }
}

/// The metadata-only message of a stream's on-failure destination (Lambda developer guide, "Retain discarded records for a
/// DynamoDB event source").
pub(super) fn stream_failure(
    batch: &Batch,
    condition: Condition,
    function_arn: &str,
    stream_arn: &str,
    shard: &str,
    now: DateTime<Utc>,
) -> Value {
    let (first, last) = (batch.records().next(), batch.records().last());
    let condition = match condition {
        Condition::RetryAttemptsExhausted => "RetryAttemptsExhausted",
        Condition::RecordAgeExceeded => "RecordAgeExceeded",
    };
    let mut message = json!({
        "requestContext": {
            "requestId": uuid::Uuid::new_v4().to_string(),
            "functionArn": function_arn,
            "condition": condition,
            "approximateInvokeCount": batch.invocations,
        },
        "version": "1.0",
        "timestamp": moment(now),
        "DDBStreamBatchInfo": {
            "shardId": shard,
            "startSequenceNumber": first.map(|record| &record.sequence),
            "endSequenceNumber": last.map(|record| &record.sequence),
            "approximateArrivalOfFirstRecord": first.map(|record| moment_in_seconds(record.created)),
            "approximateArrivalOfLastRecord": last.map(|record| moment_in_seconds(record.created)),
            "batchSize": batch.records().len(),
            "streamArn": stream_arn,
        },
    });
    // Records that never reached the function have no response.
    if batch.invocations > 0 {
        let error = batch.failure.as_ref().and_then(|failure| failure.error.as_ref());
        message["responseContext"] = response_context(error);
    }
    message
}

fn response_context(error: Option<&FunctionError>) -> Value {
    let mut context = json!({"statusCode": 200, "executedVersion": "$LATEST"});
    if error.is_some() {
        context["functionError"] = "Unhandled".into();
    }
    context
}

/// The invocation record of an asynchronous invocation that failed (Lambda developer guide, "Capturing records of Lambda
/// asynchronous invocations").
pub(super) struct AsynchronousFailure<'a> {
    pub(super) request_id: &'a str,
    pub(super) function_arn: &'a str,
    /// `RetriesExhausted` or `EventAgeExceeded`.
    pub(super) condition: &'a str,
    pub(super) invocations: u32,
    pub(super) payload: &'a str,
    pub(super) error: Option<&'a FunctionError>,
}

/// The longest error message that a dead letter carries, in bytes.
const LONGEST_MESSAGE: usize = 1024;

impl AsynchronousFailure<'_> {
    /// The attributes of the event in the function's dead-letter queue (Lambda developer guide, "Adding a dead-letter
    /// queue"). The code is the status of the last `Invoke`: 200 for an error of the function, 429 when it never ran.
    pub(super) fn attributes(&self) -> BTreeMap<String, MessageAttribute> {
        let message = self.error.map_or("Rate exceeded", |error| &error.message);
        let message = &message[..message.floor_char_boundary(LONGEST_MESSAGE)];
        let mut attributes = BTreeMap::from([
            ("RequestID".to_owned(), MessageAttribute::text(self.request_id)),
            ("ErrorCode".to_owned(), MessageAttribute::number(if self.error.is_some() { 200 } else { 429 })),
        ]);
        // SQS takes no empty attribute.
        if !message.is_empty() {
            attributes.insert("ErrorMessage".to_owned(), MessageAttribute::text(message));
        }
        attributes
    }

    pub(super) fn message(&self, now: DateTime<Utc>) -> Value {
        let payload = serde_json::from_str(self.payload).unwrap_or_else(|_| Value::from(self.payload));
        let mut message = json!({
            "version": "1.0",
            "timestamp": moment(now),
            "requestContext": {
                "requestId": self.request_id,
                "functionArn": format!("{}:$LATEST", self.function_arn),
                "condition": self.condition,
                "approximateInvokeCount": self.invocations,
            },
            "requestPayload": payload,
        });
        if let Some(error) = self.error {
            message["responseContext"] = response_context(Some(error));
            message["responsePayload"] = json!(error);
        }
        message
    }
}

#[cfg(test)]
mod tests {
    use super::super::lanes::{Lanes, Settings, Step};
    use super::super::record::Record;
    use super::super::responses::{Failure, Verdict};
    use super::*;
    use crate::backoff::Backoff;
    use chrono::TimeDelta;

    fn error() -> FunctionError {
        FunctionError { error_type: "Runtime.ExitError".into(), message: "exit status 1".into() }
    }

    #[test]
    fn a_stream_failure_tells_where_the_records_are_and_not_what_they_say() {
        let now = DateTime::from_timestamp(1_573_690_429, 717_000_000).unwrap();
        let settings = Settings {
            batch_size: 10,
            window: TimeDelta::zero(),
            maximum_retry_attempts: Some(0),
            maximum_record_age: TimeDelta::hours(1),
            bisect: false,
            lanes: 1,
        };
        let mut lanes = Lanes::new(settings, Backoff::of_streams(1));
        for sequence in ["800", "801"] {
            let created = now - TimeDelta::seconds(30);
            lanes.push(Record { sequence: sequence.into(), item: 1, created, json: "{}".into() }, now);
        }
        lanes.start(now);
        lanes.invoked(0, Verdict::Failed(Failure { error: Some(error()), message: String::new() }), now);
        let steps = lanes.start(now);
        let [Step::Discard { batch, condition, .. }] = &steps[..] else { panic!("{steps:?}") };
        let mut message = stream_failure(batch, *condition, "arn:f", "arn:stream", "shard-1", now);
        assert!(message["requestContext"]["requestId"].take().is_string());
        assert_eq!(
            message,
            json!({
                "requestContext": {"requestId": null, "functionArn": "arn:f", "condition": "RetryAttemptsExhausted",
                    "approximateInvokeCount": 1},
                "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
                "version": "1.0",
                "timestamp": "2019-11-14T00:13:49.717Z",
                "DDBStreamBatchInfo": {"shardId": "shard-1", "startSequenceNumber": "800",
                    "endSequenceNumber": "801", "approximateArrivalOfFirstRecord": "2019-11-14T00:13:19Z",
                    "approximateArrivalOfLastRecord": "2019-11-14T00:13:19Z", "batchSize": 2,
                    "streamArn": "arn:stream"}
            })
        );
    }

    #[test]
    fn a_dead_letter_carries_the_first_kilobyte_of_the_error() {
        let attributes = |error: Option<&FunctionError>| {
            let failure = AsynchronousFailure {
                request_id: "r",
                function_arn: "arn:f",
                condition: "RetriesExhausted",
                invocations: 3,
                payload: "{}",
                error,
            };
            failure.attributes()
        };
        let long = FunctionError { error_type: "E".into(), message: "ä".repeat(600) };
        let told = attributes(Some(&long));
        assert_eq!(told["ErrorMessage"], MessageAttribute::text("ä".repeat(512)));
        assert_eq!(
            (&told["ErrorCode"].data_type, &told["ErrorCode"].string),
            (&"Number".to_owned(), &Some("200".to_owned()))
        );
        assert_eq!(told["RequestID"], MessageAttribute::text("r"));
        assert_eq!(attributes(None)["ErrorCode"].string.as_deref(), Some("429"));
        let silent = FunctionError { error_type: "E".into(), message: String::new() };
        assert!(!attributes(Some(&silent)).contains_key("ErrorMessage"));
    }

    #[test]
    fn an_asynchronous_failure_carries_the_whole_request() {
        let failure = AsynchronousFailure {
            request_id: "r",
            function_arn: "arn:f",
            condition: "RetriesExhausted",
            invocations: 3,
            payload: r#"{"a":1}"#,
            error: Some(&error()),
        };
        assert_eq!(
            failure.message(DateTime::from_timestamp(0, 0).unwrap()),
            json!({
                "version": "1.0", "timestamp": "1970-01-01T00:00:00.000Z",
                "requestContext": {"requestId": "r", "functionArn": "arn:f:$LATEST", "condition": "RetriesExhausted",
                    "approximateInvokeCount": 3},
                "requestPayload": {"a": 1},
                "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
                "responsePayload": {"errorType": "Runtime.ExitError", "errorMessage": "exit status 1"}
            })
        );
    }
}

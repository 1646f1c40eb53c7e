use crate::retry::Retry;
use aws_lambda_events::sqs::SqsEvent;
use serde_json::{Value, json};
use shared::fake::{Answer, FakeAws};

const SAMPLE: &str = include_str!("../../../events/retry.json");
const PARKING: &str = "https://sqs.eu-west-1.amazonaws.com/12/parking";
const REPLAYS: &str = "https://sqs.eu-west-1.amazonaws.com/12/replays";

/// Gives an event to the handler; returns how many of its messages failed.
async fn run(aws: &FakeAws, event: &Value) -> usize {
    let event: SqsEvent = serde_json::from_value(event.clone()).unwrap();
    let handler = Retry {
        queues: aws.queues(),
        streams: aws.streams(),
        replays_queue_url: REPLAYS.into(),
        parking_queue_url: PARKING.into(),
    };
    let response = handler.queues.consume(event, async |message: &_| handler.take(message).await).await;
    response.batch_item_failures.len()
}

fn sample() -> Value {
    serde_json::from_str(SAMPLE).unwrap()
}

fn stream_failure() -> Value {
    let body = json!({
        "requestContext": {
            "requestId": "b2f1", "condition": "RetryAttemptsExhausted", "approximateInvokeCount": 6,
            "functionArn": "arn:aws:lambda:eu-west-1:12:function:note-events",
        },
        "responseContext": { "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled" },
        "version": "1.0", "timestamp": "2026-11-23T14:00:00.000Z",
        "DDBStreamBatchInfo": {
            "shardId": "shardId-1", "startSequenceNumber": "100", "endSequenceNumber": "102",
            "approximateArrivalOfFirstRecord": "2026-11-23T14:00:00Z",
            "approximateArrivalOfLastRecord": "2026-11-23T14:00:00Z", "batchSize": 2,
            "streamArn": "arn:aws:dynamodb:eu-west-1:12:table/notes/stream/1",
        },
    });
    let mut event = sample();
    event["Records"][0]["body"] = json!(body.to_string());
    event["Records"][0]["messageAttributes"] = json!({});
    event["Records"][0]["attributes"].as_object_mut().unwrap().remove("DeadLetterQueueSourceArn");
    event["Records"][0]["eventSourceARN"] = json!("arn:aws:sqs:eu-west-1:123456789012:StreamFailuresQueue");
    event
}

fn records(numbers: &[&str]) -> Answer {
    let record = |number: &&str| {
        json!({
            "eventID": format!("event-{number}"), "eventName": "INSERT", "eventSource": "aws:dynamodb",
            "dynamodb": {
                "ApproximateCreationDateTime": 1_795_442_400, "Keys": { "pk": { "S": "OWNER#a" } },
                "NewImage": { "version": { "N": "1" } }, "SequenceNumber": number,
            },
        })
    };
    let records: Vec<Value> = numbers.iter().map(record).collect();
    Answer::json(json!({ "Records": records, "NextShardIterator": "next" }))
}

fn stream(pages: Vec<Answer>) -> FakeAws {
    let iterator = ("GetShardIterator", Answer::json(json!({ "ShardIterator": "first" })));
    FakeAws::with([iterator].into_iter().chain(pages.into_iter().map(|page| ("GetRecords", page))))
}

/// The one message that was sent.
fn parked(aws: &FakeAws) -> Value {
    aws.sent("SendMessageBatch")[0]["Entries"][0].clone()
}

fn attribute<'a>(message: &'a Value, name: &str) -> &'a str {
    message["MessageAttributes"][name]["StringValue"].as_str().unwrap()
}

#[tokio::test]
async fn a_dead_letter_goes_back_to_its_queue_later() {
    let aws = FakeAws::default();
    assert_eq!(run(&aws, &sample()).await, 0);
    let sent = &aws.sent("SendMessageBatch")[0];
    let entry = &sent["Entries"][0];
    assert_eq!(sent["QueueUrl"], "https://sqs.eu-west-1.amazonaws.com/123456789012/EmailQueue");
    assert_eq!(entry["MessageBody"], sample()["Records"][0]["body"]);
    assert_eq!(entry["MessageAttributes"]["replays"]["StringValue"], "2");
    assert_eq!(entry["MessageAttributes"]["origin"]["StringValue"], "note-events");
    // The second replay: between half and all of 640 seconds.
    assert!((320..=640).contains(&entry["DelaySeconds"].as_i64().unwrap()), "{entry}");
}

#[tokio::test]
async fn after_its_replays_a_dead_letter_is_parked_whole() {
    let aws = FakeAws::default();
    let mut event = sample();
    event["Records"][0]["messageAttributes"]["replays"]["stringValue"] = json!("3");
    assert_eq!(run(&aws, &event).await, 0);
    assert_eq!(aws.sent("SendMessageBatch")[0]["QueueUrl"], PARKING);
    let parked = parked(&aws);
    assert_eq!(parked["MessageBody"], event["Records"][0]["body"]);
    assert_eq!(attribute(&parked, "source_queue_arn"), "arn:aws:sqs:eu-west-1:123456789012:EmailQueue");
    assert_eq!(attribute(&parked, "replays"), "3");
    assert_eq!(attribute(&parked, "error"), "it still failed after 3 replays");
    assert_eq!(attribute(&parked, "origin"), "note-events");
}

#[tokio::test]
async fn a_failed_batch_is_fetched_and_each_record_sent_alone() {
    let aws = stream(vec![records(&["100"]), records(&[]), records(&["102", "103"])]);
    assert_eq!(run(&aws, &stream_failure()).await, 0);
    assert_eq!(aws.sent("SendMessageBatch")[0]["QueueUrl"], REPLAYS);
    let ids: Vec<_> = aws.messages().iter().map(|record| record["eventID"].clone()).collect();
    assert_eq!(ids, ["event-100", "event-102"]);
    assert_eq!(aws.messages()[0]["dynamodb"]["NewImage"]["version"]["N"], "1");
}

#[tokio::test]
async fn what_the_stream_no_longer_holds_is_parked() {
    let aws = FakeAws::with([("GetShardIterator", Answer::error("TrimmedDataAccessException"))]);
    assert_eq!(run(&aws, &stream_failure()).await, 0);
    let parked = parked(&aws);
    assert_eq!(attribute(&parked, "error"), "the stream no longer holds the records");
    assert!(parked["MessageBody"].as_str().unwrap().contains("DDBStreamBatchInfo"));
}

#[tokio::test]
async fn part_of_a_batch_is_not_taken_for_all_of_it() {
    let end = Answer::json(json!({ "Records": [] }));
    let aws = stream(vec![records(&["100"]), end]);
    assert_eq!(run(&aws, &stream_failure()).await, 1);
    assert!(aws.messages().is_empty());
}

#[tokio::test]
async fn an_unknown_shape_is_parked() {
    let aws = FakeAws::default();
    let mut event = stream_failure();
    event["Records"][0]["body"] = json!("what is this");
    assert_eq!(run(&aws, &event).await, 0);
    assert_eq!(parked(&aws)["MessageBody"], "what is this");
}

#[tokio::test]
async fn what_could_not_be_sent_stays_in_its_queue() {
    let aws = FakeAws::with([("SendMessageBatch", Answer::error("ServiceUnavailable"))]);
    assert_eq!(run(&aws, &sample()).await, 1);
}

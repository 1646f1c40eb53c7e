use crate::retry::Retry;
use aws_lambda_events::sqs::SqsEvent;
use proptest::prelude::*;
use serde_json::{Value, json};
use shared::dead_letter::SILENT_END;
use shared::fake::{Answer, FakeAws};
use shared::sample::damaged;

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

/// The sample as whoever gave it up himself sent it.
fn noted(failure: &str, error: &str, replays: &str) -> Value {
    let mut event = sample();
    let record = &mut event["Records"][0];
    let source = record["attributes"].as_object_mut().unwrap().remove("DeadLetterQueueSourceArn").unwrap();
    for (name, value) in [
        ("failure", json!(failure)),
        ("error", json!(error)),
        ("replays", json!(replays)),
        ("source_queue_arn", source),
    ] {
        record["messageAttributes"][name] = json!({ "dataType": "String", "stringValue": value });
    }
    event
}

#[tokio::test]
async fn a_dead_letter_goes_back_to_its_queue_later() {
    for event in [sample(), noted("passing", "Throttling", "1")] {
        let aws = FakeAws::default();
        assert_eq!(run(&aws, &event).await, 0);
        let sent = &aws.sent("SendMessageBatch")[0];
        let entry = &sent["Entries"][0];
        assert_eq!(sent["QueueUrl"], "https://sqs.eu-west-1.amazonaws.com/123456789012/EmailQueue");
        assert_eq!(entry["MessageBody"], sample()["Records"][0]["body"]);
        assert_eq!(attribute(entry, "replays"), "2");
        assert_eq!(attribute(entry, "origin"), "note-events");
        // The second replay: between half and all of 640 seconds.
        assert!((320..=640).contains(&entry["DelaySeconds"].as_i64().unwrap()), "{entry}");
    }
}

#[tokio::test]
async fn after_its_replays_a_dead_letter_is_parked_whole_with_its_last_error() {
    let aws = FakeAws::default();
    let mut event = noted("passing", "Throttling", "3");
    event["Records"][0]["messageAttributes"]["image"] =
        json!({ "dataType": "Binary", "binaryValue": "AP8=" });
    assert_eq!(run(&aws, &event).await, 0);
    assert_eq!(aws.sent("SendMessageBatch")[0]["QueueUrl"], PARKING);
    let parked = parked(&aws);
    assert_eq!(parked["MessageBody"], event["Records"][0]["body"]);
    assert_eq!(attribute(&parked, "source_queue_arn"), "arn:aws:sqs:eu-west-1:123456789012:EmailQueue");
    assert_eq!((attribute(&parked, "replays"), attribute(&parked, "error")), ("3", "Throttling"));
    assert_eq!((attribute(&parked, "failure"), attribute(&parked, "origin")), ("passing", "note-events"));
    assert_eq!(parked["MessageAttributes"]["image"]["BinaryValue"], "AP8=");
}

#[tokio::test]
async fn what_trying_again_cannot_help_is_parked_at_once() {
    let aws = FakeAws::default();
    assert_eq!(run(&aws, &noted("permanent", "the message is no e-mail job", "0")).await, 0);
    assert_eq!(aws.sent("SendMessageBatch")[0]["QueueUrl"], PARKING);
    assert_eq!(attribute(&parked(&aws), "error"), "the message is no e-mail job");
}

#[tokio::test]
async fn a_silent_end_is_told_as_such_and_what_was_known_before() {
    let aws = FakeAws::default();
    let mut event = sample();
    event["Records"][0]["messageAttributes"]["replays"]["stringValue"] = json!("3");
    assert_eq!(run(&aws, &event).await, 0);
    assert_eq!(attribute(&parked(&aws), "error"), SILENT_END);

    let earlier = json!({ "dataType": "String", "stringValue": "Throttling" });
    event["Records"][0]["messageAttributes"]["error"] = earlier;
    let expected = format!("{SILENT_END}; before that: Throttling");
    for _ in 0..2 {
        let aws = FakeAws::default();
        assert_eq!(run(&aws, &event).await, 0);
        assert_eq!(attribute(&parked(&aws), "error"), expected);
        // As it comes when that happens once more.
        event["Records"][0]["messageAttributes"]["error"]["stringValue"] = json!(expected);
    }
}

#[tokio::test]
async fn a_message_without_room_for_its_history_is_left_to_sqs() {
    let aws = FakeAws::default();
    let mut event = sample();
    for number in 0..7 {
        let own = json!({ "dataType": "String", "stringValue": "x" });
        event["Records"][0]["messageAttributes"][format!("own{number}")] = own;
    }
    assert_eq!(run(&aws, &event).await, 1);
    assert!(aws.sent("SendMessageBatch").is_empty());
}

#[tokio::test]
async fn a_failed_batch_is_fetched_and_each_record_sent_alone() {
    let aws = stream(vec![records(&["100"]), records(&[]), records(&["102", "103"])]);
    assert_eq!(run(&aws, &stream_failure()).await, 0);
    let sent = aws.sent("SendMessageBatch");
    assert_eq!(sent[0]["QueueUrl"], REPLAYS);
    let ids: Vec<_> = aws.messages().iter().map(|record| record["eventID"].clone()).collect();
    assert_eq!(ids, ["event-100", "event-102"]);
    assert_eq!(aws.messages()[0]["dynamodb"]["NewImage"]["version"]["N"], "1");
    for entry in sent[0]["Entries"].as_array().unwrap() {
        assert!((2..=5).contains(&entry["DelaySeconds"].as_i64().unwrap()), "{entry}");
    }
}

#[tokio::test]
async fn what_the_stream_no_longer_holds_is_parked_with_why_it_failed() {
    let trimmed = || ("GetShardIterator", Answer::error("TrimmedDataAccessException"));
    let gone = || ("GetShardIterator", Answer::error("ResourceNotFoundException"));
    let oldest = ("GetShardIterator", Answer::json(json!({ "ShardIterator": "oldest" })));
    let later = ("GetRecords", records(&["500"]));
    for script in [vec![gone(), gone()], vec![trimmed(), gone()], vec![trimmed(), oldest, later]] {
        let aws = FakeAws::with(script);
        assert_eq!(run(&aws, &stream_failure()).await, 0);
        let parked = parked(&aws);
        let why = "Lambda gave the batch up: RetryAttemptsExhausted, Unhandled";
        assert_eq!(attribute(&parked, "error"), format!("the stream no longer holds the records; {why}"));
        assert_eq!(attribute(&parked, "failure"), "permanent");
        assert!(parked["MessageBody"].as_str().unwrap().contains("DDBStreamBatchInfo"));
    }
}

#[tokio::test]
async fn of_a_batch_that_is_partly_gone_the_rest_is_replayed_and_the_loss_parked() {
    let aws = FakeAws::with([
        ("GetShardIterator", Answer::error("TrimmedDataAccessException")),
        ("GetShardIterator", Answer::json(json!({ "ShardIterator": "oldest" }))),
        ("GetRecords", records(&["102", "103"])),
    ]);
    assert_eq!(run(&aws, &stream_failure()).await, 0);
    let sent = aws.sent("SendMessageBatch");
    assert_eq!((&sent[0]["QueueUrl"], &sent[1]["QueueUrl"]), (&json!(REPLAYS), &json!(PARKING)));
    assert_eq!(aws.messages()[0]["eventID"], "event-102");
    let error = attribute(&sent[1]["Entries"][0], "error");
    assert!(error.starts_with("the stream holds only the last 1 of the records"), "{error}");
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
    let list = r#"[null,null,["arn","shard","1","2"]]"#;
    let nested = r#"{"DDBStreamBatchInfo":["arn","shard","1","2"]}"#;
    for body in ["what is this", "{}", "[1]", list, nested, "{\"DDBStreamBatchInfo\":{}}"] {
        let aws = FakeAws::default();
        let mut event = stream_failure();
        event["Records"][0]["body"] = json!(body);
        assert_eq!(run(&aws, &event).await, 0);
        assert_eq!(parked(&aws)["MessageBody"], body);
        assert_eq!(attribute(&parked(&aws), "error"), "it is neither a dead letter nor a stream failure");
    }
}

#[tokio::test]
async fn what_could_not_be_sent_stays_in_its_queue() {
    let aws = FakeAws::with([("SendMessageBatch", Answer::error("ServiceUnavailable"))]);
    assert_eq!(run(&aws, &sample()).await, 1);
}

proptest! {
    /// Whatever comes is replayed or parked as it came, once; nothing is swallowed.
    #[test]
    fn no_body_and_no_note_on_it_loses_a_message(
        at in any::<usize>(), gone in 0usize..60, by in "[\\[\\]{}:,\"0-9a-z\\\\]{0,4}", noise in "\\PC{0,40}",
        is_noise: bool, notes in prop::option::of(("\\PC{0,20}|permanent|passing", "\\PC{0,20}", "[0-9-]{0,12}|\\PC{0,5}")),
    ) {
        let mut event = match &notes {
            Some((failure, error, replays)) => noted(failure, error, replays),
            None => stream_failure(),
        };
        let good = event["Records"][0]["body"].as_str().unwrap().to_owned();
        let body = if is_noise { noise } else { damaged(&good, at, gone, &by) };
        event["Records"][0]["body"] = json!(body);
        let aws = stream(vec![records(&["100", "101", "102", "999"])]);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let failed = runtime.block_on(run(&aws, &event));
        let sent: Vec<Value> = aws.sent("SendMessageBatch").iter().flat_map(|batch| batch["Entries"].as_array().unwrap().clone()).collect();
        prop_assert!(failed + sent.len() > 0, "{}", body);
        let is_replayed_stream = !aws.sent("GetShardIterator").is_empty();
        if !is_replayed_stream {
            prop_assert_eq!((failed, sent.len()), (0, 1), "{}", body);
            prop_assert_eq!(&sent[0]["MessageBody"], &json!(body));
            let replays: u32 = attribute(&sent[0], "replays").parse().unwrap();
            let noted = notes.as_ref().and_then(|(_, _, replays)| replays.parse().ok()).unwrap_or(0u32);
            prop_assert!(replays == noted || (replays == noted + 1 && noted < shared::limits::REPLAYS));
        }
    }
}

use crate::note_events::NoteEvents;
use crate::record::Record;
use serde_json::{Value, json};
use shared::fake::{self, FakeAws};

const SAMPLE: &str = include_str!("../../../events/note-events.json");

fn handler(aws: &FakeAws) -> NoteEvents {
    NoteEvents {
        store: aws.store(),
        queues: aws.queues(),
        objects: aws.objects(),
        email_queue_url: "https://sqs.eu-west-1.amazonaws.com/12/mail".into(),
    }
}

pub(crate) async fn answer(aws: &FakeAws, event: &Value) -> Value {
    // The way the runtime reads a payload.
    let json = event.to_string();
    let event = serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(&json)).unwrap();
    serde_json::to_value(handler(aws).answer(event).await.unwrap()).unwrap()
}

pub(crate) fn sample() -> Value {
    serde_json::from_str(SAMPLE).unwrap()
}

/// AWS with the notes as the records of `event` leave them.
pub(crate) fn settled(event: &Value) -> FakeAws {
    let records = event["Records"].as_array().unwrap().clone();
    FakeAws::answering(move |call| {
        let keys = call.json["RequestItems"]["notes"]["Keys"].as_array()?;
        let last = |key: &Value| {
            let mut of_note = records.iter().rev().filter(|record| record["dynamodb"]["Keys"] == *key);
            of_note.next().and_then(|record| record["dynamodb"].get("NewImage"))
        };
        let notes: Vec<_> = keys.iter().filter_map(last).collect();
        Some(fake::Answer::json(json!({ "Responses": { "notes": notes } })))
    })
}

/// A message of the replays queue.
pub(crate) fn message(id: &str, body: String) -> Value {
    json!({
        "messageId": id, "receiptHandle": "handle", "body": body, "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:12:replays", "messageAttributes": {},
        "attributes": { "ApproximateReceiveCount": "1", "SentTimestamp": "1795442400000" },
    })
}

fn written(aws: &FakeAws) -> Vec<(String, String, String)> {
    let text = |item: &Value, name: &str| item[name]["S"].as_str().unwrap().to_owned();
    let batches = aws.sent("BatchWriteItem");
    let items = batches.iter().flat_map(|call| call["RequestItems"]["ledger"].as_array().unwrap());
    items
        .map(|request| &request["PutRequest"]["Item"])
        .filter(|item| item["pk"]["S"].as_str().is_some_and(|pk| pk.starts_with("ACTIVITY#")))
        .map(|item| (text(item, "event_id"), text(item, "kind"), text(item, "at")))
        .collect()
}

#[tokio::test]
async fn a_batch_is_written_and_mailed_together() {
    let aws = settled(&sample());
    assert_eq!(answer(&aws, &sample()).await, json!({ "batchItemFailures": [] }));

    let row = |id: &str, kind: &str, at: &str| (id.to_owned(), kind.to_owned(), at.to_owned());
    assert_eq!(
        written(&aws),
        [
            row("c4ca4238a0b923820dcc509a6f75849b", "created", "2026-11-23T14:00:00.123Z"),
            row("c81e728d9d4c2f636f067f89cc14862c", "trashed", "2026-11-23T14:01:00.456Z"),
            row("eccbc87e4b5ce2fe28308fd9f2a7baf3", "detached", "2026-11-23T14:02:00.000Z"),
        ]
    );
    let emails = aws.messages();
    let told: Vec<_> =
        emails.iter().map(|job| (job["to"].as_str().unwrap(), job["change"].as_str().unwrap())).collect();
    assert_eq!(
        told,
        [("bob@example.com", "created"), ("eve@example.com", "created"), ("bob@example.com", "trashed")]
    );
    assert_eq!(emails[0]["changed_by"], "alice@example.com");
    assert_eq!(emails[2].get("changed_by"), None);
    let entries = &aws.sent("SendMessageBatch")[0]["Entries"];
    let follows_from = |place: usize| &entries[place]["MessageAttributes"]["correlation_id"]["StringValue"];
    assert_eq!([follows_from(0), follows_from(2)], ["Jx3cDhHqFiAEPNQ=", "Jx3mVgvNFiAEMQw="]);
    // What thumbnails there are is asked; here there are none.
    let objects: Vec<_> = aws.operations().into_iter().filter(|operation| operation.contains(" /")).collect();
    assert_eq!(objects.len(), 2);
    assert!(objects[0].starts_with("GET /thumbnails") && objects[1].starts_with("DELETE /uploads/"));
    // Besides: activity, mail, the index, and how the notes are then.
    assert_eq!(aws.operations().len(), 6);
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_named_and_what_is_before_it_is_done() {
    // A list is not taken for the object that DynamoDB's JSON has in its place.
    let wrong = [("/NewImage/version", json!({ "S": "two" })), ("/NewImage/title", json!(["Harbour"]))];
    for (place, value) in wrong.into_iter().chain([("/Keys/sk", json!(["NOTE#x"]))]) {
        let aws = FakeAws::default();
        let mut event = sample();
        *event["Records"][1]["dynamodb"].pointer_mut(place).unwrap() = value;
        assert_eq!(
            answer(&aws, &event).await,
            json!({ "batchItemFailures": [{ "itemIdentifier": "111000000000000000002" }] })
        );
        assert_eq!(written(&aws).len(), 1);
    }
}

#[tokio::test]
async fn a_batch_without_sequence_numbers_fails_as_a_whole() {
    let aws = FakeAws::default();
    let answer = answer(&aws, &json!({ "Records": [{ "eventSource": "aws:dynamodb" }] })).await;
    assert_eq!(answer, json!({ "batchItemFailures": [{ "itemIdentifier": null }] }));
}

#[tokio::test]
async fn where_a_service_fails_the_first_record_that_needs_it_is_named() {
    let aws = FakeAws::answering(|call| {
        call.operation
            .starts_with("DELETE")
            .then(|| fake::Answer::text(503, "<Error><Code>SlowDown</Code></Error>"))
    });
    assert_eq!(
        answer(&aws, &sample()).await,
        json!({ "batchItemFailures": [{ "itemIdentifier": "111000000000000000003" }] })
    );
}

#[tokio::test]
async fn effects_are_keyed_by_event_and_address() {
    let aws = settled(&sample());
    answer(&aws, &sample()).await;
    let first = aws.messages();
    answer(&aws, &sample()).await;
    assert_eq!(aws.messages()[first.len()..], first);
}

#[tokio::test]
async fn a_counted_attachment_and_changed_settings_lead_to_nothing() {
    let aws = FakeAws::default();
    let mut event = sample();
    let record = &mut event["Records"][1];
    record["dynamodb"]["OldImage"] = record["dynamodb"]["NewImage"].clone();
    record["dynamodb"]["NewImage"]["attachments"] = json!({ "N": "1" });
    event["Records"][0]["dynamodb"]["Keys"]["sk"] = json!({ "S": "SETTINGS" });
    event["Records"].as_array_mut().unwrap().truncate(2);
    assert_eq!(answer(&aws, &event).await, json!({ "batchItemFailures": [] }));
    assert!(aws.operations().is_empty());
}

#[tokio::test]
async fn replays_are_taken_like_the_stream_and_fail_one_by_one() {
    let aws = FakeAws::default();
    let record = sample()["Records"][0].to_string();
    let event = json!({ "Records": [message("bad", "{}".into()), message("good", record)] });
    assert_eq!(answer(&aws, &event).await, json!({ "batchItemFailures": [{ "itemIdentifier": "bad" }] }));
    assert_eq!(written(&aws).len(), 1);
    assert_eq!(aws.messages().len(), 2);
}

#[test]
fn a_list_of_a_records_fields_is_no_record() {
    let record = &sample()["Records"][0];
    let list = json!([record["eventID"], record["eventName"], record["dynamodb"]]);
    assert!(Record::parse(&record.to_string()).is_ok());
    assert!(Record::parse(&list.to_string()).is_err());
}

#[test]
fn an_unreadable_note_is_not_quoted() {
    let record = sample()["Records"][0].to_string().replace("\"1\"", "\"secret\"");
    let failure = Record::parse(&record).unwrap_err().to_string();
    assert!(!failure.contains("secret"), "{failure}");
}

use crate::thumbnails::Thumbnails;
use aws_lambda_events::s3::S3Event;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use serde_json::{Value, json};
use shared::fake::{Answer, Call, FakeAws};
use std::sync::Mutex;

const NOTE: &str = "019bc123-4567-7abc-8def-0123456789ab";
const ATTACHMENT: &str = "019bc123-89ab-7abc-8def-0123456789ab";
/// Of the object in the sample event.
const SIZE: u64 = 2048;
const SEQUENCER: &str = "0055AED6DCD90281E5";

fn sample() -> SqsEvent {
    serde_json::from_str(include_str!("../../../events/thumbnails.json")).unwrap()
}

fn with_body(body: &str) -> SqsEvent {
    let mut event = sample();
    event.records[0].body = Some(body.to_owned());
    event
}

fn item(filename: &str, content_type: &str) -> Value {
    json!({
        "pk": { "S": "OWNER#anna" },
        "sk": { "S": format!("ATTACHMENT#{NOTE}#{ATTACHMENT}") },
        "id": { "S": ATTACHMENT },
        "note_id": { "S": NOTE },
        "filename": { "S": filename },
        "content_type": { "S": content_type },
        "size": { "N": SIZE.to_string() },
        "status": { "S": "pending" },
        "thumbnails": { "L": [] },
        "created_at": { "S": "2026-01-15T10:29:00.000Z" },
    })
}

/// A GIF of 2 × 1 red pixels: the smallest real picture that can be written by hand.
fn gif() -> Vec<u8> {
    let mut bytes = b"GIF89a\x02\0\x01\0\x80\0\0\xFF\0\0\0\0\xFF".to_vec();
    bytes.extend(b"\x2C\0\0\0\0\x02\0\x01\0\0\x02\x02\x04\x0A\0\x3B");
    bytes
}

/// What AWS holds and does.
#[derive(Clone, Default)]
struct State {
    /// The attachment's item, as DynamoDB's JSON.
    item: Option<Value>,
    upload: Option<Vec<u8>>,
    /// What changes when the last thumbnail is stored.
    meanwhile: Option<fn(&mut State)>,
    /// S3 answers 503.
    has_no_s3: bool,
}

impl State {
    fn aws(self) -> FakeAws {
        let state = Mutex::new(self);
        FakeAws::answering(move |call| state.lock().unwrap().answer(call))
    }

    fn answer(&mut self, call: &Call) -> Option<Answer> {
        let operation = call.operation.split(' ').next().unwrap_or_default();
        match operation {
            "GET" | "PUT" | "DELETE" if self.has_no_s3 => {
                Some(Answer::text(503, "<Error><Code>SlowDown</Code></Error>"))
            }
            "GetItem" => self.item.as_ref().map(|item| Answer::json(json!({ "Item": item }))),
            "UpdateItem" if !self.takes(call) => Some(Answer::error("ConditionalCheckFailedException")),
            "UpdateItem" => {
                let values = &call.json["ExpressionAttributeValues"];
                for (name, value) in [("sequencer", ":sequencer"), ("status", ":status")] {
                    self.item.as_mut().unwrap()[name] = values[value].clone();
                }
                None
            }
            "GET" => Some(match &self.upload {
                Some(upload) => Answer::bytes(upload.clone()),
                None => Answer::text(404, "<Error><Code>NoSuchKey</Code></Error>"),
            }),
            "PUT" if call.operation.ends_with("/1280.jpg") => {
                self.meanwhile.take().inspect(|change| change(self));
                None
            }
            _ => None,
        }
    }

    /// The condition of marking: the attachment is there, and no later upload of it was dealt with.
    fn takes(&self, call: &Call) -> bool {
        let given = call.json["ExpressionAttributeValues"][":sequencer"]["S"].as_str();
        self.item.as_ref().is_some_and(|item| item["sequencer"]["S"].as_str() <= given)
    }
}

fn photo(upload: Vec<u8>) -> State {
    State { item: Some(item("photo.jpg", "image/jpeg")), upload: Some(upload), ..State::default() }
}

async fn run(state: State, event: SqsEvent) -> (SqsBatchResponse, FakeAws) {
    let aws = state.aws();
    (deliver(&aws, event).await, aws)
}

async fn deliver(aws: &FakeAws, event: SqsEvent) -> SqsBatchResponse {
    let handler = Thumbnails::new(aws.store(), aws.objects());
    aws.queues().consume(event, async |message| handler.take(message).await).await
}

/// The calls whose operation starts so.
fn requests(aws: &FakeAws, start: &str) -> Vec<Call> {
    aws.calls().into_iter().filter(|call| call.operation.starts_with(start)).collect()
}

/// Runs without a failure; returns the values that the attachment was marked with.
async fn marked(state: State) -> (Value, FakeAws) {
    let (response, aws) = run(state, sample()).await;
    assert!(response.batch_item_failures.is_empty());
    let updates = aws.sent("UpdateItem");
    assert_eq!(updates.len(), 1);
    (updates[0]["ExpressionAttributeValues"].clone(), aws)
}

#[test]
fn the_sample_is_what_s3_sends() {
    let body = sample().records.remove(0).body.unwrap();
    let event: S3Event = serde_json::from_str(&body).unwrap();
    assert_eq!(event.records.len(), 1);
    let upload = crate::notification::uploads(&body).unwrap().remove(0);
    assert_eq!((upload.size, upload.sequencer.as_str()), (Some(SIZE), SEQUENCER));
    assert_eq!(upload.at.unwrap().to_string(), "2026-01-15T10:30:00.123Z");
}

#[tokio::test]
async fn a_picture_gets_its_thumbnails_and_is_ready() {
    let (values, aws) = marked(photo(gif())).await;
    assert_eq!(values[":status"]["S"], "ready");
    assert_eq!((&values[":width"]["N"], &values[":height"]["N"]), (&json!("2"), &json!("1")));
    assert_eq!(values[":thumbnails"]["L"].as_array().unwrap().len(), 3);
    assert_eq!(values[":now"]["S"], "2026-01-15T10:30:00.123Z");
    assert!(values[":sequencer"]["S"].as_str().unwrap().starts_with(SEQUENCER));
    let stored = requests(&aws, "PUT");
    let key = format!("PUT /thumbnails/thumbnails/YW5uYQ/{NOTE}/{ATTACHMENT}/");
    assert!(stored.len() == 3 && stored.iter().all(|put| put.operation.starts_with(&key)));
    assert_eq!(requests(&aws, "GET /notes-uploads-123456789012-eu-west-1/uploads/YW5uYQ/").len(), 1);
}

#[tokio::test]
async fn what_only_claims_to_be_a_picture_fails_for_a_reason() {
    let (values, aws) = marked(photo(b"just text".to_vec())).await;
    assert_eq!(values[":status"]["S"], "failed");
    assert_eq!(values[":reason"]["S"], "this is not a picture we know: JPEG, PNG, WebP, GIF and AVIF are");
    assert!(requests(&aws, "PUT").is_empty());
}

#[tokio::test]
async fn other_files_are_ready_without_thumbnails() {
    let state =
        |upload| State { item: Some(item("a.txt", "text/plain")), upload: Some(upload), ..State::default() };
    let (values, aws) = marked(state(b"just text".to_vec())).await;
    assert_eq!(values[":status"]["S"], "ready");
    assert!(requests(&aws, "PUT").is_empty() && values.get(":width").is_none());
    // Unless they are pictures all the same.
    let (values, aws) = marked(state(gif())).await;
    assert_eq!(values[":width"]["N"], "2");
    assert_eq!(requests(&aws, "PUT").len(), 3);
}

#[tokio::test]
async fn another_size_than_declared_fails_unread() {
    let mut state = photo(gif());
    state.item.as_mut().unwrap()["size"]["N"] = json!("5");
    let (values, aws) = marked(state).await;
    assert_eq!(values[":reason"]["S"], "the upload has 2048 bytes instead of the declared 5");
    assert!(requests(&aws, "GET /").is_empty());
}

#[tokio::test]
async fn a_failed_second_upload_takes_the_first_ones_thumbnails_away() {
    let mut state = photo(b"just text".to_vec());
    let size = json!({ "M": { "size": { "N": "160" }, "width": { "N": "2" }, "height": { "N": "1" } } });
    state.item.as_mut().unwrap()["thumbnails"] = json!({ "L": [size] });
    let (_, aws) = marked(state).await;
    assert_eq!(requests(&aws, "DELETE /thumbnails/").len(), 3);
}

#[tokio::test]
async fn repeated_and_late_events_change_nothing() {
    for seen in [SEQUENCER, "0055AED6DCD90281E6"] {
        let mut state = photo(gif());
        state.item.as_mut().unwrap()["sequencer"] = json!({ "S": format!("{seen:0<64}") });
        let (response, aws) = run(state, sample()).await;
        assert!(response.batch_item_failures.is_empty());
        assert!(requests(&aws, "UpdateItem").is_empty() && requests(&aws, "PUT").is_empty());
    }
}

#[tokio::test]
async fn an_event_that_comes_twice_is_dealt_with_once() {
    let aws = photo(gif()).aws();
    for _ in 0..3 {
        assert!(deliver(&aws, sample()).await.batch_item_failures.is_empty());
    }
    assert_eq!((requests(&aws, "UpdateItem").len(), requests(&aws, "PUT").len()), (1, 3));
}

#[tokio::test]
async fn an_upload_that_is_gone_needs_nothing() {
    let (response, aws) = run(State { upload: None, ..photo(Vec::new()) }, sample()).await;
    assert!(response.batch_item_failures.is_empty());
    assert!(requests(&aws, "UpdateItem").is_empty() && requests(&aws, "PUT").is_empty());
}

/// The upload came after the attachment was deleted, or an earlier delivery died with thumbnails stored.
#[tokio::test]
async fn nothing_is_left_of_an_attachment_that_is_gone() {
    let (response, aws) = run(State { upload: Some(gif()), ..State::default() }, sample()).await;
    assert!(response.batch_item_failures.is_empty());
    assert_eq!(requests(&aws, "DELETE /thumbnails/thumbnails/YW5uYQ/").len(), 3);
    assert_eq!(requests(&aws, "DELETE /uploads/uploads/YW5uYQ/").len(), 1);
    assert!(requests(&aws, "PUT").is_empty());
}

#[tokio::test]
async fn an_attachment_deleted_meanwhile_leaves_no_objects() {
    let state = State { meanwhile: Some(|state| state.item = None), ..photo(gif()) };
    let (response, aws) = run(state, sample()).await;
    assert!(response.batch_item_failures.is_empty());
    assert_eq!(requests(&aws, "DELETE /thumbnails/thumbnails/YW5uYQ/").len(), 3);
    assert_eq!(requests(&aws, "DELETE /uploads/uploads/YW5uYQ/").len(), 1);
}

/// A late event put its thumbnails over those of a later upload.
#[tokio::test]
async fn thumbnails_are_of_the_latest_upload_in_whatever_order_the_events_come() {
    fn later_upload(state: &mut State, upload: Vec<u8>) {
        state.upload = Some(upload);
        let sequencer = format!("{:0<64}", "0055AED6DCD90281E6");
        state.item.as_mut().unwrap()["sequencer"] = json!({ "S": sequencer });
    }
    let state = State { meanwhile: Some(|state| later_upload(state, gif())), ..photo(gif()) };
    let (_, aws) = run(state, sample()).await;
    assert_eq!((requests(&aws, "GET /").len(), requests(&aws, "PUT").len()), (2, 6));

    let no_picture = |state: &mut State| later_upload(state, b"just text".to_vec());
    let (_, aws) = run(State { meanwhile: Some(no_picture), ..photo(gif()) }, sample()).await;
    assert_eq!((requests(&aws, "PUT").len(), requests(&aws, "DELETE /thumbnails/").len()), (3, 3));
}

#[tokio::test]
async fn passing_failures_are_retried() {
    let (response, aws) = run(State { has_no_s3: true, ..photo(gif()) }, sample()).await;
    assert_eq!(
        response.batch_item_failures[0].item_identifier,
        sample().records[0].message_id.clone().unwrap()
    );
    assert!(requests(&aws, "UpdateItem").is_empty());
    assert_eq!(requests(&aws, "ChangeMessageVisibility").len(), 1);
}

#[tokio::test]
async fn test_events_and_foreign_keys_are_consumed_and_nonsense_is_not() {
    let body = sample().records[0].body.clone().unwrap();
    let foreign = body.replace("uploads/YW5uYQ/", "elsewhere/");
    for (body, failures) in [(r#"{"Event":"s3:TestEvent"}"#, 0), (foreign.as_str(), 0), ("nonsense", 1)] {
        let (response, aws) = run(photo(gif()), with_body(body)).await;
        assert_eq!(response.batch_item_failures.len(), failures);
        assert!(requests(&aws, "GetItem").is_empty());
    }
}

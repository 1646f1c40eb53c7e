use crate::fake_aws::{FakeAws, State};
use crate::thumbnails::Thumbnails;
use aws_lambda_events::s3::S3Event;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use serde_json::{Value, json};

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

fn photo(upload: Vec<u8>) -> State {
    State { item: Some(item("photo.jpg", "image/jpeg")), upload: Some(upload), ..State::default() }
}

async fn run(state: State, event: SqsEvent) -> (SqsBatchResponse, FakeAws) {
    let aws = FakeAws::new(state);
    let handler = Thumbnails::new(aws.store(), aws.objects());
    let response = aws.queues().consume(event, async |message| handler.take(message).await).await;
    (response, aws)
}

/// Runs without a failure; returns the values that the attachment was marked with.
async fn marked(state: State) -> (Value, FakeAws) {
    let (response, aws) = run(state, sample()).await;
    assert!(response.batch_item_failures.is_empty());
    let updates = aws.requests("UpdateItem");
    assert_eq!(updates.len(), 1);
    let update: Value = serde_json::from_slice(&updates[0].body).unwrap();
    (update["ExpressionAttributeValues"].clone(), aws)
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
    let stored = aws.requests("PUT");
    let key = format!("PUT /thumbnails/thumbnails/YW5uYQ/{NOTE}/{ATTACHMENT}/");
    assert!(stored.len() == 3 && stored.iter().all(|put| put.name.starts_with(&key)));
    assert_eq!(aws.requests("GET /notes-uploads-123456789012-eu-west-1/uploads/YW5uYQ/").len(), 1);
}

#[tokio::test]
async fn what_only_claims_to_be_a_picture_fails_for_a_reason() {
    let (values, aws) = marked(photo(b"just text".to_vec())).await;
    assert_eq!(values[":status"]["S"], "failed");
    assert_eq!(values[":reason"]["S"], "this is not a picture we know: JPEG, PNG, WebP and GIF are");
    assert!(aws.requests("PUT").is_empty());
}

#[tokio::test]
async fn other_files_are_ready_without_thumbnails() {
    let state =
        |upload| State { item: Some(item("a.txt", "text/plain")), upload: Some(upload), ..State::default() };
    let (values, aws) = marked(state(b"just text".to_vec())).await;
    assert_eq!(values[":status"]["S"], "ready");
    assert!(aws.requests("PUT").is_empty() && values.get(":width").is_none());
    // Unless they are pictures all the same.
    let (values, aws) = marked(state(gif())).await;
    assert_eq!(values[":width"]["N"], "2");
    assert_eq!(aws.requests("PUT").len(), 3);
}

#[tokio::test]
async fn another_size_than_declared_fails_unread() {
    let mut state = photo(gif());
    state.item.as_mut().unwrap()["size"]["N"] = json!("5");
    let (values, aws) = marked(state).await;
    assert_eq!(values[":reason"]["S"], "the upload has 2048 bytes instead of the declared 5");
    assert!(aws.requests("GET /").is_empty());
}

#[tokio::test]
async fn a_failed_second_upload_takes_the_first_ones_thumbnails_away() {
    let mut state = photo(b"just text".to_vec());
    let size = json!({ "M": { "size": { "N": "160" }, "width": { "N": "2" }, "height": { "N": "1" } } });
    state.item.as_mut().unwrap()["thumbnails"] = json!({ "L": [size] });
    let (_, aws) = marked(state).await;
    assert_eq!(aws.requests("DELETE /thumbnails/").len(), 3);
}

#[tokio::test]
async fn repeated_and_late_events_change_nothing() {
    for seen in [SEQUENCER, "0055AED6DCD90281E6"] {
        let mut state = photo(gif());
        state.item.as_mut().unwrap()["sequencer"] = json!({ "S": format!("{seen:0<64}") });
        let (response, aws) = run(state, sample()).await;
        assert!(response.batch_item_failures.is_empty());
        assert!(aws.requests("UpdateItem").is_empty() && aws.requests("PUT").is_empty());
    }
}

#[tokio::test]
async fn what_is_gone_needs_nothing() {
    for state in [State::default(), State { upload: None, ..photo(Vec::new()) }] {
        let (response, aws) = run(state, sample()).await;
        assert!(response.batch_item_failures.is_empty());
        assert!(aws.requests("UpdateItem").is_empty() && aws.requests("PUT").is_empty());
    }
}

#[tokio::test]
async fn an_attachment_deleted_meanwhile_leaves_no_thumbnails() {
    let (response, aws) = run(State { loses_the_item: true, ..photo(gif()) }, sample()).await;
    assert!(response.batch_item_failures.is_empty());
    assert_eq!(aws.requests("DELETE /thumbnails/thumbnails/YW5uYQ/").len(), 3);
}

#[tokio::test]
async fn passing_failures_are_retried() {
    let (response, aws) = run(State { has_no_s3: true, ..photo(gif()) }, sample()).await;
    assert_eq!(
        response.batch_item_failures[0].item_identifier,
        sample().records[0].message_id.clone().unwrap()
    );
    assert!(aws.requests("UpdateItem").is_empty());
    assert_eq!(aws.requests("ChangeMessageVisibility").len(), 1);
}

#[tokio::test]
async fn test_events_and_foreign_keys_are_consumed_and_nonsense_is_not() {
    let body = sample().records[0].body.clone().unwrap();
    let foreign = body.replace("uploads/YW5uYQ/", "elsewhere/");
    for (body, failures) in [(r#"{"Event":"s3:TestEvent"}"#, 0), (foreign.as_str(), 0), ("nonsense", 1)] {
        let (response, aws) = run(photo(gif()), with_body(body)).await;
        assert_eq!(response.batch_item_failures.len(), failures);
        assert!(aws.requests("GetItem").is_empty());
    }
}

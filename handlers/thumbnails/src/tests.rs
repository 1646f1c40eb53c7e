use crate::pictures::Pictures;
use crate::thumbnails::Thumbnails;
use aws_lambda_events::s3::S3Event;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use serde_json::{Value, json};
use shared::attachment::{Sequencer, THUMBNAIL_SIZES, ThumbnailSet};
use shared::failure::Failure;
use shared::fake::{Answer, Call, FakeAws};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use thumbnail::{Limits, Output, Picture};

const NOTE: &str = "019bc123-4567-7abc-8def-0123456789ab";
const ATTACHMENT: &str = "019bc123-89ab-7abc-8def-0123456789ab";
/// Of the object in the sample event.
const SIZE: u64 = 2048;
pub(crate) const SEQUENCER: &str = "0055AED6DCD90281E5";

pub(crate) fn sample() -> SqsEvent {
    serde_json::from_str(include_str!("../../../events/thumbnails.json")).unwrap()
}

pub(crate) fn with_body(body: &str) -> SqsEvent {
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
pub(crate) fn gif() -> Vec<u8> {
    let mut bytes = b"GIF89a\x02\0\x01\0\x80\0\0\xFF\0\0\0\0\xFF".to_vec();
    bytes.extend(b"\x2C\0\0\0\0\x02\0\x01\0\0\x02\x02\x04\x0A\0\x3B");
    bytes
}

/// Pictures without a process for each; those have a test of their own, in `tests/processes.rs`.
struct InThisProcess;

impl Pictures for InThisProcess {
    async fn make(&self, bytes: &[u8], output: Output) -> Result<Result<Picture, String>, Failure> {
        let made = thumbnail::make(bytes, &THUMBNAIL_SIZES, output, &Limits::default());
        Ok(made.map_err(|refused| refused.to_string()))
    }
}

/// What AWS holds and does.
#[derive(Clone, Default)]
pub(crate) struct State {
    /// The attachment's item, as DynamoDB's JSON.
    pub(crate) item: Option<Value>,
    pub(crate) upload: Option<Vec<u8>>,
    /// The keys of what is in the thumbnails bucket.
    pub(crate) thumbnails: BTreeSet<String>,
    /// What changes when the last thumbnail is stored.
    meanwhile: Option<fn(&mut State)>,
    /// S3 answers 503.
    has_no_s3: bool,
}

impl State {
    fn aws(self) -> FakeAws {
        aws(&Arc::new(Mutex::new(self)))
    }

    fn answer(&mut self, call: &Call) -> Option<Answer> {
        let (operation, path) = call.operation.split_once(' ').unwrap_or((&call.operation, ""));
        match operation {
            "GET" | "PUT" | "DELETE" if self.has_no_s3 => {
                Some(Answer::text(503, "<Error><Code>SlowDown</Code></Error>"))
            }
            "GetItem" => self.item.as_ref().map(|item| Answer::json(json!({ "Item": item }))),
            "UpdateItem" if !self.takes(call) => Some(Answer::error("ConditionalCheckFailedException")),
            "UpdateItem" => Some(self.update(call)),
            "GET" if path.trim_end_matches('/') == "/thumbnails" => Some(self.list()),
            "GET" => Some(match &self.upload {
                Some(upload) => Answer::bytes(upload.clone()),
                None => Answer::text(404, "<Error><Code>NoSuchKey</Code></Error>"),
            }),
            "PUT" => {
                self.thumbnails.insert(path.strip_prefix("/thumbnails/").unwrap().to_owned());
                if path.contains("/1280.") {
                    self.meanwhile.take().inspect(|change| change(self));
                }
                None
            }
            "DELETE" => {
                match path.strip_prefix("/thumbnails/") {
                    Some(key) => _ = self.thumbnails.remove(key),
                    None => self.upload = None,
                }
                None
            }
            _ => None,
        }
    }

    /// The condition of marking: the attachment is there, and neither this upload nor a later one was dealt with.
    fn takes(&self, call: &Call) -> bool {
        let given = call.json["ExpressionAttributeValues"][":sequencer"]["S"].as_str();
        self.item.as_ref().is_some_and(|item| item["sequencer"]["S"].as_str() < given)
    }

    /// Does what an expression of `SET` and `REMOVE` says.
    fn update(&mut self, call: &Call) -> Answer {
        let item = self.item.as_mut().unwrap().as_object_mut().unwrap();
        let before = item.get("sequencer").cloned();
        let expression = call.json["UpdateExpression"].as_str().unwrap();
        let (set, remove) = expression.strip_prefix("SET ").unwrap().split_once(" REMOVE ").unwrap();
        for assignment in set.split(',') {
            let (name, value) = assignment.split_once('=').unwrap();
            let value = call.json["ExpressionAttributeValues"][value.trim()].clone();
            item.insert(name.trim().trim_start_matches('#').to_owned(), value);
        }
        remove.split(',').for_each(|name| _ = item.remove(name.trim()));
        let before = before.map(|before| json!({ "sequencer": before }));
        Answer::json(json!({ "Attributes": before }))
    }

    fn list(&self) -> Answer {
        let keys = self.thumbnails.iter().map(|key| format!("<Contents><Key>{key}</Key></Contents>"));
        let keys: String = keys.collect();
        Answer::text(200, &format!("<ListBucketResult>{keys}</ListBucketResult>"))
    }
}

pub(crate) fn aws(state: &Arc<Mutex<State>>) -> FakeAws {
    let state = Arc::clone(state);
    FakeAws::answering(move |call| state.lock().unwrap().answer(call))
}

fn photo(upload: Vec<u8>) -> State {
    State { item: Some(item("photo.jpg", "image/jpeg")), upload: Some(upload), ..State::default() }
}

/// Announced, and not uploaded yet.
pub(crate) fn pending() -> State {
    State { upload: None, ..photo(Vec::new()) }
}

async fn run(state: State, event: SqsEvent) -> (SqsBatchResponse, FakeAws) {
    let aws = state.aws();
    (deliver(&aws, event).await, aws)
}

pub(crate) async fn deliver(aws: &FakeAws, event: SqsEvent) -> SqsBatchResponse {
    let handler = Thumbnails::new(aws.store(), aws.objects(), InThisProcess);
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
    assert_eq!((upload.size, upload.sequencer), (Some(SIZE), Sequencer::new(SEQUENCER)));
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
    assert!(!values[":placeholder"]["S"].as_str().unwrap().is_empty());
    let set = set(SEQUENCER, &gif());
    assert_eq!(values[":set"]["S"], set);
    let set = set.as_str().unwrap();
    let stored = [1280, 160, 480]
        .map(|size| format!("PUT /thumbnails/thumbnails/YW5uYQ/{NOTE}/{ATTACHMENT}/{set}/{size}.webp"));
    let mut operations: Vec<_> = requests(&aws, "PUT").into_iter().map(|put| put.operation).collect();
    operations.sort();
    assert_eq!(operations, stored);
    assert!(requests(&aws, "DELETE").is_empty() && requests(&aws, "GET").len() == 1, "nothing to tidy");
    assert_eq!(requests(&aws, "GET /notes-uploads-123456789012-eu-west-1/uploads/YW5uYQ/").len(), 1);
}

fn set(sequencer: &str, content: &[u8]) -> Value {
    serde_json::to_value(ThumbnailSet::new(&Sequencer::new(sequencer), content)).unwrap()
}

#[tokio::test]
async fn thumbnails_are_jpegs_where_that_was_asked_for() {
    let mut state = photo(gif());
    state.item.as_mut().unwrap()["thumbnail_format"] = json!({ "S": "jpeg" });
    let (_, aws) = marked(state).await;
    let stored = requests(&aws, "PUT");
    assert_eq!(stored.len(), 3);
    assert!(stored.iter().all(|put| put.operation.ends_with(".jpg") && put.body.contains("JFIF")));
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

/// Of a picture whose thumbnails were made before there were sets, too.
#[tokio::test]
async fn a_second_upload_takes_the_first_ones_thumbnails_away() {
    for (upload, left) in [(gif(), 3), (b"just text".to_vec(), 0)] {
        let mut state = photo(upload);
        let item = state.item.as_mut().unwrap();
        item["sequencer"] = json!({ "S": format!("{:0<64}", "0055") });
        let size = json!({ "M": { "size": { "N": "160" }, "width": { "N": "2" }, "height": { "N": "1" } } });
        item["thumbnails"] = json!({ "L": [size] });
        let place = format!("thumbnails/YW5uYQ/{NOTE}/{ATTACHMENT}");
        let old = ["160.jpg".to_owned(), format!("{}/160.webp", set("0055", b"x").as_str().unwrap())];
        state.thumbnails = old.iter().map(|name| format!("{place}/{name}")).collect();
        let state = Arc::new(Mutex::new(state));
        assert!(deliver(&aws(&state), sample()).await.batch_item_failures.is_empty());
        let thumbnails = &state.lock().unwrap().thumbnails;
        assert_eq!(thumbnails.len(), left, "{thumbnails:?}");
        assert!(old.iter().all(|name| !thumbnails.contains(&format!("{place}/{name}"))));
    }
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
    let (response, aws) = run(pending(), sample()).await;
    assert!(response.batch_item_failures.is_empty());
    assert!(requests(&aws, "UpdateItem").is_empty() && requests(&aws, "PUT").is_empty());
}

/// The upload came after the attachment was deleted, or an earlier delivery died with thumbnails stored.
#[tokio::test]
async fn nothing_is_left_of_an_attachment_that_is_gone() {
    let left = format!("thumbnails/YW5uYQ/{NOTE}/{ATTACHMENT}/0A-x/160.webp");
    let state = State { upload: Some(gif()), thumbnails: [left].into(), ..State::default() };
    let (response, aws) = run(state, sample()).await;
    assert!(response.batch_item_failures.is_empty());
    assert_eq!(requests(&aws, "DELETE /thumbnails/thumbnails/YW5uYQ/").len(), 1);
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

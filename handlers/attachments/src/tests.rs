use crate::attachments::Attachments;
use serde_json::{Value, json};
use shared::fake::{Answer, FakeAws};
use shared::limits;
use shared::sample::{Answered, HttpEvent, item};

const NOTE: &str = "019ab0b8-c400-7c3e-9b1a-2f6d8e4c5a01";
const ID: &str = "019ab0b9-ae60-7d21-8f04-6b1e0c9d7a02";
const ONE: [(&str, &str); 2] = [("id", NOTE), ("attachment_id", ID)];

async fn answer(aws: &FakeAws, event: HttpEvent) -> Answered {
    let handler = Attachments::new(aws.store(), aws.objects());
    event.answer(async |request| handler.answer(request).await).await
}

fn list() -> HttpEvent {
    HttpEvent::of("attachments").route("GET /notes/{id}/attachments", &[("id", NOTE)])
}

fn one(method: &str) -> HttpEvent {
    HttpEvent::of("attachments").route(&format!("{method} /notes/{{id}}/attachments/{{attachment_id}}"), &ONE)
}

fn attachment(status: &str) -> Value {
    let mut attachment = json!({
        "id": ID, "note_id": NOTE, "filename": "März.jpg", "content_type": "image/jpeg", "size": 482_113,
        "status": status, "thumbnails": [], "created_at": "2026-11-23T11:00:00.000Z",
    });
    match status {
        "ready" => {
            attachment["width"] = json!(4000);
            attachment["height"] = json!(3000);
            attachment["thumbnails"] = json!([{ "size": 160, "width": 160, "height": 120 }]);
            attachment["processed_at"] = json!("2026-11-23T11:00:01.000Z");
        }
        "failed" => {
            attachment["reason"] = json!("the file is not a picture");
            attachment["processed_at"] = json!("2026-11-23T11:00:01.000Z");
        }
        _ => {}
    }
    item(&attachment)
}

fn note(attachments: usize, deleted_at: Option<&str>) -> (&'static str, Answer) {
    let mut note = json!({
        "id": NOTE, "title": "Harbour trip", "body": "", "tags": [], "notify": [], "version": 1,
        "created_at": "2026-11-22T08:00:00.000Z", "updated_at": "2026-11-22T08:00:00.000Z",
        "attachments": attachments,
    });
    if let Some(deleted_at) = deleted_at {
        note["deleted_at"] = json!(deleted_at);
    }
    ("GetItem", Answer::json(json!({ "Item": item(&note) })))
}

fn cancelled(code: &str) -> (&'static str, Answer) {
    let body = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "Transaction cancelled",
        "CancellationReasons": [{ "Code": code }, { "Code": "None" }],
    });
    ("TransactWriteItems", Answer::text(400, &body.to_string()))
}

/// Cuts the signatures off: they differ with every run.
fn without_signatures(mut value: Value) -> Value {
    fn cut(value: &mut Value) {
        match value {
            Value::String(text) if text.contains("X-Amz-Signature=") => {
                text.truncate(text.find('?').unwrap_or(text.len()));
            }
            Value::Array(values) => values.iter_mut().for_each(cut),
            Value::Object(fields) => fields.values_mut().for_each(cut),
            _ => {}
        }
    }
    cut(&mut value);
    value
}

#[tokio::test]
async fn the_sample_event_creates_a_pending_attachment_and_signs_its_upload() {
    let aws = FakeAws::default();
    let answered = answer(&aws, HttpEvent::of("attachments")).await;
    assert_eq!(answered.status, 201);
    let body = answered.json();
    let id = body["attachment"]["id"].as_str().unwrap();
    assert_eq!(answered.header("location"), Some(format!("/notes/{NOTE}/attachments/{id}").as_str()));
    assert_eq!(body["attachment"]["status"], "pending");
    assert_eq!(body["attachment"]["download_url"], Value::Null);
    assert_eq!(body["upload"]["method"], "PUT");
    assert_eq!(body["upload"]["expires_at"], "2026-11-23T12:15:00.000Z");
    assert_eq!(aws.operations(), ["TransactWriteItems"]);
}

#[tokio::test]
async fn an_upload_is_bound_to_length_type_and_checksum_and_never_to_the_name() {
    let body = answer(&FakeAws::default(), HttpEvent::of("attachments")).await.json();
    let url = body["upload"]["url"].as_str().unwrap();
    for signed in ["content-length", "content-type", "x-amz-checksum-sha256"] {
        let is_header = body["upload"]["headers"].get(signed).is_some();
        assert!(is_header && url.contains("X-Amz-SignedHeaders=") && url.contains(signed), "{signed}: {url}");
    }
    assert_eq!(body["upload"]["headers"]["content-length"], "482113");
    assert!(url.contains(&format!("/uploads/YXV0aDB8YWRh/{NOTE}/")) && !url.contains("Segelboot"), "{url}");
}

#[tokio::test]
async fn a_note_that_takes_no_attachment_says_why() {
    let full = note(limits::ATTACHMENTS, None);
    let trashed = note(0, Some("2026-11-23T11:00:00.000Z"));
    for (state, status, word) in
        [(full, 409, "delete one"), (trashed, 409, "trash"), (note(1, None), 409, "again")]
    {
        let aws = FakeAws::with([cancelled("ConditionalCheckFailed"), state]);
        let answered = answer(&aws, HttpEvent::of("attachments")).await;
        assert_eq!(answered.status, status);
        assert!(answered.body.contains(word), "{}", answered.body);
    }
    let aws = FakeAws::with([cancelled("ConditionalCheckFailed")]);
    assert_eq!(answer(&aws, HttpEvent::of("attachments")).await.status, 404);
}

#[tokio::test]
async fn several_in_flight_do_not_refuse_each_other() {
    let aws = FakeAws::with([cancelled("TransactionConflict"), cancelled("TransactionConflict")]);
    assert_eq!(answer(&aws, HttpEvent::of("attachments")).await.status, 201);
    assert_eq!(aws.operations().len(), 3);
}

#[tokio::test]
async fn wrong_fields_are_named_and_nothing_is_stored() {
    let aws = FakeAws::default();
    let body = json!({ "filename": "../x", "content_type": "jpeg", "size": limits::ATTACHMENT_BYTES + 1 });
    let answered = answer(&aws, HttpEvent::of("attachments").json(&body)).await;
    assert_eq!(answered.status, 422);
    assert_eq!(answered.wrong_fields(), ["filename", "content_type", "size"]);
    assert!(aws.calls().is_empty());
}

#[tokio::test]
async fn a_list_shows_every_status() {
    let items = [attachment("ready"), attachment("failed"), attachment("pending")];
    let aws = FakeAws::with([("Query", Answer::json(json!({ "Items": items })))]);
    let answered = answer(&aws, list()).await;
    assert_eq!(answered.status, 200);
    insta::assert_json_snapshot!(without_signatures(answered.json()));
    assert_eq!(aws.operations(), ["Query"]);
}

#[tokio::test]
async fn an_empty_list_needs_a_note() {
    let answered = answer(&FakeAws::with([note(0, None)]), list()).await;
    assert_eq!((answered.status, answered.json()), (200, json!({ "items": [] })));
    assert_eq!(answer(&FakeAws::default(), list()).await.status, 404);
}

#[tokio::test]
async fn a_download_is_saved_and_never_shown() {
    let aws = FakeAws::with([("GetItem", Answer::json(json!({ "Item": attachment("ready") })))]);
    let answered = answer(&aws, one("GET")).await;
    let body = answered.json();
    let url = body["download_url"].as_str().unwrap();
    assert!(url.contains("response-content-disposition=attachment"), "{url}");
    assert_eq!(body["url_expires_at"], "2026-11-23T12:15:00.000Z");
    assert_eq!(answer(&FakeAws::default(), one("GET")).await.status, 404);
}

#[tokio::test]
async fn a_deletion_is_counted_in_the_same_transaction() {
    let aws = FakeAws::default();
    assert_eq!(answer(&aws, one("DELETE")).await.status, 204);
    let items = aws.sent("TransactWriteItems")[0]["TransactItems"].as_array().unwrap().len();
    assert_eq!(items, 2);
    let unknown = FakeAws::with([cancelled("ConditionalCheckFailed")]);
    assert_eq!(answer(&unknown, one("DELETE")).await.status, 404);
}

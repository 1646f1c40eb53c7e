use crate::delete_note::DeleteNote;
use serde_json::{Value, json};
use shared::fake::{Answer, FakeAws};
use shared::sample::{Answered, HttpEvent, item};

const ID: &str = "019ab0b8-c400-7c3e-9b1a-2f6d8e4c5a01";

async fn answer(aws: &FakeAws, event: HttpEvent) -> Answered {
    let handler = DeleteNote::new(aws.store());
    event.answer(async |request| handler.answer(request).await).await
}

fn note(version: u64, deleted_at: Option<&str>) -> Value {
    let mut note = json!({
        "id": ID, "title": "Harbour trip", "body": "", "tags": [], "notify": [], "version": version,
        "created_at": "2026-11-22T08:00:00.000Z", "updated_at": "2026-11-22T08:00:00.000Z",
    });
    if let Some(deleted_at) = deleted_at {
        note["deleted_at"] = json!(deleted_at);
    }
    item(&note)
}

fn read(note: Value) -> (&'static str, Answer) {
    ("GetItem", Answer::json(json!({ "Item": note })))
}

fn trashed() -> (&'static str, Answer) {
    ("UpdateItem", Answer::json(json!({ "Attributes": note(2, Some("2026-11-23T12:00:00.000Z")) })))
}

fn refused(operation: &'static str, present: Option<Value>) -> (&'static str, Answer) {
    let mut body = json!({ "__type": "com.amazonaws#ConditionalCheckFailedException", "message": "no" });
    if let Some(present) = present {
        body["Item"] = present;
    }
    (operation, Answer::text(400, &body.to_string()))
}

/// The sample without its `If-Match`.
fn plain() -> HttpEvent {
    HttpEvent::of("delete-note").without_header("if-match")
}

#[tokio::test]
async fn the_sample_event_trashes_the_version_it_has_seen_in_one_write() {
    let aws = FakeAws::with([trashed()]);
    let answered = answer(&aws, HttpEvent::of("delete-note")).await;
    assert_eq!((answered.status, answered.body.as_str()), (204, ""));
    assert_eq!(aws.operations(), ["UpdateItem"]);
    let update = &aws.sent("UpdateItem")[0];
    assert_eq!(update["ExpressionAttributeValues"][":version0"]["N"], "1");
    assert_eq!(update["ExpressionAttributeValues"][":now"]["S"], "2026-11-23T12:00:00.000Z");
}

#[tokio::test]
async fn another_version_is_left_alone() {
    let aws = FakeAws::with([refused("UpdateItem", Some(note(2, None)))]);
    assert_eq!(answer(&aws, HttpEvent::of("delete-note")).await.status, 412);
}

/// The SDK repeats a write whose answer was lost, and its condition then fails on what the first attempt wrote.
#[tokio::test]
async fn a_deletion_whose_first_answer_was_lost_is_done_once() {
    let event = HttpEvent::of("delete-note");
    let mut written = note(2, Some("2026-11-23T12:00:00.000Z"));
    written["changed_in"] = json!({ "S": event.clone().into_request().id });
    let aws = FakeAws::with([refused("UpdateItem", Some(written))]);
    assert_eq!(answer(&aws, event).await.status, 204);
    assert_eq!(aws.operations(), ["UpdateItem"]);
}

#[tokio::test]
async fn trashing_again_changes_nothing_and_an_unknown_note_is_not_found() {
    let again = FakeAws::with([refused("UpdateItem", Some(note(2, Some("2026-11-22T12:00:00.000Z"))))]);
    assert_eq!(answer(&again, plain()).await.status, 204);
    let unknown = FakeAws::with([refused("UpdateItem", None)]);
    assert_eq!(answer(&unknown, plain()).await.status, 404);
}

#[tokio::test]
async fn a_permanent_deletion_trashes_and_then_purges() {
    let aws = FakeAws::with([trashed()]);
    assert_eq!(answer(&aws, plain().query("permanent=true")).await.status, 204);
    assert_eq!(aws.operations(), ["UpdateItem", "UpdateItem", "Query", "DeleteItem"]);
    assert_eq!(aws.sent("DeleteItem")[0]["ConditionExpression"], "attribute_exists(deleted_at)");
}

#[tokio::test]
async fn what_is_in_the_trash_can_be_purged() {
    let in_trash = || refused("UpdateItem", Some(note(2, Some("2026-11-22T12:00:00.000Z"))));
    let aws = FakeAws::with([in_trash()]);
    assert_eq!(answer(&aws, plain().query("permanent=true")).await.status, 204);
    assert_eq!(aws.operations().last().map(String::as_str), Some("DeleteItem"));

    let seen = HttpEvent::of("delete-note").query("permanent=true").header("if-match", "\"2\"");
    assert_eq!(answer(&FakeAws::with([in_trash()]), seen).await.status, 204);
}

#[tokio::test]
async fn a_purge_that_another_request_overtook_says_so() {
    let purged_already = FakeAws::with([trashed(), refused("DeleteItem", None)]);
    assert_eq!(answer(&purged_already, plain().query("permanent=true")).await.status, 204);
    let restored = FakeAws::with([trashed(), refused("DeleteItem", None), read(note(3, None))]);
    assert_eq!(answer(&restored, plain().query("permanent=true")).await.status, 409);
}

#[tokio::test]
async fn a_wrong_flag_is_named_before_anything_happens() {
    let aws = FakeAws::default();
    let answered = answer(&aws, plain().query("permanent=yes")).await;
    assert_eq!((answered.status, answered.wrong_fields()), (422, vec!["permanent".to_owned()]));
    assert!(aws.calls().is_empty());
}

use crate::save_note::SaveNote;
use serde_json::{Value, json};
use shared::fake::{Answer, FakeAws};
use shared::sample::{Answered, HttpEvent, item};

const ID: &str = "019ab0b8-c400-7c3e-9b1a-2f6d8e4c5a01";

async fn answer(aws: &FakeAws, event: HttpEvent) -> Answered {
    let handler = SaveNote::new(aws.store());
    event.answer(async |request| handler.answer(request).await).await
}

fn create() -> HttpEvent {
    HttpEvent::of("save-note").without_header("idempotency-key")
}

fn change(patch: &Value) -> HttpEvent {
    create()
        .route("PATCH /notes/{id}", &[("id", ID)])
        .json(patch)
        .header("content-type", "application/merge-patch+json")
}

fn restore() -> HttpEvent {
    create().route("POST /notes/{id}/restore", &[("id", ID)]).body("")
}

fn note(version: u64, deleted_at: Option<&str>) -> Value {
    let mut note = json!({
        "id": ID, "title": "Harbour trip", "body": "Bring the charts.", "tags": ["travel"], "notify": [],
        "version": version, "created_at": "2026-11-22T08:00:00.000Z", "updated_at": "2026-11-22T08:00:00.000Z",
        "attachments": 0,
    });
    if let Some(deleted_at) = deleted_at {
        note["deleted_at"] = json!(deleted_at);
    }
    note
}

fn read(note: &Value) -> (&'static str, Answer) {
    ("GetItem", Answer::json(json!({ "Item": item(note) })))
}

fn refused(operation: &'static str) -> (&'static str, Answer) {
    (operation, Answer::error("ConditionalCheckFailedException"))
}

#[tokio::test]
async fn the_sample_event_stores_the_note_and_its_key_in_one_transaction() {
    let aws = FakeAws::default();
    let answered = answer(&aws, HttpEvent::of("save-note")).await;
    assert_eq!((answered.status, answered.header("etag")), (201, Some("\"1\"")));
    let mut body = answered.json();
    let id = body["id"].as_str().unwrap().to_owned();
    assert_eq!(answered.header("location"), Some(format!("/notes/{id}").as_str()));
    body["id"] = json!("<id>");
    insta::assert_json_snapshot!(body);
    assert_eq!(aws.operations(), ["TransactWriteItems"]);
}

#[tokio::test]
async fn without_a_key_a_creation_is_one_write_under_the_callers_name() {
    let aws = FakeAws::default();
    assert_eq!(answer(&aws, create()).await.status, 201);
    assert_eq!(aws.operations(), ["PutItem"]);
    assert_eq!(aws.sent("PutItem")[0]["Item"]["pk"]["S"], "OWNER#auth0|ada");
}

/// The SDK repeats a write whose answer was lost, and its condition then fails on what the first attempt wrote.
fn written_before(operation: &'static str, note: &Value) -> (&'static str, Answer) {
    let body = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException", "message": "no",
        "Item": item(note),
    });
    (operation, Answer::text(400, &body.to_string()))
}

#[tokio::test]
async fn a_creation_whose_first_answer_was_lost_is_done_once() {
    let aws = FakeAws::with([refused("PutItem")]);
    assert_eq!(answer(&aws, create()).await.status, 201);
    assert_eq!(aws.operations(), ["PutItem"]);
}

#[tokio::test]
async fn a_change_whose_first_answer_was_lost_is_done_once() {
    let patch = || change(&json!({ "title": "Sea trip" }));
    let first = FakeAws::with([read(&note(1, None))]);
    let written = answer(&first, patch()).await.json();
    for event in [patch(), patch().header("if-match", "\"1\"")] {
        let mut present = written.clone();
        present["attachments"] = json!(3);
        let aws = FakeAws::with([read(&note(1, None)), written_before("UpdateItem", &present)]);
        let answered = answer(&aws, event).await;
        assert_eq!((answered.status, answered.header("etag")), (200, Some("\"2\"")));
        assert_eq!(aws.operations(), ["GetItem", "UpdateItem"]);
    }
}

fn earlier_creation(body_digest: &str) -> (&'static str, Answer) {
    let record =
        json!({ "pk": "p", "sk": "s", "body_digest": body_digest, "note": note(1, None), "expires_at": 0 });
    let body = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "Transaction cancelled",
        "CancellationReasons": [{ "Code": "ConditionalCheckFailed", "Item": item(&record) }, { "Code": "None" }],
    });
    ("TransactWriteItems", Answer::text(400, &body.to_string()))
}

#[tokio::test]
async fn a_repeated_creation_gives_the_first_answer_and_another_body_none() {
    let first = FakeAws::default();
    answer(&first, HttpEvent::of("save-note")).await;
    let record = &first.sent("TransactWriteItems")[0]["TransactItems"][0]["Put"]["Item"];
    let digest = record["body_digest"]["S"].as_str().unwrap();

    let answered = answer(&FakeAws::with([earlier_creation(digest)]), HttpEvent::of("save-note")).await;
    assert_eq!((answered.status, &answered.json()["id"]), (201, &json!(ID)));
    let answered = answer(&FakeAws::with([earlier_creation("another")]), HttpEvent::of("save-note")).await;
    assert_eq!(
        (answered.status, &answered.json()["type"]),
        (422, &json!("/problems/idempotency-key-reused"))
    );
}

#[tokio::test]
async fn an_unusable_key_is_named() {
    for key in ["", &"k".repeat(256)] {
        let answered = answer(&FakeAws::default(), create().header("idempotency-key", key)).await;
        assert_eq!((answered.status, answered.wrong_fields()), (422, vec!["Idempotency-Key".to_owned()]));
    }
}

#[tokio::test]
async fn bodies_that_are_no_note_are_refused_by_kind() {
    let aws = FakeAws::default();
    for (event, status) in [
        (create().body("{"), 400),
        (create().json(&json!({ "title": "x", "colour": "red" })), 400),
        (create().json(&json!({ "title": "", "notify": ["nobody"] })), 422),
        (create().header("content-type", "text/plain"), 415),
        (create().body(&format!("\"{}\"", "x".repeat(shared::limits::REQUEST_BYTES))), 413),
    ] {
        let answered = answer(&aws, event).await;
        assert_eq!(
            (answered.status, answered.header("content-type")),
            (status, Some("application/problem+json"))
        );
    }
    assert!(aws.calls().is_empty());
}

#[tokio::test]
async fn a_wrong_field_is_explained() {
    let answered =
        answer(&FakeAws::default(), create().json(&json!({ "title": "", "notify": ["nobody"] }))).await;
    insta::assert_json_snapshot!(answered.json());
}

#[tokio::test]
async fn a_patch_keeps_what_it_does_not_name() {
    let aws = FakeAws::with([read(&note(1, None))]);
    let answered = answer(&aws, change(&json!({ "title": "Sea trip" }))).await;
    assert_eq!((answered.status, answered.header("etag")), (200, Some("\"2\"")));
    insta::assert_json_snapshot!(answered.json());
}

#[tokio::test]
async fn a_lost_race_is_told_with_if_match_and_tried_again_without() {
    let patch = json!({ "title": "Sea trip" });
    let stale = FakeAws::with([read(&note(2, None))]);
    assert_eq!(answer(&stale, change(&patch).header("if-match", "\"1\"")).await.status, 412);
    assert_eq!(stale.operations(), ["GetItem"]);

    let lost = FakeAws::with([read(&note(1, None)), refused("UpdateItem")]);
    assert_eq!(answer(&lost, change(&patch).header("if-match", "\"1\"")).await.status, 412);

    let again = FakeAws::with([read(&note(1, None)), refused("UpdateItem"), read(&note(2, None))]);
    let answered = answer(&again, change(&patch)).await;
    assert_eq!((answered.status, answered.header("etag")), (200, Some("\"3\"")));
}

#[tokio::test]
async fn what_is_in_the_trash_must_be_restored_before_it_changes() {
    let trashed = note(2, Some("2026-11-22T12:00:00.000Z"));
    let answered = answer(&FakeAws::with([read(&trashed)]), change(&json!({ "title": "x" }))).await;
    assert_eq!(answered.status, 409);

    let restored = ("UpdateItem", Answer::json(json!({ "Attributes": item(&note(3, None)) })));
    let answered = answer(&FakeAws::with([restored]), restore()).await;
    assert_eq!((answered.status, answered.header("etag")), (200, Some("\"3\"")));
}

#[tokio::test]
async fn restoring_a_live_note_changes_nothing_and_an_unknown_one_is_not_found() {
    let live = FakeAws::with([refused("UpdateItem"), read(&note(1, None))]);
    assert_eq!(answer(&live, restore()).await.header("etag"), Some("\"1\""));
    let unknown = FakeAws::with([refused("UpdateItem")]);
    assert_eq!(answer(&unknown, restore()).await.status, 404);
    assert_eq!(answer(&FakeAws::default(), change(&json!({}))).await.status, 404);
}

use crate::save_note::SaveNote;
use proptest::prelude::*;
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

fn updated(note: &Value) -> (&'static str, Answer) {
    ("UpdateItem", Answer::json(json!({ "Attributes": item(note) })))
}

/// The condition of a change does not hold for what is there.
fn refused(present: Option<&Value>) -> (&'static str, Answer) {
    let mut body = json!({ "__type": "com.amazonaws#ConditionalCheckFailedException", "message": "no" });
    if let Some(present) = present {
        body["Item"] = item(present);
    }
    ("UpdateItem", Answer::text(400, &body.to_string()))
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

#[tokio::test]
async fn a_creation_whose_first_answer_was_lost_is_done_once() {
    let aws = FakeAws::with([("PutItem", Answer::error("ConditionalCheckFailedException"))]);
    assert_eq!(answer(&aws, create()).await.status, 201);
}

fn cancelled(reasons: &Value) -> (&'static str, Answer) {
    let body = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "Transaction cancelled", "CancellationReasons": reasons,
    });
    ("TransactWriteItems", Answer::text(400, &body.to_string()))
}

fn earlier_creation(body_digest: &str) -> (&'static str, Answer) {
    let record = json!({
        "pk": "p", "sk": "s", "body_digest": body_digest, "note_id": ID, "created_at": "2026-11-22T08:00:00.000Z",
        "expires_at": 0,
    });
    cancelled(&json!([{ "Code": "ConditionalCheckFailed", "Item": item(&record) }, { "Code": "None" }]))
}

/// What the sample event writes down of its body.
async fn digest_of_the_sample() -> String {
    let first = FakeAws::default();
    answer(&first, HttpEvent::of("save-note")).await;
    let record = &first.sent("TransactWriteItems")[0]["TransactItems"][0]["Put"]["Item"];
    record["body_digest"]["S"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_repeated_creation_gives_the_first_answer_and_another_body_none() {
    let digest = digest_of_the_sample().await;
    let first = answer(&FakeAws::default(), HttpEvent::of("save-note")).await.json();
    let answered = answer(&FakeAws::with([earlier_creation(&digest)]), HttpEvent::of("save-note")).await;
    let mut expected = first;
    expected["id"] = json!(ID);
    expected["created_at"] = json!("2026-11-22T08:00:00.000Z");
    expected["updated_at"] = json!("2026-11-22T08:00:00.000Z");
    assert_eq!((answered.status, answered.json()), (201, expected));

    let answered = answer(&FakeAws::with([earlier_creation("another")]), HttpEvent::of("save-note")).await;
    assert_eq!(
        (answered.status, &answered.json()["type"]),
        (422, &json!("/problems/idempotency-key-reused"))
    );
}

#[tokio::test(start_paused = true)]
async fn concurrent_duplicates_get_the_first_answer_and_never_an_error() {
    let conflict = || cancelled(&json!([{ "Code": "TransactionConflict" }, { "Code": "None" }]));
    let aws = FakeAws::with([conflict(), conflict(), earlier_creation(&digest_of_the_sample().await)]);
    let answered = answer(&aws, HttpEvent::of("save-note")).await;
    assert_eq!((answered.status, &answered.json()["id"]), (201, &json!(ID)));
    assert_eq!(aws.operations().len(), 3);
}

#[tokio::test]
async fn the_spelling_of_a_body_does_not_make_it_another() {
    let spelled = HttpEvent::of("save-note").body(
        r#"{ "tags": ["travel", "boats"], "notify": ["grace@EXAMPLE.com"],
             "title": " Harbour trip ", "body": "Bring the **charts**, and the good binoculars." }"#,
    );
    let aws = FakeAws::with([earlier_creation(&digest_of_the_sample().await)]);
    assert_eq!(answer(&aws, spelled).await.status, 201);
}

#[tokio::test]
async fn an_unusable_key_is_named() {
    for key in ["", &"k".repeat(256), "schlüssel", "a\tb"] {
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
async fn a_patch_writes_what_it_names_and_reads_nothing() {
    let aws = FakeAws::with([updated(&note(2, None))]);
    let answered = answer(&aws, change(&json!({ "title": "Sea trip", "tags": null }))).await;
    assert_eq!((answered.status, answered.header("etag")), (200, Some("\"2\"")));
    assert_eq!(aws.operations(), ["UpdateItem"]);
    let update = &aws.sent("UpdateItem")[0];
    assert_eq!(
        update["UpdateExpression"],
        "SET updated_at = :now, changed_by = :by, changed_in = :request, title = :title, tags = :tags ADD version :one"
    );
    assert_eq!(update["ExpressionAttributeValues"][":tags"], json!({ "L": [] }));
    assert!(!update["ConditionExpression"].as_str().unwrap().contains("version IN"));
}

#[tokio::test]
async fn a_patch_of_nothing_changes_nothing() {
    let aws = FakeAws::with([read(&note(1, None))]);
    let answered = answer(&aws, change(&json!({}))).await;
    assert_eq!((answered.status, answered.header("etag")), (200, Some("\"1\"")));
    assert_eq!(aws.operations(), ["GetItem"]);
    let stale = FakeAws::with([read(&note(2, None))]);
    assert_eq!(answer(&stale, change(&json!({})).header("if-match", "\"1\"")).await.status, 412);
}

#[tokio::test]
async fn only_an_expected_version_is_changed() {
    let patch = || change(&json!({ "title": "Sea trip" }));
    let aws = FakeAws::with([refused(Some(&note(2, None)))]);
    assert_eq!(answer(&aws, patch().header("if-match", "\"1\"")).await.status, 412);
    let update = &aws.sent("UpdateItem")[0];
    assert!(
        update["ConditionExpression"].as_str().unwrap().ends_with("AND version IN (:version0, :version1)")
    );
    assert_eq!(update["ExpressionAttributeValues"][":version0"]["N"], "1");

    let weak = FakeAws::with([refused(Some(&note(1, None)))]);
    assert_eq!(answer(&weak, patch().header("if-match", "W/\"1\"")).await.status, 412);
    let many = vec!["\"1\""; shared::limits::ENTITY_TAGS + 1].join(",");
    assert_eq!(
        answer(&FakeAws::default(), patch().header("if-match", &many)).await.wrong_fields(),
        ["If-Match"]
    );
}

#[tokio::test]
async fn a_change_whose_first_answer_was_lost_is_done_once() {
    let mut done = note(2, None);
    let event = change(&json!({ "title": "Harbour trip" }));
    done["changed_in"] = json!(event.clone().into_request().id);
    let answered = answer(&FakeAws::with([refused(Some(&done))]), event.header("if-match", "\"1\"")).await;
    assert_eq!((answered.status, answered.header("etag")), (200, Some("\"2\"")));
}

#[tokio::test]
async fn what_is_in_the_trash_must_be_restored_before_it_changes() {
    let trashed = note(2, Some("2026-11-22T12:00:00.000Z"));
    let answered = answer(&FakeAws::with([refused(Some(&trashed))]), change(&json!({ "title": "x" }))).await;
    assert_eq!(answered.status, 409);

    let answered = answer(&FakeAws::with([updated(&note(3, None))]), restore()).await;
    assert_eq!((answered.status, answered.header("etag")), (200, Some("\"3\"")));
}

#[tokio::test]
async fn restoring_a_live_note_changes_nothing_and_an_unknown_one_is_not_found() {
    let live = FakeAws::with([refused(Some(&note(1, None)))]);
    assert_eq!(answer(&live, restore()).await.header("etag"), Some("\"1\""));
    let purging = FakeAws::with([refused(Some(&note(2, Some("2026-11-22T12:00:00.000Z"))))]);
    assert_eq!(answer(&purging, restore()).await.status, 404);
    assert_eq!(answer(&FakeAws::with([refused(None)]), restore()).await.status, 404);
    let unknown = FakeAws::with([refused(None)]);
    assert_eq!(answer(&unknown, change(&json!({ "title": "x" }))).await.status, 404);
    assert_eq!(answer(&FakeAws::default(), change(&json!({}))).await.status, 404);
}

#[tokio::test]
async fn a_patch_of_another_kind_is_not_taken_for_a_merge_patch() {
    let answered =
        answer(&FakeAws::default(), change(&json!([])).header("content-type", "application/json-patch+json"))
            .await;
    assert_eq!(answered.status, 415);
    assert_eq!(answered.header("accept"), Some("application/merge-patch+json, application/json"));
}

#[tokio::test]
async fn a_refused_body_tells_nothing_of_how_it_is_read() {
    for body in ["[]", "\"x\"", "7", "{\"title\":7}", "{\"tags\":{}}", "{\"title\":"] {
        let answered = answer(&FakeAws::default(), create().body(body)).await;
        assert_eq!(answered.status, 400, "{body}");
        let detail = answered.json()["detail"].to_string();
        assert!(!detail.contains("struct") && !detail.contains("Content"), "{detail}");
    }
}

#[tokio::test]
async fn a_refused_body_tells_where_it_is_wrong() {
    for (body, place) in [
        (r#"{"title":7}"#, "title: invalid type: integer `7`, expected a string at line 1 "),
        (
            r#"{"title":"x","tags":["a",["b"]]}"#,
            "tags[1]: invalid type: sequence, expected a string at line 1 ",
        ),
        (r#"{"title":"x","title":"y"}"#, "duplicate field `title` at line 1 "),
        (r#"{"title":"x","colour":1}"#, "colour: unknown field `colour`, expected one of `title`, "),
        (r#"{"body":"x"}"#, "missing field `title` at line 1 "),
        (r#"{"title":"\ud800"}"#, "title: unexpected end of hex escape at line 1 "),
        (r#"{"title":1e400}"#, "title: number out of range at line 1 "),
        ("\u{feff}{}", "expected value at line 1 "),
    ] {
        let answered = answer(&FakeAws::default(), create().body(body)).await;
        let problem = answered.json();
        assert_eq!((answered.status, &problem["type"]), (400, &json!("/problems/malformed-body")), "{body}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.starts_with(place), "{detail}");
    }
}

fn restore_version(number: &str) -> HttpEvent {
    let parameters = [("id", ID), ("version", number)];
    create().route("POST /notes/{id}/versions/{version}/restore", &parameters).body("")
}

fn earlier() -> (&'static str, Answer) {
    read(&json!({
        "pk": "VERSIONS#auth0|ada", "sk": format!("{ID}#00000000000000000001"), "version": 1, "title": "Sea trip",
        "body": "", "tags": [], "updated_at": "2026-11-22T08:00:00.000Z", "expires_at": 4_000_000_000_u64,
    }))
}

#[tokio::test]
async fn an_earlier_version_is_restored_by_one_read_and_one_change() {
    let aws = FakeAws::with([earlier(), updated(&note(4, None))]);
    let answered = answer(&aws, restore_version("1").header("if-match", "\"3\"")).await;
    assert_eq!((answered.status, answered.header("etag")), (200, Some("\"4\"")));
    assert_eq!(aws.operations(), ["GetItem", "UpdateItem"]);
    assert_eq!(aws.sent("GetItem")[0]["Key"]["pk"]["S"], "VERSIONS#auth0|ada");
    let update = &aws.sent("UpdateItem")[0];
    let set = update["UpdateExpression"].as_str().unwrap();
    assert!(set.contains("title = :title, body = :body, excerpt = :excerpt, tags = :tags"), "{set}");
    assert!(!set.contains("notify"), "who is told stays: {set}");
    assert_eq!(update["ExpressionAttributeValues"][":title"]["S"], "Sea trip");
    assert_eq!(update["ExpressionAttributeValues"][":version0"]["N"], "3");
}

#[tokio::test]
async fn a_version_is_not_restored_where_its_note_cannot_change() {
    assert_eq!(answer(&FakeAws::default(), restore_version("1")).await.status, 404);
    for none in ["0x1", "+1", "01", "-1", "1.0", "", "99999999999999999999"] {
        let aws = FakeAws::default();
        assert_eq!(answer(&aws, restore_version(none)).await.status, 404, "{none}");
        assert!(aws.calls().is_empty());
    }
    let trashed = note(2, Some("2026-11-22T12:00:00.000Z"));
    let aws = FakeAws::with([earlier(), refused(Some(&trashed))]);
    assert_eq!(answer(&aws, restore_version("1")).await.status, 409);
    let aws = FakeAws::with([earlier(), refused(Some(&note(3, None)))]);
    assert_eq!(answer(&aws, restore_version("1").header("if-match", "\"2\"")).await.status, 412);
    assert_eq!(answer(&FakeAws::with([earlier(), refused(None)]), restore_version("1")).await.status, 404);
}

/// The key that a creation is remembered under, if it was.
fn remembered(aws: &FakeAws) -> Option<Value> {
    let items = aws.sent("TransactWriteItems").first()?["TransactItems"].as_array()?.clone();
    let item = items
        .iter()
        .map(|item| &item["Put"]["Item"])
        .find(|item| item["pk"]["S"] == "IDEMPOTENCY#auth0|ada")?;
    Some(item["sk"].clone())
}

proptest! {
    #[test]
    fn a_key_is_printable_and_not_endless_and_others_are_refused_by_name(
        key in "\\PC{0,12}|[ -~]{1,40}|[ -~]{253,258}|[\u{80}-\u{ff}]{0,4}|[ \t]{0,3}",
        other in "[ -~]{1,40}",
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let created = |key: &str| {
            let aws = FakeAws::default();
            let answered = runtime.block_on(answer(&aws, create().header("idempotency-key", key)));
            (answered, aws)
        };
        let (answered, aws) = created(&key);
        let is_good = (1..=255).contains(&key.len()) && key.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if is_good {
            prop_assert_eq!(answered.status, 201, "{}", answered.body);
            let (_, again) = created(&key);
            prop_assert!(remembered(&aws).is_some());
            prop_assert_eq!(remembered(&again), remembered(&aws));
            prop_assert_eq!(remembered(&created(&other).1) == remembered(&aws), other == key);
        } else {
            prop_assert_eq!((answered.status, answered.wrong_fields()), (422, vec!["Idempotency-Key".to_owned()]));
            prop_assert!(aws.calls().is_empty());
        }
    }
}

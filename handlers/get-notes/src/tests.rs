use crate::get_notes::GetNotes;
use serde_json::{Value, json};
use shared::fake::{Answer, FakeAws};
use shared::limits;
use shared::sample::{Answered, HttpEvent, item};
use shared::signing::SigningKeys;

const ID: &str = "019ab0b8-c400-7c3e-9b1a-2f6d8e4c5a01";
const OTHER_ID: &str = "019ab0b7-d9a0-7b44-a1c5-0d9e8f7a6b03";

pub(crate) async fn answer(aws: &FakeAws, event: HttpEvent) -> Answered {
    let handler = GetNotes::new(aws.store(), SigningKeys::parse("key").unwrap());
    event.answer(async |request| handler.answer(request).await).await
}

fn note(id: &str, title: &str) -> Value {
    item(&json!({
        "pk": "OWNER#auth0|ada", "sk": format!("NOTE#{id}"), "id": id, "title": title, "body": "Bring the **charts**.",
        "excerpt": "Bring the **charts**.", "tags": ["travel"], "notify": [], "version": 3,
        "created_at": "2026-11-22T08:00:00.000Z", "updated_at": "2026-11-23T09:30:00.000Z", "attachments": 1,
    }))
}

fn found(notes: &[Value], last: Option<&str>) -> (&'static str, Answer) {
    let mut output = json!({ "Items": notes });
    if let Some(last) = last {
        output["LastEvaluatedKey"] = item(&json!({ "pk": "OWNER#auth0|ada", "sk": format!("NOTE#{last}") }));
    }
    ("Query", Answer::json(output))
}

fn one() -> HttpEvent {
    HttpEvent::of("get-notes").route("GET /notes/{id}", &[("id", ID)]).query("")
}

pub(crate) fn list(query: &str) -> HttpEvent {
    HttpEvent::of("get-notes").query(query)
}

#[tokio::test]
async fn the_sample_event_lists_a_page() {
    let aws = FakeAws::with([found(&[note(ID, "Harbour trip"), note(OTHER_ID, "Packing")], None)]);
    let answered = answer(&aws, HttpEvent::of("get-notes")).await;
    assert_eq!(answered.status, 200);
    insta::assert_json_snapshot!(answered.json());
    assert_eq!(aws.operations(), ["Query"]);
}

#[tokio::test]
async fn a_list_asks_only_for_the_callers_notes() {
    let aws = FakeAws::with([found(&[], None)]);
    answer(&aws, list("")).await;
    let query = &aws.sent("Query")[0];
    assert_eq!(query["ExpressionAttributeValues"][":owner"]["S"], "OWNER#auth0|ada");
    assert_eq!(query["Limit"], 20);
}

#[tokio::test]
async fn a_cursor_continues_its_own_listing_and_no_other() {
    let first = FakeAws::with([found(&[note(ID, "Harbour trip")], Some(ID))]);
    let cursor =
        answer(&first, list("limit=1&tag=travel")).await.json()["next_cursor"].as_str().unwrap().to_owned();

    let second = FakeAws::with([found(&[note(OTHER_ID, "Packing")], None)]);
    let answered = answer(&second, list(&format!("limit=50&tag=travel&cursor={cursor}"))).await;
    assert_eq!(answered.status, 200);
    assert_eq!(second.sent("Query")[0]["ExclusiveStartKey"]["sk"]["S"], format!("NOTE#{ID}"));

    for refused in [
        list(&format!("cursor={cursor}")),
        list(&format!("tag=boats&cursor={cursor}")),
        list(&format!("tag=travel&trash=true&cursor={cursor}")),
        list(&format!("tag=travel&q=x&cursor={cursor}")),
        list(&format!("tag=travel&cursor={cursor}")).claim("sub", "auth0|eve"),
        list("tag=travel&cursor=nonsense"),
    ] {
        let aws = FakeAws::default();
        let answered = answer(&aws, refused).await;
        assert_eq!((answered.status, answered.wrong_fields()), (422, vec!["cursor".to_owned()]));
        assert!(aws.calls().is_empty());
    }
}

#[tokio::test]
async fn every_wrong_parameter_is_named_at_once() {
    let too_long = "x".repeat(limits::SEARCH_CHARACTERS + 1);
    let answered = answer(&FakeAws::default(), list(&format!("limit=0&trash=1&tag=%0A&q={too_long}"))).await;
    assert_eq!(answered.status, 422);
    assert_eq!(answered.header("content-type"), Some("application/problem+json"));
    assert_eq!(answered.wrong_fields(), ["trash", "limit", "tag", "q"]);
    for limit in ["101", "-1", "%2B5", "ten", ""] {
        let answered = answer(&FakeAws::default(), list(&format!("limit={limit}"))).await;
        assert_eq!(answered.wrong_fields(), ["limit"], "{limit}");
    }
}

#[tokio::test]
async fn a_tag_may_hold_a_comma() {
    let aws = FakeAws::with([found(&[note(ID, "Harbour trip")], None)]);
    let answered = answer(&aws, list("tag=a%2Ctravel")).await;
    assert_eq!(answered.json()["items"], json!([]));
}

#[tokio::test]
async fn a_note_comes_with_its_etag_and_need_not_come_twice() {
    let stored = || FakeAws::with([("GetItem", Answer::json(json!({ "Item": note(ID, "Harbour trip") })))]);
    let answered = answer(&stored(), one()).await;
    assert_eq!((answered.status, answered.header("etag")), (200, Some("\"3-1\"")));
    insta::assert_json_snapshot!(answered.json());

    let answered = answer(&stored(), one().header("if-none-match", "W/\"3-1\"")).await;
    assert_eq!(
        (answered.status, answered.header("etag"), answered.body.as_str()),
        (304, Some("\"3-1\""), "")
    );
    let answered = answer(&stored(), one().header("if-none-match", "\"2\"")).await;
    assert_eq!(answered.status, 200);
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    assert_eq!(answer(&FakeAws::default(), one()).await.status, 404);
    let no_id = HttpEvent::of("get-notes").route("GET /notes/{id}", &[("id", "1")]);
    let aws = FakeAws::default();
    assert_eq!(answer(&aws, no_id).await.status, 404);
    assert!(aws.calls().is_empty());
}

#[tokio::test]
async fn a_throttled_or_broken_table_means_try_again() {
    for (error, status) in [
        ("ProvisionedThroughputExceededException", 429),
        ("ThrottlingException", 429),
        ("InternalServerError", 503),
    ] {
        let answered = answer(&FakeAws::with([("GetItem", Answer::error(error))]), one()).await;
        assert_eq!((answered.status, answered.header("retry-after")), (status, Some("1")), "{error}");
        assert!(!answered.body.contains(error));
    }
}

#[tokio::test]
async fn an_etag_knows_of_attachments() {
    let stored = |count: u32| {
        let mut note = note(ID, "Harbour trip");
        note["attachments"] = json!({ "N": count.to_string() });
        FakeAws::with([("GetItem", Answer::json(json!({ "Item": note })))])
    };
    assert_eq!(answer(&stored(0), one()).await.header("etag"), Some("\"3\""));
    let answered = answer(&stored(2), one().header("if-none-match", "\"3\"")).await;
    assert_eq!((answered.status, answered.header("etag")), (200, Some("\"3-2\"")));
    assert_eq!(answer(&stored(2), one().header("if-none-match", "\"3-2\"")).await.status, 304);
}

#[tokio::test]
async fn a_cursor_outlives_the_rotation_of_keys_and_not_their_removal() {
    let with_keys = async |keys: &str, aws: &FakeAws, query: &str| {
        let handler = GetNotes::new(aws.store(), SigningKeys::parse(keys).unwrap());
        list(query).answer(async |request| handler.answer(request).await).await
    };
    let first = FakeAws::with([found(&[note(ID, "Harbour trip")], Some(ID))]);
    let page = with_keys("old", &first, "limit=1").await.json();
    let query = format!("cursor={}", page["next_cursor"].as_str().unwrap());
    assert_eq!(with_keys("new,old", &FakeAws::default(), &query).await.status, 200);
    assert_eq!(with_keys("new", &FakeAws::default(), &query).await.wrong_fields(), ["cursor"]);
}

fn version(number: u64, title: &str, expires_at: u64) -> Value {
    item(&json!({
        "pk": "VERSIONS#auth0|ada", "sk": format!("{ID}#{number:020}"), "version": number, "title": title,
        "body": "Bring the **charts**.", "tags": ["travel"], "updated_at": "2026-11-23T09:30:00.000Z",
        "expires_at": expires_at,
    }))
}

fn history(query: &str) -> HttpEvent {
    HttpEvent::of("get-notes").route("GET /notes/{id}/versions", &[("id", ID)]).query(query)
}

fn earlier(number: &str) -> HttpEvent {
    let parameters = [("id", ID), ("version", number)];
    HttpEvent::of("get-notes").route("GET /notes/{id}/versions/{version}", &parameters).query("")
}

/// The note, if it is there, and pages of its history.
fn with_history(note: Option<Value>, versions: &[Value], last: Option<u64>) -> FakeAws {
    let mut page = json!({ "Items": versions });
    if let Some(last) = last {
        page["LastEvaluatedKey"] = json!({ "pk": { "S": "p" }, "sk": { "S": format!("{ID}#{last:020}") } });
    }
    let (note, versions) = (json!({ "Item": note }), versions.to_vec());
    FakeAws::answering(move |call| match (call.operation.as_str(), &call.json["TableName"]) {
        ("Query", _) => Some(Answer::json(page.clone())),
        ("GetItem", table) if table == "notes" => Some(Answer::json(note.clone())),
        ("GetItem", _) => Some(Answer::json(json!({ "Item": versions.first() }))),
        _ => None,
    })
}

#[tokio::test]
async fn a_notes_history_is_one_query_beside_the_note() {
    let versions = [version(3, "Sea trip", 4_000_000_000), version(1, "Trip", 4_000_000_000)];
    let aws = with_history(Some(note(ID, "Harbour trip")), &versions, Some(1));
    let answered = answer(&aws, history("limit=2")).await;
    assert_eq!(answered.status, 200);
    let mut page = answered.json();
    let cursor = page["next_cursor"].take();
    insta::assert_json_snapshot!(page);
    assert_eq!(aws.calls().len(), 2);
    let query = &aws.sent("Query")[0];
    assert_eq!((&query["Limit"], &query["ScanIndexForward"]), (&json!(2), &json!(false)));
    assert_eq!(query["ExpressionAttributeValues"][":owner"]["S"], "VERSIONS#auth0|ada");

    let next = history(&format!("cursor={}", cursor.as_str().unwrap()));
    assert_eq!(answer(&aws, next.clone()).await.status, 200);
    assert_eq!(aws.sent("Query")[1]["ExclusiveStartKey"]["sk"]["S"], format!("{ID}#{:020}", 1));
    for refused in [
        next.clone().claim("sub", "auth0|eve"),
        next.route("GET /notes/{id}/versions", &[("id", OTHER_ID)]),
        history("cursor=nonsense"),
        history("limit=0"),
    ] {
        assert_eq!(answer(&FakeAws::default(), refused).await.status, 422);
    }
}

#[tokio::test]
async fn an_earlier_version_comes_whole_until_it_expires() {
    let present = || Some(note(ID, "Harbour trip"));
    let aws = with_history(present(), &[version(1, "Trip", 4_000_000_000)], None);
    let answered = answer(&aws, earlier("1")).await;
    assert_eq!(answered.status, 200);
    insta::assert_json_snapshot!(answered.json());
    let expired = with_history(present(), &[version(1, "Trip", 1_000_000_000)], None);
    assert_eq!(answer(&expired, earlier("1")).await.status, 404);
    assert_eq!(answer(&with_history(present(), &[], None), earlier("1")).await.status, 404);
    assert_eq!(answer(&FakeAws::default(), earlier("one")).await.status, 404);
}

#[tokio::test]
async fn a_history_does_not_outlive_its_note() {
    let versions = [version(1, "Trip", 4_000_000_000)];
    assert_eq!(answer(&with_history(None, &versions, None), history("")).await.status, 404);
    assert_eq!(answer(&with_history(None, &versions, None), earlier("1")).await.status, 404);
}

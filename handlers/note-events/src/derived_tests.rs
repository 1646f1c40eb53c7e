//! Histories: what records write, in their turn and after it.

use crate::tests::{answer, message, sample, settled};
use serde_json::{Value, json};
use shared::fake::{Answer, FakeAws};
use shared::limits;
use shared::sample::item;

pub(crate) const OWNER: &str = "OWNER#auth0|5f7c8ec7c33c6c004bbafe82";
pub(crate) const ID: &str = "01900000-0000-7000-8000-000000000001";

/// A note's image in some version, with some body.
pub(crate) fn image(version: u64, body: &str) -> Value {
    item(&json!({
        "pk": OWNER, "sk": format!("NOTE#{ID}"), "id": ID, "title": "Shopping", "body": body, "excerpt": body,
        "tags": ["home"], "notify": [], "version": version, "attachments": 0,
        "created_at": "2026-11-23T14:00:00.123Z", "updated_at": format!("2026-11-23T14:00:{version:02}.000Z"),
    }))
}

pub(crate) fn record(before: Option<Value>, after: Option<Value>) -> Value {
    let mut record = sample()["Records"][1].clone();
    let change = record["dynamodb"].as_object_mut().unwrap();
    for (name, image) in [("OldImage", &before), ("NewImage", &after)] {
        change.remove(name);
        change.extend(image.clone().map(|image| (name.to_owned(), image)));
    }
    record["eventName"] = match (before, after) {
        (None, _) => json!("INSERT"),
        (_, None) => json!("REMOVE"),
        _ => json!("MODIFY"),
    };
    record
}

pub(crate) fn batch(records: &[Value]) -> Value {
    json!({ "Records": records })
}

/// What was written to histories: `+` and the number of what is kept, `-` and that of what is given up.
fn history(aws: &FakeAws) -> Vec<String> {
    let batches = aws.sent("BatchWriteItem");
    let requests = batches.iter().flat_map(|call| call["RequestItems"]["ledger"].as_array().unwrap());
    let name = |sign: &str, key: &Value| {
        let owner = key["pk"]["S"].as_str().unwrap().strip_prefix("VERSIONS#")?;
        assert_eq!(Some(owner), OWNER.strip_prefix("OWNER#"));
        let (note, number) = key["sk"]["S"].as_str().unwrap().split_once('#').unwrap();
        assert_eq!(note, ID);
        Some(format!("{sign}{}", number.trim_start_matches('0')))
    };
    let names = requests.filter_map(|request| match &request["DeleteRequest"]["Key"] {
        Value::Null => name("+", &request["PutRequest"]["Item"]),
        key => name("-", key),
    });
    names.collect()
}

pub(crate) fn found(image: Value) -> (&'static str, Answer) {
    ("GetItem", Answer::json(json!({ "Item": image })))
}

fn nothing_found() -> (&'static str, Answer) {
    ("GetItem", Answer::json(json!({})))
}

/// A page of a note's history, as its removal reads it.
fn versions(numbers: &[u64], has_more: bool) -> (&'static str, Answer) {
    let key = |number: &u64| {
        item(&json!({ "pk": OWNER.replace("OWNER", "VERSIONS"), "sk": format!("{ID}#{number:020}") }))
    };
    let mut page = json!({ "Items": numbers.iter().map(key).collect::<Vec<_>>() });
    if has_more {
        page["LastEvaluatedKey"] = key(numbers.last().unwrap());
    }
    ("Query", Answer::json(page))
}

pub(crate) async fn replay(aws: &FakeAws, record: &Value) -> Value {
    answer(aws, &batch(&[message("replay", record.to_string())])).await
}

pub(crate) fn all_done() -> Value {
    json!({ "batchItemFailures": [] })
}

#[tokio::test]
async fn a_version_is_kept_when_its_content_is_replaced_and_nothing_is_read_for_it() {
    let mut trashed = image(4, "milk");
    trashed["deleted_at"] = json!({ "S": "2026-11-23T14:00:04.000Z" });
    let mut told = image(3, "milk");
    told["notify"] = json!({ "L": [{ "S": "bob@example.com" }] });
    let records = [
        record(None, Some(image(1, "bread"))),
        record(Some(image(1, "bread")), Some(image(2, "milk"))),
        record(Some(image(2, "milk")), Some(told.clone())),
        record(Some(told), Some(trashed)),
    ];
    let aws = settled(&batch(&records));
    assert_eq!(answer(&aws, &batch(&records)).await, all_done());
    assert_eq!(history(&aws), ["+1"]);
    assert!(aws.sent("GetItem").is_empty() && aws.sent("Query").is_empty());

    let batches = aws.sent("BatchWriteItem");
    let kept = &batches[1]["RequestItems"]["ledger"][0]["PutRequest"]["Item"];
    assert_eq!((&kept["body"], &kept["version"]), (&json!({ "S": "bread" }), &json!({ "N": "1" })));
    let replaced_at: i64 = 1_795_442_402;
    let expires_at = replaced_at + i64::try_from(limits::VERSION_LIFE.as_secs()).unwrap();
    assert_eq!(kept["expires_at"], json!({ "N": expires_at.to_string() }));
}

#[tokio::test]
async fn a_history_goes_back_a_bounded_number_of_versions() {
    let at = limits::VERSIONS;
    let first = record(Some(image(at, "a")), Some(image(at + 1, "b")));
    let second = record(Some(image(at + 1, "b")), Some(image(at + 2, "b")));
    let records = batch(&[first, second]);
    let aws = settled(&records);
    answer(&aws, &records).await;
    assert_eq!(history(&aws), ["-1".to_owned(), format!("+{at}")]);
}

#[tokio::test]
async fn a_note_that_is_gone_takes_its_history_along() {
    let aws = FakeAws::with([versions(&[1, 2], true), versions(&[5], false)]);
    let records = [record(Some(image(6, "a")), Some(image(7, "b"))), record(Some(image(7, "b")), None)];
    assert_eq!(answer(&aws, &batch(&records)).await, all_done());
    assert_eq!(history(&aws), ["-1", "-2", "-5"]);
}

#[tokio::test]
async fn a_record_that_missed_its_turn_leaves_nothing_of_a_note_that_is_gone() {
    let missed = record(Some(image(1, "bread")), Some(image(2, "milk")));
    let aws = FakeAws::with([nothing_found(), versions(&[], false)]);
    assert_eq!(replay(&aws, &missed).await, all_done());
    assert_eq!(history(&aws), [""; 0]);

    // Purged while its history was written: what was written goes again.
    let aws = FakeAws::with([found(image(3, "tea")), nothing_found(), versions(&[1], false)]);
    assert_eq!(replay(&aws, &missed).await, all_done());
    assert_eq!(history(&aws), ["+1", "-1"]);
}

#[tokio::test]
async fn a_record_that_missed_its_turn_keeps_only_what_the_history_still_reaches() {
    let missed = record(Some(image(1, "bread")), Some(image(2, "milk")));
    let still = limits::VERSIONS;
    let aws = FakeAws::with([found(image(still, "tea")), found(image(still, "tea"))]);
    replay(&aws, &missed).await;
    assert_eq!(history(&aws), ["+1"]);

    let aws = FakeAws::with([found(image(still + 1, "tea")), found(image(still + 1, "tea"))]);
    replay(&aws, &missed).await;
    assert_eq!(history(&aws), [""; 0]);
}

#[tokio::test]
async fn a_note_that_keeps_changing_is_tried_again_later() {
    let moving = (3..20).map(|version| found(image(version, "tea")));
    let aws = FakeAws::with(moving);
    let missed = record(Some(image(1, "bread")), Some(image(2, "milk")));
    assert_eq!(replay(&aws, &missed).await, json!({ "batchItemFailures": [{ "itemIdentifier": "replay" }] }));
}

//! The search index: what records write to it, in their turn and after it.

use crate::derived_tests::{ID, OWNER, all_done, batch, found, image, record, replay};
use crate::tests::{answer, settled};
use serde_json::{Value, json};
use shared::fake::FakeAws;

/// What was written to the index: `+` with a word for each, `-` with what words begin with; those of the trash in brackets.
fn index(aws: &FakeAws) -> Vec<String> {
    let batches = aws.sent("BatchWriteItem");
    let requests = batches.iter().flat_map(|call| call["RequestItems"]["ledger"].as_array().unwrap());
    let name = |sign: &str, key: &Value, words: Option<String>| {
        let (kind, rest) = key["pk"]["S"].as_str().unwrap().split_once('#').unwrap();
        let (owner, prefix) = rest.rsplit_once('#')?;
        let place = key["sk"]["S"].as_str().unwrap();
        let words = words.unwrap_or_else(|| prefix.to_owned());
        let name = match kind {
            "WORDS" => format!("{sign}{words}"),
            "TRASHED-WORDS" => format!("{sign}[{words}]"),
            _ => return None,
        };
        assert_eq!(Some(owner), OWNER.strip_prefix("OWNER#"));
        assert_eq!(place, if kind == "WORDS" { ID.to_owned() } else { format!("{DELETED_AT} {ID}") });
        Some(name)
    };
    let names = requests.filter_map(|request| match &request["DeleteRequest"]["Key"] {
        Value::Null => {
            let item = &request["PutRequest"]["Item"];
            let words = item["words"]["L"].as_array()?.iter().map(|word| word["S"].as_str().unwrap());
            name("+", item, Some(words.collect::<Vec<_>>().join(",")))
        }
        key => name("-", key, None),
    });
    names.collect()
}

const DELETED_AT: &str = "2026-11-23T14:00:09.000Z";

fn trashed(version: u64, body: &str) -> Value {
    let mut image = image(version, body);
    image["deleted_at"] = json!({ "S": DELETED_AT });
    image
}

/// What a batch of these changes of one note writes to the index.
async fn written(changes: &[(Option<Value>, Option<Value>)]) -> Vec<String> {
    let records: Vec<Value> = changes.iter().cloned().map(|(before, after)| record(before, after)).collect();
    let aws = settled(&batch(&records));
    assert_eq!(answer(&aws, &batch(&records)).await, all_done());
    assert_eq!(aws.sent("GetItem").len(), 0);
    index(&aws)
}

#[tokio::test]
async fn a_change_writes_the_difference() {
    let first = image(1, "milk, bread and breakfast");
    assert_eq!(
        written(&[(None, Some(first.clone()))]).await,
        ["+and", "+bread,breakfast", "+home", "+milk", "+shopping"]
    );
    let second = image(2, "Milk and BREAD and tea");
    assert_eq!(written(&[(Some(first.clone()), Some(second.clone()))]).await, ["+bread", "+tea"]);
    let third = image(3, "milk and bread");
    assert_eq!(written(&[(Some(second), Some(third.clone()))]).await, ["-tea"]);
    // Written together, what came and went is made sure of.
    let back = image(4, "milk and bread and tea");
    let there_and_back = [(Some(third.clone()), Some(back.clone())), (Some(back), Some(third))];
    assert_eq!(written(&there_and_back).await, ["-tea"]);
}

#[tokio::test]
async fn what_changes_no_word_costs_nothing() {
    let (before, mut after) = (image(1, "milk"), image(2, "milk"));
    after["notify"] = json!({ "L": [{ "S": "bob@example.com" }] });
    let records = batch(&[record(Some(before), Some(after))]);
    let aws = FakeAws::default();
    answer(&aws, &records).await;
    assert_eq!(aws.operations(), ["BatchWriteItem", "SendMessageBatch"], "activity and mail");
}

#[tokio::test]
async fn the_trash_is_another_place_and_a_purge_ends_both() {
    let (live, gone) = (image(1, ""), trashed(2, ""));
    let moved = written(&[(Some(live.clone()), Some(gone.clone()))]).await;
    assert_eq!(moved, ["-hom", "-sho", "+[home]", "+[shopping]"]);
    let back = written(&[(Some(gone.clone()), Some(live.clone()))]).await;
    assert_eq!(back, ["+home", "+shopping", "-[hom]", "-[sho]"]);
    assert_eq!(written(&[(Some(gone.clone()), None)]).await, ["-[hom]", "-[sho]"]);
    assert_eq!(
        written(&[(Some(live), Some(gone.clone())), (Some(gone), None)]).await,
        ["-hom", "-sho", "-[hom]", "-[sho]"]
    );
}

#[tokio::test]
async fn a_note_that_moved_on_is_written_as_it_is() {
    let change = record(Some(image(1, "milk")), Some(image(2, "bread")));
    for now in [image(3, "butter, bread"), image(3, "butter, milk")] {
        let body = now["body"]["S"].as_str().unwrap().to_owned();
        let versions = json!({ "Responses": { "notes": [now] } });
        let aws = FakeAws::with([
            ("BatchGetItem", shared::fake::Answer::json(versions)),
            found(now.clone()),
            found(now),
        ]);
        assert_eq!(answer(&aws, &batch(std::slice::from_ref(&change))).await, all_done());
        let (there, not_there) = if body.contains("bread") { ("+bread", "-mil") } else { ("+milk", "-bre") };
        let written = index(&aws);
        assert_eq!(written[..2], ["+bread", "-mil"], "as the record says");
        assert!(written[2..].iter().all(|name| [there, not_there].contains(&name.as_str())), "{written:?}");
    }
}

#[tokio::test]
async fn a_record_that_missed_its_turn_writes_what_it_touches_as_the_note_is() {
    let missed = record(Some(image(1, "milk")), Some(image(2, "bread")));
    let aws = FakeAws::with([found(image(5, "milk and butter")), found(image(5, "milk and butter"))]);
    assert_eq!(replay(&aws, &missed).await, all_done());
    assert_eq!(index(&aws), ["-bre", "+milk"]);
    let aws = FakeAws::with([found(trashed(5, "milk")), found(trashed(5, "milk"))]);
    replay(&aws, &missed).await;
    assert_eq!(index(&aws), ["-bre", "-mil"]);
    let gone = FakeAws::default();
    replay(&gone, &missed).await;
    assert_eq!(index(&gone), ["-bre", "-mil"]);
}

#[tokio::test]
async fn an_operator_has_all_words_of_a_note_written_anew() {
    let (before, mut after) = (image(7, "milk"), image(7, "milk"));
    after["index_mark"] = json!({ "S": "2026-11-28" });
    assert_eq!(written(&[(Some(before), Some(after.clone()))]).await, ["+home", "+milk", "+shopping"]);
    let mut later = after.clone();
    later["version"] = json!({ "N": "8" });
    assert_eq!(written(&[(Some(after), Some(later))]).await, [""; 0]);
}

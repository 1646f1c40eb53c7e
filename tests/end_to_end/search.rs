//! Searching, by way of the index that follows the stream.

use crate::tables;
use aws_sdk_dynamodb::types::AttributeValue;
use end_to_end::{Caller, Target};
use serde_json::{Value, json};

/// The titles of what a search finds, all pages of it.
async fn found(caller: &Caller, query: &str) -> Vec<String> {
    let (mut titles, mut target) = (Vec::new(), format!("/notes?{query}"));
    loop {
        let page = caller.get(&target).await.expect(200);
        let items = page["items"].as_array().unwrap().iter();
        titles.extend(items.map(|item| item["title"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else { return titles };
        target = format!("/notes?{query}&cursor={cursor}");
    }
}

#[tokio::test]
async fn a_search_follows_a_notes_whole_life() {
    let target = Target::start().await;
    let (anna, ben) = (target.caller("anna").await, target.caller("ben").await);
    let harbour = anna
        .create(json!({ "title": "Été au port", "body": "Bring the **charts** to the harbour.", "tags": ["Ünterwegs"] }))
        .await;
    anna.create(json!({ "title": "Harbours of the west", "body": "Charts by the dozen" })).await;
    ben.create(json!({ "title": "Harbour charts of Ben" })).await;

    let both = ["Harbours of the west", "Été au port"];
    for (query, expected) in [
        ("q=harbour", &both[..]),
        ("q=HARB+chart", &both),
        ("q=harb&limit=1", &both),
        ("q=harbours", &both[..1]),
        ("q=ete", &both[1..]),
        ("q=unterw", &both[1..]),
        ("q=charts&tag=%C3%9Cnterwegs", &both[1..]),
        ("q=harbour+nothing", &[]),
        ("q=ha", &[]),
        ("q=charts&trash=true", &[]),
    ] {
        target.comes_to(expected, async || found(&anna, query).await).await;
    }

    let path = format!("/notes/{}", harbour["id"].as_str().unwrap());
    anna.send("PATCH", &path, &[], json!({ "body": "Bring the lifebelts to the harbour." }))
        .await
        .expect(200);
    target.comes_to(&both[..1], async || found(&anna, "q=charts").await).await;
    target.comes_to(&both[1..], async || found(&anna, "q=lifebelt+harbour").await).await;

    assert_eq!(anna.send("DELETE", &path, &[], Value::Null).await.status, 204);
    // At once, whatever the index knows.
    assert_eq!(found(&anna, "q=harbour").await, both[..1]);
    target.comes_to(&both[1..], async || found(&anna, "q=lifebelts&trash=true").await).await;
    assert_eq!(found(&anna, "q=harbour").await, both[..1]);

    anna.post(&format!("{path}/restore"), Value::Null).await.expect(200);
    target.comes_to(&both[..], async || found(&anna, "q=harbour").await).await;
    target.comes_to(&[""; 0][..], async || found(&anna, "q=harbour&trash=true").await).await;

    assert_eq!(anna.send("DELETE", &format!("{path}?permanent=true"), &[], Value::Null).await.status, 204);
    assert_eq!(found(&anna, "q=harbour").await, both[..1]);
    let entries = async |partition: &str| {
        let partition = partition.replace("OWNER", &anna.subject);
        tables::sort_keys(&target, "LedgerTable", &partition).await.len()
    };
    for (partition, left) in [("WORDS#OWNER#lif", 0), ("TRASHED-WORDS#OWNER#lif", 0), ("WORDS#OWNER#har", 1)]
    {
        target.comes_to(left, async || entries(partition).await).await;
    }
}

#[tokio::test]
async fn operators_have_notes_indexed_that_were_there_before_the_index() {
    let target = Target::start().await;
    let anna = target.caller("anna").await;
    let note = anna.create(json!({ "title": "Harbour trip" })).await;
    let id = note["id"].as_str().unwrap();
    target.comes_to(vec!["Harbour trip"], async || found(&anna, "q=harbour+trip").await).await;
    let dynamodb = tables::client(&target).await;
    let text = |text: String| AttributeValue::S(text);
    for prefix in ["har", "tri"] {
        let request = dynamodb.delete_item().table_name(tables::name(&target, "LedgerTable").await);
        let request = request
            .key("pk", text(format!("WORDS#{}#{prefix}", anna.subject)))
            .key("sk", text(id.to_owned()));
        request.send().await.expect("an entry");
    }
    assert_eq!(found(&anna, "q=harbour").await, [""; 0]);

    // As docs/OPERATIONS.md says.
    let request = dynamodb.update_item().table_name(tables::name(&target, "NotesTable").await);
    let request =
        request.key("pk", text(format!("OWNER#{}", anna.subject))).key("sk", text(format!("NOTE#{id}")));
    let request = request
        .update_expression("SET index_mark = :mark")
        .expression_attribute_values(":mark", text("1".into()));
    request.condition_expression("attribute_exists(pk)").send().await.expect("the note");
    target.comes_to(vec!["Harbour trip"], async || found(&anna, "q=harbour+trip").await).await;
    assert_eq!(anna.get(&format!("/notes/{id}")).await.expect(200), note);
}

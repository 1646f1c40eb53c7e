//! What a note was before: its versions, over HTTP and by way of the stream.

use crate::tables;
use end_to_end::Target;
use serde_json::{Value, json};

/// The numbers of the versions on a page.
fn numbers(page: &Value) -> Vec<u64> {
    page["items"].as_array().unwrap().iter().map(|item| item["version"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn a_note_goes_back_to_what_it_was_and_its_history_ends_with_it() {
    let target = Target::start().await;
    let (anna, ben) = (target.caller("anna").await, target.caller("ben").await);
    let note = anna.create(json!({ "title": "Tea", "body": "green", "tags": ["shop"] })).await;
    let path = format!("/notes/{}", note["id"].as_str().unwrap());
    let versions = format!("{path}/versions");

    for change in
        [json!({ "body": "black" }), json!({ "notify": ["ben@example.com"] }), json!({ "body": "red" })]
    {
        anna.send("PATCH", &path, &[], change).await.expect(200);
    }
    target.comes_to(vec![3, 1], async || numbers(&anna.get(&versions).await.expect(200))).await;
    let page = anna.get(&versions).await.expect(200);
    assert_eq!((&page["items"][1]["excerpt"], &page["next_cursor"]), (&json!("green"), &Value::Null));
    let first = anna.get(&format!("{versions}/1")).await.expect(200);
    assert_eq!((&first["body"], &first["updated_at"]), (&json!("green"), &note["created_at"]));
    let page = anna.get(&format!("{versions}?limit=1")).await.expect(200);
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = anna.get(&format!("{versions}?limit=1&cursor={cursor}")).await.expect(200);
    assert_eq!([numbers(&page), numbers(&rest)], [[3], [1]]);

    let restore = format!("{versions}/1/restore");
    assert_eq!(anna.send("POST", &restore, &[("if-match", "\"3\"")], Value::Null).await.status, 412);
    let restored = anna.send("POST", &restore, &[("if-match", "\"4\"")], Value::Null).await;
    assert_eq!(restored.header("etag"), Some("\"5\""));
    let restored = restored.expect(200);
    assert_eq!((&restored["body"], &restored["notify"]), (&json!("green"), &json!(["ben@example.com"])));
    target.comes_to(vec![4, 3, 1], async || numbers(&anna.get(&versions).await.expect(200))).await;
    let partition = format!("VERSIONS#{}", anna.subject);
    assert_eq!(tables::sort_keys(&target, "LedgerTable", &partition).await.len(), 3);

    for (method, target) in [("GET", &versions), ("GET", &format!("{versions}/1")), ("POST", &restore)] {
        assert_eq!(ben.send(method, target, &[], Value::Null).await.status, 404, "{method} {target}");
    }
    assert_eq!(anna.send("DELETE", &format!("{path}?permanent=true"), &[], Value::Null).await.status, 204);
    assert_eq!(anna.get(&versions).await.status, 404);
    target.comes_to([""; 0], async || tables::sort_keys(&target, "LedgerTable", &partition).await).await;
}

//! The life of a note over HTTP.

use end_to_end::Target;
use serde_json::{Value, json};

#[tokio::test]
async fn a_note_is_created_read_changed_trashed_and_restored() {
    let target = Target::start().await;
    let anna = target.caller("anna").await;

    let created = anna.post("/notes", json!({ "title": "Tea", "body": "green", "tags": ["shop"] })).await;
    assert_eq!(created.header("etag"), Some("\"1\""));
    let location = created.header("location").expect("a location").to_owned();
    let note = created.expect(201);
    assert_eq!(location, format!("/notes/{}", note["id"].as_str().unwrap()));

    let read = anna.get(&location).await;
    assert_eq!(read.header("etag"), Some("\"1\""));
    assert_eq!(read.expect(200), note);
    let unchanged = anna.send("GET", &location, &[("if-none-match", "\"1\"")], Value::Null).await;
    assert_eq!(unchanged.status, 304);

    let patch =
        anna.send("PATCH", &location, &[("if-match", "\"1\"")], json!({ "body": "black" })).await.expect(200);
    assert_eq!(
        (&patch["title"], &patch["body"], &patch["version"]),
        (&json!("Tea"), &json!("black"), &json!(2))
    );
    let lost = anna.send("PATCH", &location, &[("if-match", "\"1\"")], json!({ "body": "red" })).await;
    assert_eq!(lost.header("content-type"), Some("application/problem+json"));
    lost.expect(412);

    assert_eq!(anna.send("DELETE", &location, &[], Value::Null).await.status, 204);
    assert_eq!(anna.get("/notes").await.expect(200)["items"], json!([]));
    let trash = anna.get("/notes?trash=true").await.expect(200);
    assert_eq!(trash["items"][0]["id"], note["id"]);
    assert!(trash["items"][0]["deleted_at"].is_string());

    let restored = anna.post(&format!("{location}/restore"), Value::Null).await.expect(200);
    assert_eq!(restored["deleted_at"], Value::Null);
    assert_eq!(anna.get("/notes").await.expect(200)["items"][0]["title"], "Tea");
}

#[tokio::test]
async fn nobody_sees_another_owners_notes() {
    let target = Target::start().await;
    let (anna, ben) = (target.caller("anna").await, target.caller("ben").await);
    let note = anna.create(json!({ "title": "Secret" })).await;
    let path = format!("/notes/{}", note["id"].as_str().unwrap());

    for (method, target, body) in [
        ("GET", path.clone(), Value::Null),
        ("PATCH", path.clone(), json!({ "title": "Mine" })),
        ("DELETE", path.clone(), Value::Null),
        ("POST", format!("{path}/restore"), Value::Null),
        ("GET", format!("{path}/attachments"), Value::Null),
        (
            "POST",
            format!("{path}/attachments"),
            json!({ "filename": "a", "content_type": "text/plain", "size": 1 }),
        ),
    ] {
        assert_eq!(ben.send(method, &target, &[], body).await.status, 404, "{method} {target}");
    }
    assert_eq!(ben.get("/notes").await.expect(200)["items"], json!([]));
    assert_eq!(anna.get(&path).await.expect(200), note);
}

#[tokio::test]
async fn pages_follow_one_another_newest_first_and_a_cursor_serves_its_owner_only() {
    let target = Target::start().await;
    let (anna, ben) = (target.caller("anna").await, target.caller("ben").await);
    for number in 0..7 {
        let tag = if number % 2 == 0 { "even" } else { "odd" };
        anna.create(json!({ "title": format!("Note {number}"), "tags": [tag] })).await;
    }
    let mut titles = Vec::new();
    let mut target = "/notes?limit=3".to_owned();
    loop {
        let page = anna.get(&target).await.expect(200);
        titles.extend(page["items"].as_array().unwrap().iter().map(|item| item["title"].clone()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        assert_eq!(ben.get(&format!("/notes?limit=3&cursor={cursor}")).await.status, 422);
        target = format!("/notes?limit=3&cursor={cursor}");
    }
    let expected: Vec<Value> = (0..7).rev().map(|number| json!(format!("Note {number}"))).collect();
    assert_eq!(titles, expected);

    let odd = anna.get("/notes?tag=odd").await.expect(200);
    assert_eq!(odd["items"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_repeated_creation_makes_one_note() {
    let target = Target::start().await;
    let anna = target.caller("anna").await;
    let key = [("idempotency-key", "key-1")];
    let first = anna.send("POST", "/notes", &key, json!({ "title": "Once" })).await.expect(201);
    let again = anna.send("POST", "/notes", &key, json!({ "title": "Once" })).await.expect(201);
    assert_eq!(first, again);
    anna.send("POST", "/notes", &key, json!({ "title": "Other" })).await.expect(422);
    assert_eq!(anna.get("/notes").await.expect(200)["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn bad_input_is_refused_by_name() {
    let target = Target::start().await;
    let anna = target.caller("anna").await;
    let refused = anna.post("/notes", json!({ "title": "", "notify": ["nobody"] })).await.expect(422);
    let fields: Vec<_> =
        refused["errors"].as_array().unwrap().iter().map(|error| error["field"].clone()).collect();
    assert_eq!(fields, ["title", "notify[0]"]);
    assert_eq!(anna.post("/notes", json!({ "title": "x", "unknown": 1 })).await.status, 400);
    assert_eq!(anna.send("POST", "/notes", &[("content-type", "text/plain")], Value::Null).await.status, 415);
    assert_eq!(anna.get("/notes?limit=1000").await.status, 422);
    assert_eq!(anna.get("/notes/not-an-id").await.status, 404);
    let anonymous = target.api.get("/notes").await;
    assert_eq!(anonymous.status, 401);
}

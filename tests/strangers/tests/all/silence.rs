//! What is another's and what never was are told apart by nothing: not by the answer, and not by what it costs, which is
//! what its time depends on.

use serde_json::{Value, json};
use shared::note::Id;
use shared::sample::{Answered, HttpEvent};
use shared::timestamp::Timestamp;
use shared::usage::{Usage, measured};
use std::time::Duration;
use strangers::{Api, Caller};

/// What is in paths: ids, and a version's number.
type Ids = [(&'static str, String); 3];

/// Every operation of the contract that names something, as `GET /notes/{id}`.
fn operations() -> Vec<String> {
    let contract: Value =
        serde_yaml_ng::from_str(include_str!("../../../../openapi.yaml")).expect("the contract is YAML");
    let paths = contract["paths"].as_object().unwrap();
    let methods = |path: &Value| {
        let names = path.as_object().unwrap().keys().filter(|name| *name != "parameters");
        names.map(|name| name.to_uppercase()).collect::<Vec<_>>()
    };
    let with_id = paths.iter().filter(|(path, _)| path.contains("{id}"));
    with_id
        .flat_map(|(path, item)| methods(item).into_iter().map(move |method| format!("{method} {path}")))
        .collect()
}

fn request(caller: &Caller, operation: &str, ids: &Ids, now: Timestamp) -> HttpEvent {
    let parameters: Vec<(&str, &str)> = ids
        .iter()
        .filter(|(name, _)| operation.contains(&format!("{{{name}}}")))
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let event = caller.request(operation, &parameters).at(now, operation);
    match operation {
        "PATCH /notes/{id}" => event.json(&json!({ "title": "Mine" })),
        "POST /notes/{id}/attachments" => {
            event.json(&json!({ "filename": "a", "content_type": "text/plain", "size": 1 }))
        }
        _ => event.body(""),
    }
}

async fn measured_answer(api: &Api, event: HttpEvent) -> (Answered, Usage) {
    measured(api.answer(event)).await
}

/// Ids of a note with an earlier version, a long body and an attachment; in the trash if that is wanted.
async fn note_of(api: &Api, owner: &Caller, now: Timestamp, is_trashed: bool) -> Ids {
    let created = api
        .answer(
            owner
                .request("POST /notes", &[])
                .at(now, "create")
                .json(&json!({ "title": "Secret", "body": "x".repeat(60_000) })),
        )
        .await
        .json();
    let id = created["id"].as_str().unwrap().to_owned();
    let ids = [("id", id), ("attachment_id", String::new()), ("version", "1".to_owned())];
    let attached = api.answer(request(owner, "POST /notes/{id}/attachments", &ids, now)).await.json();
    let attachment = attached["attachment"]["id"].as_str().unwrap().to_owned();
    let later = now.plus(Duration::from_secs(1));
    assert_eq!(api.answer(request(owner, "PATCH /notes/{id}", &ids, later)).await.status, 200);
    if is_trashed {
        assert_eq!(api.answer(request(owner, "DELETE /notes/{id}", &ids, later)).await.status, 204);
    }
    api.stream.settle().await;
    let [id, _, version] = ids;
    let ids = [id, ("attachment_id", attachment), version];
    for read in [
        "GET /notes/{id}",
        "GET /notes/{id}/versions/{version}",
        "GET /notes/{id}/attachments/{attachment_id}",
    ] {
        assert_eq!(api.answer(request(owner, read, &ids, later)).await.status, 200, "{read}");
    }
    ids
}

#[tokio::test]
async fn anothers_thing_answers_and_costs_what_nothing_does() {
    let api = Api::open();
    let (ada, eve) = (Caller::new("ada"), Caller::new("eve"));
    let now: Timestamp = "2026-11-22T08:00:00Z".parse().unwrap();
    let nothing = || Id::new(now).to_string();
    let never = [("id", nothing()), ("attachment_id", nothing()), ("version", "1".to_owned())];
    let operations = operations();
    assert!(operations.len() >= 11, "{operations:?}");
    for is_trashed in [false, true] {
        let adas = note_of(&api, &ada, now, is_trashed).await;
        // A note of their own does not make a door to another's attachment or version.
        let [_, attachment, version] = adas.clone();
        let eves = note_of(&api, &eve, now, is_trashed).await;
        let [own, _, _] = eves.clone();
        for operation in &operations {
            for header in [None, Some("*"), Some("\"1\""), Some("\"2\""), Some("\"x\"")] {
                for query in ["", "permanent=true", "limit=1"] {
                    let ask = async |ids: &Ids| {
                        let event = request(&eve, operation, ids, now).query(query);
                        let event = header.iter().fold(event, |event, tag| {
                            event.header("if-match", tag).header("if-none-match", tag)
                        });
                        measured_answer(&api, event).await
                    };
                    let (of_another, its_cost) = ask(&adas).await;
                    let (of_nothing, cost) = ask(&never).await;
                    let told = format!("{operation} {header:?} {query}");
                    assert_eq!(of_another.status, 404, "{told}: {}", of_another.body);
                    assert_eq!(
                        (of_another.status, &of_another.headers, &of_another.body),
                        (of_nothing.status, &of_nothing.headers, &of_nothing.body),
                        "{told}"
                    );
                    assert!(cost.dynamodb_requests > 0, "{told}");
                    assert_eq!(its_cost, cost, "{told}");
                }
            }
            if operation.contains("{attachment_id}") {
                let ids = [own.clone(), attachment.clone(), version.clone()];
                let of_none = [own.clone(), ("attachment_id", nothing()), version.clone()];
                let (of_another, its_cost) = measured_answer(&api, request(&eve, operation, &ids, now)).await;
                let (of_nothing, cost) = measured_answer(&api, request(&eve, operation, &of_none, now)).await;
                assert_eq!((of_another.status, of_another.body), (404, of_nothing.body), "{operation}");
                assert_eq!((of_another.headers, its_cost), (of_nothing.headers, cost), "{operation}");
            }
        }
        // Nothing of hers was changed by all that.
        let event = request(&ada, "GET /notes/{id}", &adas, now);
        let note = api.answer(event).await.json();
        assert_eq!((&note["title"], &note["attachments"]), (&json!("Mine"), &json!(1)));
        assert_eq!(note["deleted_at"].is_string(), is_trashed);
    }
}

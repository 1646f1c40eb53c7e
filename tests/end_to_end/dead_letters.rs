//! What failed is looked at, sent back and discarded at a terminal.

use end_to_end::{Host, Options, command};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Output;

/// `cargo run -- dead-letters …` on the host that runs on `data`.
fn dead_letters(data: &Path, arguments: &[&str]) -> Output {
    command(&[&["dead-letters", "--data", data.to_str().unwrap()], arguments].concat())
}

fn text(output: &[u8]) -> String {
    String::from_utf8_lossy(output).into_owned()
}

/// A host on `data` with an e-mail job that failed until it was parked.
async fn with_a_parked_job(data: &Path) -> Host {
    let host = Host::start_with(Options { data: Some(data.to_owned()), ..Options::default() }).await;
    let anna = host.api.caller("anna").await;
    let fault = json!({ "service": "ses", "operation": "*", "error": "ServiceUnavailable", "status": 503 });
    host.api.fault(fault).await;
    anna.create(json!({ "title": "Secret", "notify": ["ben@example.com"] })).await;
    host.api.run_until_nothing_is_due().await;
    host.api.send("DELETE", "/_local/faults", &[], "").await.expect(204);
    host
}

#[tokio::test]
async fn a_parked_job_is_listed_shown_and_replayed() {
    let data = tempfile::tempdir().unwrap();
    let data = data.path();
    let host = with_a_parked_job(data).await;

    let list = dead_letters(data, &["list"]);
    let table = text(&list.stdout);
    assert_eq!(list.status.code(), Some(0), "{list:?}");
    assert!(table.contains("-ParkingQueue") && table.contains("-EmailQueue"), "{table}");
    assert!(table.contains("note_changed"), "{table}");
    let json: Value = serde_json::from_slice(&dead_letters(data, &["list", "--json"]).stdout).unwrap();
    assert_eq!((json.as_array().unwrap().len(), &json[0]["replays"]), (1, &json!(3)), "{json}");
    for told in [table, json.to_string()] {
        assert!(!told.contains("example.com") && !told.contains("Secret"), "a list tells nothing: {told}");
    }

    let id = &json[0]["message_id"].as_str().unwrap()[..8];
    let message = text(&dead_letters(data, &["show", id]).stdout);
    assert!(message.contains("\"to\": \"ben@example.com\""), "{message}");

    let unasked = dead_letters(data, &["replay", id]);
    assert_eq!(unasked.status.code(), Some(2), "there is nobody to ask: {unasked:?}");
    let replayed = dead_letters(data, &["replay", id, "--yes", "--queue", "ParkingQueue"]);
    assert_eq!(replayed.status.code(), Some(0), "{replayed:?}");
    host.api.run_until_nothing_is_due().await;
    assert_eq!(host.api.mail().await.len(), 1);
    let empty = dead_letters(data, &["list"]);
    assert_eq!((empty.status.code(), text(&empty.stdout).as_str()), (Some(0), ""));
}

#[tokio::test]
async fn what_is_not_there_is_said_by_name() {
    let data = tempfile::tempdir().unwrap();
    let data = data.path();
    for (arguments, code, told) in
        [(vec!["list"], 1, "no host runs on"), (vec!["list", "--endpoint", "http://127.0.0.1:1"], 1, "queue")]
    {
        let output = dead_letters(data, &arguments);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(text(&output.stderr).contains(told), "{output:?}");
    }
    let host = with_a_parked_job(data).await;
    for (arguments, told) in [
        (vec!["list", "--queue", "Attic"], "there is no queue Attic; dead letters are in "),
        (vec!["show", "no-such-message"], "there is no message no-such-message in "),
        (vec!["discard", "no-such-message", "--yes"], "there is no message no-such-message in "),
    ] {
        let output = dead_letters(data, &arguments);
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        assert!(text(&output.stderr).contains(told), "{output:?}");
    }
    let discarded = dead_letters(data, &["discard", "--all", "--yes"]);
    assert_eq!(discarded.status.code(), Some(0), "{discarded:?}");
    assert!(host.api.messages("ParkingQueue").await.is_empty());
    assert!(host.api.mail().await.is_empty());
}

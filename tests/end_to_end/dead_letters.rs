//! What failed is looked at, sent back and discarded at a terminal.

use crate::functions::invocations;
use aws_sdk_sqs::types::MessageAttributeValue;
use end_to_end::{Host, Options, command, needs};
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
    needs!(Hosts);
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

/// Replays the one dead letter there is, which tells its function and why it was given up.
async fn replay_the_letter_of(host: &Host, data: &Path, function: &str, kind: &str, error: &str) {
    let listed: Value = serde_json::from_slice(&dead_letters(data, &["list", "--json"]).stdout).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    assert_eq!((&listed[0]["function"], &listed[0]["kind"]), (&json!(function), &json!(kind)));
    assert!(listed[0]["error"].as_str().unwrap().contains(error), "{listed}");
    let shown = text(&dead_letters(data, &["show", listed[0]["message_id"].as_str().unwrap()]).stdout);
    assert!(shown.contains(&format!("failed in  {function}\n")), "{shown}");
    let replayed = dead_letters(data, &["replay", "--all", "--yes"]);
    assert_eq!(replayed.status.code(), Some(0), "{replayed:?}");
    host.api.idle().await;
    assert_eq!(text(&dead_letters(data, &["list"]).stdout), "");
}

#[tokio::test]
async fn events_that_lambda_and_scheduler_gave_up_go_back_to_their_functions() {
    needs!(Hosts);
    let data = tempfile::tempdir().unwrap();
    let data = data.path();
    let host = Host::start_with(Options { data: Some(data.to_owned()), ..Options::default() }).await;

    let fault =
        json!({ "service": "dynamodb", "operation": "*", "error": "InternalServerError", "status": 500 });
    host.api.fault(fault).await;
    host.api.send("POST", "/_local/schedules/DailyReportFunction/run", &[], "").await.expect(202);
    host.api.run_until_nothing_is_due().await;
    assert_eq!(invocations(&host, "DailyReportFunction").await, (3, 3));
    host.api.send("DELETE", "/_local/faults", &[], "").await.expect(204);
    let kind = "invocation of DailyReportFunction: RetriesExhausted";
    replay_the_letter_of(&host, data, "DailyReportFunction", kind, "InternalServerError").await;
    assert_eq!(invocations(&host, "DailyReportFunction").await, (4, 3));
    assert_eq!(host.api.mail().await.len(), 1, "the operator's report");

    leave_a_run_of(&host, "NightlyCleanupFunction").await;
    let error = "AWS.Lambda.TooManyRequestsException: Rate exceeded";
    replay_the_letter_of(&host, data, "NightlyCleanupFunction", "run of nightly", error).await;
    assert_eq!(invocations(&host, "NightlyCleanupFunction").await, (1, 0));
}

/// Leaves a run of a schedule where Scheduler does that Lambda would not take.
async fn leave_a_run_of(host: &Host, function: &str) {
    let parking = host.api.queue_url("ParkingQueue").await;
    let input = r#"{"schedule":"nightly-cleanup","scheduled_time":"2026-11-28T03:00:00Z"}"#;
    let mut letter = host.clients().sqs.send_message().queue_url(parking).message_body(input);
    for (name, value) in [
        ("SCHEDULE_ARN", "arn:aws:scheduler:us-east-1:000000000000:schedule/default/nightly"),
        ("TARGET_ARN", &format!("arn:aws:lambda:us-east-1:000000000000:function:{function}")),
        ("ERROR_CODE", "AWS.Lambda.TooManyRequestsException"),
        ("ERROR_MESSAGE", "Rate exceeded"),
    ] {
        let value = MessageAttributeValue::builder().data_type("String").string_value(value);
        letter = letter.message_attributes(name, value.build().unwrap());
    }
    letter.send().await.unwrap();
}

#[tokio::test]
async fn what_is_not_there_is_said_by_name() {
    needs!(Hosts);
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

use crate::daily_report::DailyReport;
use crate::tally::tally;
use serde_json::{Value, json};
use shared::activity::{Activity, Kind};
use shared::failure::Failure;
use shared::fake::{Answer, Call, FakeAws};
use shared::owner::Owner;
use shared::runtime::Deadline;
use shared::schedule::ScheduledRun;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SAMPLE: &str = include_str!("../../../events/daily-report.json");

/// Gives the sample event to the handler.
async fn try_run(aws: &FakeAws, time: Duration) -> Result<Value, Failure> {
    let handler = DailyReport {
        store: aws.store(),
        queues: aws.queues(),
        email_queue_url: "https://sqs.eu-west-1.amazonaws.com/12/mail".into(),
        operator_address: "operator@example.com".into(),
    };
    let run: ScheduledRun = serde_json::from_str(SAMPLE).unwrap();
    let answer = handler.run(&run, Deadline::after(time)).await?;
    Ok(serde_json::to_value(answer).unwrap())
}

async fn run(aws: &FakeAws, time: Duration) -> Value {
    try_run(aws, time).await.unwrap()
}

/// A ledger that keeps its progress and reports, with activity in shard 3 and subscribers in shard 5.
fn ledger() -> FakeAws {
    let items: Mutex<Vec<Value>> = Mutex::default();
    FakeAws::answering(move |call| {
        let mut items = items.lock().unwrap();
        match call.operation.as_str() {
            "PutItem" => items.push(call.json["Item"].clone()),
            "BatchWriteItem" => {
                let requests = call.json["RequestItems"]["ledger"].as_array().unwrap();
                items.extend(requests.iter().map(|request| request["PutRequest"]["Item"].clone()));
            }
            "GetItem" => {
                let key = &call.json["Key"];
                let found =
                    items.iter().rev().find(|item| item["pk"] == key["pk"] && item["sk"] == key["sk"]);
                return Some(Answer::json(json!({ "Item": found })));
            }
            "Query" => return Some(Answer::json(query(call))),
            _ => {}
        }
        None
    })
}

fn query(call: &Call) -> Value {
    let values = &call.json["ExpressionAttributeValues"];
    let start = &call.json["ExclusiveStartKey"];
    if values[":partition"]["S"] == "ACTIVITY#2026-11-22#03" {
        return activity(start["sk"]["S"].as_str());
    }
    if values[":shard"]["S"] == "daily-report#05" && start.is_null() {
        return json!({ "Items": [subscriber("alice", Some("alice@example.com")), subscriber("carol", Some("carol@example.com")),
                                 subscriber("dave", None)] });
    }
    json!({ "Items": [] })
}

/// Two pages, with one owner on both.
fn activity(after: Option<&str>) -> Value {
    let entry = |owner: &str, event: &str, kind: &str, at: &str| {
        let segment = Owner::new(owner).unwrap().to_key_segment();
        json!({
            "pk": { "S": "ACTIVITY#2026-11-22#03" }, "sk": { "S": format!("{segment}#{event}") },
            "owner": { "S": owner }, "event_id": { "S": event }, "kind": { "S": kind }, "at": { "S": at },
            "expires_at": { "N": "1" },
        })
    };
    match after {
        None => json!({
            "Items": [entry("alice", "1", "created", "2026-11-22T08:00:00.000Z"),
                      entry("bob", "2", "created", "2026-11-22T08:59:59.999Z")],
            "LastEvaluatedKey": { "pk": { "S": "ACTIVITY#2026-11-22#03" }, "sk": { "S": "second" } },
        }),
        Some(after) => {
            assert_eq!(after, "second");
            json!({ "Items": [entry("bob", "3", "updated", "2026-11-22T23:00:00.000Z")] })
        }
    }
}

fn subscriber(owner: &str, email: Option<&str>) -> Value {
    let mut item = json!({
        "pk": { "S": format!("OWNER#{owner}") }, "sk": { "S": "SETTINGS" },
        "work_shard": { "S": "daily-report#05" },
        "work_order": { "S": Owner::new(owner).unwrap().to_key_segment() },
    });
    if let Some(email) = email {
        item["email"] = json!({ "S": email });
    }
    item
}

#[tokio::test]
async fn every_owner_gets_a_report_every_subscriber_an_email_and_the_operator_the_sum() {
    let aws = ledger();
    assert_eq!(run(&aws, Duration::from_secs(60)).await, json!({ "date": "2026-11-22", "complete": true }));

    let emails = aws.messages();
    let to: Vec<_> = emails.iter().map(|job| job["to"].as_str().unwrap()).collect();
    assert_eq!(to, ["alice@example.com", "carol@example.com", "operator@example.com"]);
    assert_eq!((&emails[0]["counts"]["created"], &emails[1]["counts"]["created"]), (&json!(1), &json!(0)));
    let operator = &emails[2];
    assert_eq!(operator["key"], "operator/2026-11-22");
    assert_eq!((&operator["active_owners"], &operator["subscribers"]), (&json!(2), &json!(2)));
    assert_eq!((&operator["counts"]["created"], &operator["counts"]["updated"]), (&json!(2), &json!(1)));
    assert_eq!((&operator["hours"][8], &operator["hours"][23]), (&json!(2), &json!(1)));

    let bob = aws
        .store()
        .report(&Owner::new("bob").unwrap(), "2026-11-22".parse().unwrap())
        .await
        .unwrap()
        .unwrap();
    assert_eq!((bob.counts.created, bob.counts.updated), (1, 1));
}

#[tokio::test]
async fn a_finished_day_is_left_alone() {
    let aws = ledger();
    run(&aws, Duration::from_secs(60)).await;
    let before = aws.calls().len();
    assert_eq!(run(&aws, Duration::from_secs(60)).await["complete"], true);
    assert_eq!(aws.operations()[before..], ["GetItem"]);
}

#[tokio::test]
async fn a_run_out_of_time_does_nothing_and_says_so() {
    let aws = ledger();
    assert_eq!(run(&aws, Duration::ZERO).await["complete"], false);
    assert!(aws.messages().is_empty());
}

#[tokio::test]
async fn a_run_that_dies_at_or_after_an_effect_is_finished_by_the_next_without_counting_twice() {
    let whole = ledger();
    run(&whole, Duration::from_secs(60)).await;
    let operations = whole.operations();
    let is_effect = |at: usize| ["BatchWriteItem", "SendMessageBatch"].contains(&operations[at - 1].as_str());
    // The call after an effect is the one that records it.
    for dies_at in (2..=operations.len()).filter(|at| is_effect(*at) || is_effect(at - 1)) {
        let (inner, count) = (ledger(), Arc::new(Mutex::new(0)));
        let aws = dying(&inner, dies_at, &count);
        while try_run(&aws, Duration::from_secs(60)).await.is_err() {}
        let operator = aws.messages().into_iter().rfind(|job| job["template"] == "operator_report").unwrap();
        let expected = whole.messages().into_iter().last().unwrap();
        assert_eq!(operator, expected, "died at call {dies_at}");
    }
}

/// The ledger `inner`, one call of which fails after it was done.
fn dying(inner: &FakeAws, at: usize, count: &Arc<Mutex<usize>>) -> FakeAws {
    let (inner, count) = (inner.clone(), Arc::clone(count));
    FakeAws::answering(move |call| {
        let mut count = count.lock().unwrap();
        *count += 1;
        let answer = inner.respond(call);
        if *count == at { Some(Answer::text(500, "{}")) } else { answer }
    })
}

#[test]
fn the_last_owner_of_a_page_stays_open() {
    let entry = |owner: &str, event_id: &str| Activity {
        owner: Owner::new(owner).unwrap(),
        event_id: event_id.into(),
        at: "2026-11-22T10:00:00Z".parse().unwrap(),
        kind: Kind::Created,
    };
    let date = "2026-11-22".parse().unwrap();
    let mut open = None;
    assert!(tally(date, &[entry("a", "1"), entry("a", "2")], &mut open).is_empty());
    let finished = tally(date, &[entry("a", "3"), entry("b", "4")], &mut open);
    assert_eq!(finished.len(), 1);
    assert_eq!((finished[0].1.counts.created, finished[0].1.hours[10]), (3, 3));
    assert_eq!(open.unwrap().0.as_str(), "b");
}

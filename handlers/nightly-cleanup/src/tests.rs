use crate::nightly_cleanup::NightlyCleanup;
use serde_json::{Value, json};
use shared::fake::{Answer, Call, FakeAws};
use shared::runtime::Deadline;
use shared::schedule::ScheduledRun;
use std::time::Duration;

const SAMPLE: &str = include_str!("../../../events/nightly-cleanup.json");
const NOTE: &str = "NOTE#01900000-0000-7000-8000-000000000001";
const ATTACHMENT: &str =
    "ATTACHMENT#01900000-0000-7000-8000-000000000003#01900000-0000-7000-8000-000000000004";

/// Gives the sample event to the handler.
async fn run(aws: &FakeAws, time: Duration) -> Value {
    let handler = NightlyCleanup { store: aws.store() };
    let run: ScheduledRun = serde_json::from_str(SAMPLE).unwrap();
    serde_json::to_value(handler.run(&run, Deadline::after(time)).await.unwrap()).unwrap()
}

/// A table with a note due in one shard and an upload in another; `refuse` answers in its place where it wants to.
fn table(refuse: impl Fn(&Call) -> Option<Answer> + Send + Sync + 'static) -> FakeAws {
    FakeAws::answering(move |call| {
        refuse(call)
            .or_else(|| (call.operation == "Query").then(|| Answer::json(json!({ "Items": items(call) }))))
    })
}

fn items(call: &Call) -> Vec<Value> {
    let shard = call.json["ExpressionAttributeValues"][":shard"]["S"].as_str().unwrap_or_default();
    if !call.json["ExclusiveStartKey"].is_null() {
        return Vec::new();
    }
    let sort_key = match shard {
        "purge#02" => NOTE,
        "upload#15" => ATTACHMENT,
        _ => return Vec::new(),
    };
    vec![json!({
        "pk": { "S": "OWNER#alice" }, "sk": { "S": sort_key },
        "work_shard": { "S": shard }, "work_order": { "S": "2026-11-23T02:00:00.000Z" },
    })]
}

#[tokio::test]
async fn what_is_due_goes_and_due_is_what_the_schedule_says() {
    let aws = table(|_| None);
    let answer = run(&aws, Duration::from_secs(60)).await;
    assert_eq!(answer, json!({ "purged": 1, "expired": 1, "failed": 0, "complete": true }));

    let queries = aws.sent("Query");
    let due: Vec<_> = queries.iter().filter(|query| query["IndexName"] == "work").collect();
    // Each of 16 shards of two kinds of work, and a second page where the first held something.
    assert_eq!(due.len(), 34);
    assert!(due.iter().all(|query| {
        query["ExpressionAttributeValues"][":until"]["S"] == "2026-11-23T03:00:00.000Z"
            && query["Limit"] == 25
    }));
    assert_eq!(aws.sent("DeleteItem").last().unwrap()["Key"]["sk"]["S"], NOTE);
    let delete = aws.sent("TransactWriteItems")[0]["TransactItems"][0]["Delete"].clone();
    assert_eq!(delete["Key"]["sk"]["S"], ATTACHMENT);
    assert_eq!(delete["ExpressionAttributeValues"][":pending"]["S"], "pending");
}

#[tokio::test]
async fn a_run_out_of_time_does_nothing_and_says_so() {
    let aws = table(|_| None);
    let answer = run(&aws, Duration::ZERO).await;
    assert_eq!(answer, json!({ "purged": 0, "expired": 0, "failed": 0, "complete": false }));
    assert!(aws.operations().is_empty());
}

#[tokio::test]
async fn an_entry_that_fails_stays_due_and_the_others_go() {
    let aws = table(|call| (call.operation == "DeleteItem").then(|| Answer::error("InternalServerError")));
    let answer = run(&aws, Duration::from_secs(60)).await;
    assert_eq!(answer, json!({ "purged": 0, "expired": 1, "failed": 1, "complete": false }));
}

#[tokio::test]
async fn what_was_restored_or_uploaded_meanwhile_is_left_alone() {
    let aws = table(|call| {
        match call.operation.as_str() {
        "DeleteItem" | "UpdateItem" => Some(Answer::error("ConditionalCheckFailedException")),
        "TransactWriteItems" => Some(Answer::text(
            400,
            &json!({
                "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException", "Message": "cancelled",
                "CancellationReasons": [{ "Code": "ConditionalCheckFailed" }, { "Code": "None" }],
            })
            .to_string(),
        )),
        _ => None,
    }
    });
    let answer = run(&aws, Duration::from_secs(60)).await;
    assert_eq!(answer, json!({ "purged": 0, "expired": 0, "failed": 0, "complete": true }));
}

//! What fails is tried again, and what can never succeed ends where it is seen and can be replayed.

use end_to_end::{Host, needs};
use serde_json::json;

#[tokio::test]
async fn a_throttled_ses_delays_mail_and_loses_none() {
    needs!(Faults);
    let host = Host::start().await;
    let anna = host.api.caller("anna").await;
    // More refusals than the SDK's own retries take in one attempt.
    host.api
        .fault(
            json!({ "service": "ses", "operation": "*", "error": "Throttling", "status": 400, "count": 7 }),
        )
        .await;
    for number in 0..3 {
        anna.create(json!({ "title": format!("Note {number}"), "notify": ["ben@example.com"] })).await;
    }
    host.api.idle().await;
    assert!(host.api.mail().await.len() < 3, "some had to wait");
    host.api.run_until_nothing_is_due().await;
    assert_eq!(host.api.mail().await.len(), 3);
    assert!(host.api.messages("ParkingQueue").await.is_empty());
}

#[tokio::test]
async fn a_job_that_cannot_succeed_is_parked_and_can_be_replayed() {
    needs!(Faults);
    let host = Host::start().await;
    let anna = host.api.caller("anna").await;
    host.api
        .fault(json!({ "service": "ses", "operation": "*", "error": "ServiceUnavailable", "status": 503 }))
        .await;
    anna.create(json!({ "title": "Stuck", "notify": ["ben@example.com"] })).await;
    host.api.run_until_nothing_is_due().await;

    let parked = host.api.messages("ParkingQueue").await;
    assert_eq!(parked.len(), 1, "{parked:?}");
    assert!(parked[0]["body"].as_str().unwrap().contains("ben@example.com"), "with its whole payload");
    assert!(host.api.mail().await.is_empty());

    host.api.send("DELETE", "/_local/faults", &[], "").await.expect(204);
    let queue = host.api.queue_name("ParkingQueue").await;
    let replayed =
        host.api.send("POST", &format!("/_local/queues/{queue}/replay"), &[], "").await.expect(200);
    assert_eq!(replayed["replayed"], 1);
    host.api.run_until_nothing_is_due().await;
    assert_eq!(host.api.mail().await.len(), 1);
    assert!(host.api.messages("ParkingQueue").await.is_empty());
}

#[tokio::test]
async fn a_killed_handler_is_replaced_and_its_work_done() {
    needs!(Hosts);
    let host = Host::start().await;
    let anna = host.api.caller("anna").await;
    anna.create(json!({ "title": "Warm", "notify": ["ben@example.com"] })).await;
    host.api.idle().await;
    let functions = host.api.get("/_local/functions").await.expect(200);
    // A caller of the API would see one that dies as it is called.
    let takes_events = |name: &str| ["NoteEventsFunction", "SendEmailFunction"].contains(&name);
    let all = functions.as_array().unwrap().iter();
    for function in all.filter(|function| takes_events(function["name"].as_str().unwrap())) {
        for pid in function["pids"].as_array().into_iter().flatten() {
            end_to_end::signal(u32::try_from(pid.as_u64().unwrap()).unwrap(), "KILL");
        }
    }
    anna.create(json!({ "title": "After", "notify": ["ben@example.com"] })).await;
    host.api.run_until_nothing_is_due().await;
    assert_eq!(host.api.mail().await.len(), 2);
}

//! What fails until everybody has given it up is parked with the reason beside it, whatever queue it came by.

use end_to_end::{Host, needs};
use serde_json::{Value, json};

/// Lets an operation of DynamoDB fail from now on.
async fn fail(host: &Host, operation: &str) {
    let fault = json!({ "service": "dynamodb", "operation": operation, "error": "InternalServerError", "status": 500 });
    host.api.fault(fault).await;
}

/// Sends a message as AWS would, with the developer's keys.
async fn send(host: &Host, queue: &str, body: &str) {
    let url = host.api.queue_url(queue).await;
    host.clients().sqs.send_message().queue_url(url).message_body(body).send().await.unwrap();
}

/// The one message that is parked in the end: the queue that it failed in, and how often it went back there.
async fn parked(host: &Host) -> (String, String) {
    host.api.run_until_nothing_is_due().await;
    let parked = host.api.messages("ParkingQueue").await;
    assert_eq!(parked.len(), 1, "{parked:?}");
    let attribute =
        |name: &str| parked[0]["message_attributes"][name].as_str().unwrap_or_default().to_owned();
    assert!(attribute("error").contains("InternalServerError"), "{parked:?}");
    let queue = attribute("source_queue_arn");
    (queue.rsplit('-').next().unwrap().to_owned(), attribute("replays"))
}

fn thrice_from(queue: &str) -> (String, String) {
    (queue.to_owned(), "3".to_owned())
}

#[tokio::test]
async fn an_e_mail() {
    needs!(Faults);
    let host = Host::start().await;
    let anna = host.api.caller("anna").await;
    // The first that is asked of it takes the claim on the e-mail.
    fail(&host, "UpdateItem").await;
    host.api.fault(json!({ "service": "ses", "error": "InternalServerError", "status": 500 })).await;
    anna.create(json!({ "title": "Note", "notify": ["ben@example.com"] })).await;
    assert_eq!(parked(&host).await, thrice_from("EmailQueue"));
}

#[tokio::test]
async fn an_upload() {
    needs!(Faults);
    let host = Host::start().await;
    let anna = host.api.caller("anna").await;
    let note = anna.create(json!({ "title": "Note" })).await;
    host.api.idle().await;
    fail(&host, "UpdateItem").await;
    anna.attach(note["id"].as_str().unwrap(), "a.txt", "text/plain", b"text".to_vec()).await;
    assert_eq!(parked(&host).await, thrice_from("UploadsQueue"));
}

#[tokio::test]
async fn what_became_of_an_e_mail() {
    needs!(Faults);
    let host = Host::start().await;
    fail(&host, "PutItem").await;
    let sample = std::fs::read(end_to_end::workspace().join("events/email-feedback.json")).unwrap();
    let sample: Value = serde_json::from_slice(&sample).unwrap();
    send(&host, "FeedbackQueue", sample["Records"][0]["body"].as_str().unwrap()).await;
    assert_eq!(parked(&host).await, thrice_from("FeedbackQueue"));
}

#[tokio::test]
async fn a_change_of_a_note() {
    needs!(Faults);
    let host = Host::start().await;
    let anna = host.api.caller("anna").await;
    fail(&host, "BatchWriteItem").await;
    anna.create(json!({ "title": "Note" })).await;
    assert_eq!(parked(&host).await, thrice_from("ReplaysQueue"));
}

#[tokio::test]
async fn what_nobody_understands_even_if_parking_it_fails_at_first() {
    needs!(Faults);
    let host = Host::start().await;
    // Of three tries of the SDK each, a few.
    let fault = json!({ "service": "sqs", "operation": "SendMessageBatch", "error": "InternalError", "status": 500, "count": 9 });
    host.api.fault(fault).await;
    send(&host, "DeadLettersQueue", "{}").await;
    send(&host, "StreamFailuresQueue", "[]").await;
    host.api.run_until_nothing_is_due().await;
    assert_eq!(host.api.messages("ParkingQueue").await.len(), 2);
}

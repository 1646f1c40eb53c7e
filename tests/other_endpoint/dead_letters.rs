//! Dead letters of another endpoint's queues are seen and replayed by the same routes.

use crate::ministack::Ministack;
use end_to_end::{Api, Host};
use serde_json::{Value, json};
use shared::dead_letter::History;
use shared::email::{EmailJob, Message};
use shared::failure::Failure;
use shared::report::Report;
use shared::sqs::{self, Queues};

async fn queue(api: &Api, name: &str) -> Value {
    let queues = api.get("/_local/queues").await.expect(200);
    let found = queues.as_array().unwrap().iter().find(|queue| queue["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {queues}")).clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parked_messages_are_listed_and_replayed() {
    let ministack = Ministack::start().await;
    let host = Host::start_with(ministack.options()).await;
    let (parking, mail) =
        (host.api.queue_name("ParkingQueue").await, host.api.queue_name("EmailQueue").await);
    let email_queue = queue(&host.api, &mail).await;
    assert_eq!(email_queue["dead_letter_target"], host.api.queue_name("DeadLettersQueue").await);

    // As `retry` parks a job that would not pass.
    let job = EmailJob {
        key: "k".to_owned(),
        to: "ben@example.com".to_owned(),
        message: Message::DailyReport(Report::empty("2026-11-24".parse().unwrap())),
    };
    let history = History {
        source_queue_arn: email_queue["arn"].as_str().unwrap().to_owned(),
        replays: 3,
        last_failure: Some(Failure::passing("SES was away")),
    };
    let body = serde_json::to_string(&job).unwrap();
    let parked = history.beside(&sqs::Message { body: body.clone(), ..sqs::Message::default() }).unwrap();
    let url = queue(&host.api, &parking).await["url"].as_str().unwrap().to_owned();
    let queues = Queues::new(ministack.clients().sqs);
    queues.send(&url, vec![parked]).await.unwrap();

    let messages = host.api.messages("ParkingQueue").await;
    assert_eq!(messages.len(), 1);
    assert_eq!(
        (messages[0]["body"].as_str(), messages[0]["state"].as_str()),
        (Some(&*body), Some("visible"))
    );
    assert_eq!(messages[0]["message_attributes"]["error"], "SES was away");
    assert_eq!(queue(&host.api, &parking).await["visible"], 1, "looking takes nothing away");

    let one = json!({ "message_id": messages[0]["message_id"] }).to_string();
    let path = format!("/_local/queues/{parking}/replay");
    let replayed = host.api.send("POST", &path, &[], one).await.expect(200);
    assert_eq!(replayed["replayed"], 1);
    let delivered = ministack.post.until("the replayed e-mail", |all| !all.is_empty()).await;
    assert_eq!(delivered[0].to, ["ben@example.com"]);
    assert!(host.api.messages("ParkingQueue").await.is_empty());
    assert_eq!(host.api.get("/_local/queues/none/messages").await.status, 404);
}

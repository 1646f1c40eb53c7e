use crate::content;
use crate::mime;
use crate::send_email::SendEmail;
use aws_lambda_events::sqs::SqsEvent;
use serde_json::{Value, json};
use shared::email::{EmailJob, Message as Email};
use shared::failure::Failure;
use shared::fake::{Answer, FakeAws};
use shared::report::OperatorReport;
use shared::signing::SigningKeys;
use shared::sqs::Message;
use shared::timestamp::Timestamp;

const SAMPLE: &str = include_str!("../../../events/send-email.json");

fn handler(aws: &FakeAws) -> SendEmail {
    SendEmail {
        store: aws.store(),
        mailer: aws.mailer(),
        keys: SigningKeys::parse("key").unwrap(),
        api_url: "https://api.example.com".into(),
    }
}

/// Gives the sample event to the handler; returns the ids of the messages that failed.
async fn run(aws: &FakeAws) -> Vec<String> {
    let event: SqsEvent = serde_json::from_str(SAMPLE).unwrap();
    let handler = handler(aws);
    let response = aws.queues().consume(event, async |message: &_| handler.take(message).await).await;
    response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
}

fn claim_is(state: &str) -> Answer {
    Answer::text(
        400,
        &json!({
            "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
            "message": "The conditional request failed",
            "Item": { "pk": { "S": "EMAIL#key" }, "state": { "S": state } },
        })
        .to_string(),
    )
}

fn suppressed(reason: &str) -> Answer {
    Answer::json(
        json!({ "Item": { "reason": { "S": reason }, "since": { "S": "2026-11-01T00:00:00.000Z" } } }),
    )
}

/// The states that records were left in.
fn settled(aws: &FakeAws) -> Vec<String> {
    let updates = aws.sent("UpdateItem");
    updates
        .iter()
        .filter_map(|call| call["ExpressionAttributeValues"][":state"]["S"].as_str().map(str::to_owned))
        .collect()
}

fn was_sent(aws: &FakeAws) -> bool {
    aws.operations().contains(&"SendRawEmail".to_owned())
}

#[tokio::test]
async fn a_job_is_claimed_sent_and_recorded_in_this_order() {
    let aws = FakeAws::default();
    assert!(run(&aws).await.is_empty());
    assert_eq!(aws.operations(), ["PutItem", "GetItem", "SendRawEmail", "UpdateItem"]);
    assert_eq!(settled(&aws), ["sent"]);
}

#[tokio::test]
async fn a_settled_job_is_consumed_and_a_held_one_comes_again() {
    for state in ["sent", "refused", "suppressed"] {
        let aws = FakeAws::with([("PutItem", claim_is(state))]);
        assert!(run(&aws).await.is_empty());
        assert!(!was_sent(&aws));
    }
    let aws = FakeAws::with([("PutItem", claim_is("claimed"))]);
    assert_eq!(run(&aws).await, ["059f36b4-87a3-44ab-83d2-661975830a7d"]);
    assert!(!was_sent(&aws));
}

#[tokio::test]
async fn a_claim_is_made_so_that_a_later_delivery_of_the_message_can_take_it_over() {
    let aws = FakeAws::default();
    run(&aws).await;
    let claim = &aws.sent("PutItem")[0];
    let sample: serde_json::Value = serde_json::from_str(SAMPLE).unwrap();
    let record = &sample["Records"][0];
    assert_eq!(claim["Item"]["claimed_by"]["S"], record["messageId"]);
    assert_eq!(claim["Item"]["delivery"]["N"], record["attributes"]["ApproximateReceiveCount"]);
    assert_eq!(claim["ExpressionAttributeValues"][":message"], claim["Item"]["claimed_by"]);
    let condition = claim["ConditionExpression"].as_str().unwrap();
    assert!(condition.contains("claimed_by = :message AND delivery < :delivery"), "{condition}");
}

#[tokio::test]
async fn suppressed_addresses_are_not_mailed() {
    for reason in ["unsubscribed", "muted", "bounced", "complained"] {
        let aws = FakeAws::with([("GetItem", suppressed(reason))]);
        assert!(run(&aws).await.is_empty());
        assert!(!was_sent(&aws));
        assert_eq!(settled(&aws), ["suppressed"]);
    }
}

#[tokio::test]
async fn what_ses_refuses_for_good_is_recorded_and_consumed() {
    let refusal =
        "<ErrorResponse><Error><Code>MessageRejected</Code><Message>no</Message></Error></ErrorResponse>";
    let aws = FakeAws::with([("SendRawEmail", Answer::text(400, refusal))]);
    assert!(run(&aws).await.is_empty());
    assert_eq!(settled(&aws), ["refused"]);
}

#[tokio::test]
async fn a_throttle_gives_the_claim_back_and_the_job_comes_again() {
    let throttle =
        "<ErrorResponse><Error><Code>Throttling</Code><Message>rate</Message></Error></ErrorResponse>";
    let aws = FakeAws::with([("SendRawEmail", Answer::text(400, throttle))]);
    assert_eq!(run(&aws).await.len(), 1);
    assert!(settled(&aws).is_empty());
    assert_eq!(aws.sent("UpdateItem")[0]["UpdateExpression"], "SET claimed_until = :zero");
}

#[tokio::test]
async fn a_sent_job_is_consumed_even_if_it_cannot_be_recorded() {
    let aws = FakeAws::with([("UpdateItem", Answer::error("InternalServerError"))]);
    assert!(run(&aws).await.is_empty());
    assert!(was_sent(&aws));
}

#[tokio::test]
async fn what_is_no_job_fails_and_claims_nothing() {
    let aws = FakeAws::default();
    let mut message = Message::default();
    message.body = "{\"key\":1}".into();
    assert!(matches!(handler(&aws).take(&message).await, Err(Failure::Permanent(_))));
    assert!(aws.operations().is_empty());
}

fn message_of(job: &EmailJob) -> String {
    let unsubscribe_url = "https://api.example.com/unsubscribe?token=token";
    let envelope = mime::Envelope {
        key: &job.key,
        from: "notes@example.com",
        to: &job.to,
        date: Timestamp::from_millis(1_795_442_400_123),
        unsubscribe_url,
    };
    let content = content::render(&job.message, unsubscribe_url).unwrap();
    // For looking at them: MAIL_DIR=/tmp/mail cargo test -p send-email
    if let Ok(directory) = std::env::var("MAIL_DIR") {
        let name = job.key.replace('/', "-");
        std::fs::write(format!("{directory}/{name}.html"), &content.html).unwrap();
        std::fs::write(format!("{directory}/{name}.txt"), &content.text).unwrap();
    }
    String::from_utf8(envelope.message(content).unwrap()).unwrap().replace("\r\n", "\n")
}

fn sample_job() -> EmailJob {
    let event: Value = serde_json::from_str(SAMPLE).unwrap();
    serde_json::from_str(event["Records"][0]["body"].as_str().unwrap()).unwrap()
}

fn hours() -> Vec<u64> {
    vec![0, 0, 1, 0, 0, 2, 9, 24, 41, 37, 30, 28, 12, 19, 33, 36, 31, 22, 9, 6, 4, 8, 3, 0]
}

fn report() -> Value {
    json!({
        "date": "2026-11-22", "hours": hours(),
        "counts": {
            "created": 112, "updated": 171, "trashed": 31, "restored": 4, "purged": 0, "attached": 29, "detached": 8,
        },
    })
}

#[test]
fn note_changed() {
    insta::assert_snapshot!(message_of(&sample_job()));
}

#[test]
fn daily_report() {
    let owner = shared::owner::Owner::new("alice").unwrap();
    let report = serde_json::from_value(report()).unwrap();
    insta::assert_snapshot!(message_of(&EmailJob::daily_report(&owner, "alice@example.com", report)));
}

#[test]
fn daily_report_of_an_empty_day() {
    let owner = shared::owner::Owner::new("bob").unwrap();
    let report = shared::report::Report::empty("2026-11-22".parse().unwrap());
    insta::assert_snapshot!(message_of(&EmailJob::daily_report(&owner, "bob@example.com", report)));
}

#[test]
fn operator_report() {
    let mut report = report();
    report["active_owners"] = json!(17);
    report["subscribers"] = json!(9);
    let report: OperatorReport = serde_json::from_value(report).unwrap();
    insta::assert_snapshot!(message_of(&EmailJob::operator_report("operator@example.com", report)));
}

#[test]
fn a_hostile_title_ends_no_header_and_opens_no_tag() {
    let mut job = sample_job();
    if let Email::NoteChanged(note) = &mut job.message {
        note.title = "x\r\nBcc: eve@example.com\r\n\r\n<script>alert(1)</script>".into();
        note.changed_by = Some("\"><img src=x onerror=alert(1)>".into());
    }
    let message = message_of(&job);
    let (header, body) = message.split_once("\n\n").unwrap();
    assert!(header.lines().all(|line| !line.to_lowercase().starts_with("bcc")), "{header}");
    let html = body.split("text/html").nth(1).unwrap();
    assert!(!html.contains("<script") && !html.contains("<img"), "{html}");
}

#[test]
fn a_wrong_recipient_is_a_permanent_failure() {
    let envelope = mime::Envelope {
        key: "key",
        from: "notes@example.com",
        to: "a@example.com, b@example.com",
        date: Timestamp::from_millis(0),
        unsubscribe_url: "https://api.example.com/unsubscribe",
    };
    let content = content::Content { subject: String::new(), text: String::new(), html: String::new() };
    assert!(matches!(envelope.message(content), Err(Failure::Permanent(_))));
}

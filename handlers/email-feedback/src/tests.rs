use crate::email_feedback::EmailFeedback;
use aws_lambda_events::sqs::SqsEvent;
use proptest::prelude::*;
use serde_json::{Value, json};
use shared::email::address_hash;
use shared::fake::{Answer, FakeAws};
use shared::sample::damaged;

const SAMPLE: &str = include_str!("../../../events/email-feedback.json");

/// Gives an event to the handler; returns how many of its messages failed.
async fn run(aws: &FakeAws, event: Value) -> usize {
    let event: SqsEvent = serde_json::from_value(event).unwrap();
    let handler = EmailFeedback { store: aws.store() };
    let response = aws.queues().consume(event, async |message: &_| handler.take(message).await).await;
    response.batch_item_failures.len()
}

fn sample() -> Value {
    serde_json::from_str(SAMPLE).unwrap()
}

fn with_body(body: &str) -> Value {
    let mut event = sample();
    event["Records"].as_array_mut().unwrap().truncate(1);
    event["Records"][0]["body"] = json!(body);
    event
}

/// Key, reason and moment of each suppression.
fn suppressed(aws: &FakeAws) -> Vec<(String, String, String)> {
    let text = |item: &Value, name: &str| item[name]["S"].as_str().unwrap().to_owned();
    let puts = aws.sent("PutItem");
    puts.iter()
        .map(|put| &put["Item"])
        .map(|item| (text(item, "pk"), text(item, "reason"), text(item, "since")))
        .collect()
}

fn row(address: &str, reason: &str, since: &str) -> (String, String, String) {
    (format!("ADDRESS#{}", address_hash(address)), reason.to_owned(), since.to_owned())
}

#[tokio::test]
async fn bounces_for_good_and_complaints_suppress_and_other_bounces_do_not() {
    let aws = FakeAws::default();
    assert_eq!(run(&aws, sample()).await, 0);
    assert_eq!(
        suppressed(&aws),
        [
            row("gone@example.com", "bounced", "2026-11-23T14:00:01.000Z"),
            row("angry@example.com", "complained", "2026-11-23T14:05:00.000Z"),
        ]
    );
}

#[tokio::test]
async fn feedback_that_comes_twice_and_in_another_order_suppresses_the_same() {
    let aws = FakeAws::default();
    let mut reversed = sample();
    reversed["Records"].as_array_mut().unwrap().reverse();
    assert_eq!(run(&aws, sample()).await + run(&aws, reversed).await, 0);
    let mut again = suppressed(&aws).split_off(2);
    again.reverse();
    assert_eq!(again, suppressed(&aws)[..2]);
}

#[tokio::test]
async fn sns_may_wrap_the_notification() {
    let aws = FakeAws::default();
    let wrapped = json!({
        "Type": "Notification", "MessageId": "1", "TopicArn": "arn:aws:sns:eu-west-1:12:feedback",
        "Message": sample()["Records"][0]["body"], "Timestamp": "2026-11-23T14:00:02.000Z",
    });
    assert_eq!(run(&aws, with_body(&wrapped.to_string())).await, 0);
    assert_eq!(suppressed(&aws), [row("gone@example.com", "bounced", "2026-11-23T14:00:01.000Z")]);
}

#[tokio::test]
async fn other_kinds_are_consumed() {
    let aws = FakeAws::default();
    assert_eq!(run(&aws, with_body(r#"{"eventType":"Delivery","mail":{},"delivery":{}}"#)).await, 0);
    assert!(aws.operations().is_empty());
}

#[tokio::test]
async fn what_is_no_notification_and_what_could_not_be_written_fails() {
    let recipients = r#"{"bounceType":"Permanent","bouncedRecipients":[{"emailAddress":"a@example.com"}]}"#;
    let list = format!(r#"["Bounce",{recipients},null]"#);
    let wrapped = json!(["Notification", sample()["Records"][0]["body"]]).to_string();
    let bounce = r#"{"eventType":"Bounce","bounce":["Permanent",[{"emailAddress":"a@example.com"}],null]}"#;
    let recipient = recipients.replace(r#"{"emailAddress":"a@example.com"}"#, r#"["a@example.com"]"#);
    let recipient = format!(r#"{{"eventType":"Bounce","bounce":{recipient}}}"#);
    for body in ["text", "{}", r#"{"eventType":"Bounce"}"#, &list, &wrapped, bounce, &recipient] {
        assert_eq!(run(&FakeAws::default(), with_body(body)).await, 1, "{body}");
    }
    let aws = FakeAws::with([("PutItem", Answer::error("InternalServerError"))]);
    assert_eq!(run(&aws, sample()).await, 1);
}

proptest! {
    #[test]
    fn a_damaged_notification_suppresses_nobody_that_it_does_not_name(
        of in 0usize..3, at in any::<usize>(), gone in 0usize..40, by in "[\\[\\]{}:,\"0-9a-zP\\\\]{0,4}", is_wrapped: bool,
    ) {
        let good = sample()["Records"][of]["body"].as_str().unwrap().to_owned();
        let wrapped = |body: String| match is_wrapped {
            true => json!({ "Type": "Notification", "Message": body }).to_string(),
            false => body,
        };
        let body = damaged(&wrapped(good), at, gone, &by);
        let aws = FakeAws::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let failed = runtime.block_on(run(&aws, with_body(&body)));
        prop_assert!(failed == 0 || suppressed(&aws).is_empty());
        if serde_json::from_str::<Value>(&body).is_err() {
            prop_assert_eq!(failed, 1, "{}", body);
        }
        // Whoever is suppressed stands in the body, and the notification is of a kind that says so.
        let named: Vec<String> = addresses(&body).iter().map(|address| format!("ADDRESS#{}", address_hash(address))).collect();
        for (address, reason, _) in suppressed(&aws) {
            prop_assert!(named.contains(&address), "{}", body);
            prop_assert!(body.contains(if reason == "bounced" { "Permanent" } else { "Complaint" }), "{}", body);
        }
    }

    #[test]
    fn nonsense_fails_and_never_panics(body in "\\PC{0,60}|[\\[\\]{}:,\"a-z0-9]{0,60}") {
        let aws = FakeAws::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        prop_assert_eq!(runtime.block_on(run(&aws, with_body(&body))), 1);
        prop_assert!(suppressed(&aws).is_empty());
    }
}

/// Every text in a body that could be an address, also in a body within.
fn addresses(body: &str) -> Vec<String> {
    fn collect(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::String(text) => {
                found.push(text.clone());
                if let Ok(inner) = serde_json::from_str(text) {
                    collect(&inner, found);
                }
            }
            Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
            Value::Object(fields) => fields.values().for_each(|value| collect(value, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    collect(&serde_json::from_str(body).unwrap_or_default(), &mut found);
    found
        .iter()
        .flat_map(|text| [text.trim().to_owned(), text.trim_matches(['<', '>', ' ']).to_owned()])
        .collect()
}

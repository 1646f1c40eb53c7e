use crate::content;
use crate::mime;
use crate::send_email::{Attempt, SendEmail};
use aws_lambda_events::sqs::SqsEvent;
use serde_json::{Value, json};
use shared::dynamodb::{Claim, Recorded};
use shared::email::{EmailJob, Message as Email};
use shared::failure::Failure;
use shared::fake::{Answer, Call, FakeAws};
use shared::limits;
use shared::report::OperatorReport;
use shared::runtime::Deadline;
use shared::signing::SigningKeys;
use shared::sqs::Message;
use shared::timestamp::Timestamp;
use std::sync::Mutex;
use std::time::Duration;

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
    run_until(aws, time_for_one()).await
}

/// A deadline that leaves time for one e-mail, and none to wait for another's claim.
fn time_for_one() -> Deadline {
    Deadline::after(limits::EMAIL_TIME + Duration::from_secs(2))
}

async fn run_until(aws: &FakeAws, deadline: Deadline) -> Vec<String> {
    let event: SqsEvent = serde_json::from_str(SAMPLE).unwrap();
    let handler = handler(aws);
    let response =
        aws.queues().consume(event, async |message: &_| handler.take(message, deadline).await).await;
    response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
}

/// A ledger that keeps the record of one e-mail by the conditions that are put to it, beginning with `record`; `refuse`
/// answers in its place where it wants to.
fn ledger(
    record: Option<Value>,
    refuse: impl Fn(&Call) -> Option<Answer> + Send + Sync + 'static,
) -> FakeAws {
    let record = Mutex::new(record);
    FakeAws::answering(move |call| {
        if let Some(answer) = refuse(call) {
            return Some(answer);
        }
        let mut record = record.lock().unwrap();
        let values = &call.json["ExpressionAttributeValues"];
        let holds = |record: &Value| record["state"]["S"] == "claimed" && record["token"] == values[":token"];
        match (call.operation.as_str(), &mut *record) {
            ("PutItem", Some(record)) if !is_free(record, values) && !holds(record) => {
                return Some(condition_failed(record));
            }
            ("PutItem", record) => *record = Some(call.json["Item"].clone()),
            ("UpdateItem", Some(record)) if call.json["UpdateExpression"] == RELEASE => {
                if !holds(record) {
                    return Some(condition_failed(record));
                }
                record["claimed_until"] = values[":zero"].clone();
            }
            ("UpdateItem", Some(record)) => record["state"] = values[":state"].clone(),
            _ => {}
        }
        None
    })
}

const RELEASE: &str = "SET claimed_until = :zero";

fn is_free(record: &Value, values: &Value) -> bool {
    let number = |value: &Value| value["N"].as_str().unwrap().parse::<i64>().unwrap();
    record["state"]["S"] == "claimed" && number(&record["claimed_until"]) < number(&values[":now"])
}

fn condition_failed(record: &Value) -> Answer {
    let body = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
        "message": "The conditional request failed", "Item": record,
    });
    Answer::text(400, &body.to_string())
}

/// The record that another's claim left, with so long to go.
fn claimed(left: Duration) -> Value {
    let until = Timestamp::system().plus(left).millis().to_string();
    json!({ "state": { "S": "claimed" }, "token": { "S": "another's" }, "claimed_until": { "N": until } })
}

fn empty() -> FakeAws {
    ledger(None, |_| None)
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
        .filter(|state| state != "claimed")
        .collect()
}

fn sent(aws: &FakeAws) -> usize {
    aws.operations().iter().filter(|operation| *operation == "SendRawEmail").count()
}

#[tokio::test]
async fn a_job_is_claimed_sent_and_recorded_in_this_order() {
    let aws = empty();
    assert!(run(&aws).await.is_empty());
    assert_eq!(aws.operations(), ["PutItem", "GetItem", "SendRawEmail", "UpdateItem"]);
    assert_eq!(settled(&aws), ["sent"]);
}

#[tokio::test]
async fn a_job_that_comes_twice_is_sent_once() {
    let aws = empty();
    for _ in 0..3 {
        assert!(run(&aws).await.is_empty());
    }
    assert_eq!(sent(&aws), 1);
}

/// SQS may hand out a message twice at a time; the later delivery's higher receive count proves nothing.
#[tokio::test]
async fn a_job_that_is_in_hand_elsewhere_is_left_to_it() {
    let aws = ledger(Some(claimed(Duration::from_secs(10))), |_| None);
    assert_eq!(run_until(&aws, time_for_one()).await, ["059f36b4-87a3-44ab-83d2-661975830a7d"]);
    assert_eq!(sent(&aws), 0);
}

#[tokio::test]
async fn a_claim_whose_holder_died_is_waited_for_and_taken_over() {
    let aws = ledger(Some(claimed(Duration::from_millis(20))), |_| None);
    assert!(run(&aws).await.is_empty());
    assert_eq!((sent(&aws), settled(&aws)), (1, vec!["sent".to_owned()]));
}

#[tokio::test]
async fn a_settled_job_is_consumed() {
    for state in ["sent", "refused", "suppressed"] {
        let aws = ledger(Some(json!({ "state": { "S": state } })), |_| None);
        assert!(run(&aws).await.is_empty());
        assert_eq!(sent(&aws), 0);
    }
}

#[tokio::test]
async fn suppressed_addresses_are_not_mailed() {
    for reason in ["unsubscribed", "muted", "bounced", "complained"] {
        let aws = ledger(None, move |call| (call.operation == "GetItem").then(|| suppressed(reason)));
        assert!(run(&aws).await.is_empty());
        assert_eq!((sent(&aws), settled(&aws)), (0, vec!["suppressed".to_owned()]));
    }
}

fn ses_answers(code: &'static str) -> FakeAws {
    let body =
        format!("<ErrorResponse><Error><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>");
    ledger(None, move |call| (call.operation == "SendRawEmail").then(|| Answer::text(400, &body)))
}

#[tokio::test]
async fn what_ses_refuses_for_good_is_recorded_and_consumed() {
    let aws = ses_answers("MessageRejected");
    assert!(run(&aws).await.is_empty());
    assert_eq!(settled(&aws), ["refused"]);
}

#[tokio::test]
async fn a_throttle_gives_the_claim_back_and_the_job_comes_again() {
    let aws = ses_answers("Throttling");
    assert_eq!(run(&aws).await.len(), 1);
    assert!(settled(&aws).is_empty());
    // Its own claim is not in the way.
    assert_eq!(run_until(&aws, time_for_one()).await.len(), 1);
    assert_eq!(sent(&aws), 2);
}

#[tokio::test]
async fn a_sent_job_is_recorded_however_often_dynamodb_fails_and_is_not_sent_again() {
    let failures = Mutex::new(vec!["InternalServerError", "ThrottlingException", "InternalServerError"]);
    let aws = ledger(None, move |call| {
        (call.operation == "UpdateItem").then(|| failures.lock().unwrap().pop().map(Answer::error))?
    });
    assert!(run(&aws).await.is_empty());
    assert!(run(&aws).await.is_empty());
    assert_eq!((sent(&aws), settled(&aws).len()), (1, 4));
}

#[tokio::test]
async fn a_record_is_insisted_on_while_it_can_still_be_written_in_time() {
    let aws =
        ledger(None, |call| (call.operation == "UpdateItem").then(|| Answer::error("InternalServerError")));
    let handler = handler(&aws);
    let attempts = async |end: Duration| {
        let before = settled(&aws).len();
        let result = handler.insist_on_settling("key", &Recorded::Suppressed, Deadline::after(end)).await;
        assert_eq!(result, Err(Failure::passing("InternalServerError")));
        settled(&aws).len() - before
    };
    assert_eq!(attempts(limits::EMAIL_RECORD_ATTEMPT_TIME).await, 1);
    let more = attempts(limits::EMAIL_RECORD_ATTEMPT_TIME + Duration::from_millis(200)).await;
    assert!((2..=3).contains(&more), "{more}");
}

#[tokio::test]
async fn an_email_without_time_for_its_record_is_left_to_a_later_delivery() {
    let aws = empty();
    let too_late = Deadline::after(limits::EMAIL_TIME - Duration::from_millis(1));
    assert_eq!(run_until(&aws, too_late).await.len(), 1);
    assert_eq!(sent(&aws), 0);
    assert!(aws.sent("PutItem").is_empty(), "nor is it claimed");
    assert!(run(&aws).await.is_empty());
    assert_eq!(settled(&aws), ["sent"]);
}

/// A ledger that takes its time to answer costs the job's claim, and not the time of its record.
#[tokio::test]
async fn time_that_passes_before_ses_is_called_is_counted() {
    let deadline = Deadline::after(limits::EMAIL_TIME + Duration::from_millis(300));
    let aws = ledger(None, move |call| {
        while call.operation == "GetItem" && deadline.leaves(limits::EMAIL_TIME) {
            std::thread::sleep(Duration::from_millis(1));
        }
        None
    });
    assert_eq!(run_until(&aws, deadline).await.len(), 1);
    assert_eq!(sent(&aws), 0);
    assert!(run(&aws).await.is_empty(), "the claim was given back");
    assert_eq!(settled(&aws), ["sent"]);
}

#[test]
fn ses_is_called_only_while_claim_and_invocation_outlast_its_answer() {
    let second = Duration::from_secs(1);
    let may_send = |claimed: Duration, left: Duration| {
        let (message, claimed_until) = (Message::default(), Timestamp::system().plus(claimed));
        Attempt { message: &message, claimed_until, deadline: Deadline::after(left) }.may_send().is_ok()
    };
    let (claim, time) = (limits::EMAIL_SEND_TIME + limits::EMAIL_CLOCK_SKEW, limits::EMAIL_TIME);
    assert!(may_send(claim + second, time + second));
    assert!(!may_send(claim - second, time + second));
    assert!(!may_send(claim + second, time - second));
    assert!(!may_send(Duration::ZERO, Duration::ZERO));
}

/// The claim's first answer was lost and the SDK sent it again: it must know its own.
#[tokio::test]
async fn a_repeated_claim_is_ones_own() {
    let aws = empty();
    let claim = || async {
        aws.store().claim_email("key", "token", Timestamp::system(), Timestamp::system()).await.unwrap()
    };
    for claim in [claim().await, claim().await] {
        assert!(matches!(claim, Claim::Granted { .. }), "{claim:?}");
    }
}

#[tokio::test]
async fn what_is_no_job_fails_and_claims_nothing() {
    let aws = FakeAws::default();
    let message = Message { body: "{\"key\":1}".into(), ..Message::default() };
    let result = handler(&aws).take(&message, Deadline::after(Duration::ZERO)).await;
    assert!(matches!(result, Err(Failure::Permanent(_))));
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
    EmailJob::parse(event["Records"][0]["body"].as_str().unwrap()).unwrap()
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

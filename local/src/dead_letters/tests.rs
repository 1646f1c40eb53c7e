use super::letter::{Origin, attribute};
use super::render::{self, Canvas};
use super::*;
use crate::clients::Clients;
use crate::credentials::Keys;
use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{Message, MessageAttributeValue};
use bytes::Bytes;
use emulator::lambda::Refused;
use serde_json::json;
use std::sync::{Arc, Mutex};

/// The built-in SQS with a queue, its dead-letter queue, and both again as FIFO queues.
struct Sqs {
    client: Client,
    services: Services,
    functions: Arc<Functions>,
    _directory: tempfile::TempDir,
}

/// Functions that take every event, but that of the one that is gone.
#[derive(Default)]
struct Functions(Mutex<Vec<(String, String)>>);

impl emulator::lambda::Functions for Functions {
    fn accept(&self, function: &str, event: &Bytes) -> Result<(), Refused> {
        if function == "gone" {
            let message = "there is no function \"gone\"".to_owned();
            return Err(Refused { status: 404, code: "ResourceNotFoundException", message });
        }
        let event = String::from_utf8(event.to_vec()).unwrap();
        self.0.lock().unwrap().push((function.to_owned(), event));
        Ok(())
    }
}

const ARN: &str = "arn:aws:sqs:us-east-1:000000000000:";

impl Sqs {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let emulator = emulator::Emulator::open(emulator::Options {
            directory: directory.path().to_owned(),
            region: "us-east-1".to_owned(),
            account: "000000000000".to_owned(),
            clock: emulator::Clock::default(),
            credentials: std::sync::Arc::new(|id| Some(emulator::Key::to_everything(id))),
        })
        .unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let functions = Arc::new(Functions::default());
        emulator.invoke_by(Arc::downgrade(&(functions.clone() as Arc<dyn emulator::lambda::Functions>)));
        tokio::spawn(emulator.serve(listener, std::future::pending()));
        let clients = Clients::new(&url, "us-east-1", Keys::developer().for_sdk()).unwrap();
        let services = Services::from(&clients);
        let sqs = Self { client: clients.sqs, services, functions, _directory: directory };
        for suffix in ["", ".fifo"] {
            let dead = format!("dead{suffix}");
            let policy = json!({ "deadLetterTargetArn": format!("{ARN}{dead}"), "maxReceiveCount": 1 });
            sqs.create(&dead, None).await;
            sqs.create(&format!("work{suffix}"), Some(policy.to_string())).await;
        }
        sqs
    }

    async fn create(&self, name: &str, redrive: Option<String>) {
        let mut request = self.client.create_queue().queue_name(name);
        if let Some(policy) = redrive {
            request = request.attributes(QueueAttributeName::RedrivePolicy, policy);
        }
        if name.ends_with(".fifo") {
            request = request.attributes(QueueAttributeName::FifoQueue, "true");
        }
        request.send().await.unwrap();
    }

    async fn url(&self, queue: &str) -> String {
        queue_url(&self.client, queue).await.unwrap()
    }

    async fn open(&self, queue: &str) -> DeadLetters {
        DeadLetters::open(self.services.clone(), queue).await.unwrap()
    }

    /// Puts a message into the dead-letter queue as whoever gives one up does.
    async fn park(&self, body: &str, source: Option<&str>) -> String {
        let mut request = self.client.send_message().queue_url(self.url("dead").await).message_body(body);
        if let Some(source) = source {
            request = request.message_attributes(attribute::SOURCE, text(&format!("{ARN}{source}")));
        }
        let request = request.message_attributes("own", text("kept")).message_attributes("error", text("no"));
        request.send().await.unwrap().message_id.unwrap()
    }

    /// Takes everything out of a queue.
    async fn take(&self, queue: &str) -> Vec<Message> {
        let queue = self.open(queue).await;
        let mut all = Vec::new();
        loop {
            let messages = queue.receive_some().await.unwrap().messages.unwrap_or_default();
            if messages.is_empty() {
                return all;
            }
            for message in &messages {
                let handle = message.receipt_handle().unwrap();
                self.client
                    .delete_message()
                    .queue_url(&queue.url)
                    .receipt_handle(handle)
                    .send()
                    .await
                    .unwrap();
            }
            all.extend(messages);
        }
    }
}

fn text(text: &str) -> MessageAttributeValue {
    MessageAttributeValue::builder().data_type("String").string_value(text).build().unwrap()
}

async fn replay(queue: &DeadLetters, which: Which) -> Outcome {
    queue.act(Action::Replay, &which, &Course::default()).await.unwrap()
}

#[tokio::test]
async fn what_sqs_gave_up_is_listed_and_goes_back_as_it_was() {
    let sqs = Sqs::start().await;
    let work = sqs.url("work").await;
    let binary = MessageAttributeValue::builder().data_type("Binary.png").binary_value(Blob::new([0, 255]));
    let number = MessageAttributeValue::builder().data_type("Number").string_value("7");
    let sent = sqs.client.send_message().queue_url(&work).message_body("{\"type\":\"order\"}");
    let sent = sent.message_attributes("image", binary.build().unwrap());
    sent.message_attributes("count", number.build().unwrap()).send().await.unwrap();
    for _ in 0..2 {
        sqs.client.receive_message().queue_url(&work).visibility_timeout(0).send().await.unwrap();
    }

    let queues = find::queues(&sqs.services, &[], &[]).await.unwrap();
    assert_eq!(queues.iter().map(DeadLetters::queue).collect::<Vec<_>>(), ["dead", "dead.fifo"]);
    for _ in 0..2 {
        // The second time shows that the first gave it back.
        let listing = queues[0].list(10).await.unwrap();
        let letter = &listing.letters[0];
        assert_eq!((letter.source_queue.as_deref(), letter.kind.as_str()), (Some("work"), "order"));
        assert_eq!(listing.unseen, 0);
    }
    assert_eq!(replay(&queues[0], Which::All).await.done, 1);
    let messages = sqs.take("work").await;
    let attributes = messages[0].message_attributes.as_ref().unwrap();
    assert_eq!(messages[0].body(), Some("{\"type\":\"order\"}"));
    assert_eq!(attributes["image"].data_type(), "Binary.png");
    assert_eq!(attributes["image"].binary_value().unwrap().as_ref(), [0, 255]);
    assert_eq!((attributes["count"].data_type(), attributes["count"].string_value()), ("Number", Some("7")));
    assert!(sqs.take("dead").await.is_empty());
}

#[tokio::test]
async fn all_of_many_go_back_without_the_history_of_their_failures() {
    let sqs = Sqs::start().await;
    for number in 0..23 {
        sqs.park(&number.to_string(), Some("work")).await;
    }
    let dead = sqs.open("dead").await;
    let listing = dead.list(5).await.unwrap();
    assert!(listing.letters.len() >= 5 && listing.letters.len() + listing.unseen == 23, "{listing:?}");
    let course = Course::default();
    let outcome = dead.act(Action::Replay, &Which::All, &course).await.unwrap();
    assert_eq!((outcome.done, outcome.stayed.len(), course.done()), (23, 0, 23));
    assert_eq!(dead.count().await.unwrap(), 0);
    let back = sqs.take("work").await;
    assert_eq!(back.iter().filter_map(Message::body).collect::<BTreeSet<_>>().len(), 23);
    for message in &back {
        assert_eq!(message.message_attributes.as_ref().unwrap().keys().collect::<Vec<_>>(), ["own"]);
    }
}

#[tokio::test]
async fn what_cannot_go_back_stays_and_does_not_keep_the_others() {
    let sqs = Sqs::start().await;
    let lost = sqs.park("1", None).await;
    let homeless = sqs.park("2", Some("gone")).await;
    let own = sqs.park("3", Some("dead")).await;
    sqs.park("4", Some("work")).await;
    let dead = sqs.open("dead").await;
    let outcome = replay(&dead, Which::All).await;
    assert_eq!(outcome.done, 1);
    assert!(outcome.stayed[&lost].contains("does not say which queue"), "{outcome:?}");
    assert_eq!(outcome.stayed[&homeless], "there is no queue gone");
    assert!(outcome.stayed[&own].contains("itself"), "{outcome:?}");
    assert_eq!(dead.list(10).await.unwrap().letters.len(), 3, "and can be seen again at once");
}

/// As Lambda tells an on-failure destination of it.
fn invocation_record(function: &str, event: &str) -> String {
    let arn = format!("arn:aws:lambda:us-east-1:000000000000:function:{function}:$LATEST");
    format!(
        r#"{{"version":"1.0","requestContext":{{"requestId":"r","functionArn":"{arn}","condition":"RetriesExhausted",
        "approximateInvokeCount":3}},"requestPayload":{event},"responseContext":{{"statusCode":200}},
        "responsePayload":{{"errorType":"Runtime.ExitError","errorMessage":"exit status 1"}}}}"#
    )
}

/// As Scheduler leaves a run in a dead-letter queue.
fn of_scheduler(function: &str) -> [(&'static str, String); 4] {
    [
        ("SCHEDULE_ARN", "arn:aws:scheduler:us-east-1:000000000000:schedule/default/nightly".to_owned()),
        ("TARGET_ARN", format!("arn:aws:lambda:us-east-1:000000000000:function:{function}")),
        ("ERROR_CODE", "AWS.Lambda.TooManyRequestsException".to_owned()),
        ("ERROR_MESSAGE", "Rate exceeded".to_owned()),
    ]
}

#[tokio::test]
async fn events_that_were_given_up_go_back_to_their_functions() {
    let sqs = Sqs::start().await;
    let dead = sqs.open("dead").await;
    let leave = async |body: &str, attributes: &[(&str, String)]| {
        let mut request = sqs.client.send_message().queue_url(&dead.url).message_body(body);
        for (name, value) in attributes {
            request = request.message_attributes(*name, text(value));
        }
        request.send().await.unwrap().message_id.unwrap()
    };
    // What no reader of JSON may touch: order, repeated names, numbers beyond any type.
    let event = r#"{"b":1.0,"a":123456789012345678901234567890}"#;
    leave(&invocation_record("report", event), &[]).await;
    leave(r#"{"night": 1}"#, &of_scheduler("cleanup")).await;
    let gone = leave("{}", &of_scheduler("gone")).await;
    let mut cut = of_scheduler("cleanup").to_vec();
    cut.push(("IS_PAYLOAD_TRUNCATED", "true".to_owned()));
    let cut = leave("{", &cut).await;
    let nobodys = [("RequestID", "r"), ("ErrorCode", "200")].map(|(name, value)| (name, value.to_owned()));
    let nobodys = leave("{}", &nobodys).await;

    let outcome = replay(&dead, Which::All).await;
    assert_eq!(outcome.done, 2, "{outcome:?}");
    let mut invoked = sqs.functions.0.lock().unwrap().clone();
    invoked.sort();
    let expected = [("cleanup", r#"{"night": 1}"#), ("report", event)];
    assert_eq!(invoked, expected.map(|(function, event)| (function.to_owned(), event.to_owned())));
    assert_eq!(outcome.stayed[&gone], r#"function gone: there is no function "gone""#);
    assert!(outcome.stayed[&cut].starts_with("Scheduler kept only a part of its event"), "{outcome:?}");
    assert!(outcome.stayed[&nobodys].starts_with("Lambda does not say which function"), "{outcome:?}");
    assert_eq!(dead.list(10).await.unwrap().letters.len(), 3, "what was not accepted stays");
}

#[test]
fn an_event_that_was_given_up_tells_its_function_and_its_last_error() {
    let record = letter("1", &invocation_record("report", "{}"), &[]);
    let run = of_scheduler("cleanup");
    let run = run.each_ref().map(|(name, value)| (*name, value.as_str()));
    let run = letter("2", "{}", &run);
    let told = |letter: &DeadLetter| {
        let function = letter.function.clone().unwrap_or_default();
        (function, letter.kind.clone(), letter.error.clone().unwrap_or_default())
    };
    let expected = |function: &str, kind: &str, error: &str| (function.into(), kind.into(), error.into());
    assert_eq!(
        told(&record),
        expected("report", "invocation of report: RetriesExhausted", "Runtime.ExitError: exit status 1")
    );
    let error = "AWS.Lambda.TooManyRequestsException: Rate exceeded";
    assert_eq!(told(&run), expected("cleanup", "run of nightly", error));

    let silent = invocation_record("report", "{}").replace("responsePayload", "other");
    assert_eq!(letter("3", &silent, &[]).error.as_deref(), Some("RetriesExhausted"));
    let batch = invocation_record("changes", "null")
        .replace(r#""requestPayload":null"#, r#""DDBStreamBatchInfo":{}"#);
    let batch = letter("4", &batch, &[]);
    assert_eq!(batch.kind, "stream batch of changes: RetriesExhausted");
    assert!(matches!(batch.origin(), Origin::Unknown(_)));
    // One that failed in a queue goes back there, also where that is a queue of such events.
    let failed =
        letter("5", &invocation_record("report", "{}"), &[(attribute::SOURCE, "arn:aws:sqs:r:1:failures")]);
    assert_eq!(failed.origin(), Origin::Queue("arn:aws:sqs:r:1:failures"));
    // Nobody's words are taken for names.
    let strange = invocation_record("dear Ben", "{}");
    assert_eq!(letter("6", &strange, &[]).function, None);
}

#[tokio::test]
async fn some_are_named_by_the_beginnings_of_their_ids() {
    let sqs = Sqs::start().await;
    let ids = [sqs.park("1", Some("work")).await, sqs.park("2", Some("work")).await];
    let dead = sqs.open("dead").await;
    let only = |ids: &[&str]| Which::Only(ids.iter().map(|id| (*id).to_owned()).collect());

    let everyone = dead.act(Action::Discard, &only(&[""]), &Course::default()).await;
    assert!(matches!(everyone, Err(DeadLetterError::Ambiguous(_))));
    let outcome = replay(&dead, only(&[&ids[0][..8], "no-such-message"])).await;
    assert_eq!((outcome.done, outcome.missing.first().map(String::as_str)), (1, Some("no-such-message")));
    let discarded = dead.act(Action::Discard, &only(&[&ids[1]]), &Course::default()).await.unwrap();
    assert_eq!(discarded.done, 1);
    assert_eq!(sqs.take("work").await[0].body(), Some("1"));
    assert!(sqs.take("dead").await.is_empty());
}

#[tokio::test]
async fn a_fifo_group_goes_back_in_its_order_and_is_not_taken_for_a_repetition() {
    let sqs = Sqs::start().await;
    for (queue, source) in [("work.fifo", None), ("dead.fifo", Some("work.fifo"))] {
        for number in 0..12 {
            let mut message = sqs.client.send_message().queue_url(sqs.url(queue).await);
            if let Some(source) = source {
                message = message.message_attributes(attribute::SOURCE, text(&format!("{ARN}{source}")));
            }
            let id = format!("deduplication-{number}");
            let message = message.message_body(number.to_string()).message_group_id("group");
            message.message_deduplication_id(id).send().await.unwrap();
        }
    }
    // The queue now remembers the messages' own ids for five minutes.
    assert_eq!(sqs.take("work.fifo").await.len(), 12);
    let outcome = replay(&sqs.open("dead.fifo").await, Which::All).await;
    assert_eq!(outcome.done, 12);
    let back = sqs.take("work.fifo").await;
    let numbers: Vec<String> = back.iter().filter_map(|message| message.body.clone()).collect();
    assert_eq!(numbers, (0..12).map(|number| number.to_string()).collect::<Vec<_>>());
    let group = &back[0].attributes.as_ref().unwrap()[&MessageSystemAttributeName::MessageGroupId];
    assert_eq!(group, "group");
}

#[tokio::test]
async fn a_stopped_action_leaves_the_rest() {
    let sqs = Sqs::start().await;
    sqs.park("1", Some("work")).await;
    let (dead, course) = (sqs.open("dead").await, Course::default());
    course.stop();
    assert_eq!(dead.act(Action::Discard, &Which::All, &course).await.unwrap().done, 0);
    assert_eq!(dead.count().await.unwrap(), 1);
}

#[tokio::test]
async fn a_queue_is_found_by_a_part_of_its_name() {
    let sqs = Sqs::start().await;
    sqs.create("stack-Parking-1x", None).await;
    let known = ["stack-Parking-1x".to_owned()];
    let find = async |name: &str| {
        let found = find::queues(&sqs.services, &[name.to_owned()], &known).await;
        found.map(|queues| queues[0].queue().to_owned())
    };
    assert_eq!(find("Parking").await.unwrap(), "stack-Parking-1x");
    assert_eq!(find("work").await.unwrap(), "work", "any queue by its whole name");
    for name in ["dea", "other"] {
        let message = find(name).await.unwrap_err().to_string();
        let expected =
            format!("there is no queue {name}; dead letters are in dead, dead.fifo, stack-Parking-1x");
        assert_eq!(message, expected);
    }
}

fn letter(id: &str, body: &str, attributes: &[(&str, &str)]) -> DeadLetter {
    let mut message = Message::builder()
        .message_id(id)
        .body(body)
        .attributes(MessageSystemAttributeName::SentTimestamp, "1795442400500")
        .attributes(MessageSystemAttributeName::ApproximateReceiveCount, "2");
    for (name, value) in attributes {
        message = message.message_attributes(*name, text(value));
    }
    DeadLetter::new("notes-ParkingQueue", message.build())
}

fn listings() -> [Listing; 2] {
    let source = (attribute::SOURCE, "arn:aws:sqs:us-east-1:000000000000:notes-EmailQueue");
    let passing = [
        source,
        (attribute::REPLAYS, "3"),
        (attribute::ERROR, "Throttling"),
        (attribute::FAILURE, "passing"),
    ];
    let permanent = [
        source,
        (attribute::ERROR, "the message is no e-mail job\u{1b}[2J, and says so at length"),
        (attribute::FAILURE, "permanent"),
    ];
    let letters = vec![
        letter(
            "8d5f0a52-3b1f-4a4e-9d0e-2f6c2f1f7d10",
            r#"{"template":"note_changed","to":"ben@example.com"}"#,
            &passing,
        ),
        letter("0190c3aa-3b1f-4a4e-9d0e-2f6c2f1f7d10", "Dear Ben", &permanent),
        letter("77f01c1e-3b1f-4a4e-9d0e-2f6c2f1f7d10", r#"{"Records":[{"eventSource":"aws:s3"}]}"#, &[]),
    ];
    [
        Listing { queue: "notes-ParkingQueue".into(), letters, unseen: 0 },
        Listing { queue: "notes-DeadLettersQueue".into(), letters: Vec::new(), unseen: 4 },
    ]
}

#[test]
fn a_table_tells_what_failed_and_nothing_of_what_it_says() {
    insta::assert_snapshot!(render::table(&listings(), Canvas { is_coloured: false, width: None }));
}

#[test]
fn a_narrow_terminal_cuts_the_errors_and_colours_tell_the_hopeless_from_the_rest() {
    let table = render::table(&listings(), Canvas { is_coloured: true, width: Some(100) });
    insta::assert_snapshot!(table.replace('\u{1b}', "␛"));
}

#[test]
fn a_message_is_shown_whole_and_cannot_steer_the_terminal() {
    let letter = letter(
        "8d5f0a52-3b1f-4a4e-9d0e-2f6c2f1f7d10",
        "{\"template\":\"note_changed\",\"title\":\"\u{9b}2J red\",\"tags\":[\"a\"]}",
        &[(attribute::ERROR, "Throttling"), ("own", "line\nbreak")],
    );
    insta::assert_snapshot!(render::message(&letter, Canvas { is_coloured: false, width: None }));
    let json = render::message_json(&letter);
    assert_eq!(
        (&json["payload"]["tags"][0], &json["attributes"]["own"]["string"]),
        (&json!("a"), &json!("line\nbreak"))
    );
}

//! The embedded emulator's queues, called within the process: real SQS semantics on the script's clock.

use super::super::activity::lock;
use super::super::endpoint::{EndpointError, Message, MessageAttribute, Pending, QueueClient, Refusal};
use super::host::{Deed, Deeds};
use super::stage::beginning;
use emulator::{Clock, Emulator, PeekedMessage};
use futures_util::FutureExt;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// An emulator for all cases of a test, because opening one takes longer than a case; its queues are new in each.
pub(super) struct Embedded {
    pub(super) clock: Clock,
    emulator: Emulator,
    deeds: Mutex<Arc<Deeds>>,
    _directory: tempfile::TempDir,
}

impl Embedded {
    pub(super) fn open() -> Arc<Self> {
        let (directory, clock) = (tempfile::tempdir().expect("a directory"), Clock::standing_at(beginning()));
        let emulator = Emulator::open(emulator::Options {
            directory: directory.path().to_owned(),
            region: "us-east-1".into(),
            account: "123456789012".into(),
            clock: clock.clone(),
            credentials: Arc::new(|_: &str| None),
        });
        let emulator = emulator.expect("an emulator");
        Arc::new(Self { clock, emulator, deeds: Mutex::default(), _directory: directory })
    }

    /// Begins a case: at the beginning of time, with what is done written into `deeds`.
    pub(super) fn begin(&self, deeds: Arc<Deeds>) {
        self.clock.set(beginning());
        *lock(&self.deeds) = deeds;
    }

    /// A new queue in place of whatever had its name.
    pub(super) fn create(&self, name: &str, attributes: &Value) {
        if let Err(error) = self.ask("DeleteQueue", &json!({ "QueueUrl": name })) {
            let is_first_case = error.to_string().contains("QueueDoesNotExist");
            assert!(is_first_case, "{error}");
        }
        let made = self.ask("CreateQueue", &json!({ "QueueName": name, "Attributes": attributes }));
        made.expect("a queue");
    }

    pub(super) fn send(&self, message: &Value) {
        self.ask("SendMessage", message).expect("a message that is taken");
    }

    /// All messages of a queue, without receiving them.
    pub(super) fn peek(&self, queue: &str) -> Vec<PeekedMessage> {
        self.emulator.peek(queue, 1_000)
    }

    /// None of these requests ever waits.
    fn ask(&self, operation: &str, request: &Value) -> Result<Value, EndpointError> {
        let body = request.to_string();
        let answer = self.emulator.sqs(operation, body.as_bytes()).now_or_never();
        let (status, answer) = answer.expect("an answer at once");
        let answer = serde_json::from_slice(&answer).expect("answers are JSON");
        if status == 200 { Ok(answer) } else { Err(EndpointError::Other(format!("{answer}"))) }
    }

    fn ask_of_each(&self, operation: &str, queue: &str, handles: &[String], change: &Value) -> Vec<Refusal> {
        let entry = |(place, handle): (usize, &String)| {
            let mut entry = change.clone();
            entry["Id"] = place.to_string().into();
            entry["ReceiptHandle"] = handle.as_str().into();
            entry
        };
        let entries: Vec<Value> = handles.iter().enumerate().map(entry).collect();
        match self.ask(operation, &json!({ "QueueUrl": queue, "Entries": entries })) {
            Ok(answer) => answer["Failed"].as_array().into_iter().flatten().map(refusal).collect(),
            Err(error) => Refusal::of_all(handles.len(), &error),
        }
    }

    fn note(&self, deed: Deed) {
        lock(&self.deeds).add(deed);
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn refusal(failed: &Value) -> Refusal {
    Refusal {
        place: text(&failed["Id"]).parse().expect("the entry's own name"),
        reason: text(&failed["Code"]),
        passing: failed["SenderFault"] == false,
    }
}

fn message(message: &Value) -> Message {
    let attributes = message["Attributes"].as_object().into_iter().flatten();
    Message {
        id: text(&message["MessageId"]),
        receipt_handle: text(&message["ReceiptHandle"]),
        body: text(&message["Body"]),
        attributes: attributes.map(|(name, value)| (name.clone(), text(value))).collect(),
        ..Message::default()
    }
}

impl QueueClient for Embedded {
    fn receive<'a>(
        &'a self,
        queue: &'a str,
        most: usize,
        wait_seconds: u32,
    ) -> Pending<'a, Result<Vec<Message>, EndpointError>> {
        Box::pin(async move {
            let request = json!({ "QueueUrl": queue, "MaxNumberOfMessages": most, "AttributeNames": ["All"],
                "WaitTimeSeconds": wait_seconds });
            let answer = self.ask("ReceiveMessage", &request)?;
            let messages = answer["Messages"].as_array().into_iter().flatten().map(message);
            let messages: Vec<Message> = messages.collect();
            if !messages.is_empty() {
                self.note(Deed::Received(messages.clone()));
            }
            Ok(messages)
        })
    }

    fn delete<'a>(&'a self, queue: &'a str, handles: &'a [String]) -> Pending<'a, Vec<Refusal>> {
        Box::pin(async move {
            handles.iter().for_each(|receipt| self.note(Deed::Deleted { receipt: receipt.clone() }));
            self.ask_of_each("DeleteMessageBatch", queue, handles, &json!({}))
        })
    }

    fn change_visibility<'a>(
        &'a self,
        queue: &'a str,
        handles: &'a [String],
        seconds: u32,
    ) -> Pending<'a, Vec<Refusal>> {
        Box::pin(async move {
            let given_back = |receipt: &String| Deed::GivenBack { receipt: receipt.clone(), seconds };
            handles.iter().for_each(|receipt| self.note(given_back(receipt)));
            let change = json!({ "VisibilityTimeout": seconds });
            self.ask_of_each("ChangeMessageVisibilityBatch", queue, handles, &change)
        })
    }

    fn send<'a>(
        &'a self,
        _: &'a str,
        _: String,
        _: BTreeMap<String, MessageAttribute>,
    ) -> Pending<'a, Result<(), EndpointError>> {
        Box::pin(async { unreachable!("a queue mapping sends nothing") })
    }

    fn visible<'a>(&'a self, _: &'a str) -> Pending<'a, Result<u64, EndpointError>> {
        Box::pin(async { unreachable!("nobody asks whether all is idle") })
    }
}

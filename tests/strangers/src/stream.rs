//! What changes lead to: the notes table's stream, and the handler that takes it.

use crate::tables;
use emulator::Emulator;
use note_events::{Event, NoteEvents};
use serde_json::{Value, json};
use shared::fake::FakeAws;
use std::cell::RefCell;

/// Records of one invocation at most, as in the template.
const BATCH: usize = 100;

/// The stream, read once from its beginning, and its handler. Mail and objects go nowhere.
pub struct Stream {
    emulator: Emulator,
    handler: NoteEvents,
    iterator: RefCell<Value>,
}

/// The way on which records come to the handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Stream,
    Replays,
}

impl Stream {
    pub(crate) fn open(emulator: &Emulator) -> Self {
        let aws = FakeAws::default();
        let handler = NoteEvents {
            store: tables::store(emulator),
            queues: aws.queues(),
            objects: aws.objects(),
            email_queue_url: "https://sqs.us-east-1.amazonaws.com/000000000000/mail".into(),
        };
        let call = |operation: &str, request: Value| tables::call(emulator, operation, &request);
        let table = call("DescribeTable", json!({ "TableName": "NotesTable" }));
        let stream = &table["Table"]["LatestStreamArn"];
        let described = call("DescribeStream", json!({ "StreamArn": stream }));
        let shard = &described["StreamDescription"]["Shards"][0]["ShardId"];
        let beginning = json!({ "StreamArn": stream, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON" });
        let iterator = call("GetShardIterator", beginning)["ShardIterator"].take();
        Self { emulator: emulator.clone(), handler, iterator: RefCell::new(iterator) }
    }

    /// The records since the last call.
    pub fn new_records(&self) -> Vec<Value> {
        let mut records = Vec::new();
        loop {
            let request = json!({ "ShardIterator": *self.iterator.borrow() });
            let mut page = tables::call(&self.emulator, "GetRecords", &request);
            self.iterator.replace(page["NextShardIterator"].take());
            match page["Records"].take() {
                Value::Array(more) if !more.is_empty() => records.extend(more),
                _ => return records,
            }
        }
    }

    /// Hands records to the handler, which must take them.
    pub async fn deliver(&self, records: &[Value], way: Way) {
        for batch in records.chunks(BATCH) {
            let records = match way {
                Way::Stream => json!(batch),
                Way::Replays => batch.iter().map(message).collect(),
            };
            let event = json!({ "Records": records }).to_string();
            let event: Event = serde_json::from_str(&event).expect("an event");
            let answer = self.handler.answer(event).await.expect("an answer");
            let answer = serde_json::to_value(answer).expect("JSON");
            assert_eq!(answer, json!({ "batchItemFailures": [] }));
        }
    }

    /// Hands over everything that has happened, in its order.
    pub async fn settle(&self) {
        self.deliver(&self.new_records(), Way::Stream).await;
    }
}

/// A record as a message of the replays queue.
fn message(record: &Value) -> Value {
    json!({
        "messageId": record["eventID"], "receiptHandle": "handle", "body": record.to_string(),
        "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:replays",
        "messageAttributes": {}, "attributes": { "ApproximateReceiveCount": "1", "SentTimestamp": "1795442400000" },
    })
}

//! The semantics of queues, on a clock that the tests move.

use super::message::Receipt;
use super::*;
use crate::Clock;
use crate::sql::tests::Scratch;
use chrono::TimeDelta;
use serde_json::json;
use std::time::Duration;

pub(super) struct Fixture {
    pub(super) sqs: Arc<Sqs>,
    pub(super) clock: Clock,
    directory: Scratch,
}

impl Fixture {
    pub(super) fn new() -> Self {
        let (directory, clock) = (Scratch::new(), Clock::default());
        let sqs = Arc::new(Sqs::open(directory.path(), Shared::for_tests(clock.clone())).unwrap());
        Self { sqs, clock, directory }
    }

    /// The same directory, as a new process finds it.
    pub(super) fn reopen(self) -> Self {
        let Self { sqs, clock, directory } = self;
        drop(sqs);
        let sqs = Arc::new(Sqs::open(directory.path(), Shared::for_tests(clock.clone())).unwrap());
        Self { sqs, clock, directory }
    }

    pub(super) fn queue(&self, name: &str, attributes: &[(&str, &str)]) {
        let attributes =
            attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.sqs.create_queue(name, attributes, BTreeMap::new()).unwrap();
    }

    fn with_dead_letters(self) -> Self {
        self.queue("dead", &[]);
        let policy =
            json!({"deadLetterTargetArn": "arn:aws:sqs:us-east-1:123456789012:dead", "maxReceiveCount": 2});
        self.queue("work", &[("RedrivePolicy", &policy.to_string())]);
        self
    }

    pub(super) fn send(&self, queue: &str, body: &str) {
        self.sqs
            .send(queue, vec![Outgoing { body: body.to_owned(), ..Outgoing::default() }])
            .unwrap()
            .remove(0)
            .unwrap();
    }

    pub(super) fn send_in(&self, queue: &str, group: &str, body: &str) -> Sent {
        let outgoing =
            Outgoing { body: body.to_owned(), group: Some(group.to_owned()), ..Outgoing::default() };
        self.sqs.send(queue, vec![outgoing]).unwrap().remove(0).unwrap()
    }

    pub(super) async fn receive(&self, queue: &str) -> Vec<Message> {
        self.sqs.receive(queue, 10, None, Some(0)).await.unwrap()
    }

    pub(super) async fn bodies(&self, queue: &str) -> Vec<String> {
        self.receive(queue).await.iter().map(|message| message.content.body.clone()).collect()
    }

    pub(super) fn in_flight(&self, queue: &str) -> usize {
        self.sqs.peek(queue, 100).iter().filter(|message| message.state == "in-flight").count()
    }

    pub(super) fn delete(&self, queue: &str, message: &Message) -> Result {
        self.sqs.delete(queue, &[&handle(queue, message)]).unwrap().remove(0)
    }
}

fn handle(queue: &str, message: &Message) -> String {
    Receipt { sequence: message.sequence, receipt: message.receipt }.encode(queue)
}

#[tokio::test]
async fn a_received_message_is_hidden_until_its_timeout_passes_on_the_clock() {
    let fixture = Fixture::new();
    fixture.queue("q", &[("VisibilityTimeout", "60")]);
    fixture.send("q", "a");
    let first = fixture.receive("q").await.remove(0);
    assert!(fixture.receive("q").await.is_empty());
    fixture.clock.advance(TimeDelta::seconds(61));
    let second = fixture.receive("q").await.remove(0);
    assert_eq!((second.receive_count, second.first_received), (2, first.first_received));
    // The first handle went stale: it deletes nothing.
    fixture.delete("q", &first).unwrap();
    assert_eq!(fixture.in_flight("q"), 1);
    fixture.delete("q", &second).unwrap();
    assert_eq!(fixture.in_flight("q"), 0);
}

#[tokio::test]
async fn visibility_can_be_changed_while_in_flight_only() {
    let fixture = Fixture::new();
    fixture.queue("q", &[]);
    fixture.send("q", "a");
    let message = fixture.receive("q").await.remove(0);
    let change =
        |seconds| fixture.sqs.change_visibility("q", &[(&handle("q", &message), seconds)]).unwrap().remove(0);
    change(600).unwrap();
    fixture.clock.advance(TimeDelta::seconds(60));
    assert!(fixture.receive("q").await.is_empty());
    change(0).unwrap();
    assert_eq!(change(10).unwrap_err().code, "MessageNotInflight");
    assert_eq!(fixture.bodies("q").await, ["a"]);
}

#[tokio::test]
async fn a_delayed_message_arrives_when_its_delay_is_over() {
    let fixture = Fixture::new();
    fixture.queue("q", &[("DelaySeconds", "900")]);
    fixture.send("q", "a");
    let sent_at = fixture.sqs.peek("q", 1)[0].sent_at;
    assert!(fixture.receive("q").await.is_empty());
    assert_eq!(fixture.sqs.peek("q", 1)[0].state, "delayed");
    assert_eq!(fixture.sqs.next_due().unwrap(), sent_at + TimeDelta::seconds(900));
    fixture.clock.advance(TimeDelta::minutes(16));
    assert_eq!(fixture.bodies("q").await, ["a"]);
}

#[tokio::test]
async fn a_long_poll_wakes_for_a_message_and_for_a_moved_clock() {
    let fixture = Fixture::new();
    fixture.queue("q", &[("DelaySeconds", "10")]);
    let poll = || {
        let sqs = fixture.sqs.clone();
        tokio::spawn(async move { sqs.receive("q", 10, None, Some(20)).await.unwrap() })
    };
    let waiting = poll();
    tokio::task::yield_now().await;
    fixture.send("q", "a");
    tokio::task::yield_now().await;
    fixture.clock.advance(TimeDelta::seconds(11));
    let received = tokio::time::timeout(Duration::from_secs(5), waiting).await.unwrap().unwrap();
    assert_eq!(received.len(), 1);
    // An empty one ends when the clock passes its wait, or when the service closes.
    let waiting = poll();
    tokio::task::yield_now().await;
    fixture.clock.advance(TimeDelta::seconds(21));
    assert!(tokio::time::timeout(Duration::from_secs(5), waiting).await.unwrap().unwrap().is_empty());
    let waiting = poll();
    tokio::task::yield_now().await;
    fixture.sqs.close();
    assert!(tokio::time::timeout(Duration::from_secs(5), waiting).await.unwrap().unwrap().is_empty());
}

#[tokio::test]
async fn what_is_received_too_often_becomes_a_dead_letter_and_can_be_moved_back() {
    let fixture = Fixture::new().with_dead_letters();
    fixture.send("work", "poison");
    fixture.send("work", "fine");
    for _ in 0..2 {
        let received = fixture.receive("work").await;
        assert_eq!(received.len(), 2);
        fixture.clock.advance(TimeDelta::seconds(31));
        if received[1].receive_count == 2 {
            fixture.delete("work", &received[1]).unwrap();
        }
    }
    assert!(fixture.receive("work").await.is_empty());
    let dead = &fixture.sqs.peek("dead", 10)[0];
    assert_eq!((dead.body.as_str(), dead.receive_count), ("poison", 0));
    assert_eq!(dead.attributes["DeadLetterQueueSourceArn"], "arn:aws:sqs:us-east-1:123456789012:work");
    fixture.sqs.move_messages("arn:aws:sqs:us-east-1:123456789012:dead", None).unwrap();
    assert_eq!(fixture.bodies("work").await, ["poison"]);
    assert_eq!(fixture.sqs.move_tasks("arn:aws:sqs:us-east-1:123456789012:dead", 1)[0].moved, 1);
}

#[tokio::test]
async fn a_fifo_group_waits_for_its_message_in_flight() {
    let fixture = Fixture::new();
    fixture.queue("q.fifo", &[("FifoQueue", "true"), ("ContentBasedDeduplication", "true")]);
    for (group, body) in [("g", "g1"), ("g", "g2"), ("h", "h1")] {
        fixture.send_in("q.fifo", group, body);
    }
    let first = fixture.sqs.receive("q.fifo", 1, None, Some(0)).await.unwrap().remove(0);
    assert_eq!(first.content.body, "g1");
    assert_eq!(fixture.bodies("q.fifo").await, ["h1"]);
    fixture.delete("q.fifo", &first).unwrap();
    assert_eq!(fixture.bodies("q.fifo").await, ["g2"]);
    // Its timeout passes: it is next again, and its old handle is refused.
    let (again, now) = (fixture.sqs.peek("q.fifo", 1), fixture.clock.now());
    assert!(again[0].sent_at <= now);
    fixture.clock.advance(TimeDelta::seconds(31));
    assert_eq!(fixture.bodies("q.fifo").await, ["g2", "h1"]);
}

#[tokio::test]
async fn a_fifo_queue_recognises_a_repeat_for_five_minutes_even_across_a_restart() {
    let fixture = Fixture::new();
    fixture.queue("q.fifo", &[("FifoQueue", "true"), ("ContentBasedDeduplication", "true")]);
    let first = fixture.send_in("q.fifo", "g", "a");
    let fixture = fixture.reopen();
    let repeat = fixture.send_in("q.fifo", "g", "a");
    assert_eq!((repeat.id, repeat.sequence), (first.id, first.sequence));
    fixture.clock.advance(TimeDelta::minutes(6));
    fixture.send_in("q.fifo", "g", "a");
    assert_eq!(fixture.bodies("q.fifo").await, ["a", "a"]);
}

#[tokio::test]
async fn a_restart_keeps_messages_handles_and_deadlines() {
    let fixture = Fixture::new().with_dead_letters();
    for body in ["a", "b"] {
        fixture.send("work", body);
    }
    let received = fixture.sqs.receive("work", 1, Some(100), Some(0)).await.unwrap().remove(0);
    let fixture = fixture.reopen();
    let states: Vec<_> = fixture.sqs.peek("work", 10).into_iter().map(|message| message.state).collect();
    assert_eq!(states, ["in-flight", "visible"]);
    assert_eq!(fixture.sqs.next_due().unwrap().timestamp_millis(), received.due);
    fixture.delete("work", &received).unwrap();
    fixture.clock.advance(TimeDelta::seconds(101));
    assert_eq!(fixture.bodies("work").await, ["b"]);
}

#[tokio::test]
async fn messages_are_kept_for_as_long_as_the_queue_says() {
    let fixture = Fixture::new();
    fixture.queue("q", &[("MessageRetentionPeriod", "3600")]);
    fixture.send("q", "a");
    fixture.clock.advance(TimeDelta::minutes(61));
    fixture.send("q", "b");
    assert_eq!(fixture.bodies("q").await, ["b"]);
    assert_eq!(fixture.reopen().sqs.peek("q", 10).len(), 1);
}

#[test]
fn limits_are_kept() {
    let fixture = Fixture::new();
    fixture.queue("q", &[("MaximumMessageSize", "1024")]);
    fixture.queue("q.fifo", &[("FifoQueue", "true")]);
    let refused =
        |queue: &str, outgoing| fixture.sqs.send(queue, vec![outgoing]).unwrap().remove(0).unwrap_err().code;
    let body = |body: String| Outgoing { body, ..Outgoing::default() };
    assert_eq!(refused("q", body("x".repeat(1025))), "InvalidParameterValue");
    assert_eq!(refused("q", body("\u{1}".to_owned())), "InvalidMessageContents");
    assert_eq!(refused("q", body(String::new())), "MissingParameter");
    assert_eq!(refused("q.fifo", body("no group".to_owned())), "MissingParameter");
    assert_eq!(fixture.sqs.send("none", vec![]).unwrap_err().code, "QueueDoesNotExist");
    let again = fixture.sqs.create_queue("q", settings::Raw::new(), BTreeMap::new());
    assert!(again.is_ok());
    let other = settings::Raw::from([("VisibilityTimeout".to_owned(), "1".to_owned())]);
    assert_eq!(fixture.sqs.create_queue("q", other, BTreeMap::new()).unwrap_err().code, "QueueNameExists");
}

#[tokio::test]
async fn a_failed_message_stops_its_group_and_no_other_until_it_succeeds_or_dies() {
    let fixture = Fixture::new();
    let fifo = [("FifoQueue", "true"), ("ContentBasedDeduplication", "true")];
    fixture.queue("dead.fifo", &fifo);
    let policy =
        json!({"deadLetterTargetArn": "arn:aws:sqs:us-east-1:123456789012:dead.fifo", "maxReceiveCount": 2});
    let policy = policy.to_string();
    fixture.queue("q.fifo", &[fifo[0], fifo[1], ("RedrivePolicy", &policy)]);
    for (group, body) in [("g", "poison"), ("g", "g2"), ("h", "h1")] {
        fixture.send_in("q.fifo", group, body);
    }
    for _ in 0..2 {
        let first = fixture.sqs.receive("q.fifo", 1, None, Some(0)).await.unwrap();
        assert_eq!(first[0].content.body, "poison");
        let other = fixture.receive("q.fifo").await;
        assert_eq!(other.iter().map(|message| message.content.body.as_str()).collect::<Vec<_>>(), ["h1"]);
        let attributes = fixture.sqs.attributes("q.fifo").unwrap();
        assert_eq!(
            attributes["ApproximateNumberOfMessages"], "0",
            "what waits for its group is not receivable"
        );
        fixture.clock.advance(TimeDelta::seconds(31));
    }
    assert_eq!(fixture.bodies("q.fifo").await, ["g2"], "and h1 has been received too often as well");
    let dead = fixture.sqs.peek("dead.fifo", 10);
    assert_eq!(dead.iter().map(|letter| letter.body.as_str()).collect::<Vec<_>>(), ["poison", "h1"]);
    assert_eq!(dead[0].attributes["MessageGroupId"], "g");
}

#[tokio::test]
async fn a_dead_letter_keeps_its_age_unless_it_is_fifo() {
    let fixture = Fixture::new().with_dead_letters();
    let fifo = [("FifoQueue", "true"), ("ContentBasedDeduplication", "true")];
    fixture.queue("dead.fifo", &fifo);
    let policy =
        json!({"deadLetterTargetArn": "arn:aws:sqs:us-east-1:123456789012:dead.fifo", "maxReceiveCount": 1});
    fixture.queue("work.fifo", &[fifo[0], fifo[1], ("RedrivePolicy", &policy.to_string())]);
    let sent_at = fixture.clock.now();
    fixture.send("work", "a");
    fixture.send_in("work.fifo", "g", "a");
    for _ in 0..3 {
        fixture.receive("work").await;
        fixture.receive("work.fifo").await;
        fixture.clock.advance(TimeDelta::seconds(31));
    }
    let age = |queue: &str| fixture.sqs.peek(queue, 1)[0].sent_at - sent_at;
    assert!(age("dead") < TimeDelta::seconds(1));
    assert!(age("dead.fifo") > TimeDelta::seconds(30));
}

#[tokio::test]
async fn a_message_may_have_a_delay_of_its_own_unless_it_is_fifo() {
    let fixture = Fixture::new();
    fixture.queue("q", &[("DelaySeconds", "900")]);
    fixture.queue("q.fifo", &[("FifoQueue", "true"), ("ContentBasedDeduplication", "true")]);
    let delayed = |group: Option<&str>| Outgoing {
        body: "own".to_owned(),
        delay: Some(5),
        group: group.map(str::to_owned),
        ..Outgoing::default()
    };
    fixture.sqs.send("q", vec![delayed(None)]).unwrap().remove(0).unwrap();
    fixture.send("q", "queue's");
    fixture.clock.advance(TimeDelta::seconds(6));
    assert_eq!(fixture.bodies("q").await, ["own"]);
    let refused = fixture.sqs.send("q.fifo", vec![delayed(Some("g"))]).unwrap().remove(0).unwrap_err();
    assert_eq!(refused.code, "InvalidParameterValue");
}

#[test]
fn a_dead_letter_queue_takes_only_the_sources_that_it_allows() {
    let fixture = Fixture::new();
    let only = json!({"redrivePermission": "byQueue",
        "sourceQueueArns": ["arn:aws:sqs:us-east-1:123456789012:friend"]});
    fixture.queue("dead", &[("RedriveAllowPolicy", &only.to_string())]);
    let policy =
        json!({"deadLetterTargetArn": "arn:aws:sqs:us-east-1:123456789012:dead", "maxReceiveCount": 2});
    fixture.queue("friend", &[("RedrivePolicy", &policy.to_string())]);
    let attributes = settings::Raw::from([("RedrivePolicy".to_owned(), policy.to_string())]);
    let refused = fixture.sqs.create_queue("stranger", attributes, BTreeMap::new()).unwrap_err();
    assert_eq!(refused.code, "InvalidParameterValue");
}

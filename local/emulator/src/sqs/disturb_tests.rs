use super::super::tests::Fixture;
use super::*;
use chrono::TimeDelta;
use serde_json::{Value, json};

impl Fixture {
    fn disturb(&self, fault: &Value) {
        self.sqs.shared.faults.add(serde_json::from_value(fault.clone()).unwrap()).unwrap();
    }
}

#[tokio::test]
async fn a_disturbed_delivery_comes_twice_at_a_time_and_each_is_deleted_for_itself() {
    let fixture = Fixture::new();
    fixture.queue("q", &[]);
    fixture.disturb(&json!({ "service": "sqs", "operation": "q", "delivery": "twice", "count": 1 }));
    fixture.send("q", "a");
    let (first, second) = (fixture.receive("q").await.remove(0), fixture.receive("q").await.remove(0));
    assert_eq!(first.content.id, second.content.id);
    fixture.delete("q", &first).unwrap();
    assert_eq!(fixture.in_flight("q"), 1);
    let fixture = fixture.reopen();
    fixture.delete("q", &second).unwrap();
    fixture.clock.advance(TimeDelta::days(1));
    assert!(fixture.receive("q").await.is_empty());
}

#[tokio::test]
async fn a_disturbed_delivery_comes_late_on_the_clock() {
    let fixture = Fixture::new();
    fixture.queue("q", &[("DelaySeconds", "10")]);
    fixture.disturb(&json!({ "service": "sqs", "delivery": "late", "delay_ms": 5_000 }));
    fixture.send("q", "a");
    fixture.clock.advance(TimeDelta::seconds(11));
    assert!(fixture.receive("q").await.is_empty());
    fixture.clock.advance(TimeDelta::seconds(5));
    assert_eq!(fixture.bodies("q").await, ["a"]);
}

#[tokio::test]
async fn disturbed_deliveries_come_out_of_order_but_not_from_fifo_queues() {
    let fixture = Fixture::new();
    fixture.queue("q", &[]);
    fixture.queue("q.fifo", &[("FifoQueue", "true"), ("ContentBasedDeduplication", "true")]);
    fixture.disturb(&json!({ "service": "sqs", "delivery": "out_of_order" }));
    for body in ["a", "b", "c"] {
        fixture.send("q", body);
        fixture.send_in("q.fifo", "group", body);
    }
    assert_eq!(fixture.bodies("q").await, ["c", "b", "a"]);
    assert_eq!(fixture.bodies("q.fifo").await, ["a", "b", "c"]);
}

#[tokio::test]
async fn disturbed_for_ever_a_message_still_comes_no_more_than_twice() {
    let fixture = Fixture::new();
    fixture.queue("q", &[("VisibilityTimeout", "30")]);
    fixture.disturb(&json!({ "service": "sqs", "delivery": "twice", "delay_ms": 5_000 }));
    fixture.send("q", "a");
    let first = fixture.receive("q").await.remove(0);
    fixture.delete("q", &first).unwrap();
    assert!(fixture.receive("q").await.is_empty());
    fixture.clock.advance(TimeDelta::seconds(6));
    let second = fixture.receive("q").await.remove(0);
    assert_eq!(second.receive_count, 2);
    fixture.delete("q", &second).unwrap();
    fixture.clock.advance(TimeDelta::days(1));
    assert!(fixture.receive("q").await.is_empty());
}

#[tokio::test]
async fn a_notification_may_be_sent_twice_and_late_but_not_to_a_group() {
    let fixture = Fixture::new();
    fixture.queue("q", &[]);
    fixture.queue("q.fifo", &[("FifoQueue", "true")]);
    fixture.disturb(&json!({ "service": "s3", "delivery": "twice", "delay_ms": 5_000 }));
    fixture.disturb(&json!({ "service": "s3", "operation": "q", "delivery": "late", "delay_ms": 1_000 }));
    for (queue, group) in [("q", None), ("q.fifo", Some("g".to_owned()))] {
        let arn = format!("arn:aws:sqs:us-east-1:123456789012:{queue}");
        fixture.sqs.deliver("s3", &arn, "a".into(), Attributes::new(), group).unwrap();
    }
    assert!(fixture.receive("q").await.is_empty());
    fixture.clock.advance(TimeDelta::seconds(2));
    let first = fixture.receive("q").await.remove(0);
    fixture.clock.advance(TimeDelta::seconds(5));
    let second = fixture.receive("q").await.remove(0);
    assert_ne!(first.content.id, second.content.id);
    assert_eq!(fixture.bodies("q.fifo").await, ["a"]);
}

//! Buckets that call a function themselves (S3 user guide, "Amazon S3 Event Notifications"): an asynchronous invocation for
//! each notification, which lies in a queue until it was accepted.

use super::activity::{Activity, Alarm, Meter};
use super::asynchronous::{AcceptError, Asynchronous};
use super::endpoint::{Message, QueueClient};
use crate::backoff::Backoff;
use crate::lambda::Source;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use emulator::Clock;
use serde::Deserialize;
use std::sync::Arc;
use tokio::sync::watch;

/// What SQS gives in one call.
const CALL_LIMIT: usize = 10;
/// How long a receive waits for a message where the endpoint gives no hint.
const WAIT_WITHOUT_HINTS: u32 = 1;

/// A function that buckets call, and everything it takes to pass their events on.
pub(super) struct Passing {
    pub(super) function: String,
    pub(super) url: String,
    pub(super) queues: Arc<dyn QueueClient>,
    pub(super) asynchronous: Arc<Asynchronous>,
    pub(super) clock: Clock,
    pub(super) changes: Option<watch::Receiver<u64>>,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) activity: Arc<Activity>,
    pub(super) meter: Meter,
    pub(super) seed: u64,
}

impl Passing {
    /// Runs until told to stop.
    pub(super) async fn run(self: Arc<Self>) {
        let mut alarm = Alarm::new(self.clock.clone(), self.changes.clone(), self.stop.clone());
        let mut backoff = Backoff::of_streams(self.seed);
        let mut errors = 0;
        let mut not_before: Option<DateTime<Utc>> = None;
        while !alarm.stopping() {
            alarm.look();
            if not_before.is_none_or(|at| at <= self.clock.now()) {
                match self.pass().await {
                    Ok(passed) => {
                        (errors, not_before) = (0, None);
                        if passed > 0 {
                            continue;
                        }
                    }
                    Err(reason) => {
                        self.meter.troubled(&reason);
                        errors += 1;
                        not_before = Some(self.clock.now() + backoff.delay(errors));
                    }
                }
            }
            alarm.quiet(not_before).await;
        }
    }

    /// Whether nothing lies in the queue. Call while takers are held off.
    pub(super) async fn idle(&self) -> bool {
        self.queues.visible(&self.url).await.is_ok_and(|visible| visible == 0)
    }

    /// Passes on what lies there, at most one call's worth; how much that was.
    async fn pass(&self) -> Result<usize, String> {
        // Held until what was received is an accepted invocation.
        let _taking = self.activity.taking().await;
        let wait = if self.changes.is_some() { 0 } else { WAIT_WITHOUT_HINTS };
        let received = self.queues.receive(&self.url, CALL_LIMIT, wait).await;
        let messages = received.map_err(|error| error.to_string())?;
        let mut done = Vec::new();
        let mut trouble = None;
        for message in &messages {
            match self.accept(message) {
                Ok(()) => done.push(message.receipt_handle.clone()),
                // It comes again when its visibility timeout has passed.
                Err(error) => trouble = Some(error.to_string()),
            }
        }
        if !done.is_empty() {
            let deleted = self.queues.delete(&self.url, &done).await;
            // Those that come again are called again: S3 notifies at least once.
            if let Some(refusal) = deleted.first() {
                return Err(format!("accepted notifications could not be deleted: {}", refusal.reason));
            }
            self.meter.settled(done.len());
        }
        trouble.map_or(Ok(messages.len()), Err)
    }

    /// Hands one notification over. An error may pass; what can never be accepted is dropped, as S3 does.
    fn accept(&self, message: &Message) -> Result<(), AcceptError> {
        if is_test_event(&message.body) {
            return Ok(());
        }
        let body = Bytes::from(message.body.clone());
        match self.asynchronous.accept(&self.function, &body, Source::Asynchronous) {
            Err(error) if !error.is_passing() => {
                tracing::error!(function = %self.function, %error, "a notification is dropped");
                self.meter.discarded(1);
                Ok(())
            }
            accepted => accepted.map(drop),
        }
    }
}

/// Whether it is what S3 tells a queue once, and no function ever.
fn is_test_event(body: &str) -> bool {
    #[derive(Deserialize)]
    struct Test {
        #[serde(rename = "Event")]
        event: String,
    }
    serde_json::from_str::<Test>(body).is_ok_and(|test| test.event == "s3:TestEvent")
}

#[cfg(test)]
mod tests {
    use super::super::activity::lock;
    use super::super::testing::*;
    use crate::app::BucketSource;
    use chrono::TimeDelta;
    use serde_json::{Value, json};

    const TEST_EVENT: &str = r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}"#;

    fn world() -> World {
        let mut world = World::new();
        let (id, function, queue_name) = ("F.S3".into(), "F".into(), "jobs".into());
        world.app.bucket_sources.push(BucketSource { id, function, queue_name });
        world
    }

    fn notification(key: &str) -> Value {
        json!({"Records": [{"eventSource": "aws:s3", "s3": {"object": {"key": key}}}]})
    }

    #[tokio::test]
    async fn each_notification_is_an_asynchronous_invocation_and_the_test_event_is_none() {
        let world = world();
        world.queues.put("jobs", "test", TEST_EVENT);
        world.queues.put("jobs", "a", &notification("a").to_string());
        world.queues.put("jobs", "b", &notification("b").to_string());
        let sources = world.start();
        drain(&sources, None).await;
        assert_eq!(*lock(&world.function.events), [notification("a"), notification("b")]);
        assert_eq!(world.queues.with("jobs", |queue| queue.deleted.clone()), ["r-test", "r-a", "r-b"]);
        sources.shutdown().await;
    }

    #[tokio::test]
    async fn a_notification_that_the_function_fails_has_three_attempts_and_then_the_destination() {
        let world = world();
        world.function.set(|_| function_error());
        world.queues.put("jobs", "a", &notification("a").to_string());
        let sources = world.start();
        drain(&sources, Some(&world.clock)).await;
        assert_eq!(lock(&world.function.events).len(), 3);
        let told = world.queues.with("failures", |queue| std::mem::take(&mut queue.sent));
        assert_eq!(told[0].0["requestPayload"], notification("a"));
        sources.shutdown().await;
    }

    #[tokio::test]
    async fn a_notification_stays_in_its_queue_until_it_was_accepted() {
        let world = world();
        let sources = world.start();
        drain(&sources, None).await;
        world.state.refuse_writes(true);
        world.queues.put("jobs", "a", &notification("a").to_string());
        while world.queues.with("jobs", |queue| queue.hidden.is_empty()) {
            tokio::task::yield_now().await;
        }
        world.state.refuse_writes(false);
        // Its visibility timeout passes.
        world.queues.with("jobs", |queue| queue.visible.extend(queue.hidden.drain(..)));
        world.clock.advance(TimeDelta::minutes(1));
        drain(&sources, None).await;
        assert_eq!(*lock(&world.function.events), [notification("a")]);
        assert_eq!(world.queues.with("jobs", |queue| queue.deleted.clone()), ["r-a"]);
        sources.shutdown().await;
    }
}

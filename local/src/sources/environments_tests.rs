//! Every way in which an environment fails, with real processes, against every kind of source: each ends as the documents
//! of that source say. What a caller of the HTTP API gets is in `http_api/environments_tests.rs`.

use super::testing::*;
use super::{SourceStatus, Sources};
use crate::lambda::Source;
use crate::lambda::testing::{FAILURES, Failure, Running};
use bytes::Bytes;
use serde_json::{Value, json};
use std::sync::Arc;

/// What was sent to the failure destination, or to the dead-letter queue, which is the same queue here.
fn told(world: &World) -> Vec<Value> {
    world.queues.with("failures", |queue| queue.sent.drain(..).map(|(body, _)| body).collect())
}

async fn status_after(failure: Failure, world: &World) -> (SourceStatus, Sources, Running) {
    let running = failure.subject("F").run();
    let sources = world.start_with(Arc::new(running.lambda.clone()));
    drain(&sources, Some(&world.clock)).await;
    (sources.status().remove(0), sources, running)
}

async fn end(sources: Sources, running: Running) {
    sources.shutdown().await;
    running.lambda.shutdown().await;
}

#[tokio::test]
async fn a_stream_batch_is_tried_again_and_then_told_to_the_destination() {
    for failure in FAILURES {
        let mut world = World::new();
        let mut source = stream_source();
        source.maximum_retry_attempts = Some(1);
        world.app.stream_sources.push(source);
        world.stream.write("s1", "a", 1, world.now());
        let (status, sources, running) = status_after(failure, &world).await;
        let told = told(&world);
        let what = failure.what;
        assert_eq!(told.len(), 1, "{what}");
        assert_eq!(told[0]["requestContext"]["condition"], "RetryAttemptsExhausted", "{what}");
        assert_eq!(told[0]["requestContext"]["approximateInvokeCount"], 2, "{what}");
        // A response that is not by the rules is an answer all the same.
        let error = failure.error_type.map_or(Value::Null, |_| json!("Unhandled"));
        assert_eq!(told[0]["responseContext"]["functionError"], error, "{what}");
        assert_eq!((status.failures, status.discarded, status.lag), (2, 1, 0), "{what}");
        end(sources, running).await;
    }
}

#[tokio::test]
async fn a_queue_batch_is_left_to_its_visibility_timeout() {
    for failure in FAILURES {
        let mut world = World::new();
        world.app.queue_sources.push(queue_source());
        for id in ["a", "b"] {
            world.queues.put("jobs", id, "{}");
        }
        let (status, sources, running) = status_after(failure, &world).await;
        let what = failure.what;
        world.queues.with("jobs", |queue| {
            assert_eq!(queue.hidden.len(), 2, "{what}");
            assert!(queue.deleted.is_empty() && queue.given_back.is_empty(), "{what}");
        });
        assert!(status.failures >= 1, "{what}");
        let expected = failure.error_type.unwrap_or("the response is not JSON");
        assert!(status.last_error.as_ref().unwrap().starts_with(expected), "{what}: {status:?}");
        end(sources, running).await;
    }
}

#[tokio::test]
async fn an_asynchronous_invocation_is_tried_three_times_and_then_told_to_the_destination() {
    for failure in FAILURES {
        let world = World::new();
        let running = failure.subject("F").run();
        let sources = world.start_with(Arc::new(running.lambda.clone()));
        let event = Bytes::from_static(br#"{"n":1}"#);
        sources.invoke_asynchronously("F", &event, Source::Asynchronous).unwrap();
        drain(&sources, Some(&world.clock)).await;
        check_invocation_record(failure, &told(&world), &json!({"n": 1}));
        end(sources, running).await;
    }
}

#[tokio::test]
async fn a_schedules_run_fails_as_the_asynchronous_invocation_that_it_is() {
    for failure in FAILURES {
        let mut world = World::new();
        let mut schedule = schedule("rate(1 day)");
        schedule.input = Some(r#"{"n":2}"#.into());
        // Told to nobody: the function took the run, and what becomes of it is not Scheduler's any more.
        schedule.dead_letter_queue = Some("arn:aws:sqs:us-east-1:123456789012:jobs".into());
        world.app.schedules.push(schedule);
        let (_, sources, running) = status_after(failure, &world).await;
        check_invocation_record(failure, &told(&world), &json!({"n": 2}));
        assert!(world.queues.with("jobs", |queue| queue.sent.is_empty()), "{}", failure.what);
        end(sources, running).await;
    }
}

/// Any answer is a success; an error is told after three attempts.
fn check_invocation_record(failure: Failure, told: &[Value], event: &Value) {
    let what = failure.what;
    let Some(error_type) = failure.error_type else {
        assert!(told.is_empty(), "{what}: {told:?}");
        return;
    };
    assert_eq!(told.len(), 1, "{what}");
    assert_eq!(told[0]["requestContext"]["condition"], "RetriesExhausted", "{what}");
    assert_eq!(told[0]["requestContext"]["approximateInvokeCount"], 3, "{what}");
    assert_eq!(told[0]["requestPayload"], *event, "{what}");
    assert_eq!(told[0]["responsePayload"]["errorType"], error_type, "{what}");
}

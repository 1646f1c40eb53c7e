use super::super::testing::*;
use super::*;
use serde_json::json;

fn payload() -> Bytes {
    Bytes::from_static(br#"{"n":1}"#)
}

#[tokio::test]
async fn an_accepted_invocation_runs_once_when_it_succeeds() {
    let world = World::new();
    let sources = world.start();
    sources.invoke_asynchronously("F", &payload(), Source::Asynchronous).unwrap();
    drain(&sources, Some(&world.clock)).await;
    assert_eq!(*lock(&world.function.events), [json!({"n": 1})]);
    assert!(world.state.list::<Accepted>(PENDING).unwrap().is_empty());
    sources.shutdown().await;
}

#[tokio::test]
async fn two_retries_after_one_and_two_minutes_and_then_the_destination() {
    let world = World::new();
    world.function.set(|_| function_error());
    let sources = world.start();
    let started = world.clock.now();
    let id = sources.invoke_asynchronously("F", &payload(), Source::Asynchronous).unwrap();
    drain(&sources, Some(&world.clock)).await;
    assert_eq!(lock(&world.function.events).len(), 3);
    let passed = (world.clock.now() - started).num_seconds();
    assert!((180..=190).contains(&passed), "{passed}");
    let sent = world.queues.with("failures", |queue| std::mem::take(&mut queue.sent));
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].0["requestContext"]["condition"], "RetriesExhausted");
    assert_eq!(sent[0].0["requestContext"]["requestId"], id);
    assert_eq!(sent[0].0["requestContext"]["approximateInvokeCount"], 3);
    assert_eq!(sent[0].0["requestPayload"], json!({"n": 1}));
    assert_eq!(sent[0].0["responsePayload"]["errorType"], "Test");
    sources.shutdown().await;
}

#[tokio::test]
async fn what_runs_is_not_due_any_more() {
    let world = World::new();
    let sources = world.start();
    sources.invoke_asynchronously("F", &payload(), Source::Asynchronous).unwrap();
    assert!(sources.next_due().is_some());
    while lock(&world.function.most_at_once).0 == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(sources.next_due(), None);
    sources.shutdown().await;
}

#[tokio::test]
async fn a_dead_letter_queue_gets_the_event_itself_and_the_destination_its_record() {
    let mut world = World::new();
    world.app.functions[0].asynchronous.dead_letter_queue = Some("arn:aws:sqs:us-east-1:1:jobs".into());
    world.function.set(|_| function_error());
    let sources = world.start();
    let id = sources.invoke_asynchronously("F", &payload(), Source::Asynchronous).unwrap();
    drain(&sources, Some(&world.clock)).await;
    let letters = world.queues.with("jobs", |queue| std::mem::take(&mut queue.sent));
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].0, json!({"n": 1}));
    let attribute = |name: &str| letters[0].1[name].string.clone().unwrap();
    assert_eq!((attribute("RequestID"), attribute("ErrorCode")), (id, "200".to_owned()));
    assert_eq!(attribute("ErrorMessage"), "as told");
    assert_eq!(world.queues.with("failures", |queue| queue.sent.len()), 1);
    sources.shutdown().await;
}

#[tokio::test]
async fn what_waits_survives_a_restart() {
    let world = World::new();
    world.function.set(|_| function_error());
    let sources = world.start();
    sources.invoke_asynchronously("F", &payload(), Source::Asynchronous).unwrap();
    drain(&sources, None).await;
    sources.shutdown().await;
    world.function.set(|_| answer(&json!({})));
    let sources = world.start();
    drain(&sources, Some(&world.clock)).await;
    assert_eq!(lock(&world.function.events).len(), 2);
    sources.shutdown().await;
}

#[tokio::test]
async fn throttles_use_up_age_and_not_attempts() {
    let mut world = World::new();
    world.app.functions[0].asynchronous.maximum_event_age = std::time::Duration::from_secs(3600);
    world.function.set(|_| Outcome::Throttled);
    let sources = world.start();
    sources.invoke_asynchronously("F", &payload(), Source::Asynchronous).unwrap();
    drain(&sources, Some(&world.clock)).await;
    assert!(lock(&world.function.events).len() > 10);
    let sent = world.queues.with("failures", |queue| std::mem::take(&mut queue.sent));
    assert_eq!(sent[0].0["requestContext"]["condition"], "EventAgeExceeded");
    sources.shutdown().await;
}

#[tokio::test]
async fn a_failure_stays_until_its_destination_took_it() {
    let world = World::new();
    world.function.set(|_| function_error());
    *lock(&world.queues.refuse_sends) = true;
    let sources = world.start();
    sources.invoke_asynchronously("F", &payload(), Source::Asynchronous).unwrap();
    for _ in 0..3 {
        drain(&sources, None).await;
        world.clock.advance(TimeDelta::minutes(2));
    }
    drain(&sources, None).await;
    assert_eq!(world.state.list::<Accepted>(PENDING).unwrap().len(), 1);
    *lock(&world.queues.refuse_sends) = false;
    drain(&sources, Some(&world.clock)).await;
    assert_eq!(world.queues.with("failures", |queue| queue.sent.len()), 1);
    assert_eq!(lock(&world.function.events).len(), 3);
    sources.shutdown().await;
}

#[tokio::test]
async fn what_lambda_would_refuse_is_refused() {
    let world = World::new();
    let sources = world.start();
    let refuse = |function: &str, payload: Bytes| {
        sources.invoke_asynchronously(function, &payload, Source::Asynchronous).unwrap_err()
    };
    assert!(matches!(refuse("G", payload()), AcceptError::UnknownFunction(_)));
    assert!(matches!(refuse("F", Bytes::from_static(b"{")), AcceptError::NotJson));
    assert!(matches!(refuse("F", Bytes::from(vec![b' '; PAYLOAD_LIMIT + 1])), AcceptError::TooLarge(_)));
    sources.shutdown().await;
}

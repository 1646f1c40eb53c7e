use super::super::testing::*;
use super::*;
use serde_json::json;

fn utc(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

fn world(expression: &str, now: &str) -> World {
    let mut world = World::new();
    world.app.schedules.push(schedule(expression));
    world.clock.set(utc(now));
    world
}

fn runs(world: &World) -> Vec<String> {
    lock(&world.function.events).iter().map(|event| event["at"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_schedule_runs_when_the_clock_reaches_it() {
    let world = world("cron(0/10 6 * * ? *)", "2026-01-01T05:00:00Z");
    let sources = world.start();
    drain(&sources, None).await;
    assert!(runs(&world).is_empty());
    assert_eq!(sources.schedules()[0].next_run, Some(utc("2026-01-01T06:00:00Z")));
    world.clock.set(utc("2026-01-01T06:25:00Z"));
    drain(&sources, None).await;
    assert_eq!(runs(&world), ["2026-01-01T06:00:00Z", "2026-01-01T06:10:00Z", "2026-01-01T06:20:00Z"]);
    assert_eq!(sources.schedules()[0].last_run, Some(utc("2026-01-01T06:20:00Z")));
    sources.shutdown().await;
}

#[tokio::test]
async fn a_month_at_once_runs_only_what_is_young_enough() {
    let world = world("cron(0/10 * * * ? *)", "2026-01-01T05:00:30Z");
    let sources = world.start();
    drain(&sources, None).await;
    world.clock.set(utc("2026-02-01T05:00:30Z"));
    drain(&sources, None).await;
    assert_eq!(runs(&world).len(), 6);
    assert_eq!(runs(&world)[0], "2026-02-01T04:10:00Z");
    sources.shutdown().await;
}

#[tokio::test]
async fn a_run_missed_while_the_host_was_down_runs_once_if_it_is_young_enough() {
    let world = world("cron(0/10 6 * * ? *)", "2026-01-01T05:00:00Z");
    let restart = async |at: &str| {
        world.clock.set(utc(at));
        let sources = world.start();
        drain(&sources, None).await;
        sources.shutdown().await;
    };
    restart("2026-01-01T05:00:00Z").await;
    restart("2026-01-01T06:25:00Z").await;
    assert_eq!(runs(&world), ["2026-01-01T06:20:00Z"]);
    restart("2026-01-01T09:00:00Z").await;
    assert_eq!(runs(&world).len(), 1);
}

#[tokio::test]
async fn after_more_than_a_day_away_only_the_last_missed_run_is_made_up() {
    let mut world = world("cron(* * * * ? *)", "2026-01-01T05:00:30Z");
    // On the minute a day has one more: both its ends.
    world.clock = Clock::standing_at(utc("2026-01-01T05:00:30Z"));
    world.app.schedules[0].maximum_event_age = std::time::Duration::from_secs(86_400);
    for at in ["2026-01-01T05:00:30Z", "2026-01-03T05:00:00Z"] {
        world.clock.set(utc(at));
        let sources = world.start();
        drain(&sources, None).await;
        sources.shutdown().await;
    }
    assert_eq!(runs(&world), ["2026-01-03T05:00:00Z"]);
}

#[tokio::test]
async fn a_run_that_was_dropped_stays_so_when_the_clock_is_set_back_while_the_host_is_down() {
    let world = world("cron(0 6 * * ? *)", "2026-01-01T05:00:00Z");
    let sources = world.start();
    drain(&sources, None).await;
    world.clock.set(utc("2026-01-01T08:00:00Z"));
    let dropped = async {
        let considered = || world.state.get::<Memory>(SCHEDULES, "Daily").unwrap().unwrap().considered;
        while considered() < utc("2026-01-01T08:00:00Z") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), dropped).await.unwrap();
    sources.shutdown().await;
    world.clock.set(utc("2026-01-01T06:30:00Z"));
    let sources = world.start();
    drain(&sources, None).await;
    assert!(runs(&world).is_empty());
    sources.shutdown().await;
}

#[tokio::test]
async fn what_grew_too_old_while_nothing_could_be_handed_over_does_not_run() {
    let mut world = world("cron(0/10 6 * * ? *)", "2026-01-01T05:00:00Z");
    world.app.schedules[0].maximum_retry_attempts = 185;
    let sources = world.start();
    drain(&sources, None).await;
    world.state.refuse_writes(true);
    world.clock.set(utc("2026-01-01T06:25:00Z"));
    until(&world, || world.clock.now() > utc("2026-01-01T06:26:00Z")).await;
    world.clock.set(utc("2026-01-01T09:00:00Z"));
    world.state.refuse_writes(false);
    until(&world, || letters(&world) == 1).await;
    drain(&sources, None).await;
    let sent = world.queues.with("failures", |queue| std::mem::take(&mut queue.sent));
    assert_eq!(sent[0].1["EXHAUSTED_RETRY_CONDITION"].string.as_deref(), Some("MaximumEventAgeInSeconds"));
    assert_eq!(sent[0].1["SCHEDULED_TIME"].string.as_deref(), Some("2026-01-01T06:00:00Z"));
    assert!(runs(&world).is_empty());
    sources.shutdown().await;
}

#[tokio::test]
async fn a_rate_begins_at_once_and_keeps_its_pace() {
    let world = world("rate(5 minutes)", "2026-01-01T05:00:00Z");
    let sources = world.start();
    drain(&sources, None).await;
    assert_eq!(runs(&world).len(), 1);
    world.clock.advance(TimeDelta::minutes(11));
    drain(&sources, None).await;
    assert_eq!(runs(&world).len(), 3);
    sources.shutdown().await;
}

#[tokio::test]
async fn a_clock_set_back_does_not_silence_a_schedule() {
    let world = world("cron(0 6 * * ? *)", "2031-01-01T05:00:00Z");
    let sources = world.start();
    drain(&sources, None).await;
    world.clock.set(utc("2026-01-01T05:59:00Z"));
    let back = async {
        while sources.schedules()[0].next_run != Some(utc("2026-01-01T06:00:00Z")) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), back).await.unwrap();
    world.clock.set(utc("2026-01-01T06:00:01Z"));
    drain(&sources, None).await;
    assert_eq!(runs(&world), ["2026-01-01T06:00:00Z"]);
    sources.shutdown().await;
}

#[tokio::test]
async fn run_now_goes_the_way_of_a_due_run() {
    let mut world = world("cron(0 6 * * ? *)", "2026-01-01T05:00:00Z");
    world.app.schedules[0].enabled = false;
    let sources = world.start();
    assert!(sources.run_schedule("Daily").await.is_some());
    assert!(sources.run_schedule("Other").await.is_none());
    drain(&sources, None).await;
    assert_eq!(runs(&world).len(), 1);
    assert_eq!(sources.schedules()[0].next_run, None);
    sources.shutdown().await;
}

#[tokio::test]
async fn a_run_that_cannot_be_handed_over_is_buried_with_its_payload() {
    let mut world = world("cron(0 6 * * ? *)", "2026-01-01T05:00:00Z");
    world.app.schedules[0].input = Some("not json".into());
    let sources = world.start();
    world.clock.set(utc("2026-01-01T06:00:01Z"));
    drain(&sources, None).await;
    let sent = world.queues.with("failures", |queue| std::mem::take(&mut queue.sent));
    assert_eq!(sent[0].0, json!("not json"));
    let attributes = &sent[0].1;
    let attribute = |name: &str| attributes[name].string.clone().unwrap();
    assert_eq!(attribute("ERROR_CODE"), "AWS.Lambda.InvalidRequestContentException");
    assert_eq!(attribute("EXHAUSTED_RETRY_CONDITION"), "NonRetryableError");
    assert_eq!(attribute("SCHEDULED_TIME"), "2026-01-01T06:00:00Z");
    assert_eq!(attribute("SCHEDULE_ARN"), "arn:aws:scheduler:us-east-1:123456789012:schedule/default/Daily");
    sources.shutdown().await;
}

/// Moves the clock on, bit by bit, until `done`.
async fn until(world: &World, done: impl Fn() -> bool) {
    let moving = async {
        while !done() {
            world.clock.advance(TimeDelta::seconds(1));
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), moving).await.unwrap();
}

fn letters(world: &World) -> usize {
    world.queues.with("failures", |queue| queue.sent.len())
}

#[tokio::test]
async fn a_passing_failure_is_tried_again_until_the_attempts_are_used_up() {
    let mut world = world("cron(0 6 * * ? *)", "2026-01-01T05:00:00Z");
    world.app.schedules[0].maximum_retry_attempts = 2;
    let sources = world.start();
    drain(&sources, None).await;
    world.state.refuse_writes(true);
    world.clock.set(utc("2026-01-01T06:00:00Z"));
    until(&world, || letters(&world) == 1).await;
    let sent = world.queues.with("failures", |queue| std::mem::take(&mut queue.sent));
    let attribute = |name: &str| sent[0].1[name].string.clone().unwrap();
    assert_eq!(attribute("EXHAUSTED_RETRY_CONDITION"), "MaximumRetryAttempts");
    assert_eq!(attribute("RETRY_ATTEMPTS"), "2");
    assert_eq!(sent[0].0, json!({"at": "2026-01-01T06:00:00Z", "attempt": "3"}));
    assert!(runs(&world).is_empty());
    sources.shutdown().await;
}

#[tokio::test]
async fn a_passing_failure_is_tried_again_until_the_run_is_too_old() {
    let mut world = world("cron(0 6 * * ? *)", "2026-01-01T05:00:00Z");
    world.app.schedules[0].maximum_retry_attempts = 185;
    world.app.schedules[0].maximum_event_age = std::time::Duration::from_secs(60);
    let sources = world.start();
    drain(&sources, None).await;
    world.state.refuse_writes(true);
    world.clock.set(utc("2026-01-01T06:00:00Z"));
    until(&world, || letters(&world) == 1).await;
    let sent = world.queues.with("failures", |queue| std::mem::take(&mut queue.sent));
    assert_eq!(sent[0].1["EXHAUSTED_RETRY_CONDITION"].string.as_deref(), Some("MaximumEventAgeInSeconds"));
    sources.shutdown().await;
}

#[tokio::test]
async fn a_run_that_is_handed_over_at_last_runs_once() {
    let mut world = world("cron(0 6 * * ? *)", "2026-01-01T05:00:00Z");
    world.app.schedules[0].maximum_retry_attempts = 185;
    let sources = world.start();
    drain(&sources, None).await;
    world.state.refuse_writes(true);
    world.clock.set(utc("2026-01-01T06:00:00Z"));
    until(&world, || world.clock.now() > utc("2026-01-01T06:01:00Z")).await;
    world.state.refuse_writes(false);
    until(&world, || !runs(&world).is_empty()).await;
    drain(&sources, Some(&world.clock)).await;
    assert_eq!(runs(&world), ["2026-01-01T06:00:00Z"]);
    assert_eq!(letters(&world), 0);
    sources.shutdown().await;
}

#[tokio::test]
async fn a_dead_letter_is_kept_until_its_queue_takes_it() {
    let mut world = world("cron(0 6 * * ? *)", "2026-01-01T05:00:00Z");
    world.app.schedules[0].input = Some("not json".into());
    *lock(&world.queues.refuse_sends) = true;
    let sources = world.start();
    drain(&sources, None).await;
    world.clock.set(utc("2026-01-01T06:00:00Z"));
    until(&world, || world.clock.now() > utc("2026-01-01T06:01:00Z")).await;
    // A host that stops meanwhile takes it up again.
    sources.shutdown().await;
    let sources = world.start();
    until(&world, || world.clock.now() > utc("2026-01-01T06:02:00Z")).await;
    assert_eq!(letters(&world), 0);
    *lock(&world.queues.refuse_sends) = false;
    until(&world, || letters(&world) == 1).await;
    drain(&sources, None).await;
    assert_eq!(letters(&world), 1);
    sources.shutdown().await;
}

#[tokio::test]
async fn a_schedule_keeps_to_its_dates() {
    let mut world = world("rate(10 minutes)", "2026-01-01T05:00:00Z");
    world.app.schedules[0].start = Some(utc("2026-01-01T06:05:00Z"));
    world.app.schedules[0].end = Some(utc("2026-01-01T06:25:00Z"));
    let sources = world.start();
    drain(&sources, None).await;
    assert_eq!(sources.schedules()[0].next_run, Some(utc("2026-01-01T06:05:00Z")));
    world.clock.set(utc("2026-01-01T06:40:00Z"));
    drain(&sources, None).await;
    assert_eq!(runs(&world), ["2026-01-01T06:05:00Z", "2026-01-01T06:15:00Z", "2026-01-01T06:25:00Z"]);
    assert_eq!(sources.schedules()[0].next_run, None);
    sources.shutdown().await;
}

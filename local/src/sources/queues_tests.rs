use super::super::testing::*;
use super::*;
use crate::app::QueueSource;
use crate::sources::responses::Failure;
use proptest::prelude::*;
use serde_json::json;

fn world(change: impl FnOnce(&mut QueueSource)) -> World {
    let mut world = World::new();
    let mut source = queue_source();
    change(&mut source);
    world.app.queue_sources.push(source);
    world
}

fn deleted(world: &World) -> Vec<String> {
    world.queues.with("jobs", |queue| queue.deleted.clone())
}

#[tokio::test]
async fn what_succeeded_is_deleted_and_what_failed_is_left() {
    let world = world(|_| {});
    for id in ["a", "b", "c"] {
        world.queues.put("jobs", id, "{}");
    }
    world.function.set(|_| failed_ids(&["b"]));
    let sources = world.start();
    drain(&sources, None).await;
    assert_eq!(deleted(&world), ["r-a", "r-c"]);
    assert!(world.queues.with("jobs", |queue| queue.given_back.is_empty()));
    sources.shutdown().await;
}

#[tokio::test]
async fn an_unknown_id_fails_the_whole_batch() {
    let world = world(|_| {});
    world.queues.put("jobs", "a", "{}");
    world.function.set(|_| failed_ids(&["z"]));
    let sources = world.start();
    drain(&sources, None).await;
    assert!(deleted(&world).is_empty());
    assert_eq!(sources.status()[0].failures, 1);
    sources.shutdown().await;
}

#[tokio::test]
async fn a_throttled_batch_is_tried_again_and_then_given_back() {
    let world = world(|_| {});
    world.queues.put("jobs", "a", "{}");
    world.function.set(|_| Outcome::Throttled);
    let sources = world.start();
    let given_back = async {
        while world.queues.with("jobs", |queue| queue.given_back.is_empty()) {
            world.clock.advance(TimeDelta::milliseconds(500));
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), given_back).await.unwrap();
    assert_eq!(lock(&world.function.events).len(), TRIES_WHEN_THROTTLED as usize);
    assert!(deleted(&world).is_empty());
    sources.shutdown().await;
}

#[tokio::test]
async fn a_window_gathers_until_it_ends_on_the_clock() {
    let world = world(|source| {
        source.window = std::time::Duration::from_secs(60);
        source.batch_size = 25;
    });
    for number in 0..12 {
        world.queues.put("jobs", &number.to_string(), "{}");
    }
    let sources = world.start();
    drain(&sources, None).await;
    assert!(lock(&world.function.events).is_empty());
    assert!(sources.next_due().unwrap() > world.clock.now());
    drain(&sources, Some(&world.clock)).await;
    assert_eq!(world.batches("/messageId").iter().map(Vec::len).collect::<Vec<_>>(), [12]);
    assert_eq!(deleted(&world).len(), 12);
    sources.shutdown().await;
}

#[tokio::test]
async fn a_message_that_comes_again_within_the_window_is_in_its_batch_once() {
    let world = world(|source| source.window = std::time::Duration::from_secs(60));
    world.queues.put("jobs", "a", "first");
    world.queues.put("jobs", "b", "first");
    let sources = world.start();
    drain(&sources, None).await;
    // Its visibility timeout passes before the window ends: the queue gives it again.
    world.queues.put("jobs", "a", "second");
    drain(&sources, None).await;
    drain(&sources, Some(&world.clock)).await;
    assert_eq!(world.batches("/messageId"), [["a", "b"]]);
    assert_eq!(world.batches("/body"), [["second", "first"]]);
    sources.shutdown().await;
}

#[tokio::test]
async fn messages_that_no_filter_matches_are_deleted_unseen() {
    let world = world(|source| source.filters = vec![json!({"body": {"kind": ["b"]}})]);
    world.queues.put("jobs", "a", r#"{"kind":"a"}"#);
    world.queues.put("jobs", "b", r#"{"kind":"b"}"#);
    let sources = world.start();
    drain(&sources, None).await;
    assert_eq!(world.batches("/messageId"), [["b"]]);
    assert_eq!(deleted(&world).len(), 2);
    sources.shutdown().await;
}

#[tokio::test]
async fn no_more_batches_run_at_once_than_allowed() {
    let world = world(|source| source.batch_size = 1);
    for number in 0..20 {
        world.queues.put("jobs", &number.to_string(), "{}");
    }
    let sources = world.start();
    drain(&sources, None).await;
    assert_eq!(deleted(&world).len(), 20);
    assert_eq!(lock(&world.function.most_at_once).1, 2);
    sources.shutdown().await;
}

#[tokio::test]
async fn without_a_maximum_five_batches_run_at_once() {
    let world = world(|source| (source.batch_size, source.maximum_concurrency) = (1, None));
    for number in 0..20 {
        world.queues.put("jobs", &number.to_string(), "{}");
    }
    let function = world.function.clone();
    world.function.lasts_until(move || lock(&function.most_at_once).1 >= 5);
    let sources = world.start();
    drain(&sources, None).await;
    assert_eq!(deleted(&world).len(), 20);
    assert_eq!(lock(&world.function.most_at_once).1, 5);
    sources.shutdown().await;
}

#[tokio::test]
async fn a_batch_is_cut_before_six_megabytes() {
    let world = world(|source| source.maximum_concurrency = Some(1));
    let body = "x".repeat(1024 * 1024);
    for number in 0..8 {
        world.queues.put("jobs", &number.to_string(), &body);
    }
    let sources = world.start();
    drain(&sources, None).await;
    assert_eq!(world.batches("/messageId").iter().map(Vec::len).collect::<Vec<_>>(), [5, 3]);
    sources.shutdown().await;
}

fn fifo_world() -> World {
    world(|source| {
        source.queue_name = "jobs.fifo".into();
        source.queue_arn.push_str(".fifo");
        source.maximum_concurrency = Some(10);
    })
}

/// Eight messages of a group, of a megabyte each: two batches.
fn put_eight_megabytes(world: &World) {
    let body = "x".repeat(1024 * 1024);
    for number in 0..8 {
        world.queues.put_in_group("jobs.fifo", Some("g"), &format!("g{number}"), &body);
    }
}

#[tokio::test]
async fn of_a_message_group_one_batch_is_in_flight_even_when_six_megabytes_cut_it() {
    let world = fifo_world();
    put_eight_megabytes(&world);
    world.queues.put_in_group("jobs.fifo", Some("h"), "h0", "{}");
    // The first batch lasts until the other group's message, which was cut off with the rest of its own, has run.
    let function = world.function.clone();
    world.function.lasts_until(move || lock(&function.most_at_once).1 == 2);
    let sources = world.start();
    drain(&sources, None).await;
    assert_eq!(world.function.overlapping_groups(), Vec::<String>::new());
    let of_g = world.batches("/messageId").concat();
    let of_g: Vec<&String> = of_g.iter().filter(|id| id.starts_with('g')).collect();
    assert_eq!(of_g, ["g0", "g1", "g2", "g3", "g4", "g5", "g6", "g7"]);
    sources.shutdown().await;
}

#[tokio::test]
async fn what_was_cut_off_a_batch_of_its_group_that_fails_goes_back_behind_it() {
    let world = fifo_world();
    put_eight_megabytes(&world);
    world.function.set(|_| failed_ids(&["g2", "g3", "g4"]));
    let sources = world.start();
    drain(&sources, None).await;
    assert_eq!(world.batches("/messageId"), [["g0", "g1", "g2", "g3", "g4"]]);
    let given_back = world.queues.with("jobs.fifo", |queue| queue.given_back.clone());
    assert_eq!(given_back, ["r-g5", "r-g6", "r-g7"].map(|handle| (handle.to_owned(), 0)));
    sources.shutdown().await;
}

#[tokio::test]
async fn what_was_cut_off_goes_back_behind_a_message_that_succeeded_and_was_not_deleted() {
    let world = fifo_world();
    put_eight_megabytes(&world);
    // Its receipt expired during the invocation.
    world.queues.with("jobs.fifo", |queue| queue.refusals.push(("r-g2".to_owned(), false)));
    let sources = world.start();
    drain(&sources, None).await;
    assert_eq!(world.batches("/messageId"), [["g0", "g1", "g2", "g3", "g4"]]);
    let (deleted, given_back) =
        world.queues.with("jobs.fifo", |queue| (queue.deleted.clone(), queue.given_back.clone()));
    assert_eq!(deleted, ["r-g0", "r-g1", "r-g3", "r-g4"]);
    assert_eq!(given_back, ["r-g5", "r-g6", "r-g7"].map(|handle| (handle.to_owned(), 0)));
    assert!(sources.status()[0].last_error.as_ref().unwrap().contains("could not be deleted"));
    sources.shutdown().await;
}

#[tokio::test]
async fn a_deletion_is_tried_again_for_the_messages_that_sqs_may_yet_delete() {
    let world = world(|_| {});
    for id in ["a", "b", "c"] {
        world.queues.put("jobs", id, "{}");
    }
    let refused = [("r-b".to_owned(), true), ("r-c".to_owned(), false)];
    world.queues.with("jobs", |queue| queue.refusals.extend(refused));
    let sources = world.start();
    let tried_again = async {
        while deleted(&world).len() < 2 {
            world.clock.advance(TimeDelta::milliseconds(500));
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), tried_again).await.unwrap();
    assert_eq!(deleted(&world), ["r-a", "r-b"]);
    assert_eq!(world.queues.with("jobs", |queue| queue.deletions.clone()), [3, 1]);
    sources.shutdown().await;
}

#[tokio::test]
async fn a_message_that_comes_again_waits_for_the_batch_of_its_group() {
    let world = fifo_world();
    let (queues, comes_again) = (world.queues.clone(), Mutex::new(true));
    // Its visibility timeout passes during the invocation: the queue gives it again.
    world.function.set(move |_| {
        if std::mem::take(&mut *lock(&comes_again)) {
            for id in ["g0", "g1"] {
                queues.put_in_group("jobs.fifo", Some("g"), id, "{}");
            }
        }
        failed_ids(&[])
    });
    let queues = world.queues.clone();
    world.function.lasts_until(move || queues.with("jobs.fifo", |queue| queue.visible.is_empty()));
    for id in ["g0", "g1"] {
        world.queues.put_in_group("jobs.fifo", Some("g"), id, "{}");
    }
    let sources = world.start();
    drain(&sources, None).await;
    assert_eq!(world.function.overlapping_groups(), Vec::<String>::new());
    assert_eq!(world.batches("/messageId"), [["g0", "g1"], ["g0", "g1"]]);
    sources.shutdown().await;
}

#[tokio::test]
async fn stopping_gives_gathered_messages_back() {
    let world = world(|source| source.window = std::time::Duration::from_secs(300));
    world.queues.put("jobs", "a", "{}");
    let sources = world.start();
    drain(&sources, None).await;
    sources.shutdown().await;
    assert_eq!(world.queues.with("jobs", |queue| queue.given_back.clone()), [("r-a".to_owned(), 0)]);
    assert!(lock(&world.function.events).is_empty());
}

#[tokio::test]
async fn stopping_gives_a_throttled_batch_back_without_waiting_for_its_next_try() {
    let mut world = world(|_| {});
    // Only a stop ends the wait.
    world.clock = Clock::standing_at(DateTime::UNIX_EPOCH);
    world.queues.put("jobs", "a", "{}");
    world.function.set(|_| Outcome::Throttled);
    let sources = world.start();
    while lock(&world.function.events).is_empty() {
        tokio::task::yield_now().await;
    }
    tokio::time::timeout(std::time::Duration::from_secs(10), sources.shutdown()).await.unwrap();
    assert_eq!(world.queues.with("jobs", |queue| queue.given_back.clone()), [("r-a".to_owned(), 0)]);
    assert_eq!(lock(&world.function.events).len(), 1);
}

#[test]
fn failures_and_throttles_delete_nothing() {
    let failed = Verdict::Failed(Failure { error: None, message: String::new() });
    assert_eq!(settle(3, &failed), Settlement::default());
    assert_eq!(settle(2, &Verdict::Throttled).release, [0, 1]);
}

proptest! {
    #[test]
    fn exactly_the_messages_that_did_not_fail_are_deleted(size in 1usize..30, failed in prop::collection::btree_set(0usize..30, 1..10)) {
        let failed: Vec<usize> = failed.into_iter().filter(|place| *place < size).collect();
        let settlement = settle(size, &Verdict::Partly(failed.clone()));
        let mut all = [settlement.delete, failed].concat();
        all.sort_unstable();
        prop_assert_eq!(all, (0..size).collect::<Vec<_>>());
        prop_assert!(settlement.release.is_empty());
    }
}

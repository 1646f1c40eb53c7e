use super::super::testing::*;
use super::*;
use serde_json::json;
use std::ops::RangeInclusive;

const SEQUENCE: &str = "/dynamodb/SequenceNumber";

fn world(change: impl FnOnce(&mut StreamSource)) -> World {
    let mut world = World::new();
    let mut source = stream_source();
    change(&mut source);
    world.app.stream_sources.push(source);
    world
}

/// Writes records with these sequence numbers to the first shard, all of one key.
fn write_all(world: &World, numbers: RangeInclusive<u64>) {
    numbers.for_each(|number| world.stream.write("s1", "a", number, world.now()));
}

#[tokio::test]
async fn records_reach_the_function_in_order_and_are_checkpointed() {
    let world = world(|source| source.batch_size = 2);
    write_all(&world, 1..=5);
    let sources = world.start();
    drain(&sources, None).await;
    assert_eq!(world.batches(SEQUENCE).concat(), ["1", "2", "3", "4", "5"]);
    assert!(world.batches(SEQUENCE).iter().all(|batch| batch.len() <= 2));
    assert_eq!(lock(&world.function.events)[0]["Records"][0]["eventSourceARN"], "arn:stream");
    sources.shutdown().await;

    // A restart goes on after the checkpoint.
    world.stream.write("s1", "a", 6, world.now());
    let sources = world.start();
    drain(&sources, None).await;
    assert_eq!(world.batches(SEQUENCE).last().unwrap(), &["6"]);
    assert_eq!(sources.status()[0].batches, 1);
    sources.shutdown().await;
}

#[tokio::test]
async fn a_lost_checkpoint_repeats_what_followed_the_one_before_and_in_order() {
    let world = world(|source| source.batch_size = 2);
    write_all(&world, 1..=2);
    let sources = world.start();
    drain(&sources, None).await;
    *lock(&world.lost_checkpoints) = 1;
    write_all(&world, 3..=5);
    drain(&sources, None).await;
    let batches = world.batches(SEQUENCE);
    let first = batches[1].clone();
    assert_eq!(batches[0], ["1", "2"]);
    // What was read together with the lost batch may have been less than the rest, but it is what comes again first.
    assert_eq!(first[0], "3");
    assert_eq!(batches[2][0], "3");
    assert_eq!(batches[2..].concat(), ["3", "4", "5"]);
    sources.shutdown().await;
    let kept: Vec<(String, Checkpoint)> = world.state.list(CHECKPOINTS).unwrap();
    assert_eq!(kept[0].1.sequence.as_deref(), Some("5"));
}

#[tokio::test]
async fn a_checkpoint_is_lost_no_more_than_once_so_that_the_shard_goes_on() {
    let world = world(|source| source.batch_size = 1);
    *lock(&world.lost_checkpoints) = u32::MAX;
    write_all(&world, 1..=3);
    let sources = world.start();
    drain(&sources, None).await;
    assert_eq!(world.batches(SEQUENCE).concat(), ["1", "1", "2", "2", "3", "3"]);
    sources.shutdown().await;
}

#[tokio::test]
async fn latest_without_a_checkpoint_has_none_to_lose() {
    let world = world(|source| source.starting_position = StartingPosition::Latest);
    *lock(&world.lost_checkpoints) = u32::MAX;
    let sources = world.start();
    drain(&sources, None).await;
    world.stream.write("s1", "a", 1, world.now());
    drain(&sources, None).await;
    assert_eq!(world.batches(SEQUENCE), [["1"]]);
    sources.shutdown().await;
}

#[tokio::test]
async fn a_write_wakes_the_reader() {
    let world = world(|_| {});
    let sources = world.start();
    drain(&sources, None).await;
    world.stream.write("s1", "a", 1, world.now());
    drain(&sources, None).await;
    assert_eq!(world.batches(SEQUENCE), [["1"]]);
    sources.shutdown().await;
}

#[tokio::test]
async fn latest_begins_with_what_comes_after_the_start() {
    let world = world(|source| source.starting_position = StartingPosition::Latest);
    world.stream.write("s1", "a", 1, world.now());
    let sources = world.start();
    drain(&sources, None).await;
    world.stream.write("s1", "a", 2, world.now());
    drain(&sources, None).await;
    assert_eq!(world.batches(SEQUENCE), [["2"]]);
    sources.shutdown().await;
}

#[tokio::test]
async fn latest_is_the_moment_of_the_first_start_also_after_a_restart() {
    let world = world(|source| source.starting_position = StartingPosition::Latest);
    world.stream.write("s1", "a", 1, world.now());
    world.clock.advance(TimeDelta::seconds(10));
    let sources = world.start();
    drain(&sources, None).await;
    sources.shutdown().await;
    // Nothing was checkpointed yet when these were written, and one of them to a new shard.
    lock(&world.stream.shards).push(MemoryShard { id: "s2".into(), ..MemoryShard::default() });
    world.stream.write("s1", "a", 2, world.now());
    world.stream.write("s2", "b", 3, world.now());
    let sources = world.start();
    drain(&sources, None).await;
    let mut delivered = world.batches(SEQUENCE).concat();
    delivered.sort();
    assert_eq!(delivered, ["2", "3"]);
    sources.shutdown().await;
}

#[tokio::test]
async fn an_iterator_at_latest_that_is_lost_costs_no_record() {
    let world = world(|source| source.starting_position = StartingPosition::Latest);
    world.stream.write("s1", "a", 1, world.now() - 10);
    *lock(&world.stream.expire) = true;
    let sources = world.start();
    drain(&sources, None).await;
    assert!(!*lock(&world.stream.expire), "the first iterator was refused");
    world.stream.write("s1", "a", 2, world.now());
    drain(&sources, None).await;
    assert_eq!(world.batches(SEQUENCE), [["2"]]);
    sources.shutdown().await;
}

#[tokio::test]
async fn a_child_shard_waits_for_its_parent() {
    let world = world(|_| {});
    let child = MemoryShard { id: "s0".into(), parent: Some("s1".into()), ..MemoryShard::default() };
    lock(&world.stream.shards).insert(0, child);
    world.stream.write("s0", "a", 3, world.now());
    world.stream.write("s1", "a", 1, world.now());
    world.stream.write("s1", "a", 2, world.now());
    let sources = world.start();
    drain(&sources, None).await;
    assert_eq!(world.batches(SEQUENCE), [["1", "2"]]);
    lock(&world.stream.shards)[1].closed = true;
    world.stream.changes.send_modify(|count| *count += 1);
    let child_read = async {
        while world.batches(SEQUENCE).len() < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), child_read).await.unwrap();
    assert_eq!(world.batches(SEQUENCE)[1], ["3"]);
    sources.shutdown().await;
}

#[tokio::test]
async fn what_no_filter_matches_is_skipped_and_checkpointed() {
    let world = world(|source| source.filters = vec![json!({"dynamodb": {"Keys": {"pk": {"S": ["b"]}}}})]);
    world.stream.write("s1", "a", 1, world.now());
    world.stream.write("s1", "b", 2, world.now());
    world.stream.write("s1", "a", 3, world.now());
    let sources = world.start();
    drain(&sources, None).await;
    assert_eq!(world.batches(SEQUENCE), [["2"]]);
    sources.shutdown().await;
    let kept: Vec<(String, Checkpoint)> = world.state.list(CHECKPOINTS).unwrap();
    assert_eq!(kept[0].1.sequence.as_deref(), Some("3"));
}

#[tokio::test]
async fn exhausted_attempts_are_told_to_the_destination_and_the_rest_goes_on() {
    let world = world(|source| source.bisect_on_error = true);
    world
        .function
        .set(|event| if event.to_string().contains("\"2\"") { function_error() } else { answer(&json!({})) });
    write_all(&world, 1..=3);
    let sources = world.start();
    drain(&sources, Some(&world.clock)).await;
    let sent = world.queues.with("failures", |queue| std::mem::take(&mut queue.sent));
    assert_eq!(sent.len(), 1);
    let info = &sent[0].0["DDBStreamBatchInfo"];
    assert_eq!((&info["startSequenceNumber"], &info["batchSize"]), (&json!("2"), &json!(1)));
    assert_eq!(sent[0].0["requestContext"]["condition"], "RetryAttemptsExhausted");
    // Alone it was tried once and retried twice.
    assert_eq!(world.batches(SEQUENCE).iter().filter(|batch| *batch == &["2"]).count(), 3);
    assert_eq!(world.batches(SEQUENCE).last().unwrap(), &["3"]);
    assert_eq!(sources.status()[0].discarded, 1);
    sources.shutdown().await;
}

#[tokio::test]
async fn a_failed_batch_waits_on_the_clock_and_says_until_when() {
    let world = world(|source| source.maximum_retry_attempts = None);
    world.function.set(|_| function_error());
    world.stream.write("s1", "a", 1, world.now());
    let sources = world.start();
    drain(&sources, None).await;
    assert_eq!(world.batches(SEQUENCE).len(), 1);
    assert!(sources.next_due().unwrap() > world.clock.now() - TimeDelta::seconds(1));
    world.function.set(|_| answer(&json!({})));
    drain(&sources, Some(&world.clock)).await;
    assert_eq!(sources.next_due(), None);
    assert_eq!(world.batches(SEQUENCE).len(), 2);
    sources.shutdown().await;
}

#[tokio::test]
async fn records_older_than_the_limit_are_not_sent() {
    let world = world(|source| source.maximum_record_age = Some(std::time::Duration::from_secs(60)));
    world.stream.write("s1", "a", 1, world.now() - 120);
    world.stream.write("s1", "a", 2, world.now());
    let sources = world.start();
    drain(&sources, None).await;
    assert_eq!(world.batches(SEQUENCE), [["2"]]);
    let sent = world.queues.with("failures", |queue| std::mem::take(&mut queue.sent));
    assert_eq!(sent[0].0["requestContext"]["condition"], "RecordAgeExceeded");
    sources.shutdown().await;
}

#[tokio::test]
async fn an_expired_iterator_is_renewed_after_what_was_read() {
    let world = world(|_| {});
    world.stream.write("s1", "a", 1, world.now());
    let sources = world.start();
    drain(&sources, None).await;
    *lock(&world.stream.expire) = true;
    world.stream.write("s1", "a", 2, world.now());
    drain(&sources, None).await;
    assert_eq!(world.batches(SEQUENCE), [["1"], ["2"]]);
    sources.shutdown().await;
}

#[tokio::test]
async fn a_trimmed_position_goes_on_with_the_oldest_record() {
    let world = world(|_| {});
    world.stream.write("s1", "a", 1, world.now());
    let sources = world.start();
    drain(&sources, None).await;
    sources.shutdown().await;
    lock(&world.stream.shards)[0].records.clear();
    world.stream.write("s1", "a", 7, world.now());
    let sources = world.start();
    let read = async {
        while world.batches(SEQUENCE).len() < 2 {
            world.clock.advance(TimeDelta::milliseconds(100));
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), read).await.unwrap();
    assert_eq!(world.batches(SEQUENCE), [["1"], ["7"]]);
    sources.shutdown().await;
}

#[test]
fn shards_without_a_parent_left_are_readable() {
    let shard = |id: &str, parent: Option<&str>| Shard { id: id.into(), parent: parent.map(Into::into) };
    let all = [shard("a", Some("gone")), shard("b", Some("a")), shard("c", Some("b"))];
    assert_eq!(readable(&all, &HashSet::new()), ["a"]);
    assert_eq!(readable(&all, &HashSet::from(["a"])), ["b"]);
    assert_eq!(readable(&all, &HashSet::from(["a", "b", "c"])), Vec::<String>::new());
}

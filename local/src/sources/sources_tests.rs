use super::testing::*;
use super::*;
use serde_json::json;

#[tokio::test]
async fn idle_means_that_work_passed_on_is_done_too() {
    let mut world = World::new();
    world.app.stream_sources.push(stream_source());
    world.app.queue_sources.push(queue_source());
    let queues = world.queues.clone();
    // The function puts a message into the queue for each stream record.
    world.function.set(move |event| {
        for record in event["Records"].as_array().unwrap() {
            if let Some(id) = record["eventID"].as_str() {
                queues.put("jobs", id, "{}");
            }
        }
        answer(&json!({}))
    });
    let sources = world.start();
    for number in 1..=200 {
        world.stream.write("s1", &format!("item{number}"), number, world.now());
        if number % 50 == 0 {
            drain(&sources, None).await;
            let deleted = world.queues.with("jobs", |queue| queue.deleted.len() as u64);
            assert_eq!(deleted, number);
        }
    }
    sources.shutdown().await;
}

#[tokio::test]
async fn mistakes_in_a_template_start_nothing() {
    let start = |change: fn(&mut World)| {
        let mut world = World::new();
        world.app.stream_sources.push(stream_source());
        world.app.queue_sources.push(queue_source());
        world.app.schedules.push(schedule("rate(1 day)"));
        change(&mut world);
        let context = Context {
            invoke: world.function.clone(),
            streams: world.stream.clone(),
            queues: world.queues.clone(),
            queue_urls: ["jobs", "failures"].map(|name| (name.to_owned(), name.to_owned())).into(),
            stream_arns: BTreeMap::from([("T".to_owned(), "arn:stream".to_owned())]),
            clock: world.clock.clone(),
            state: world.state.clone(),
            hints: None,
            mishaps: None,
            seed: 1,
        };
        Sources::start(&world.app, context).map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(start(|_| {}), Ok(()));
    for (change, message) in [
        (
            (|world| world.app.stream_sources[0].table = "U".into()) as fn(&mut World),
            "F.Changes: the table \"U\" has no stream",
        ),
        (|world| world.app.stream_sources[0].function = "G".into(), "F.Changes: there is no function \"G\""),
        (
            |world| world.app.queue_sources[0].queue_name = "x".into(),
            "F.Jobs: the endpoint has no queue \"x\"",
        ),
        (
            |world| world.app.stream_sources[0].on_failure = Some("arn:aws:sns:r:1:t".into()),
            "F.Changes: failures can only be sent to an SQS queue, not to \"arn:aws:sns:r:1:t\"",
        ),
        (
            |world| world.app.schedules[0].expression = "daily".into(),
            "Daily: \"daily\" is none of cron(…), rate(…) and at(…)",
        ),
        (
            |world| world.app.queue_sources[0].filters = vec![json!({"body": "x"})],
            "F.Jobs: filter pattern: $.body: values must stand in a list",
        ),
    ] {
        assert_eq!(start(change), Err(message.to_owned()));
    }
}

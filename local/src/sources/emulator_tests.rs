//! The SDK edge against the embedded emulator: from a table's stream and a queue to a function and back.

use super::testing::*;
use super::*;
use crate::clients::Clients;
use aws_credential_types::Credentials;
use aws_sdk_dynamodb::types::AttributeValue;
use emulator::Emulator;
use serde_json::json;
use tokio::net::TcpListener;

async fn emulator(directory: &std::path::Path, clock: Clock) -> (Emulator, Clients) {
    let emulator = Emulator::open(emulator::Options {
        directory: directory.to_owned(),
        region: "us-east-1".into(),
        account: "123456789012".into(),
        clock,
        credentials: Arc::new(|_: &str| Some(emulator::Key::to_everything("secret"))),
    })
    .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(emulator.clone().serve(listener, std::future::pending()));
    let credentials = Credentials::from_keys("AKIDTEST", "secret", None);
    (emulator, Clients::new(&url, "us-east-1", credentials).unwrap())
}

async fn create_table(clients: &Clients) -> String {
    use aws_sdk_dynamodb::types::{
        AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
        StreamSpecification, StreamViewType,
    };
    let key = KeySchemaElement::builder().attribute_name("pk").key_type(KeyType::Hash).build().unwrap();
    let attribute =
        AttributeDefinition::builder().attribute_name("pk").attribute_type(ScalarAttributeType::S);
    let stream = StreamSpecification::builder().stream_enabled(true);
    let stream = stream.stream_view_type(StreamViewType::NewAndOldImages).build().unwrap();
    let request =
        clients.dynamodb.create_table().table_name("Notes").billing_mode(BillingMode::PayPerRequest);
    let request = request.key_schema(key).attribute_definitions(attribute.build().unwrap());
    let created = request.stream_specification(stream).send().await.unwrap();
    created.table_description.unwrap().latest_stream_arn.unwrap()
}

async fn put(clients: &Clients, id: &str) {
    let request = clients.dynamodb.put_item().table_name("Notes").item("pk", AttributeValue::S(id.into()));
    request.item("n", AttributeValue::N("1".into())).send().await.unwrap();
}

#[tokio::test]
async fn records_and_messages_pass_through_the_embedded_emulator() {
    let mut world = World::new();
    world.app.stream_sources.push(stream_source());
    world.app.queue_sources.push(queue_source());
    let directory = tempfile::tempdir().unwrap();
    let (emulator, clients) = emulator(directory.path(), world.clock.clone()).await;
    let stream = create_table(&clients).await;
    let mut urls = BTreeMap::new();
    for name in ["jobs", "failures"] {
        let created = clients.sqs.create_queue().queue_name(name).send().await.unwrap();
        urls.insert(name.to_owned(), created.queue_url.unwrap());
    }
    let context = Context {
        invoke: world.function.clone(),
        streams: Arc::new(SdkStreams(clients.streams.clone())),
        queues: Arc::new(SdkQueues(clients.sqs.clone())),
        queue_urls: urls.clone(),
        stream_arns: BTreeMap::from([("T".to_owned(), stream.clone())]),
        clock: world.clock.clone(),
        state: world.state.clone(),
        hints: Some(Arc::new(emulator.clone())),
        mishaps: None,
        seed: 1,
    };
    let sources = Sources::start(&world.app, context.clone()).unwrap();
    put(&clients, "first").await;
    drain(&sources, None).await;
    let record = lock(&world.function.events)[0]["Records"][0].clone();
    assert_eq!(record["dynamodb"]["NewImage"], json!({"pk": {"S": "first"}, "n": {"N": "1"}}));
    assert_eq!(record["eventName"], "INSERT");
    assert_eq!(record["awsRegion"], "us-east-1");
    assert_eq!(record["eventSourceARN"], stream.as_str());
    assert!(record["eventID"].is_string() && record["dynamodb"]["ApproximateCreationDateTime"].is_u64());

    let sent =
        clients.sqs.send_message().queue_url(&urls["jobs"]).message_body("hello").send().await.unwrap();
    drain(&sources, None).await;
    let record = lock(&world.function.events).last().unwrap()["Records"][0].clone();
    assert_eq!(record["messageId"], sent.message_id.unwrap());
    assert_eq!((&record["body"], &record["eventSource"]), (&json!("hello"), &json!("aws:sqs")));
    assert_eq!(record["attributes"]["ApproximateReceiveCount"], "1");
    sources.shutdown().await;

    // After a restart only what is new is delivered, and a failure ends in the destination.
    world.function.set(|_| function_error());
    let seen = lock(&world.function.events).len();
    put(&clients, "second").await;
    let sources = Sources::start(&world.app, context).unwrap();
    drain(&sources, Some(&world.clock)).await;
    assert_eq!(lock(&world.function.events).len(), seen + 3);
    let failures = clients.sqs.receive_message().queue_url(&urls["failures"]).send().await.unwrap();
    let failure: serde_json::Value = serde_json::from_str(failures.messages()[0].body().unwrap()).unwrap();
    assert_eq!(failure["DDBStreamBatchInfo"]["batchSize"], 1);
    sources.shutdown().await;
}

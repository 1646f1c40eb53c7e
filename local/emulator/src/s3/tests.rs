//! Objects and their notifications, across restarts.

use super::blobs::Promise;
use super::meta::{Commit, Condition, Info, NewObject};
use super::objects::{Conditions, WriteCondition};
use super::*;
use crate::Clock;
use crate::sql::tests::Scratch;
use futures::StreamExt;
use s3s::dto::{ETagCondition, Event, NotificationConfiguration, QueueConfiguration, StreamingBlob};
use serde_json::Value;

struct Fixture {
    store: Store,
    sqs: Arc<Sqs>,
    directory: Scratch,
}

fn open(directory: &Scratch) -> (Store, Arc<Sqs>) {
    let shared = Shared::for_tests(Clock::default());
    let sqs = Arc::new(Sqs::open(directory.path(), shared.clone()).unwrap());
    (Store::open(directory.path(), shared, sqs.clone()).unwrap(), sqs)
}

impl Fixture {
    /// A bucket `b` that tells the queue `events` of everything.
    fn new() -> Self {
        let directory = Scratch::new();
        let (store, sqs) = open(&directory);
        sqs.make_queue("events");
        store.create_bucket("bucket").unwrap();
        let events = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"];
        let queue = QueueConfiguration {
            events: events.iter().map(|event| Event::from((*event).to_owned())).collect(),
            filter: None,
            id: None,
            queue_arn: store.shared.arn("sqs", "events"),
        };
        let queue_configurations = Some(vec![queue]);
        let configuration =
            NotificationConfiguration { queue_configurations, ..NotificationConfiguration::default() };
        store.put_notification("bucket", configuration).unwrap();
        sqs.purge_for_tests("events");
        Self { store, sqs, directory }
    }

    fn reopen(self) -> Self {
        let Self { store, sqs, directory } = self;
        drop((store, sqs));
        let (store, sqs) = open(&directory);
        Self { store, sqs, directory }
    }

    async fn put(&self, key: &str, body: &'static [u8], only_if: WriteCondition) -> S3Result<String> {
        let body = StreamingBlob::from(s3s::Body::from(bytes::Bytes::from_static(body)));
        let put =
            self.store.put("bucket", key, Some(body), Promise::default(), Info::default(), only_if).await;
        put.map(|(etag, _)| etag.value().to_owned())
    }

    async fn get(&self, key: &str) -> S3Result<Vec<u8>> {
        let (_, mut body) = self.store.read("bucket", key, &Conditions::default(), None).await?;
        let mut bytes = Vec::new();
        while let Some(chunk) = body.next().await {
            bytes.extend_from_slice(&chunk.unwrap());
        }
        Ok(bytes)
    }

    fn events(&self) -> Vec<(String, String)> {
        let event = |message: crate::PeekedMessage| {
            let body: Value = serde_json::from_str(&message.body).unwrap();
            let record = &body["Records"][0];
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (text(&record["eventName"]), text(&record["s3"]["object"]["key"]))
        };
        self.sqs.peek("events", 100).into_iter().map(event).collect()
    }

    fn blob_count(&self) -> usize {
        std::fs::read_dir(blobs::directory(self.directory.path())).unwrap().count()
    }
}

#[tokio::test]
async fn an_object_survives_a_restart_and_leaves_no_blobs_behind() {
    let fixture = Fixture::new();
    fixture.put("a/ü key", b"one", WriteCondition::default()).await.unwrap();
    fixture.put("a/ü key", b"two", WriteCondition::default()).await.unwrap();
    std::fs::write(blobs::directory(fixture.directory.path()).join("leftover"), b"x").unwrap();
    let fixture = fixture.reopen();
    assert_eq!(fixture.get("a/ü key").await.unwrap(), b"two");
    assert_eq!(fixture.blob_count(), 1);
    fixture.store.remove("bucket", "a/ü key", None).unwrap();
    assert_eq!(fixture.blob_count(), 0);
    assert_eq!(fixture.get("a/ü key").await.unwrap_err().code().as_str(), "NoSuchKey");
    let put = ("ObjectCreated:Put".to_owned(), "a/%C3%BC+key".to_owned());
    assert_eq!(
        fixture.events(),
        [put.clone(), put, ("ObjectRemoved:Delete".to_owned(), "a/%C3%BC+key".to_owned())]
    );
}

#[tokio::test]
async fn a_notification_not_delivered_before_a_kill_is_delivered_at_the_next_start() {
    let fixture = Fixture::new();
    let info = Info::default();
    let object = NewObject { blob: "blob", size: 1, etag: "e", info: &info };
    let event = "ObjectCreated:Put";
    let commit =
        Commit { bucket: "bucket", key: "k", event, object: Some(object), only_if: Condition::Always };
    // The process dies between the commit and the delivery.
    let committed = fixture.store.meta().commit(&commit, &fixture.store.shared).unwrap();
    assert_eq!(committed.notices.len(), 1);
    assert!(fixture.events().is_empty());
    let fixture = fixture.reopen();
    assert_eq!(fixture.events(), [("ObjectCreated:Put".to_owned(), "k".to_owned())]);
    assert_eq!(fixture.reopen().events().len(), 1);
}

#[tokio::test]
async fn writes_keep_their_conditions_and_promises() {
    let fixture = Fixture::new();
    let absent = || WriteCondition { if_none_match: Some(ETagCondition::Any), ..WriteCondition::default() };
    fixture.put("k", b"one", absent()).await.unwrap();
    assert_eq!(fixture.put("k", b"two", absent()).await.unwrap_err().code().as_str(), "PreconditionFailed");
    let promise =
        Promise { checksums: [("sha256".to_owned(), "AAAA".to_owned())].into(), ..Promise::default() };
    let body = StreamingBlob::from(s3s::Body::from(bytes::Bytes::from_static(b"x")));
    let broken = fixture
        .store
        .put("bucket", "k", Some(body), promise, Info::default(), WriteCondition::default())
        .await;
    assert_eq!(broken.unwrap_err().code().as_str(), "BadDigest");
    assert_eq!(fixture.get("k").await.unwrap(), b"one");
    assert_eq!(fixture.blob_count(), 1);
}

#[tokio::test]
async fn listing_folds_prefixes_and_goes_on_where_it_stopped() {
    let fixture = Fixture::new();
    for key in ["a", "b/1", "b/2", "c", "d/1"] {
        fixture.put(key, b"x", WriteCondition::default()).await.unwrap();
    }
    let page = |after: &str| {
        let listing = list::Listing {
            bucket: "bucket",
            prefix: "",
            delimiter: Some("/"),
            after: after.to_owned(),
            limit: 2,
        };
        let page = fixture.store.list(&listing).unwrap();
        let keys: Vec<_> = page.objects.into_iter().map(|object| object.key).chain(page.prefixes).collect();
        (keys, page.next)
    };
    let (keys, next) = page("");
    assert_eq!(keys, ["a", "b/"]);
    let (keys, next) = page(&next.unwrap());
    assert_eq!((keys, next), (vec!["c".to_owned(), "d/".to_owned()], None));
}

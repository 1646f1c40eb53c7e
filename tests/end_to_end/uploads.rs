//! Uploads that come again, too late, or not at all.

use crate::pictures::{attachment, photograph};
use end_to_end::{Caller, Host, needs};
use local::clients::Clients;
use serde_json::{Value, json};

/// Announces an attachment for `content`: its record, and where it is to be put.
async fn announce(caller: &Caller, note: &str, content_type: &str, content: &[u8]) -> Value {
    let wanted = json!({ "filename": "a", "content_type": content_type, "size": content.len() });
    caller.post(&format!("/notes/{note}/attachments"), wanted).await.expect(201)
}

/// What is in the bucket whose name has this in it, by another's keys than the functions'.
async fn objects(host: &Host, bucket: &str) -> (Clients, String, Vec<String>) {
    let clients = host.clients();
    let buckets = clients.s3.list_buckets().send().await.unwrap();
    let mut names = buckets.buckets().iter().filter_map(|found| found.name());
    let name = names.find(|name| name.contains(bucket)).unwrap().to_owned();
    let listed = clients.s3.list_objects_v2().bucket(&name).send().await.unwrap();
    let keys = listed.contents().iter().filter_map(|object| object.key()).map(str::to_owned).collect();
    (clients, name, keys)
}

async fn note(caller: &Caller) -> String {
    let note = caller.create(json!({ "title": "Uploads" })).await;
    note["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_picture_that_is_uploaded_twice_has_one_set_of_thumbnails() {
    needs!(Hosts);
    let host = Host::start().await;
    let anna = host.api.caller("anna").await;
    let note = note(&anna).await;
    let picture = photograph("Wine_by_Jakkub_Mede.jpg");
    let created = announce(&anna, &note, "image/jpeg", &picture).await;
    for _ in 0..2 {
        assert_eq!(anna.upload(&created["upload"], picture.clone()).await.status, 200);
        host.api.idle().await;
    }
    let ready = attachment(&anna, &note, &created["attachment"]).await;
    let shown = ready["thumbnails"].as_array().unwrap();
    assert_eq!((shown.len(), objects(&host, "thumbnails").await.2.len()), (3, 3));
    for thumbnail in shown {
        assert_eq!(host.api.get(thumbnail["url"].as_str().unwrap()).await.status, 200);
    }
}

#[tokio::test]
async fn an_upload_that_comes_after_its_attachment_was_deleted_is_removed() {
    needs!(Hosts);
    let host = Host::start().await;
    let anna = host.api.caller("anna").await;
    let note = note(&anna).await;
    let created = announce(&anna, &note, "text/plain", b"late").await;
    let path = format!("/notes/{note}/attachments/{}", created["attachment"]["id"].as_str().unwrap());
    assert_eq!(anna.send("DELETE", &path, &[], Value::Null).await.status, 204);
    host.api.idle().await;
    assert_eq!(anna.upload(&created["upload"], b"late".to_vec()).await.status, 200);
    host.api.idle().await;
    assert!(objects(&host, "uploads").await.2.is_empty());
}

#[tokio::test]
async fn an_upload_that_is_gone_when_it_is_looked_at_is_nobodys_failure() {
    needs!(Faults);
    let host = Host::start().await;
    let anna = host.api.caller("anna").await;
    let note = note(&anna).await;
    let created = announce(&anna, &note, "text/plain", b"gone").await;
    host.api.fault(json!({ "service": "s3", "delivery": "late", "delay_ms": 60_000, "count": 1 })).await;
    assert_eq!(anna.upload(&created["upload"], b"gone".to_vec()).await.status, 200);
    let (clients, bucket, keys) = objects(&host, "uploads").await;
    clients.s3.delete_object().bucket(bucket).key(&keys[0]).send().await.unwrap();
    host.api.run_until_nothing_is_due().await;
    assert_eq!(attachment(&anna, &note, &created["attachment"]).await["status"], "pending");
    assert!(host.api.messages("ParkingQueue").await.is_empty());
}

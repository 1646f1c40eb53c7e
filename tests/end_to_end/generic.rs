//! The laptop cloud runs any application of its kind: here one in Python and Rust that has nothing to do with notes.

use end_to_end::{Host, Options, command, needs};
use serde_json::{Value, json};

async fn guestbook() -> Host {
    let template = "tests/fixtures/guestbook/template.yaml".to_owned();
    Host::start_with(Options { arguments: vec!["--template".into(), template], ..Options::default() }).await
}

async fn sign(host: &Host, guest: &str) -> Value {
    let body = json!({ "guest": guest, "text": "It was nice here." }).to_string();
    host.api.send("POST", "/entries", &[("content-type", "application/json")], body).await.expect(201)
}

#[tokio::test]
async fn an_entry_goes_from_http_by_table_stream_and_queue_to_the_last_function() {
    needs!(Hosts);
    let host = guestbook().await;
    for guest in ["anna", "ben", "anna"] {
        sign(&host, guest).await;
    }
    host.api.idle().await;
    let anna = host.api.get("/guests/anna").await.expect(200);
    assert_eq!(anna, json!({ "guest": "anna", "entries": 2 }));
    let about = host.api.get("/about").await;
    assert_eq!((about.status.as_u16(), &about.body[..]), (200, &b"Welcome"[..]), "made by make and rustc");
}

#[tokio::test]
async fn its_failures_are_worked_with_like_any_others() {
    needs!(Hosts);
    let host = guestbook().await;
    sign(&host, "host").await;
    host.api.run_until_nothing_is_due().await;
    assert_eq!(host.api.get("/guests/host").await.expect(200)["entries"], 0);

    let on_host = ["--endpoint", host.endpoint.as_str()];
    let list = command(&[&["dead-letters", "list", "--json"], &on_host[..]].concat());
    let letters: Value = serde_json::from_slice(&list.stdout).unwrap();
    let letter = &letters[0];
    assert_eq!(letters.as_array().unwrap().len(), 1, "{letters}");
    assert!(letter["queue"].as_str().unwrap().ends_with("-RefusedQueue"), "{letter}");
    assert!(letter["source_queue"].as_str().unwrap().ends_with("-SignedQueue"), "{letter}");
    assert_eq!(letter["kind"], "signed");

    let id = letter["message_id"].as_str().unwrap();
    let discard = command(&[&["dead-letters", "discard", id, "--yes"], &on_host[..]].concat());
    assert_eq!(discard.status.code(), Some(0), "{discard:?}");
    assert!(host.api.messages("RefusedQueue").await.is_empty());
}

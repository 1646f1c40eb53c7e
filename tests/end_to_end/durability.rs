//! A host that dies loses nothing that it acknowledged.

use end_to_end::{Host, Options, needs};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;

fn on(data: &std::path::Path) -> Options {
    Options { data: Some(data.to_owned()), ..Options::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_note_and_every_pending_event_survives_a_kill_under_load() {
    needs!(Hosts);
    const WRITERS: usize = 8;
    const BEFORE_THE_KILL: usize = 150;
    let data = tempfile::tempdir().unwrap();
    let host = Host::start_with(on(data.path())).await;
    let anna = host.api.caller("anna").await;
    let (count, enough) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (anna, count, enough) = (anna.clone(), count.clone(), enough.clone());
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                for number in 0.. {
                    let title = format!("{writer}-{number}");
                    let body = json!({ "title": title, "notify": ["ben@example.com"] });
                    match anna.try_send("POST", "/notes", &[], &body).await {
                        Ok(answer) if answer.status == 201 => acknowledged.push(title),
                        _ => break,
                    }
                    if count.fetch_add(1, Ordering::SeqCst) + 1 == BEFORE_THE_KILL {
                        enough.notify_one();
                    }
                }
                acknowledged
            })
        })
        .collect();
    enough.notified().await;
    host.kill();
    let mut acknowledged = BTreeSet::new();
    for writer in writers {
        acknowledged.extend(writer.await.unwrap());
    }
    assert!(acknowledged.len() >= BEFORE_THE_KILL);

    let host = Host::start_with(on(data.path())).await;
    host.api.run_until_nothing_is_due().await;
    let anna = host.api.caller("anna").await;
    let mut stored = BTreeSet::new();
    let mut target = "/notes?limit=100".to_owned();
    loop {
        let page = anna.get(&target).await.expect(200);
        stored.extend(
            page["items"].as_array().unwrap().iter().map(|item| item["title"].as_str().unwrap().to_owned()),
        );
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        target = format!("/notes?limit=100&cursor={cursor}");
    }
    let lost: Vec<_> = acknowledged.difference(&stored).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");

    assert!(host.api.messages("ParkingQueue").await.is_empty());
    // Each stored note's notification is there; the titles are in the subjects.
    let mail = host.api.mail().await;
    let unmailed: Vec<_> = stored
        .iter()
        .filter(|title| !mail.iter().any(|mail| mail["subject"].as_str().unwrap().contains(title.as_str())))
        .collect();
    assert!(unmailed.is_empty(), "no mail about: {unmailed:?}");
}

#[tokio::test]
async fn an_interrupted_host_drains_and_exits_cleanly() {
    needs!(Hosts);
    let data = tempfile::tempdir().unwrap();
    let host = Host::start_with(on(data.path())).await;
    let anna = host.api.caller("anna").await;
    let note = anna.create(json!({ "title": "Kept" })).await;
    assert_eq!(host.interrupt(), Some(0));
    let host = Host::start_with(on(data.path())).await;
    let anna = host.api.caller("anna").await;
    anna.get(&format!("/notes/{}", note["id"].as_str().unwrap())).await.expect(200);
}

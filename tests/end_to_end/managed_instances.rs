//! Environments that work on several events at a time, as on Lambda Managed Instances.

use end_to_end::{Host, Options, needs};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const AT_ONCE: usize = 24;

#[tokio::test]
async fn events_that_share_an_environment_keep_their_answers_and_their_figures_apart() {
    needs!(Hosts);
    let arguments = ["--concurrency", "8"].map(ToOwned::to_owned).to_vec();
    let host = Host::start_with(Options { arguments, ..Options::default() }).await;
    let anna = host.api.caller("anna").await;
    let notes = join_all((0..AT_ONCE).map(|number| {
        let note = json!({ "title": format!("Note {number:02}"), "notify": ["ben@example.com"] });
        let anna = &anna;
        async move { (note["title"].clone(), anna.post("/notes", note.clone()).await.expect(201)) }
    }))
    .await;
    let uploads = notes.iter().map(|(title, note)| {
        assert_eq!(&note["title"], title);
        anna.attach(note["id"].as_str().unwrap(), "a.txt", "text/plain", b"hello".to_vec())
    });
    let uploads = join_all(uploads).await;
    host.api.idle().await;

    for upload in &uploads {
        let path = format!(
            "/notes/{}/attachments/{}",
            upload["note_id"].as_str().unwrap(),
            upload["id"].as_str().unwrap()
        );
        assert_eq!(anna.get(&path).await.expect(200)["status"], "ready");
    }
    assert_eq!(host.api.mail().await.len(), AT_ONCE);

    let lines = host.api.get("/_local/functions/SaveNoteFunction/logs").await.expect(200);
    let lines = lines
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|line| serde_json::from_str::<Value>(line.as_str()?).ok());
    let requests: Vec<Value> = lines.filter(|line| line["message"] == "request").collect();
    let ids: BTreeSet<_> = requests.iter().map(|line| line["request_id"].to_string()).collect();
    let costs: BTreeSet<_> = requests
        .iter()
        .map(|line| (line["dynamodb_requests"].to_string(), line["write_units"].to_string()))
        .collect();
    assert_eq!((requests.len(), ids.len()), (AT_ONCE, AT_ONCE));
    assert_eq!(costs.len(), 1, "the same work, and each asked for its own: {costs:?}");
}

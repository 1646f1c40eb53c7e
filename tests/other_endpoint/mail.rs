//! A note's life and a day's report, mailed from either.

use crate::letter::Letter;
use crate::ministack::Ministack;
use end_to_end::{Api, Host};
use serde_json::{Value, json};

const DAY: u64 = 24 * 3600;
/// What `live` makes the system send: two of the creation and one of each change after it, and two reports.
const LETTERS: usize = 2 + 3 + 2;

/// What people do with notes in a day, and the morning after.
async fn live(api: &Api) {
    let anna = api.caller("anna").await;
    let settings = json!({ "email": "anna@example.com", "notifications": true, "daily_report": true });
    anna.send("PUT", "/settings", &[], settings).await.expect(200);
    let both = ["ben@example.com", "cleo@example.com"];
    let body = "Saturday & Sunday,\n<b>by the lake</b> – öäü";
    let note = anna
        .create(json!({ "title": "Picnic <3 & 🧺", "body": body, "tags": ["plans", "süß"], "notify": both }))
        .await;
    let path = format!("/notes/{}", note["id"].as_str().unwrap());
    api.idle().await;
    let patched = anna.send("PATCH", &path, &[], json!({ "notify": ["ben@example.com"] })).await.expect(200);
    assert_eq!((&patched["version"], &patched["title"]), (&json!(2), &note["title"]));
    api.idle().await;
    assert_eq!(anna.send("DELETE", &path, &[], Value::Null).await.status, 204);
    assert_eq!(anna.get("/notes").await.expect(200)["items"], json!([]));
    api.idle().await;
    anna.post(&format!("{path}/restore"), Value::Null).await.expect(200);
    api.idle().await;
    let listed = anna.get("/notes?q=picnic+SUSS&tag=plans").await.expect(200);
    assert_eq!(listed["items"][0]["id"], note["id"]);

    api.advance(DAY).await;
    api.send("POST", "/_local/schedules/DailyReportFunction/run", &[], "").await.expect(202);
    api.idle().await;
    // A day on, the first token has run out.
    let date = &note["created_at"].as_str().unwrap()[..10];
    let report = api.caller("anna").await.get(&format!("/reports/{date}")).await.expect(200);
    assert_eq!((&report["counts"]["created"], &report["counts"]["restored"]), (&json!(1), &json!(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_e_mails_are_sent_from_either_endpoint() {
    let ministack = Ministack::start().await;
    let host = Host::start_with(ministack.options()).await;
    live(&host.api).await;
    let delivered = ministack.post.until("a day's e-mails", |all| all.len() >= LETTERS).await;
    let mut theirs: Vec<Letter> =
        delivered.into_iter().map(|mail| Letter::read(mail.to, &mail.mime)).collect();
    // Its own record of what it took, which knows of no more either.
    let record = Api::new(ministack.url.clone()).get("/_ministack/ses/messages").await.expect(200);
    assert_eq!(record["messages"]["000000000000"].as_array().unwrap().len(), LETTERS);
    assert_eq!(host.api.get("/_local/mail").await.status, 501, "nobody but the endpoint knows");
    drop(host);

    let host = Host::start().await;
    live(&host.api).await;
    let mut ours: Vec<Letter> = host.api.mail().await.iter().map(letter).collect();
    theirs.sort();
    ours.sort();
    assert_eq!(theirs.len(), LETTERS);
    assert_eq!(theirs, ours);
    let to_ben = theirs.iter().find(|letter| letter.to == ["ben@example.com"]).unwrap();
    assert!(to_ben.headers["List-Unsubscribe"].contains("/unsubscribe?token="), "{to_ben:?}");
    assert_eq!(to_ben.headers["List-Unsubscribe-Post"], "List-Unsubscribe=One-Click");
    let kinds: Vec<&str> = to_ben.parts.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["multipart/alternative", "text/plain", "text/html"]);
}

/// An e-mail of the host's own mailbox.
fn letter(mail: &Value) -> Letter {
    let to = mail["to"].as_array().unwrap().iter().map(|to| to.as_str().unwrap().to_owned());
    Letter::read(to.collect(), mail["raw"].as_str().unwrap().as_bytes())
}

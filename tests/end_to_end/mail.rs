//! Notifications: from a change to a mailbox.

use end_to_end::{Host, needs};
use serde_json::{Value, json};

fn recipients(mail: &[Value]) -> Vec<String> {
    let mut to: Vec<String> = mail.iter().map(|mail| mail["to"][0].as_str().unwrap().to_owned()).collect();
    to.sort();
    to
}

#[tokio::test]
async fn a_change_is_mailed_once_to_every_address() {
    needs!(Mailbox);
    let host = Host::start().await;
    let anna = host.api.caller("anna").await;
    let note = anna
        .create(json!({ "title": "Party <b>", "body": "Saturday", "notify": ["ben@example.com", "cleo@example.com"] }))
        .await;
    host.api.idle().await;
    let mail = host.api.mail().await;
    assert_eq!(recipients(&mail), ["ben@example.com", "cleo@example.com"]);
    assert!(mail[0]["subject"].as_str().unwrap().contains("Party"));
    assert!(mail[0]["text"].as_str().unwrap().contains("Saturday"));
    assert!(
        mail[0]["html"].as_str().unwrap().contains("Party &lt;b&gt;")
            || !mail[0]["html"].as_str().unwrap().contains("<b>")
    );

    let path = format!("/notes/{}", note["id"].as_str().unwrap());
    anna.send("PATCH", &path, &[], json!({ "notify": ["ben@example.com"] })).await.expect(200);
    host.api.idle().await;
    assert_eq!(host.api.mail().await.len(), 3);

    // It went by way of stream, queue and SES, each of its own function.
    let functions = host.api.get("/_local/functions").await.expect(200);
    for name in ["NoteEventsFunction", "SendEmailFunction"] {
        let function =
            functions.as_array().unwrap().iter().find(|function| function["name"] == name).unwrap();
        assert!(function["invocations"].as_u64().unwrap() > 0, "{name}");
    }
}

#[tokio::test]
async fn an_unsubscribed_address_is_left_alone() {
    needs!(Mailbox);
    let host = Host::start().await;
    let anna = host.api.caller("anna").await;
    anna.create(json!({ "title": "One", "notify": ["ben@example.com"] })).await;
    host.api.idle().await;
    let mail = &host.api.mail().await[0];
    let link = mail["headers"]["List-Unsubscribe"].as_str().expect("an unsubscribe link");
    let link = link.trim_matches(['<', '>']);
    assert!(link.starts_with(&host.api.url), "{link}");
    assert_eq!(host.api.get(link).await.status, 200);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(host.api.send("POST", link, &form, "List-Unsubscribe=One-Click").await.status, 200);

    anna.create(json!({ "title": "Two", "notify": ["ben@example.com"] })).await;
    host.api.idle().await;
    assert_eq!(host.api.mail().await.len(), 1);
}

#[tokio::test]
async fn an_address_that_bounces_is_not_mailed_again() {
    needs!(Mailbox);
    let host = Host::start().await;
    let anna = host.api.caller("anna").await;
    for title in ["One", "Two"] {
        anna.create(json!({ "title": title, "notify": ["bounce@simulator.amazonses.com"] })).await;
        host.api.idle().await;
    }
    assert_eq!(host.api.mail().await.len(), 1);
}

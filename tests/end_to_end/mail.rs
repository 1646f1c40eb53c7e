//! Notifications: from a change to a mailbox.

use end_to_end::{Host, Target, needs};
use serde_json::json;

#[tokio::test]
async fn a_change_is_mailed_once_to_every_address() {
    needs!(Mailbox);
    let target = Target::start().await;
    let anna = target.caller("anna").await;
    let (ben, cleo) = (target.address("ben"), target.address("cleo"));
    let note = anna.create(json!({ "title": "Party <b>", "body": "Saturday", "notify": [ben, cleo] })).await;
    let count = async || (target.mail_to(&ben).await.len(), target.mail_to(&cleo).await.len());
    target.comes_to((1, 1), count).await;
    let mail = &target.mail_to(&ben).await[0];
    assert_eq!(mail["to"], json!([ben]), "nobody sees who else is told");
    assert!(mail["subject"].as_str().unwrap().contains("Party"));
    assert!(mail["text"].as_str().unwrap().contains("Saturday"));
    let html = mail["html"].as_str().unwrap();
    assert!(html.contains("Party") && !html.contains("<b>"), "{html}");

    let path = format!("/notes/{}", note["id"].as_str().unwrap());
    anna.send("PATCH", &path, &[], json!({ "notify": [ben] })).await.expect(200);
    target.comes_to((2, 1), count).await;
}

#[tokio::test]
async fn an_unsubscribed_address_is_left_alone() {
    needs!(Mailbox);
    let target = Target::start().await;
    let anna = target.caller("anna").await;
    let (ben, cleo) = (target.address("ben"), target.address("cleo"));
    anna.create(json!({ "title": "One", "notify": [ben] })).await;
    target.comes_to(1, async || target.mail_to(&ben).await.len()).await;
    let mail = &target.mail_to(&ben).await[0];
    let link = mail["headers"]["List-Unsubscribe"].as_str().expect("an unsubscribe link");
    let link = link.trim_matches(['<', '>']);
    assert!(link.starts_with(&target.api.url), "{link}");
    assert_eq!(target.api.get(link).await.status, 200);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(target.api.send("POST", link, &form, "List-Unsubscribe=One-Click").await.status, 200);

    // Who comes after him is told.
    anna.create(json!({ "title": "Two", "notify": [ben, cleo] })).await;
    target.comes_to(1, async || target.mail_to(&cleo).await.len()).await;
    assert_eq!(target.mail_to(&ben).await.len(), 1);
}

#[tokio::test]
async fn an_address_that_bounces_is_not_mailed_again() {
    needs!(Mailbox, Bounces);
    let host = Host::start().await;
    let anna = host.api.caller("anna").await;
    for title in ["One", "Two"] {
        anna.create(json!({ "title": title, "notify": ["bounce@simulator.amazonses.com"] })).await;
        host.api.idle().await;
    }
    assert_eq!(host.api.mail().await.len(), 1);
}

use crate::settings::SettingsHandler;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use proptest::prelude::*;
use serde_json::json;
use sha2::{Digest, Sha256};
use shared::email::{address_hash, unsubscribe_token};
use shared::fake::{Answer, FakeAws};
use shared::sample::{Answered, HttpEvent, damaged, item};
use shared::signing::SigningKeys;

const ADDRESS: &str = "ada@example.com";

fn keys() -> SigningKeys {
    SigningKeys::parse("key").unwrap()
}

async fn answer(aws: &FakeAws, event: HttpEvent) -> Answered {
    let handler = SettingsHandler::new(aws.store(), keys());
    event.answer(async |request| handler.answer(request).await).await
}

fn link(method: &str, token: &str) -> HttpEvent {
    HttpEvent::of("settings").route(&format!("{method} /unsubscribe"), &[]).query(&format!("token={token}"))
}

#[tokio::test]
async fn the_sample_event_stores_and_mutes() {
    let aws = FakeAws::default();
    let answered = answer(&aws, HttpEvent::of("settings")).await;
    assert_eq!(answered.status, 200);
    assert_eq!(answered.json(), json!({ "email": ADDRESS, "notifications": false, "daily_report": true }));
    let puts = aws.sent("PutItem");
    assert_eq!(puts[0]["Item"]["sk"]["S"], "SETTINGS");
    assert_eq!(puts[1]["Item"]["pk"]["S"], format!("ADDRESS#{}", address_hash(ADDRESS)));
    assert_eq!(puts[1]["Item"]["reason"]["S"], "muted");
    assert_eq!(puts[1]["Item"]["since"]["S"], "2026-11-23T12:00:00.000Z");
}

#[tokio::test]
async fn an_older_wish_that_comes_late_changes_nothing() {
    let aws = FakeAws::with([("PutItem", Answer::error("ConditionalCheckFailedException"))]);
    assert_eq!(answer(&aws, HttpEvent::of("settings")).await.status, 200);
    let puts = aws.sent("PutItem");
    assert_eq!(puts.len(), 1, "its address is not muted either");
    assert_eq!(puts[0]["ConditionExpression"], "attribute_not_exists(updated_at) OR updated_at <= :now");
    assert_eq!(puts[0]["ExpressionAttributeValues"][":now"], puts[0]["Item"]["updated_at"]);
}

#[tokio::test]
async fn turning_notifications_on_lifts_a_wish_but_not_a_bounce() {
    let aws = FakeAws::with([("DeleteItem", Answer::error("ConditionalCheckFailedException"))]);
    let body = json!({ "email": "Ada@EXAMPLE.com", "notifications": true });
    let answered = answer(&aws, HttpEvent::of("settings").json(&body)).await;
    assert_eq!(
        answered.json(),
        json!({ "email": "Ada@example.com", "notifications": true, "daily_report": false })
    );
    let delete = &aws.sent("DeleteItem")[0];
    assert_eq!(
        delete["ConditionExpression"],
        "attribute_not_exists(pk) OR reason IN (:unsubscribed, :muted)"
    );
}

#[tokio::test]
async fn nobody_silences_an_address_that_is_not_proven_theirs() {
    let others = json!({ "email": "grace@example.com", "notifications": false });
    for event in
        [HttpEvent::of("settings").json(&others), HttpEvent::of("settings").claim("email_verified", "false")]
    {
        let aws = FakeAws::default();
        assert_eq!(answer(&aws, event).await.status, 200);
        assert_eq!(aws.operations(), ["PutItem"]);
    }
}

#[tokio::test]
async fn settings_that_were_never_set_start_with_the_callers_address() {
    let get = || HttpEvent::of("settings").route("GET /settings", &[]);
    let answered = answer(&FakeAws::default(), get()).await;
    assert_eq!(answered.json(), json!({ "email": ADDRESS, "notifications": true, "daily_report": false }));
    let answered = answer(&FakeAws::default(), get().claim("email", "not an address")).await;
    assert_eq!(answered.json()["email"], json!(null));

    let stored = item(&json!({ "email": null, "notifications": false, "daily_report": false }));
    let aws = FakeAws::with([("GetItem", Answer::json(json!({ "Item": stored })))]);
    let answered = answer(&aws, get()).await;
    assert_eq!(answered.json(), json!({ "email": null, "notifications": false, "daily_report": false }));
}

#[tokio::test]
async fn wrong_settings_are_named_and_not_stored() {
    let aws = FakeAws::default();
    let answered = answer(&aws, HttpEvent::of("settings").json(&json!({ "daily_report": true }))).await;
    assert_eq!((answered.status, answered.wrong_fields()), (422, vec!["email".to_owned()]));
    assert!(aws.calls().is_empty());
}

#[tokio::test]
async fn following_the_link_only_asks() {
    let aws = FakeAws::default();
    let answered = answer(&aws, link("GET", &unsubscribe_token(&keys(), ADDRESS))).await;
    assert_eq!(answered.status, 200);
    assert_eq!(answered.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(answered.body.contains("<form method=\"post\">"));
    assert!(aws.calls().is_empty());
}

#[tokio::test]
async fn the_page_allows_its_own_style_and_nothing_else() {
    let answered = answer(&FakeAws::default(), link("GET", "")).await;
    let style = answered.body.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
    let hash = BASE64_STANDARD.encode(Sha256::digest(style));
    let policy = answered.header("content-security-policy").unwrap();
    assert!(policy.contains(&format!("style-src 'sha256-{hash}'")), "the hash is {hash}");
    assert!(policy.starts_with("default-src 'none';") && !policy.contains("script"));
}

#[tokio::test]
async fn one_click_unsubscribes_whatever_the_body() {
    for body in ["List-Unsubscribe=One-Click", ""] {
        let aws = FakeAws::default();
        let event = link("POST", &unsubscribe_token(&keys(), ADDRESS))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        let answered = answer(&aws, event).await;
        assert_eq!(answered.status, 200);
        assert!(answered.body.contains("You will not be mailed again"));
        let put = &aws.sent("PutItem")[0];
        assert_eq!(put["Item"]["pk"]["S"], format!("ADDRESS#{}", address_hash(ADDRESS)));
        assert_eq!(put["Item"]["reason"]["S"], "unsubscribed");
    }
}

#[tokio::test]
async fn a_wish_never_hides_a_bounce() {
    let aws = FakeAws::with([("PutItem", Answer::error("ConditionalCheckFailedException"))]);
    let answered = answer(&aws, link("POST", &unsubscribe_token(&keys(), ADDRESS))).await;
    assert_eq!(answered.status, 200);
    let condition = aws.sent("PutItem")[0]["ConditionExpression"].clone();
    assert_eq!(condition, "attribute_not_exists(pk) OR reason IN (:unsubscribed, :muted)");
}

#[tokio::test]
async fn a_forged_link_changes_nothing_and_is_not_repeated() {
    let forged = SigningKeys::parse("other").unwrap();
    let cursor = keys().sign("cursor", &address_hash(ADDRESS));
    for token in [unsubscribe_token(&forged, ADDRESS), cursor, "%3Cscript%3E".to_owned(), String::new()] {
        for method in ["GET", "POST"] {
            let aws = FakeAws::default();
            let answered = answer(&aws, link(method, &token)).await;
            assert_eq!(answered.status, 400);
            assert!(!answered.body.contains("script"));
            assert!(aws.calls().is_empty());
        }
    }
}

proptest! {
    #[test]
    fn only_a_whole_link_of_ours_does_anything_and_whatever_comes_with_it_is_not_looked_at(
        address in "[a-z]{1,8}@[a-z]{1,8}\\.de", at in any::<usize>(), gone in 0usize..3, by in "[A-Za-z0-9_%=-]{0,2}",
        noise in "[!-~]{0,60}", body in "\\PC{0,40}|List-Unsubscribe=One-Click|[{}\"\\[\\]a-z=&%0-9]{0,40}",
        content_type in "application/x-www-form-urlencoded|multipart/form-data; boundary=x|[a-z/; =]{0,20}",
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let asked = |method: &str, token: &str| {
            let aws = FakeAws::default();
            let query: String = form_urlencoded::Serializer::new(String::new()).append_pair("token", token).finish();
            let event = HttpEvent::of("settings").route(&format!("{method} /unsubscribe"), &[]).query(&query);
            let event = event.header("content-type", &content_type).body(&body);
            (runtime.block_on(answer(&aws, event)), aws)
        };
        let token = unsubscribe_token(&keys(), &address);
        let (answered, aws) = asked("GET", &token);
        prop_assert_eq!((answered.status, aws.calls().len()), (200, 0));
        let (answered, aws) = asked("POST", &token);
        prop_assert_eq!((answered.status, aws.operations()), (200, vec!["PutItem".to_owned()]));
        let key = aws.sent("PutItem")[0]["Item"]["pk"]["S"].clone();
        prop_assert_eq!(key, format!("ADDRESS#{}", address_hash(&address)));
        for wrong in [damaged(&token, at, gone, &by), noise] {
            if wrong == token {
                continue;
            }
            let answers = ["GET", "POST"].map(|method| asked(method, &wrong));
            for (answered, aws) in answers {
                prop_assert_eq!((answered.status, aws.calls().len()), (400, 0), "{}", wrong);
                prop_assert!(!answered.body.contains(&address));
                prop_assert_eq!(answered.body.matches("<").count(), asked("GET", "").0.body.matches("<").count());
            }
        }
    }
}

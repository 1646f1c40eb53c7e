use crate::hello::Hello;
use serde_json::json;
use shared::problem::Problem;
use shared::sample::{Answered, HttpEvent};

async fn answer(event: HttpEvent) -> Answered {
    event.answer(async |request| Hello.answer(request).await).await
}

#[tokio::test]
async fn the_sample_event_is_greeted_by_name() {
    let answered = answer(HttpEvent::of("hello")).await;
    assert_eq!((answered.status, answered.json()), (200, json!({ "message": "Hello, Ada!" })));
}

#[tokio::test]
async fn without_a_name_the_world_is_greeted() {
    let answered = answer(HttpEvent::of("hello").query("")).await;
    assert_eq!(answered.json(), json!({ "message": "Hello, world!" }));
    let answered = answer(HttpEvent::of("hello").query("name=+J%C3%BCrgen%20M.+")).await;
    assert_eq!(answered.json(), json!({ "message": "Hello, Jürgen M.!" }));
}

#[tokio::test]
async fn a_name_that_is_none_is_refused() {
    let long = "x".repeat(101);
    for name in ["", "+", "a%0Ab", "%00", long.as_str()] {
        let answered = answer(HttpEvent::of("hello").query(&format!("name={name}"))).await;
        assert_eq!((answered.status, answered.wrong_fields()), (422, vec!["name".to_owned()]), "{name}");
    }
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let answered = answer(HttpEvent::of("hello")).await;
    for name in
        ["x-content-type-options", "strict-transport-security", "content-security-policy", "referrer-policy"]
    {
        assert!(answered.header(name).is_some(), "{name}");
    }
}

#[tokio::test]
async fn the_contract_is_served_as_json() {
    let answered = answer(HttpEvent::of("hello").route("GET /openapi.json", &[]).query("")).await;
    assert_eq!((answered.status, answered.header("content-type")), (200, Some("application/json")));
    assert_eq!(answered.json()["openapi"], "3.1.0");
}

#[tokio::test]
async fn any_other_route_is_not_found() {
    let answered = answer(HttpEvent::of("hello").route("GET /nothing", &[])).await;
    assert_eq!((i64::from(Problem::NotFound.status()), answered.status), (404, 404));
}

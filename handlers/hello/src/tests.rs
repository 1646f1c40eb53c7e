use crate::hello::Hello;
use serde_json::json;
use shared::sample::{Answered, HttpEvent};

async fn answer(event: HttpEvent) -> Answered {
    let handler = Hello;
    event.answer(async |request| handler.answer(request).await).await
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
async fn a_path_that_is_none_is_not_found_and_a_wrong_method_is_told_the_right_ones() {
    let unknown = |method: &str, path: &str| HttpEvent::of("hello").unrouted(method, path);
    for path in ["/", "/nothing", "/notes/", "/notes/1/2", "/HELLO", "/<script>"] {
        let answered = answer(unknown("GET", path)).await;
        assert_eq!((answered.status, answered.header("allow")), (404, None), "{path}");
        assert!(!answered.body.contains("script"));
    }
    for (method, path, allowed) in [
        ("DELETE", "/notes", "GET, POST"),
        ("PUT", "/notes/1", "GET, PATCH, DELETE"),
        ("HEAD", "/hello", "GET"),
        ("BREW", "/settings", "GET, PUT"),
    ] {
        let answered = answer(unknown(method, path)).await;
        assert_eq!((answered.status, answered.header("allow")), (405, Some(allowed)), "{method} {path}");
        assert_eq!(answered.json()["type"], "/problems/method-not-allowed");
    }
}

//! What a caller gets for every way in which an environment fails, with real processes.

use super::tests::{Fixture, fixture_with};
use super::*;
use crate::lambda::testing::{FAILURES, Running, Subject};
use serde_json::Value;

async fn answer(fixture: &Fixture) -> (u16, String) {
    let response = fixture.respond(Request::get("/hello")).await;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn in_front_of(running: &Running) -> Fixture {
    fixture_with(running.lambda.clone(), |_| ())
}

#[tokio::test]
async fn every_failure_of_the_function_is_an_internal_server_error() {
    for failure in FAILURES {
        let running = failure.subject("Function").run();
        let (status, body) = answer(&in_front_of(&running)).await;
        assert_eq!(
            (status, body.as_str()),
            (500, r#"{"message":"Internal Server Error"}"#),
            "{}",
            failure.what
        );
        running.lambda.shutdown().await;
    }
}

#[tokio::test]
async fn the_caller_after_a_crash_is_answered() {
    let running = Subject { name: "Function", mode: "dies-once", ..Subject::default() }.run();
    let fixture = in_front_of(&running);
    assert_eq!(answer(&fixture).await.0, 500);
    let (status, body) = answer(&fixture).await;
    assert_eq!(status, 200);
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["echo"]["routeKey"], "GET /hello");
    running.lambda.shutdown().await;
}

#[tokio::test]
async fn a_function_that_takes_no_more_is_unavailable() {
    let running = Subject { name: "Function", ..Subject::default() }.run();
    running.lambda.shutdown().await;
    let (status, body) = answer(&in_front_of(&running)).await;
    assert_eq!((status, body.as_str()), (503, r#"{"message":"Service Unavailable"}"#));
}

#[tokio::test]
async fn a_function_that_takes_over_thirty_seconds_is_unavailable_and_goes_on() {
    let running = Subject { name: "Function", deed: "hang", ..Subject::default() }.run();
    running.lambda.warm("Function", 1).await;
    let mut fixture = in_front_of(&running);
    assert_eq!(fixture.gateway.integration_timeout, Duration::from_secs(30));
    fixture.gateway.integration_timeout = Duration::from_millis(50);
    let (status, body) = answer(&fixture).await;
    assert_eq!((status, body.as_str()), (503, r#"{"message":"Service Unavailable"}"#));
    assert_eq!(running.lambda.active(), 1);
}

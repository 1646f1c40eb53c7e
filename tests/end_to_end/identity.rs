//! Tokens and browsers: the authorizer and CORS at the door.

use end_to_end::Host;
use serde_json::{Value, json};

#[tokio::test]
async fn only_a_token_of_this_issuer_for_this_audience_opens_the_door() {
    let host = Host::start().await;
    let other_audience = host.api.get("/_local/token?sub=anna&audience=other").await;
    let other_audience = String::from_utf8_lossy(&other_audience.body).into_owned();
    let good = host.api.caller("anna").await;
    let tampered = format!("{}x", good.token);
    let (head, rest) = good.token.split_once('.').unwrap();
    let none = format!("eyJhbGciOiJub25lIn0.{rest}");
    assert!(!head.is_empty());
    for token in [other_audience.as_str(), &tampered, &none, "", "x.y.z"] {
        let header = format!("Bearer {token}");
        assert_eq!(
            host.api.send("GET", "/notes", &[("authorization", &header)], "").await.status,
            401,
            "{token}"
        );
    }
    good.get("/notes").await.expect(200);
    host.api.advance(13 * 3600).await;
    assert_eq!(good.get("/notes").await.status, 401, "it has expired by the clock");
}

#[tokio::test]
async fn the_issuer_publishes_what_a_verifier_needs() {
    let host = Host::start().await;
    let discovery = host.api.get("/_local/identity/.well-known/openid-configuration").await.expect(200);
    let keys = host.api.get(discovery["jwks_uri"].as_str().unwrap()).await.expect(200);
    assert_eq!(keys["keys"][0]["kty"], "RSA");
    assert!(discovery["issuer"].as_str().unwrap().starts_with(&host.api.url));
}

#[tokio::test]
async fn browsers_of_the_apps_origin_may_call_and_others_may_not() {
    let host = Host::start().await;
    let preflight = |origin: &'static str| {
        let api = host.api.clone();
        async move {
            let headers = [
                ("origin", origin),
                ("access-control-request-method", "POST"),
                ("access-control-request-headers", "authorization,content-type"),
            ];
            api.send("OPTIONS", "/notes", &headers, "").await
        }
    };
    let allowed = preflight("http://localhost:3000").await;
    assert_eq!(allowed.header("access-control-allow-origin"), Some("http://localhost:3000"));
    assert_eq!(preflight("http://evil.example").await.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn the_contract_and_a_greeting_need_no_token() {
    let host = Host::start().await;
    assert_eq!(host.api.get("/hello?name=Anna").await.expect(200)["message"], json!("Hello, Anna!"));
    assert!(host.api.get("/openapi.json").await.expect(200)["openapi"].as_str().unwrap().starts_with("3.1"));
    assert_eq!(host.api.get("/nothing").await.expect(404)["type"], "/problems/not-found");
    let wrong_method = host.api.send("DELETE", "/notes", &[], "").await;
    assert_eq!((wrong_method.status.as_u16(), wrong_method.header("allow")), (405, Some("GET, POST")));
    let health: Value = host.api.get("/_local/health").await.expect(200);
    assert_eq!(health["status"], "ok");
}

//! Tokens and browsers: the authorizer and CORS at the door.

use end_to_end::{Host, Target, needs};
use serde_json::{Value, json};

#[tokio::test]
async fn only_an_untouched_token_opens_the_door() {
    let target = Target::start().await;
    let good = target.caller("anna").await;
    let tampered = format!("{}x", good.token);
    let (head, rest) = good.token.split_once('.').unwrap();
    let (_, signature) = rest.split_once('.').unwrap();
    let unsigned = format!("eyJhbGciOiJub25lIn0.{rest}");
    let of_another = target.caller("ben").await.token;
    let claims_of_another = format!("{head}.{}.{signature}", of_another.split('.').nth(1).unwrap());
    for token in [&tampered, &unsigned, &claims_of_another, "", "x.y.z"] {
        let header = format!("Bearer {token}");
        let answer = target.api.send("GET", "/notes", &[("authorization", &header)], "").await;
        assert_eq!(answer.status, 401, "{token}");
    }
    assert_eq!(target.api.get("/notes").await.status, 401, "none at all");
    good.get("/notes").await.expect(200);
}

#[tokio::test]
async fn a_token_for_another_audience_or_of_another_day_opens_nothing() {
    needs!(Issuer, Clock);
    let host = Host::start().await;
    let other_audience = host.api.get("/_local/token?sub=anna&audience=other").await;
    let header = format!("Bearer {}", String::from_utf8_lossy(&other_audience.body));
    assert_eq!(host.api.send("GET", "/notes", &[("authorization", &header)], "").await.status, 401);
    let anna = host.api.caller("anna").await;
    anna.get("/notes").await.expect(200);
    host.api.advance(13 * 3600).await;
    assert_eq!(anna.get("/notes").await.status, 401, "it has expired by the clock");
}

#[tokio::test]
async fn the_issuer_publishes_what_a_verifier_needs() {
    needs!(Issuer);
    let host = Host::start().await;
    let discovery = host.api.get("/_local/identity/.well-known/openid-configuration").await.expect(200);
    let keys = host.api.get(discovery["jwks_uri"].as_str().unwrap()).await.expect(200);
    assert_eq!(keys["keys"][0]["kty"], "RSA");
    assert!(discovery["issuer"].as_str().unwrap().starts_with(&host.api.url));
    let health: Value = host.api.get("/_local/health").await.expect(200);
    assert_eq!(health["status"], "ok");
}

#[tokio::test]
async fn browsers_of_the_apps_origin_may_call_and_others_may_not() {
    needs!(Cors);
    let target = Target::start().await;
    let preflight = async |origin: &str| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "authorization,content-type"),
        ];
        target.api.send("OPTIONS", "/notes", &headers, "").await
    };
    let allowed = preflight("http://localhost:3000").await;
    assert_eq!(allowed.header("access-control-allow-origin"), Some("http://localhost:3000"));
    assert_eq!(preflight("http://evil.example").await.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn the_contract_and_a_greeting_need_no_token() {
    let target = Target::start().await;
    let api = &target.api;
    assert_eq!(api.get("/hello?name=Anna").await.expect(200)["message"], json!("Hello, Anna!"));
    assert!(api.get("/openapi.json").await.expect(200)["openapi"].as_str().unwrap().starts_with("3.1"));
    assert_eq!(api.get("/nothing").await.expect(404)["type"], "/problems/not-found");
    let wrong_method = api.send("DELETE", "/notes", &[], "").await;
    assert_eq!((wrong_method.status.as_u16(), wrong_method.header("allow")), (405, Some("GET, POST")));
}

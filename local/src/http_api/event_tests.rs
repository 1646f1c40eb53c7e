use super::*;
use axum::body::Body;
use http::Request;
use serde_json::json;

fn event(request: http::request::Builder, body: &[u8], authorized: Option<(&Claims, &[String])>) -> Value {
    let (parts, _) = request.body(Body::empty()).unwrap().into_parts();
    let context = Context {
        api_id: "api",
        route_key: "GET /notes/{id}",
        parameters: &[("id", "a b".to_owned())],
        authorized,
        peer: IpAddr::from([127, 0, 0, 1]),
        request_id: "JKJaXmPLvHcESHA=",
        at: DateTime::from_timestamp_millis(1_583_348_638_390).unwrap(),
    };
    serde_json::from_slice(&build(&parts, body, &context)).unwrap()
}

#[test]
fn a_request_becomes_payload_format_2() {
    let request = Request::get("/notes/a%20b?tag=x&tag=y+z&q=%C3%A9&flag")
        .header("Host", "localhost:3000")
        .header("User-Agent", "test")
        .header("X-Many", "1")
        .header("X-Many", "2")
        .header("Cookie", "a=1; b=2")
        .header("Cookie", "c=3");
    let claims = json!({"sub": "ada", "exp": 1_700_000_000, "email_verified": true, "groups": ["a", "b"]});
    let event = event(request, b"", Some((claims.as_object().unwrap(), &[])));
    let expected = json!({
        "version": "2.0",
        "routeKey": "GET /notes/{id}",
        "rawPath": "/notes/a b",
        "rawQueryString": "tag=x&tag=y+z&q=%C3%A9&flag",
        "cookies": ["a=1", "b=2", "c=3"],
        "headers": {
            "host": "localhost:3000", "user-agent": "test", "x-many": "1,2",
            "x-forwarded-for": "127.0.0.1", "x-forwarded-port": "3000", "x-forwarded-proto": "http",
        },
        "queryStringParameters": {"tag": "x,y z", "q": "é", "flag": ""},
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "api",
            "authorizer": {"jwt": {
                "claims": {"sub": "ada", "exp": "1700000000", "email_verified": "true", "groups": "[a b]"},
                "scopes": null,
            }},
            "domainName": "localhost",
            "domainPrefix": "localhost",
            "http": {
                "method": "GET", "path": "/notes/a b", "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1", "userAgent": "test",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": "GET /notes/{id}",
            "stage": "$default",
            "time": "04/Mar/2020:19:03:58 +0000",
            "timeEpoch": 1_583_348_638_390_i64,
        },
        "pathParameters": {"id": "a b"},
        "isBase64Encoded": false,
    });
    assert_eq!(event, expected);
}

#[test]
fn what_is_not_there_is_left_out() {
    let event = event(Request::get("/notes/1"), b"", None);
    for name in ["cookies", "queryStringParameters", "body"] {
        assert!(event.get(name).is_none(), "{name}");
    }
    assert!(event["requestContext"].get("authorizer").is_none());
    assert_eq!(event["rawQueryString"], "");
}

#[test]
fn scopes_are_shown_when_the_route_asks_for_some() {
    let claims = json!({"scope": "read write"});
    let event = event(Request::get("/"), b"", Some((claims.as_object().unwrap(), &["read".to_owned()])));
    assert_eq!(event["requestContext"]["authorizer"]["jwt"]["scopes"], json!(["read", "write"]));
}

#[test]
fn text_stays_and_everything_else_is_base64() {
    for (content_type, body, text, base64) in [
        ("application/json; charset=utf-8", b"{}".as_slice(), "{}", false),
        ("text/csv", b"a,b", "a,b", false),
        ("application/merge-patch+json", b"{}", "{}", false),
        ("application/x-www-form-urlencoded", b"a=1", "a=1", false),
        ("image/png", b"\x89PNG", "iVBORw==", true),
        ("application/octet-stream", b"abc", "YWJj", true),
        ("application/json", b"\xff", "/w==", true),
    ] {
        let event = event(Request::post("/").header("content-type", content_type), body, None);
        assert_eq!(
            (&event["body"], &event["isBase64Encoded"]),
            (&json!(text), &json!(base64)),
            "{content_type}"
        );
    }
}

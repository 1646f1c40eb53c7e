//! The gateway up to the invocation, and its answers without one.

use super::*;
use crate::app::{self, Route, Throttle};
use crate::identity::testing::identity;
use crate::lambda::Options;
use serde_json::Value;
use std::collections::BTreeMap;

fn api() -> HttpApi {
    let route = |method: &str, path: &str, authorizer: Option<&str>| Route {
        method: method.into(),
        path: path.into(),
        function: "Function".into(),
        authorizer: authorizer.map(str::to_owned),
    };
    HttpApi {
        id: "api".into(),
        routes: vec![
            route("GET", "/hello", None),
            route("POST", "/notes", Some("Caller")),
            route("GET", "/s", Some("Scoped")),
        ],
        ..HttpApi::default()
    }
}

pub(super) struct Fixture {
    pub(super) gateway: Gateway,
    token: String,
}

fn fixture(change: impl FnOnce(&mut HttpApi)) -> Fixture {
    let options = Options {
        clock: Clock::default(),
        region: "us-east-1".into(),
        max_environments: 1,
        concurrency: 1,
        environment: Arc::new(|_| BTreeMap::new()),
        log: std::env::temp_dir(),
        seed: 0,
    };
    // Without functions: whatever gets as far as an invocation is answered with 500.
    fixture_with(Lambda::new(Vec::new(), options), change)
}

pub(super) fn fixture_with(lambda: Lambda, change: impl FnOnce(&mut HttpApi)) -> Fixture {
    let clock = Clock::default();
    let identity = Arc::new(identity(clock.clone()));
    let authorizer = |scopes: &[&str]| JwtAuthorizer {
        issuer: identity.issuer().to_owned(),
        audience: vec!["notes".into()],
        identity_source: "$request.header.Authorization".into(),
        scopes: scopes.iter().map(ToString::to_string).collect(),
    };
    let mut api = api();
    api.authorizers.insert("Caller".into(), authorizer(&[]));
    api.authorizers.insert("Scoped".into(), authorizer(&["admin"]));
    change(&mut api);
    let token = identity.token("ada", None, "notes", &[], Duration::from_secs(60)).unwrap();
    let verifier = Verifier::new(identity, clock.clone());
    Fixture { gateway: Gateway::new(api, lambda, verifier, clock).unwrap(), token }
}

const HOST: &str = "api";

fn peer() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 40_000))
}

impl Fixture {
    async fn status(&self, request: http::request::Builder) -> u16 {
        self.respond(request).await.status().as_u16()
    }

    pub(super) async fn respond(&self, request: http::request::Builder) -> Response<Body> {
        self.gateway.handle(request.header("host", HOST).body(Body::empty()).unwrap(), peer()).await
    }
}

#[tokio::test]
async fn an_admitted_request_carries_its_callers_claims() {
    let fixture = fixture(|_| ());
    for scheme in ["Bearer ", "bearer ", ""] {
        let request = Request::post("/notes").header("authorization", format!("{scheme}{}", fixture.token));
        let request = request.header("host", HOST).header("content-type", "application/json");
        let request = request.body(Body::from("{}")).unwrap();
        let admitted = fixture.gateway.admit(request, peer(), "id").await.unwrap();
        let event: Value = serde_json::from_slice(&admitted.event).unwrap();
        assert_eq!(admitted.function, "Function");
        assert_eq!(event["routeKey"], "POST /notes");
        assert_eq!(event["requestContext"]["authorizer"]["jwt"]["claims"]["sub"], "ada");
        assert_eq!(event["body"], "{}");
    }
}

#[tokio::test]
async fn refusals_are_in_the_gateways_words() {
    let fixture = fixture(|_| ());
    let denied = fixture.respond(Request::post("/notes")).await;
    assert_eq!(
        (denied.status().as_u16(), &denied.headers()["www-authenticate"]),
        (401, &"Bearer".parse().unwrap())
    );
    assert!(denied.headers().contains_key("apigw-requestid"));
    let body = denied.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, r#"{"message":"Unauthorized"}"#);
    let bearer = format!("Bearer {}", fixture.token);
    assert_eq!(fixture.status(Request::get("/s").header("authorization", &bearer)).await, 403);
    assert_eq!(fixture.status(Request::get("/nowhere")).await, 404);
    assert_eq!(fixture.status(Request::delete("/hello")).await, 404);
    assert_eq!(fixture.status(Request::get("/hello")).await, 500);
    assert_eq!(fixture.status(Request::get("/hello").header("x", "y".repeat(10_240))).await, 431);
    assert_eq!(fixture.status(Request::get(format!("/hello?{}", "y".repeat(9_000)))).await, 414);
}

#[tokio::test]
async fn each_refusal_says_what_its_status_is_called() {
    let fixture = fixture(|_| ());
    let bearer = format!("Bearer {}", fixture.token);
    let hello = || Request::get("/hello");
    // The path and the headers' names count as well, so that one byte less is still let through to the function.
    let room = HEADER_LIMIT - "/hellox".len() - "host".len() - HOST.len();
    let path = |length: usize| Request::get(format!("/hello?{}", "y".repeat(length - "/hello?".len())));
    for (request, status, message) in [
        (Request::get("/nowhere"), 404, "Not Found"),
        (Request::post("/notes"), 401, "Unauthorized"),
        (Request::get("/s").header("authorization", &bearer), 403, "Forbidden"),
        (hello().header("x", "y".repeat(room)), 500, "Internal Server Error"),
        (hello().header("x", "y".repeat(room + 1)), 431, "Request Header Fields Too Large"),
        (path(URL_LIMIT), 500, "Internal Server Error"),
        (path(URL_LIMIT + 1), 414, "URI Too Long"),
    ] {
        let response = fixture.respond(request).await;
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(response.headers().contains_key("www-authenticate"), status == 401);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(
            serde_json::from_slice::<Value>(&body).unwrap(),
            serde_json::json!({ "message": message })
        );
    }
}

#[tokio::test]
async fn a_body_over_ten_megabytes_is_refused() {
    let fixture = fixture(|_| ());
    let hello = || Request::get("/hello").header("host", HOST);
    let request = hello().body(Body::from(vec![b'x'; BODY_LIMIT + 1])).unwrap();
    assert_eq!(fixture.gateway.handle(request, peer()).await.status(), 413);
    // Base64 would not fit into what Lambda takes.
    let request = hello().header("content-type", "image/png");
    let request = request.body(Body::from(vec![b'x'; BODY_LIMIT])).unwrap();
    assert_eq!(fixture.gateway.handle(request, peer()).await.status(), 413);
}

#[tokio::test]
async fn a_body_that_is_announced_and_does_not_come_is_not_waited_for() {
    let mut fixture = fixture(|_| ());
    assert_eq!(fixture.gateway.body_timeout, Duration::from_secs(30));
    fixture.gateway.body_timeout = Duration::from_millis(50);
    let silence = futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>();
    let request = Request::get("/hello").header("host", HOST).body(Body::from_stream(silence)).unwrap();
    assert_eq!(fixture.gateway.handle(request, peer()).await.status(), 408);
}

#[tokio::test]
async fn a_burst_over_the_throttle_is_told_to_wait() {
    let fixture = fixture(|api| api.throttle = Some(Throttle { rate: 0.001, burst: 2 }));
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(fixture.status(Request::get("/hello")).await);
    }
    assert_eq!(statuses, [500, 500, 429]);
}

#[tokio::test]
async fn preflights_need_no_token_and_refusals_can_be_read_by_the_page() {
    let origin = "http://localhost:3000";
    let cors = app::Cors {
        allow_origins: vec![origin.into()],
        allow_methods: vec!["POST".into()],
        ..app::Cors::default()
    };
    let fixture = fixture(|api| api.cors = Some(cors));
    let preflight =
        Request::options("/notes").header("origin", origin).header("access-control-request-method", "POST");
    let response = fixture.respond(preflight).await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["access-control-allow-methods"]),
        (204, &"POST".parse().unwrap())
    );
    let denied = fixture.respond(Request::post("/notes").header("origin", origin)).await;
    assert_eq!(
        (denied.status().as_u16(), &denied.headers()["access-control-allow-origin"]),
        (401, &origin.parse().unwrap())
    );
}

#[tokio::test]
async fn a_token_comes_alone_and_with_its_scheme_in_any_case() {
    let fixture = fixture(|_| ());
    let good = format!("Bearer {}", fixture.token);
    let post = |values: &[&str]| {
        values.iter().fold(Request::post("/notes"), |request, value| request.header("authorization", *value))
    };
    for alone in [&good, &good.replace("Bearer ", "bEARER   "), &fixture.token] {
        assert_eq!(fixture.status(post(&[alone])).await, 500, "{alone}");
    }
    let (basic, listed) = (good.replace("Bearer", "Basic"), format!("{good}, {good}"));
    let huge = format!("Bearer {}", "x".repeat(HEADER_LIMIT / 2));
    for values in [
        &[&*good, &*good][..],
        &[&*good, "Bearer x"],
        &["Bearer x", &*good],
        &[&*basic],
        &[&*listed],
        &[&*huge],
        &[""],
    ] {
        assert_eq!(fixture.status(post(values)).await, 401, "{values:?}");
    }
}

#[tokio::test]
async fn a_request_names_one_host() {
    let fixture = fixture(|_| ());
    let hello = |hosts: &[&str], version| {
        let hello = Request::get("/hello").version(version);
        hosts.iter().fold(hello, |request, host| request.header("host", *host)).body(Body::empty()).unwrap()
    };
    for (hosts, version, status) in [
        (&["a"][..], Version::HTTP_11, 500),
        (&[], Version::HTTP_11, 400),
        (&["a", "a"], Version::HTTP_11, 400),
        (&["a", "b"], Version::HTTP_11, 400),
        (&[], Version::HTTP_10, 500),
    ] {
        let response = fixture.gateway.handle(hello(hosts, version), peer()).await;
        assert_eq!(response.status(), status, "{hosts:?} {version:?}");
    }
}

#[tokio::test]
async fn a_token_may_come_in_the_query() {
    let source = IdentitySource::parse("$request.querystring.token").unwrap();
    let (parts, ()) = Request::get("/?a=1&token=abc").body(()).unwrap().into_parts();
    assert_eq!(source.token(&parts).as_deref(), Some("abc"));
    let (parts, ()) = Request::get("/?token=abc&token=abc").body(()).unwrap().into_parts();
    assert_eq!(source.token(&parts).as_deref(), Some("abc,abc"));
    for bad in ["$request.header.", "$request.querystring.", "$context.x", "Authorization"] {
        assert!(IdentitySource::parse(bad).is_err(), "{bad}");
    }
}

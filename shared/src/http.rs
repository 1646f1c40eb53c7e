//! The edge to API Gateway: its events become [`Request`]s, our [`Response`]s become its answers.

use crate::json;
use crate::limits;
use crate::note::{Expected, version_of_etag};
use crate::owner::Owner;
use crate::problem::Problem;
use crate::runtime::{self, Error, LambdaEvent};
use crate::timestamp::Timestamp;
use crate::usage::{Usage, log_invocation, measured};
use crate::validate::{self, Invalid};
use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use aws_lambda_events::encodings::Body;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::time::Instant;

/// The media types of bodies. A patch is also taken as plain JSON, which browsers' forms and many clients send.
const JSON: &[&str] = &["application/json"];
const MERGE_PATCH: &[&str] = &["application/merge-patch+json", "application/json"];

/// Who calls, as the authorizer checked it.
#[derive(Clone, Debug)]
pub struct Caller {
    pub owner: Owner,
    /// The token's `email` claim.
    pub email: Option<String>,
}

/// A request, whatever brought it.
#[derive(Clone, Debug)]
pub struct Request {
    /// As in the template, e.g. `GET /notes/{id}`; `$default` where no route fits.
    pub route: String,
    pub method: String,
    /// The path that was asked for.
    pub target: String,
    pub caller: Option<Caller>,
    /// When the request arrived, by API Gateway's clock.
    pub now: Timestamp,
    pub id: String,
    pub body: Vec<u8>,
    path: HashMap<String, String>,
    query: HashMap<String, String>,
    headers: HeaderMap,
}

impl Request {
    /// Reads an HTTP API event (payload format 2.0).
    pub fn from_event(event: ApiGatewayV2httpRequest) -> Result<Self, Problem> {
        let context = event.request_context;
        let claims = context.authorizer.and_then(|authorizer| authorizer.jwt).map(|jwt| jwt.claims);
        let caller = match claims {
            None => None,
            Some(mut claims) => {
                let subject = claims.remove("sub").ok_or(Problem::Unauthorized)?;
                let owner = Owner::new(&subject).map_err(|_| Problem::Unauthorized)?;
                // An address that the issuer says it did not verify proves nothing.
                let is_unverified = claims.get("email_verified").is_some_and(|verified| verified == "false");
                Some(Caller { owner, email: claims.remove("email").filter(|_| !is_unverified) })
            }
        };
        let body = event.body.unwrap_or_default();
        let body = if event.is_base64_encoded {
            BASE64_STANDARD.decode(body).map_err(|_| Problem::MalformedBody("it is not base64".into()))?
        } else {
            body.into_bytes()
        };
        Ok(Self {
            route: event.route_key.unwrap_or_default(),
            method: context.http.method.to_string(),
            target: event.raw_path.unwrap_or_default(),
            caller,
            now: Timestamp::from_millis(context.time_epoch),
            id: context.request_id.unwrap_or_default(),
            body,
            path: event.path_parameters,
            // Not `queryStringParameters`: there, commas of a value and repetitions of a name look the same.
            query: form_urlencoded::parse(event.raw_query_string.unwrap_or_default().as_bytes())
                .into_owned()
                .collect(),
            headers: event.headers,
        })
    }

    /// The caller; every route but the open ones has one.
    pub fn caller(&self) -> Result<&Caller, Problem> {
        self.caller.as_ref().ok_or(Problem::Unauthorized)
    }

    pub fn owner(&self) -> Result<&Owner, Problem> {
        Ok(&self.caller()?.owner)
    }

    pub fn path(&self, name: &str) -> Option<&str> {
        self.path.get(name).map(String::as_str)
    }

    /// An id in the path. One that is none names nothing, so it is not found.
    pub fn id_in_path(&self, name: &str) -> Result<crate::note::Id, Problem> {
        self.path(name).and_then(crate::note::Id::parse).ok_or(Problem::NotFound)
    }

    /// A version's number in the path, as we write it; anything else names nothing.
    pub fn version_in_path(&self) -> Result<u64, Problem> {
        let text = self.path("version").ok_or(Problem::NotFound)?;
        let number: u64 = text.parse().map_err(|_| Problem::NotFound)?;
        // `parse` takes more spellings than one.
        if number.to_string() == text { Ok(number) } else { Err(Problem::NotFound) }
    }

    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    /// A query parameter that is `true` or `false`; absent it is `false`.
    pub fn flag(&self, name: &str) -> Result<bool, Invalid> {
        validate::flag(name, self.query(name))
    }

    /// A header's text. API Gateway hands headers over as JSON, so that whatever was sent is UTF-8 here.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| std::str::from_utf8(value.as_bytes()).ok())
    }

    /// The body as JSON of the wanted shape.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        self.body_of(JSON)
    }

    /// The body as a JSON merge patch (RFC 7396) of the wanted shape.
    pub fn merge_patch<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        self.body_of(MERGE_PATCH)
    }

    fn body_of<T: DeserializeOwned>(&self, taken: &'static [&'static str]) -> Result<T, Problem> {
        if self.body.len() > limits::REQUEST_BYTES {
            return Err(Problem::TooLarge);
        }
        let media_type = self.header("content-type").unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if !taken.contains(&media_type.as_str()) {
            return Err(Problem::UnsupportedMediaType(taken));
        }
        // The message names the field and the place, and nothing of ours.
        json::object(&self.body).map_err(|error| Problem::MalformedBody(error.to_string()))
    }

    /// What `If-Match` (RFC 9110, 13.1.1) asks for. Tags that are weak or none of ours are met by no version.
    pub fn expected_version(&self) -> Result<Expected, Invalid> {
        let Some(list) = self.header("if-match").filter(|list| list.trim() != "*") else {
            return Ok(Expected::Any);
        };
        let versions: Vec<u64> = list.split(',').filter_map(|tag| version_of_etag(tag.trim())).collect();
        if versions.len() > limits::ENTITY_TAGS {
            return Err(Invalid::new("If-Match", format!("must have at most {} tags", limits::ENTITY_TAGS)));
        }
        Ok(Expected::OneOf(versions))
    }

    /// Whether `If-None-Match` (RFC 9110, 13.1.2) names `etag`, so that the caller has what it asks for.
    pub fn has_current(&self, etag: &str) -> bool {
        self.header("if-none-match").is_some_and(|list| {
            // Comparison is weak here.
            list.split(',')
                .map(str::trim)
                .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
        })
    }
}

/// An answer.
#[derive(Clone, Debug, Default)]
pub struct Response {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Response {
    /// An answer without a body.
    pub fn empty(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    pub fn json<T: Serialize + ?Sized>(status: u16, value: &T) -> Result<Self, Problem> {
        let body = serde_json::to_string(value).map_err(|error| Problem::Internal(error.to_string()))?;
        Ok(Self::text(status, "application/json", body))
    }

    pub fn text(status: u16, content_type: &'static str, body: String) -> Self {
        let mut response = Self { status, headers: HeaderMap::new(), body };
        response.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        response
    }

    /// Adds a header; a value that is none is left out, since it could only come from a fault of ours.
    pub fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    fn problem(problem: &Problem) -> Self {
        let response =
            Self::text(problem.status(), "application/problem+json", problem.document().to_string());
        match problem {
            Problem::Unavailable(_) | Problem::TooManyRequests(_) => response.with(header::RETRY_AFTER, "1"),
            Problem::MethodNotAllowed(allowed) => response.with(header::ALLOW, allowed),
            Problem::UnsupportedMediaType(taken) => response.with(header::ACCEPT, &taken.join(", ")),
            _ => response,
        }
    }

    fn into_event(mut self) -> ApiGatewayV2httpResponse {
        let mut standard = |name, value| {
            self.headers.entry(name).or_insert(HeaderValue::from_static(value));
        };
        standard(header::CACHE_CONTROL, "no-store");
        standard(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        standard(header::REFERRER_POLICY, "no-referrer");
        standard(header::STRICT_TRANSPORT_SECURITY, "max-age=63072000; includeSubDomains");
        standard(header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'");
        let mut event = ApiGatewayV2httpResponse::default();
        event.status_code = i64::from(self.status);
        event.headers = self.headers;
        event.body = (!self.body.is_empty()).then_some(Body::Text(self.body));
        event
    }
}

/// Answers one event with `work`, and logs the outcome in one line.
pub async fn answer<F>(event: ApiGatewayV2httpRequest, work: F) -> ApiGatewayV2httpResponse
where
    F: AsyncFnOnce(&Request) -> Result<Response, Problem>,
{
    let started = Instant::now();
    let named = Named::of(&event);
    let request = Request::from_event(event);
    let owner = request.as_ref().ok().and_then(|request| Some(request.caller.as_ref()?.owner.hash()));
    let (result, usage) = measured(async { work(request.as_ref().map_err(Clone::clone)?).await }).await;
    log(&named, &owner.unwrap_or_default(), &result, started, usage);
    result.unwrap_or_else(|problem| Response::problem(&problem)).into_event()
}

/// What a log line says of an event, whether or not a request can be made of it.
struct Named {
    request_id: String,
    route: String,
}

impl Named {
    fn of(event: &ApiGatewayV2httpRequest) -> Self {
        Self {
            request_id: event.request_context.request_id.clone().unwrap_or_default(),
            route: event.route_key.clone().unwrap_or_default(),
        }
    }
}

fn log(named: &Named, owner: &str, result: &Result<Response, Problem>, started: Instant, usage: Usage) {
    let duration_ms = started.elapsed().as_secs_f64() * 1e3;
    let (request_id, route) = (named.request_id.as_str(), named.route.as_str());
    let status = result.as_ref().map_or_else(Problem::status, |response| response.status);
    match result {
        Err(problem) if problem.is_ours() => {
            log_invocation!(error, usage, request_id, route, owner, status, duration_ms, %problem, "request");
        }
        // Without the problem, which may quote what the caller sent.
        _ => log_invocation!(info, usage, request_id, route, owner, status, duration_ms, "request"),
    }
}

/// Takes HTTP API events until the environment ends.
pub async fn run<F>(work: F) -> Result<(), Error>
where
    F: AsyncFn(&Request) -> Result<Response, Problem>,
{
    let work = &work;
    runtime::serve(move |event: LambdaEvent<ApiGatewayV2httpRequest>| async move {
        Ok(answer(event.payload, async |request: &Request| work(request).await).await)
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::HttpEvent;
    use proptest::prelude::*;

    /// What the request with this header makes of it.
    fn with_header<T: Clone + 'static>(name: &str, value: &str, read: impl Fn(&Request) -> T) -> T {
        read(&HttpEvent::of("hello").header(name, value).into_request())
    }

    fn expected(if_match: &str) -> Result<Expected, Invalid> {
        with_header("if-match", if_match, Request::expected_version)
    }

    #[test]
    fn if_match_asks_for_versions_and_compares_strongly() {
        assert_eq!(expected("*"), Ok(Expected::Any));
        assert_eq!(expected("\"1\", \"2-7\""), Ok(Expected::OneOf(vec![1, 2])));
        for met_by_none in ["W/\"2\"", "", "\"x\"", "2", "\"1", "é"] {
            assert_eq!(expected(met_by_none), Ok(Expected::OneOf(Vec::new())), "{met_by_none}");
        }
        let many = |count: usize| vec!["\"1\""; count].join(",");
        assert!(expected(&many(limits::ENTITY_TAGS)).is_ok());
        assert_eq!(expected(&many(limits::ENTITY_TAGS + 1)).unwrap_err().field, "If-Match");
    }

    #[test]
    fn if_none_match_compares_weakly() {
        for (list, has) in [("\"1\", W/\"2\"", true), ("*", true), ("\"2-1\"", false), ("2", false)] {
            assert_eq!(
                with_header("if-none-match", list, |request| request.has_current("\"2\"")),
                has,
                "{list}"
            );
        }
    }

    fn media_type(name: &str) -> HttpEvent {
        HttpEvent::of("save-note").header("content-type", name)
    }

    #[test]
    fn only_an_object_is_taken_as_a_body() {
        use crate::attachment::NewAttachment;
        use crate::note::{Content, Patch};
        use crate::settings::Settings;
        for body in [r#"["Hello"]"#, r#"["a","b/c",1]"#, "[]", r#""Hello""#, "null", "7", "", "{", "{}x"] {
            let request = media_type("application/json").body(body).into_request();
            let refusals = [
                request.json::<Content>().err(),
                request.json::<NewAttachment>().err(),
                request.json::<Settings>().err(),
                request.merge_patch::<Patch>().err(),
            ];
            for refusal in refusals {
                assert_eq!(refusal.map(|problem| problem.status()), Some(400), "{body}");
            }
        }
        assert!(media_type("application/json").body(" \n{}").into_request().json::<Settings>().is_ok());
    }

    /// All that is logged while this is the thread's subscriber.
    #[derive(Clone, Default)]
    struct Log(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

    impl std::io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn an_event_that_cannot_be_read_is_logged_like_any_other() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
        let _logging = tracing::subscriber::set_default(subscriber);
        let mut lines = String::new();
        // Another test may be the first to pass the same call site at this very moment, and while `tracing` takes it down
        // as one that nobody listens to, it is silent for this thread too.
        for _ in 0..1_000 {
            tracing::callsite::rebuild_interest_cache();
            let event =
                HttpEvent::of("save-note").claim("sub", "").at(Timestamp::from_millis(0), "request-7");
            let answered = event.answer(async |_| panic!("nobody called")).await;
            assert_eq!(answered.status, 401);
            lines = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
            if !lines.is_empty() {
                break;
            }
            std::thread::yield_now();
        }
        let line: serde_json::Value = serde_json::from_str(lines.trim()).unwrap();
        let fields = &line["fields"];
        assert_eq!(
            (&fields["request_id"], &fields["route"], &fields["status"], &fields["owner"]),
            (&"request-7".into(), &"POST /notes".into(), &401.into(), &"".into())
        );
    }

    /// What every answer must say, whatever it is; each name with what its value begins with.
    const SAFE: [(&str, &str); 5] = [
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("strict-transport-security", "max-age=63072000"),
        ("content-security-policy", "default-src 'none'"),
    ];

    #[tokio::test]
    async fn every_answer_and_every_problem_has_the_safe_headers() {
        let text = || "x".to_owned();
        let results = [
            Ok(Response::empty(204)),
            Response::json(200, "x"),
            Err(Problem::MalformedBody(text())),
            Err(Problem::InvalidFields(Vec::new())),
            Err(Problem::Unauthorized),
            Err(Problem::NotFound),
            Err(Problem::Conflict("x")),
            Err(Problem::IdempotencyKeyReused),
            Err(Problem::PreconditionFailed),
            Err(Problem::TooLarge),
            Err(Problem::UnsupportedMediaType(JSON)),
            Err(Problem::MethodNotAllowed(text())),
            Err(Problem::TooManyRequests(text())),
            Err(Problem::Unavailable(text())),
            Err(Problem::Internal(text())),
        ];
        let mut answers = vec![HttpEvent::of("save-note").claim("sub", "").answer(async |_| panic!()).await];
        for result in results {
            answers.push(HttpEvent::of("hello").answer(async |_| result).await);
        }
        for answered in answers {
            for (name, value) in SAFE {
                let said = answered.header(name).unwrap_or_else(|| panic!("{name} of {}", answered.status));
                assert!(said.starts_with(value), "{name} of {}: {said}", answered.status);
            }
        }
    }

    /// One entry of a list of tags: its text, and the version that it names strongly.
    fn tags() -> impl Strategy<Value = (String, Option<u64>)> {
        let ours =
            (any::<u64>(), prop::option::of(0u32..30)).prop_map(|(version, attachments)| match attachments {
                None => (format!("\"{version}\""), Some(version)),
                Some(count) => (format!("\"{version}-{count}\""), Some(version)),
            });
        let none = "W/\"[0-9]{1,3}\"|\"[a-z+*]{0,5}\"|[0-9a-z+*\"-]{0,3}| |[0-9]{1,30}";
        prop_oneof![
            ours,
            none.prop_filter("a star is no tag", |text| text.trim() != "*").prop_map(|text| (text, None))
        ]
    }

    proptest! {
        #[test]
        fn a_list_of_tags_asks_for_the_versions_in_it_and_for_no_other(
            list in prop::collection::vec((tags(), " {0,2}"), 1..2 * limits::ENTITY_TAGS),
        ) {
            let text: Vec<String> = list.iter().map(|((tag, _), space)| format!("{space}{tag}{space}")).collect();
            let named: Vec<u64> = list.iter().filter_map(|((_, version), _)| *version).collect();
            // A damaged tag may happen to be one of ours, as `"7"` is.
            let is_named = |version: &u64| named.contains(version) || text.iter().any(|tag| tag.trim() == format!("\"{version}\""));
            match expected(&text.join(",")) {
                Ok(Expected::OneOf(versions)) => {
                    prop_assert!(versions.len() <= limits::ENTITY_TAGS);
                    prop_assert!(named.iter().all(|version| versions.contains(version)));
                    prop_assert!(versions.iter().all(is_named), "{:?} of {:?}", versions, text);
                }
                Ok(Expected::Any) => prop_assert!(false, "{:?} is no star", text),
                Err(invalid) => prop_assert!(invalid.field == "If-Match" && list.len() > limits::ENTITY_TAGS),
            }
            for ((tag, version), _) in &list {
                if version.is_some() {
                    prop_assert!(with_header("if-none-match", &text.join(","), |request| request.has_current(tag)));
                }
            }
            prop_assert!(!with_header("if-none-match", &text.join(","), |request| request.has_current("\"none of these\"")));
        }

        #[test]
        fn no_header_makes_a_reader_panic(value in "[ -~\u{e0}-\u{ff}]{0,60}|[\"0-9,W/ -]{0,40}") {
            let _ = expected(&value);
            with_header("if-none-match", &value, |request| request.has_current("\"2\""));
            let body = HttpEvent::of("save-note").header("content-type", &value).into_request();
            prop_assert!(body.json::<serde_json::Value>().is_err());
        }
    }
}

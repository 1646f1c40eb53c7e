//! Requests for tests: the sample events in `events/`, changed where a test needs another.

use crate::http::{self, Request, Response};
use crate::problem::Problem;
use crate::timestamp::Timestamp;
use aws_lambda_events::encodings::Body;
use serde_json::{Value, json};
use std::path::Path;

/// The sample event `events/<name>.json`.
///
/// # Panics
/// When it cannot be read.
pub fn event(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../events/{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A text with a bit of it gone and another in its place: what is nearly good, for readers of hostile input.
pub fn damaged(good: &str, at: usize, gone: usize, by: &str) -> String {
    let at = at % good.chars().count().max(1);
    let rest = good.chars().skip(at + gone);
    good.chars().take(at).chain(by.chars()).chain(rest).collect()
}

/// A request as API Gateway delivers it.
#[derive(Clone, Debug)]
pub struct HttpEvent(Value);

/// The answer to it.
#[derive(Clone, Debug)]
pub struct Answered {
    pub status: i64,
    pub headers: ::http::HeaderMap,
    pub body: String,
}

impl HttpEvent {
    /// The sample event of the function in `handlers/<function>`.
    pub fn of(function: &str) -> Self {
        Self(event(function))
    }

    /// The route, e.g. `GET /notes/{id}`.
    pub fn route_key(&self) -> &str {
        self.0["routeKey"].as_str().unwrap_or_default()
    }

    /// The same caller on another route, e.g. `GET /notes/{id}` with its parameters.
    pub fn route(mut self, route: &str, parameters: &[(&str, &str)]) -> Self {
        let (method, template) = route.split_once(' ').unwrap_or(("GET", route));
        let path = parameters
            .iter()
            .fold(template.to_owned(), |path, (name, value)| path.replace(&format!("{{{name}}}"), value));
        self.0["routeKey"] = json!(route);
        self.0["rawPath"] = json!(path);
        self.0["pathParameters"] =
            parameters.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        self.0["requestContext"]["routeKey"] = json!(route);
        self.0["requestContext"]["http"]["method"] = json!(method);
        self.0["requestContext"]["http"]["path"] = json!(path);
        self
    }

    /// The same caller with a method and a path that no route takes.
    pub fn unrouted(mut self, method: &str, path: &str) -> Self {
        self.0["routeKey"] = json!("$default");
        self.0["requestContext"]["routeKey"] = json!("$default");
        self.0["rawPath"] = json!(path);
        self.0["requestContext"]["http"]["method"] = json!(method);
        self.0["requestContext"]["http"]["path"] = json!(path);
        self
    }

    /// Another query, as it stands after the question mark.
    pub fn query(mut self, raw: &str) -> Self {
        self.0["rawQueryString"] = json!(raw);
        self.0["queryStringParameters"] = json!({});
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.0["headers"][name] = json!(value);
        self
    }

    pub fn without_header(mut self, name: &str) -> Self {
        if let Some(headers) = self.0["headers"].as_object_mut() {
            headers.remove(name);
        }
        self
    }

    /// Another moment of arrival, and with it another request.
    pub fn at(mut self, now: Timestamp, request_id: &str) -> Self {
        self.0["requestContext"]["timeEpoch"] = json!(now.millis());
        self.0["requestContext"]["requestId"] = json!(request_id);
        self
    }

    pub fn claim(mut self, name: &str, value: &str) -> Self {
        self.0["requestContext"]["authorizer"]["jwt"]["claims"][name] = json!(value);
        self
    }

    /// A JSON body.
    pub fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(&body.to_string())
    }

    pub fn body(mut self, body: &str) -> Self {
        self.0["body"] = json!(body);
        self.0["isBase64Encoded"] = json!(false);
        self
    }

    /// The request that a handler makes of it.
    ///
    /// # Panics
    /// When this is no event, or none that a request can be made of.
    pub fn into_request(self) -> Request {
        let event = serde_json::from_value(self.0).unwrap_or_else(|error| panic!("no HTTP event: {error}"));
        Request::from_event(event).unwrap_or_else(|problem| panic!("no request: {problem}"))
    }

    /// What `work` answers, by way of the edge that a deployed handler has.
    ///
    /// # Panics
    /// When this is no event.
    pub async fn answer<F>(self, work: F) -> Answered
    where
        F: AsyncFnOnce(&Request) -> Result<Response, Problem>,
    {
        let event = serde_json::from_value(self.0).unwrap_or_else(|error| panic!("no HTTP event: {error}"));
        let response = http::answer(event, work).await;
        let body = match response.body {
            Some(Body::Text(text)) => text,
            _ => String::new(),
        };
        Answered { status: response.status_code, headers: response.headers, body }
    }
}

impl Answered {
    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The fields that a problem names.
    pub fn wrong_fields(&self) -> Vec<String> {
        let document = self.json();
        let errors = document["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().filter_map(|error| error["field"].as_str().map(str::to_owned)).collect()
    }
}

/// An item as DynamoDB's JSON has it, from plain JSON.
pub fn item(plain: &Value) -> Value {
    let fields = plain.as_object().cloned().unwrap_or_default();
    fields.iter().map(|(name, value)| (name.clone(), attribute(value))).collect()
}

fn attribute(plain: &Value) -> Value {
    match plain {
        Value::Null => json!({ "NULL": true }),
        Value::Bool(value) => json!({ "BOOL": value }),
        Value::Number(number) => json!({ "N": number.to_string() }),
        Value::String(text) => json!({ "S": text }),
        Value::Array(values) => json!({ "L": values.iter().map(attribute).collect::<Vec<_>>() }),
        Value::Object(_) => json!({ "M": item(plain) }),
    }
}

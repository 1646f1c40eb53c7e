//! What AWS answers: to each function what its sample event needs to succeed.

use crate::http_server::{Body, text};
use bytes::Bytes;
use http::request::Parts;
use http::{Response, StatusCode};
use serde_json::Value;
use std::sync::LazyLock;

/// By function and operation, e.g. `get-notes Query`; the DynamoDB of the sample events.
static ANSWERS: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("answers.json"))
        .unwrap_or_else(|error| unreachable!("answers.json is part of this program: {error}"))
});

/// The smallest picture that can be written by hand: two red pixels.
const GIF: &[u8] =
    b"GIF89a\x02\0\x01\0\x80\0\0\xFF\0\0\0\0\xFF\x2C\0\0\0\0\x02\0\x01\0\0\x02\x02\x04\x0A\0\x3B";

const MAIL_SENT: &str = "<SendRawEmailResponse><SendRawEmailResult><MessageId>1</MessageId></SendRawEmailResult>\
    </SendRawEmailResponse>";

const NO_OBJECTS: &str = "<ListBucketResult><KeyCount>0</KeyCount></ListBucketResult>";

pub(crate) fn answer(function: &str, request: &Parts, body: &[u8]) -> Response<Body> {
    let operation = operation(request, body);
    let answer = &ANSWERS[format!("{function} {operation}")];
    // What warms a connection up finds nothing.
    if !answer.is_null() && !contains(body, b"WARM-UP") {
        return text(StatusCode::OK, answer.to_string());
    }
    match operation.as_str() {
        "GET" if is_listing(request) => text(StatusCode::OK, NO_OBJECTS),
        "GET" => text(StatusCode::OK, Bytes::from_static(GIF)),
        "PUT" | "HEAD" => text(StatusCode::OK, ""),
        "DELETE" => text(StatusCode::NO_CONTENT, ""),
        "SendRawEmail" => text(StatusCode::OK, MAIL_SENT),
        "SendMessageBatch" => text(StatusCode::OK, r#"{"Successful":[],"Failed":[]}"#),
        _ => text(StatusCode::OK, "{}"),
    }
}

/// `PutItem`, `SendMessage`…; for S3 the method.
fn operation(request: &Parts, body: &[u8]) -> String {
    if let Some(target) = request.headers.get("x-amz-target").and_then(|target| target.to_str().ok()) {
        return target.rsplit('.').next().unwrap_or_default().to_owned();
    }
    let form = std::str::from_utf8(body).ok().and_then(|body| body.strip_prefix("Action="));
    match form {
        Some(form) => form.split('&').next().unwrap_or_default().to_owned(),
        None => request.method.to_string(),
    }
}

fn is_listing(request: &Parts) -> bool {
    request.uri.query().is_some_and(|query| query.contains("list-type="))
}

fn contains(body: &[u8], text: &[u8]) -> bool {
    body.windows(text.len()).any(|window| window == text)
}

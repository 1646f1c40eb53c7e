//! A function's answer as HTTP: payload format 2.0, or inferred from whatever JSON the function returned.

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

/// What belongs to the connection, which is the gateway's.
const NOT_FORWARDED: [HeaderName; 6] = [CONNECTION, CONTENT_LENGTH, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Formatted {
    status_code: Value,
    #[serde(default)]
    headers: Option<Map<String, Value>>,
    #[serde(default)]
    multi_value_headers: Option<Map<String, Value>>,
    #[serde(default)]
    cookies: Option<Vec<String>>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: Option<bool>,
}

#[derive(Deserialize)]
struct HasStatus {
    #[serde(rename = "statusCode", default)]
    status_code: Option<IgnoredAny>,
}

/// The HTTP response, or `None` if the function's answer is malformed.
pub(super) fn translate(answer: &Bytes) -> Option<Response<Body>> {
    // A list would be taken for an object's fields in order.
    let is_object = answer.trim_ascii_start().starts_with(b"{");
    let has_status = is_object
        && serde_json::from_slice::<HasStatus>(answer).is_ok_and(|object| object.status_code.is_some());
    if has_status { formatted(serde_json::from_slice(answer).ok()?) } else { inferred(answer) }
}

/// JSON without a status code is the body of a 200; JSON text is what it says.
fn inferred(answer: &Bytes) -> Option<Response<Body>> {
    let body = match answer.trim_ascii_start().first()? {
        b'"' => Bytes::from(serde_json::from_slice::<String>(answer).ok()?),
        _ => {
            serde_json::from_slice::<IgnoredAny>(answer).ok()?;
            answer.clone()
        }
    };
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Some(response)
}

fn formatted(answer: Formatted) -> Option<Response<Body>> {
    let body = body(answer.body, answer.is_base64_encoded.unwrap_or_default())?;
    let has_body = !body.is_empty();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status(&answer.status_code)?;
    let headers = response.headers_mut();
    for (name, value) in answer.headers.unwrap_or_default() {
        add(headers, &name, &value)?;
    }
    for (name, values) in answer.multi_value_headers.unwrap_or_default() {
        let Value::Array(values) = values else { return None };
        headers.remove(&name);
        values.iter().try_for_each(|value| add(headers, &name, value))?;
    }
    for cookie in answer.cookies.unwrap_or_default() {
        headers.append(SET_COOKIE, HeaderValue::try_from(cookie).ok()?);
    }
    if has_body && !headers.contains_key(CONTENT_TYPE) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain;charset=UTF-8"));
    }
    Some(response)
}

/// A number, or text that is one; and one that ends a request (not 1xx).
fn status(value: &Value) -> Option<StatusCode> {
    let code = match value {
        Value::Number(code) => u16::try_from(code.as_u64()?).ok()?,
        Value::String(code) => code.parse().ok()?,
        _ => return None,
    };
    (200..600).contains(&code).then(|| StatusCode::from_u16(code).ok())?
}

fn body(body: Option<String>, is_base64: bool) -> Option<Bytes> {
    match body {
        None => Some(Bytes::new()),
        Some(body) if is_base64 => STANDARD.decode(body).ok().map(Bytes::from),
        Some(body) => Some(Bytes::from(body)),
    }
}

fn add(headers: &mut HeaderMap, name: &str, value: &Value) -> Option<()> {
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    let value = match value {
        Value::String(text) => HeaderValue::from_str(text).ok()?,
        Value::Number(_) | Value::Bool(_) => HeaderValue::try_from(value.to_string()).ok()?,
        Value::Null => return Some(()),
        Value::Array(_) | Value::Object(_) => return None,
    };
    if !NOT_FORWARDED.contains(&name) {
        headers.append(name, value);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use proptest::prelude::*;

    fn translated(answer: &str) -> Option<(u16, HeaderMap, String)> {
        let (parts, body) = translate(&Bytes::from(answer.to_owned()))?.into_parts();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let body = runtime.block_on(body.collect()).unwrap().to_bytes();
        Some((parts.status.as_u16(), parts.headers, String::from_utf8(body.to_vec()).unwrap()))
    }

    #[test]
    fn a_formatted_answer_is_what_it_says() {
        let (status, headers, body) = translated(
            r#"{"statusCode":201,"headers":{"Location":"/notes/1","X-Count":3,"Connection":"close","Content-Length":"9"},
                "multiValueHeaders":{"x-many":["a","b"]},"cookies":["a=1","b=2"],"body":"aGk=","isBase64Encoded":true}"#,
        )
        .unwrap();
        assert_eq!((status, body.as_str()), (201, "hi"));
        assert_eq!(headers["location"], "/notes/1");
        assert_eq!(headers["x-count"], "3");
        assert_eq!(headers["content-type"], "text/plain;charset=UTF-8");
        assert_eq!(headers.get_all("x-many").iter().count(), 2);
        assert_eq!(headers.get_all("set-cookie").iter().count(), 2);
        assert!(!headers.contains_key("connection") && !headers.contains_key("content-length"));
    }

    #[test]
    fn an_answer_without_a_status_is_the_body() {
        for (answer, expected) in
            [("{\"a\":1}", "{\"a\":1}"), ("\"hello\"", "hello"), ("[1]", "[1]"), ("7", "7")]
        {
            let (status, headers, body) = translated(answer).unwrap();
            assert_eq!((status, body.as_str()), (200, expected));
            assert_eq!(headers["content-type"], "application/json");
        }
    }

    #[test]
    fn malformed_answers_are_none() {
        for answer in [
            "",
            "oops",
            "{\"a\":",
            r#"{"statusCode":"abc"}"#,
            r#"{"statusCode":99}"#,
            r#"{"statusCode":101}"#,
            r#"{"statusCode":200,"body":{"a":1}}"#,
            r#"{"statusCode":200,"body":"%","isBase64Encoded":true}"#,
            r#"{"statusCode":200,"headers":{"bad name":"x"}}"#,
            r#"{"statusCode":200,"headers":{"x":"a\r\nset-cookie: b"}}"#,
            r#"{"statusCode":200,"headers":{"x":{}}}"#,
        ] {
            assert!(translated(answer).is_none(), "{answer}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(answer in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = translate(&Bytes::from(answer));
        }
    }
}

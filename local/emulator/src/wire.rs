//! Errors and responses in the shapes of AWS's JSON and Query protocols.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, StatusCode};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// An error of a service, before it is put into a protocol's shape.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{code}: {message}")]
pub(crate) struct ServiceError {
    pub(crate) status: u16,
    pub(crate) code: Cow<'static, str>,
    pub(crate) message: String,
}

impl ServiceError {
    /// The caller's fault (400).
    pub(crate) fn sender(code: &'static str, message: impl Into<String>) -> Self {
        Self { status: 400, code: Cow::Borrowed(code), message: message.into() }
    }

    /// Ours (500). The cause goes to the log, not to the caller.
    pub(crate) fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "a store failed");
        Self {
            status: 500,
            code: Cow::Borrowed("InternalFailure"),
            message: "The request failed.".to_owned(),
        }
    }

    pub(crate) fn injected(fault: &crate::Fault) -> Self {
        Self { status: fault.status, code: Cow::Owned(fault.error.clone()), message: fault.message() }
    }

    pub(crate) fn unknown_operation(service: &str, operation: &str) -> Self {
        let message = format!("The operation {operation} of {service} is not implemented here.");
        Self::sender("UnknownOperationException", message)
    }
}

impl From<rusqlite::Error> for ServiceError {
    fn from(error: rusqlite::Error) -> Self {
        Self::internal(error)
    }
}

/// A request id in AWS's form.
pub(crate) fn request_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

pub(crate) fn respond(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(Body::from(body.into()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Ok(id) = HeaderValue::try_from(request_id()) {
        headers.insert(HeaderName::from_static("x-amzn-requestid"), id);
    }
    response
}

pub(crate) fn json_error(error: &ServiceError) -> Response {
    let body = serde_json::json!({ "__type": error.code, "message": error.message });
    respond(error.status, "application/x-amz-json-1.0", body.to_string())
}

/// The answer of a REST-JSON service such as SES v2, which names the error in a header.
pub(crate) fn rest_json_error(error: &ServiceError) -> Response {
    let body = serde_json::json!({ "message": error.message });
    let mut response = respond(error.status, "application/json", body.to_string());
    if let Ok(code) = HeaderValue::from_str(&error.code) {
        response.headers_mut().insert(HeaderName::from_static("x-amzn-errortype"), code);
    }
    response
}

/// The answer of a Query-protocol service whose XML namespace is `namespace`.
pub(crate) fn query_response(namespace: &str, operation: &str, result: &str) -> Response {
    let id = request_id();
    let body = format!(
        "<{operation}Response xmlns=\"{namespace}\"><{operation}Result>{result}</{operation}Result>\
         <ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata></{operation}Response>"
    );
    respond(200, "text/xml", body)
}

pub(crate) fn query_error(namespace: &str, error: &ServiceError) -> Response {
    let side = if error.status >= 500 { "Receiver" } else { "Sender" };
    let body = format!(
        "<ErrorResponse xmlns=\"{namespace}\"><Error><Type>{side}</Type><Code>{}</Code><Message>{}</Message></Error>\
         <RequestId>{}</RequestId></ErrorResponse>",
        escape(&error.code),
        escape(&error.message),
        request_id()
    );
    respond(error.status, "text/xml", body)
}

/// Text as XML character data; what XML cannot carry becomes a space.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    let special = |c: char| matches!(c, '<' | '>' | '&' | '"' | '\'' | '\r') || illegal(c);
    if !text.contains(special) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\r' => escaped.push_str("&#13;"),
            c if illegal(c) => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

fn illegal(c: char) -> bool {
    (c < ' ' && !matches!(c, '\t' | '\n' | '\r')) || matches!(c, '\u{fffe}' | '\u{ffff}')
}

/// `<name>text</name>`, escaped.
pub(crate) fn element(xml: &mut String, name: &str, text: &str) {
    // Writing to a string cannot fail.
    let _ = write!(xml, "<{name}>{}</{name}>", escape(text));
}

/// The parameters of a Query-protocol request, by name.
pub(crate) struct Form(BTreeMap<String, String>);

impl Form {
    pub(crate) fn parse(body: &[u8]) -> Self {
        Self(
            form_urlencoded::parse(body).map(|(key, value)| (key.into_owned(), value.into_owned())).collect(),
        )
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(crate) fn operation(&self) -> &str {
        self.get("Action").unwrap_or_default()
    }

    /// # Errors
    /// `MissingParameter` when there is none.
    pub(crate) fn require(&self, name: &str) -> Result<&str, ServiceError> {
        self.get(name).ok_or_else(|| {
            ServiceError::sender("MissingParameter", format!("The parameter {name} is required."))
        })
    }

    /// `name.member.1`, `name.member.2`, … up to the first gap.
    pub(crate) fn members(&self, name: &str) -> Vec<&str> {
        (1..=1000).map_while(|n| self.get(&format!("{name}.member.{n}"))).collect()
    }

    /// `name.entry.N.key` to `name.entry.N.value`, up to the first gap.
    pub(crate) fn entries(&self, name: &str) -> BTreeMap<String, String> {
        (1..=100)
            .map_while(|n| {
                let key = self.get(&format!("{name}.entry.{n}.key"))?;
                Some((key.to_owned(), self.get(&format!("{name}.entry.{n}.value"))?.to_owned()))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xml_is_escaped_and_never_malformed() {
        assert_eq!(escape("a<b>&\"c\"\u{1}"), "a&lt;b&gt;&amp;&quot;c&quot; ");
        assert!(matches!(escape("plain"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_form_gives_its_lists_up_to_the_first_gap() {
        let form = Form::parse(
            b"Action=X&To.member.1=a%40b&To.member.2=c+d&To.member.4=e&A.entry.1.key=k&A.entry.1.value=v",
        );
        assert_eq!(form.operation(), "X");
        assert_eq!(form.members("To"), ["a@b", "c d"]);
        assert_eq!(form.entries("A").get("k").map(String::as_str), Some("v"));
    }
}

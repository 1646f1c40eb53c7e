//! CORS as an HTTP API does it: the gateway answers preflights and replaces whatever the function says about it.

use super::GatewayError;
use crate::app;
use axum::body::Body;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

/// What the gateway alone decides about.
const CORS_HEADERS: [HeaderName; 6] = [
    ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_HEADERS,
    ACCESS_CONTROL_ALLOW_CREDENTIALS,
    ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE,
];

pub(super) struct Cors {
    origins: Vec<String>,
    any_method: bool,
    methods: Option<HeaderValue>,
    any_header: bool,
    headers: Option<HeaderValue>,
    expose: Option<HeaderValue>,
    max_age: Option<HeaderValue>,
    credentials: bool,
}

impl Cors {
    pub(super) fn new(cors: &app::Cors) -> Result<Self, GatewayError> {
        let is_any = |list: &[String]| list.iter().any(|value| value == "*");
        Ok(Self {
            origins: cors.allow_origins.clone(),
            any_method: is_any(&cors.allow_methods),
            methods: joined(&cors.allow_methods)?,
            any_header: is_any(&cors.allow_headers),
            headers: joined(&cors.allow_headers)?,
            expose: joined(&cors.expose_headers)?,
            max_age: cors.max_age.map(HeaderValue::from),
            credentials: cors.allow_credentials,
        })
    }

    /// The answer to a preflight.
    pub(super) fn preflight(&self, request: &HeaderMap) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        if !self.allow(request.get(ORIGIN), headers) {
            return response;
        }
        // A wildcard is answered with what was asked for, because browsers that send credentials take it literally.
        let answer = |is_any, asked, list: &Option<HeaderValue>| {
            if is_any { request.get(asked).cloned() } else { list.clone() }
        };
        let methods = answer(self.any_method, ACCESS_CONTROL_REQUEST_METHOD, &self.methods);
        insert(headers, ACCESS_CONTROL_ALLOW_METHODS, methods);
        let allowed = answer(self.any_header, ACCESS_CONTROL_REQUEST_HEADERS, &self.headers);
        insert(headers, ACCESS_CONTROL_ALLOW_HEADERS, allowed);
        insert(headers, ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
        response
    }

    /// Replaces whatever the function's response says about CORS.
    pub(super) fn apply(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        for name in CORS_HEADERS {
            headers.remove(name);
        }
        if self.allow(origin, headers) {
            insert(headers, ACCESS_CONTROL_EXPOSE_HEADERS, self.expose.clone());
        }
    }

    /// Says in `headers` that `origin` may read the response, if it may.
    fn allow(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) -> bool {
        let Some(allowed) = origin.and_then(|origin| self.allowed(origin)) else { return false };
        if allowed != "*" {
            headers.append(VARY, HeaderValue::from_static("origin"));
        }
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        if self.credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        true
    }

    /// What to answer `origin` with, if it is allowed.
    fn allowed(&self, origin: &HeaderValue) -> Option<HeaderValue> {
        let text = origin.to_str().ok()?;
        let matches = |pattern: &String| match pattern.as_str() {
            "*" => true,
            "http://*" => text.starts_with("http://"),
            "https://*" => text.starts_with("https://"),
            exact => exact.eq_ignore_ascii_case(text),
        };
        let pattern = self.origins.iter().find(|pattern| matches(pattern))?;
        let is_open = pattern == "*" && !self.credentials;
        Some(if is_open { HeaderValue::from_static("*") } else { origin.clone() })
    }
}

fn joined(list: &[String]) -> Result<Option<HeaderValue>, GatewayError> {
    if list.is_empty() {
        return Ok(None);
    }
    let text = list.join(",");
    HeaderValue::from_str(&text).map(Some).map_err(|_| GatewayError::Cors(text))
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: Option<HeaderValue>) {
    if let Some(value) = value {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors(origins: &[&str], credentials: bool) -> Cors {
        Cors::new(&app::Cors {
            allow_origins: origins.iter().map(ToString::to_string).collect(),
            allow_methods: vec!["GET".into(), "POST".into()],
            allow_headers: vec!["*".into()],
            expose_headers: vec!["etag".into()],
            max_age: Some(60),
            allow_credentials: credentials,
        })
        .unwrap()
    }

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        list.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn a_preflight_from_an_allowed_origin_is_told_what_it_may() {
        let request = headers(&[
            ("origin", "http://localhost:3000"),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "x-one"),
        ]);
        let response = cors(&["http://localhost:3000"], false).preflight(&request);
        assert_eq!(response.status(), 204);
        assert_eq!(response.headers()["access-control-allow-origin"], "http://localhost:3000");
        assert_eq!(response.headers()["access-control-allow-methods"], "GET,POST");
        assert_eq!(response.headers()["access-control-allow-headers"], "x-one");
        assert_eq!(response.headers()["access-control-max-age"], "60");
        assert_eq!(response.headers()["vary"], "origin");
        assert!(cors(&["http://other"], false).preflight(&request).headers().is_empty());
    }

    #[test]
    fn what_the_function_says_about_cors_is_replaced() {
        let origin = HeaderValue::from_static("https://a.example");
        let mut said =
            headers(&[("access-control-allow-origin", "*"), ("access-control-allow-methods", "PUT")]);
        cors(&["https://*"], true).apply(Some(&origin), &mut said);
        assert_eq!(said["access-control-allow-origin"], "https://a.example");
        assert_eq!(said["access-control-allow-credentials"], "true");
        assert_eq!(said["access-control-expose-headers"], "etag");
        assert!(!said.contains_key("access-control-allow-methods"));
        let mut said = headers(&[("access-control-allow-origin", "*")]);
        cors(&["http://*"], false).apply(Some(&origin), &mut said);
        assert!(said.is_empty());
    }

    #[test]
    fn a_star_is_answered_with_a_star_unless_credentials_may_come() {
        let origin = HeaderValue::from_static("https://a.example");
        assert_eq!(cors(&["*"], false).allowed(&origin).unwrap(), "*");
        assert_eq!(cors(&["*"], true).allowed(&origin).unwrap(), "https://a.example");
    }
}

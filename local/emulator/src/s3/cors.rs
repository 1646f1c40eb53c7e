//! Cross-origin requests of browsers, answered from a bucket's rules.

use axum::body::Body;
use axum::response::Response;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use s3s::dto::CORSRule;

const VARIES: &str = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method";

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// The headers for an actual request; none when no rule allows its origin and method.
pub(super) fn actual(rules: &[CORSRule], method: &str, request: &HeaderMap) -> HeaderMap {
    let mut answer = HeaderMap::new();
    let Some(origin) = text(request, ORIGIN) else {
        return answer;
    };
    if let Some((rule, pattern)) = find(rules, origin, method, &[]) {
        allow(&mut answer, rule, pattern, origin);
        answer.remove(ACCESS_CONTROL_MAX_AGE);
    }
    answer
}

/// The answer to a preflight request; 403 when no rule allows what it asks for.
pub(super) fn preflight(rules: &[CORSRule], request: &HeaderMap) -> Response {
    let asked = || Some((text(request, ORIGIN)?, text(request, ACCESS_CONTROL_REQUEST_METHOD)?));
    let Some((origin, method)) = asked() else {
        return refuse("BadRequest", "Insufficient information. Origin request header needed.", 400);
    };
    let wanted = text(request, ACCESS_CONTROL_REQUEST_HEADERS).unwrap_or_default();
    let headers: Vec<_> = wanted.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    let Some((rule, pattern)) = find(rules, origin, method, &headers) else {
        return refuse("AccessForbidden", "CORSResponse: This CORS request is not allowed.", 403);
    };
    let mut response = Response::new(Body::empty());
    allow(response.headers_mut(), rule, pattern, origin);
    if !headers.is_empty() {
        set(response.headers_mut(), ACCESS_CONTROL_ALLOW_HEADERS, &headers.join(", "));
    }
    response
}

fn find<'a>(
    rules: &'a [CORSRule],
    origin: &str,
    method: &str,
    headers: &[&str],
) -> Option<(&'a CORSRule, &'a str)> {
    rules.iter().find_map(|rule| {
        let pattern = rule.allowed_origins.iter().find(|pattern| matches(pattern, origin))?;
        let method = rule.allowed_methods.iter().any(|allowed| allowed == method);
        let allowed = rule.allowed_headers.as_deref().unwrap_or_default();
        let all = headers.iter().all(|header| {
            allowed.iter().any(|pattern| matches(&pattern.to_lowercase(), &header.to_lowercase()))
        });
        (method && all).then_some((rule, pattern.as_str()))
    })
}

/// Whether `text` fits a pattern with at most one `*`.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, end)) => {
            text.len() >= start.len() + end.len() && text.starts_with(start) && text.ends_with(end)
        }
    }
}

fn allow(headers: &mut HeaderMap, rule: &CORSRule, pattern: &str, origin: &str) {
    if pattern == "*" {
        set(headers, ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    } else {
        set(headers, ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        set(headers, ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
    }
    set(headers, ACCESS_CONTROL_ALLOW_METHODS, &rule.allowed_methods.join(", "));
    if let Some(exposed) = rule.expose_headers.as_ref().filter(|exposed| !exposed.is_empty()) {
        set(headers, ACCESS_CONTROL_EXPOSE_HEADERS, &exposed.join(", "));
    }
    if let Some(seconds) = rule.max_age_seconds {
        set(headers, ACCESS_CONTROL_MAX_AGE, &seconds.to_string());
    }
    set(headers, VARY, VARIES);
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn refuse(code: &str, message: &str, status: u16) -> Response {
    let mut response = super::error_xml(code, message);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Vec<CORSRule> {
        vec![CORSRule {
            allowed_headers: Some(vec!["content-*".to_owned(), "x-amz-checksum-sha256".to_owned()]),
            allowed_methods: vec!["PUT".to_owned()],
            allowed_origins: vec!["http://*.notes.test".to_owned()],
            expose_headers: Some(vec!["ETag".to_owned()]),
            id: None,
            max_age_seconds: Some(600),
        }]
    }

    fn request(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn a_preflight_is_answered_from_the_rule_that_allows_all_of_it() {
        let asked = request(&[
            ("origin", "http://web.notes.test"),
            ("access-control-request-method", "PUT"),
            ("access-control-request-headers", "Content-Type, X-Amz-Checksum-Sha256"),
        ]);
        let response = preflight(&rules(), &asked);
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["access-control-allow-origin"], "http://web.notes.test");
        assert_eq!(response.headers()["access-control-max-age"], "600");
        for (name, value) in [
            ("origin", "http://evil.test"),
            ("access-control-request-method", "DELETE"),
            ("access-control-request-headers", "authorization"),
        ] {
            let mut other = asked.clone();
            other.insert(name, HeaderValue::from_static(value));
            assert_eq!(preflight(&rules(), &other).status(), 403, "{name}");
        }
    }

    #[test]
    fn an_actual_request_gets_headers_only_when_allowed() {
        let asked = request(&[("origin", "http://web.notes.test")]);
        assert_eq!(actual(&rules(), "PUT", &asked)["access-control-expose-headers"], "ETag");
        assert!(actual(&rules(), "GET", &asked).is_empty());
    }
}

//! Errors as callers of the API see them: `application/problem+json` (RFC 9457), each with a stable type, none with
//! internals.

use crate::failure::Failure;
use crate::limits;
use crate::validate::Invalid;
use serde_json::{Value, json};

/// Everything that an API request can fail with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("the request's body is not the JSON it must be: {0}")]
    MalformedBody(String),
    #[error("invalid fields: {0:?}")]
    InvalidFields(Vec<Invalid>),
    #[error("no caller")]
    Unauthorized,
    #[error("no such thing")]
    NotFound,
    #[error("conflict: {0}")]
    Conflict(&'static str),
    #[error("the idempotency key was used for another request")]
    IdempotencyKeyReused,
    #[error("the version asked for is not the present one")]
    PreconditionFailed,
    #[error("the body is too large")]
    TooLarge,
    /// With the media types that are taken instead.
    #[error("the body's media type is not taken")]
    UnsupportedMediaType(&'static [&'static str]),
    /// With the methods that are, as `Allow` lists them.
    #[error("the path does not take this method")]
    MethodNotAllowed(String),
    #[error("more than the tables take of this caller for now: {0}")]
    TooManyRequests(String),
    #[error("a service behind the API failed: {0}")]
    Unavailable(String),
    #[error("a fault of ours: {0}")]
    Internal(String),
}

impl Problem {
    pub fn invalid(field: &str, message: &str) -> Self {
        Self::InvalidFields(vec![Invalid::new(field, message)])
    }

    /// HTTP status, the last part of the type, and the title.
    fn parts(&self) -> (u16, &'static str, &'static str) {
        match self {
            Self::MalformedBody(_) => (400, "malformed-body", "The body cannot be read"),
            Self::InvalidFields(_) => (422, "invalid-fields", "Some fields do not hold what they must"),
            Self::Unauthorized => (401, "unauthorized", "A valid token is needed"),
            Self::NotFound => (404, "not-found", "There is nothing here"),
            Self::Conflict(_) => (409, "conflict", "The request does not fit the present state"),
            Self::IdempotencyKeyReused => {
                (422, "idempotency-key-reused", "The Idempotency-Key was used for another request")
            }
            Self::PreconditionFailed => (412, "precondition-failed", "It was changed in the meantime"),
            Self::TooLarge => (413, "too-large", "The body is too large"),
            Self::UnsupportedMediaType(_) => (415, "unsupported-media-type", "The body must be JSON"),
            Self::MethodNotAllowed(_) => (405, "method-not-allowed", "The path does not take this method"),
            Self::TooManyRequests(_) => {
                (429, "too-many-requests", "Too much at a time; try again in a moment")
            }
            Self::Unavailable(_) => (503, "unavailable", "Try again in a moment"),
            Self::Internal(_) => (500, "internal", "Something went wrong on our side"),
        }
    }

    pub fn status(&self) -> u16 {
        self.parts().0
    }

    /// The problem document.
    pub fn document(&self) -> Value {
        let (status, kind, title) = self.parts();
        let mut document = json!({ "type": format!("/problems/{kind}"), "title": title, "status": status });
        match self {
            Self::MalformedBody(detail) => document["detail"] = json!(bounded(detail)),
            Self::UnsupportedMediaType(taken) => {
                document["detail"] = json!(format!("send {}", taken.join(" or ")))
            }
            Self::Conflict(detail) => document["detail"] = json!(detail),
            Self::InvalidFields(fields) => {
                document["errors"] = json!(fields);
                let detail: Vec<String> = fields.iter().map(ToString::to_string).collect();
                document["detail"] = json!(detail.join("; "));
            }
            _ => {}
        }
        document
    }

    /// Whether the fault is ours; these are logged as errors.
    pub fn is_ours(&self) -> bool {
        self.status() >= 500
    }
}

/// What a parser says of a body may quote as much of it as there is.
fn bounded(detail: &str) -> String {
    match detail.char_indices().nth(limits::PROBLEM_DETAIL_CHARACTERS) {
        None => detail.to_owned(),
        Some((end, _)) => format!("{}…", &detail[..end]),
    }
}

impl From<Vec<Invalid>> for Problem {
    fn from(fields: Vec<Invalid>) -> Self {
        Self::InvalidFields(fields)
    }
}

impl From<Invalid> for Problem {
    fn from(field: Invalid) -> Self {
        Self::InvalidFields(vec![field])
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Throttled(reason) => Self::TooManyRequests(reason),
            Failure::Passing(reason) => Self::Unavailable(reason),
            Failure::Permanent(reason) => Self::Internal(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internals_never_reach_the_caller() {
        let secret = || "secret".to_owned();
        for problem in
            [Problem::Internal(secret()), Problem::Unavailable(secret()), Problem::TooManyRequests(secret())]
        {
            assert!(!problem.document().to_string().contains("secret"));
        }
    }

    #[test]
    fn a_quoted_body_is_cut() {
        let document = Problem::MalformedBody("é".repeat(1000)).document();
        let detail = document["detail"].as_str().unwrap();
        assert_eq!(detail.chars().count(), limits::PROBLEM_DETAIL_CHARACTERS + 1);
    }

    #[test]
    fn a_wrong_field_is_named() {
        let document = Problem::invalid("title", "must have 1 to 200 characters").document();
        assert_eq!(document["errors"][0]["field"], "title");
        assert_eq!(document["status"], 422);
    }
}

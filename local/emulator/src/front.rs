//! The one HTTP endpoint: finds the service a request means, checks its signature, injects faults and answers.

use crate::access::{self, Asked};
use crate::sigv4::{Authorization, Denial};
use crate::wire::{self, Form, ServiceError};
use crate::{Emulator, lambda, ses, sns};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::response::Response;
use axum::serve::ListenerExt;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, Request};
use std::borrow::Cow;
use std::future::Future;

/// What DynamoDB takes; every other JSON or Query service takes less.
const LARGEST_BODY: usize = 16 * 1024 * 1024;

const STS: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

pub(crate) async fn serve(
    emulator: Emulator,
    listener: tokio::net::TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let sqs = emulator.0.sqs.clone();
    let router = Router::new().fallback(answer).with_state(emulator);
    // Small requests and answers must not wait for a full segment; a failure only costs latency.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    let shutdown = async move {
        shutdown.await;
        // Long polls would hold the shutdown up for their 20 seconds.
        sqs.close();
    };
    axum::serve(listener, router).with_graceful_shutdown(shutdown).await
}

/// Which service a request is for, and in which protocol it speaks.
enum Route {
    Dynamo { service: &'static str, operation: String },
    SqsJson { operation: String },
    Query { service: &'static str },
    SesV2,
    SesMailbox,
    Lambda,
    Unknown { service: String },
    S3,
}

fn route(parts: &Parts) -> Route {
    if let Some(target) = parts.headers.get("x-amz-target") {
        return route_target(target.to_str().unwrap_or_default());
    }
    let path = parts.uri.path();
    if path == "/_aws/ses" && parts.method == Method::GET && is_loopback(&parts.headers) {
        return Route::SesMailbox;
    }
    let scope = Authorization::read(&parts.headers).map_or("s3", |authorization| authorization.service);
    match scope {
        "s3" => Route::S3,
        "ses" | "email" if path.starts_with("/v2/email/") => Route::SesV2,
        "ses" | "email" => Route::Query { service: "ses" },
        "lambda" => Route::Lambda,
        "sns" => Route::Query { service: "sns" },
        "sqs" => Route::Query { service: "sqs" },
        "sts" => Route::Query { service: "sts" },
        other => Route::Unknown { service: other.to_owned() },
    }
}

fn route_target(target: &str) -> Route {
    let (service, operation) = target.split_once('.').unwrap_or((target, ""));
    let operation = operation.to_owned();
    match service {
        "DynamoDB_20120810" => Route::Dynamo { service: "dynamodb", operation },
        "DynamoDBStreams_20120810" => Route::Dynamo { service: "streams", operation },
        "AmazonSQS" => Route::SqsJson { operation },
        other => Route::Unknown { service: other.to_owned() },
    }
}

/// The mailbox is served unsigned, so only to a caller that addresses this machine by a loopback name: a web page
/// that rebinds its own name to 127.0.0.1 does not.
fn is_loopback(headers: &HeaderMap) -> bool {
    let host = headers.get(http::header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    matches!(name, "localhost" | "127.0.0.1" | "[::1]")
}

async fn answer(State(emulator): State<Emulator>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let route = route(&parts);
    if let Route::S3 = route {
        return emulator.0.s3.answer(Request::from_parts(parts, body)).await;
    }
    let body = match to_bytes(body, LARGEST_BODY).await {
        Ok(body) => body,
        Err(_) => {
            let error =
                ServiceError { status: 413, code: "RequestEntityTooLarge".into(), message: String::new() };
            return wire::json_error(&error);
        }
    };
    match route {
        Route::Dynamo { service, operation } => dynamo(&emulator, &parts, body, service, &operation).await,
        Route::SqsJson { operation } => sqs_json(&emulator, &parts, &body, &operation).await,
        Route::Query { service } => query(&emulator, &parts, &body, service).await,
        Route::SesV2 => ses_v2(&emulator, &parts, &body).await,
        Route::SesMailbox => mailbox(&emulator),
        Route::Lambda => invoke(&emulator, &parts, &body).await,
        Route::Unknown { service } => {
            wire::json_error(&ServiceError::unknown_operation(&service, parts.uri.path()))
        }
        Route::S3 => unreachable!("answered above"),
    }
}

/// Runs a call under the fault that was drawn for it: instead of it, after it, or not at all.
async fn with_faults<F>(
    emulator: &Emulator,
    service: &str,
    operation: &str,
    error: impl Fn(&ServiceError) -> Response,
    call: F,
) -> Response
where
    F: Future<Output = Response>,
{
    let Some(fault) = emulator.0.shared.faults.strike(service, operation).await else {
        return call.await;
    };
    tracing::debug!(service, operation, error = fault.error, after = fault.after, "injected a fault");
    if fault.after {
        drop(call.await);
    }
    error(&ServiceError::injected(&fault))
}

fn verify(emulator: &Emulator, parts: &Parts, body: &[u8]) -> Result<(), Denial> {
    emulator.0.keys.verify(parts, body, chrono::Utc::now())
}

/// Whether the verified caller has the right to what it asks for; what that is, is looked at for limited callers only.
fn authorize(
    e: &Emulator,
    parts: &Parts,
    (code, status): (&'static str, u16),
    needed: impl FnOnce() -> Vec<Asked>,
) -> Result<(), ServiceError> {
    let shared = &e.0.shared;
    let caller = Authorization::read(&parts.headers).map_err(|denial| denied(denial, (code, status)))?;
    let refused = |refused: Box<access::Refused>| refused.error(code, status, &shared.account);
    shared.guard.check(caller.key_id, needed).map_err(refused)
}

fn denied(denial: Denial, (code, status): (&'static str, u16)) -> ServiceError {
    ServiceError { status, code: Cow::Borrowed(code), message: denial.to_string() }
}

async fn dynamo(
    e: &Emulator,
    parts: &Parts,
    body: Bytes,
    service: &'static str,
    operation: &str,
) -> Response {
    if let Err(denial) = verify(e, parts, &body) {
        let (code, status) = denial.json_code();
        let error = denied(denial, (code, status));
        return crate::dynamo::error_response(&error);
    }
    let needed = || access::dynamodb(&e.0.shared, operation, &body, |table| e.0.dynamo.stream_of(table));
    if let Err(error) = authorize(e, parts, ("AccessDeniedException", 400), needed) {
        return crate::dynamo::error_response(&error);
    }
    let call = async { e.0.dynamo.answer(operation, &body) };
    with_faults(e, service, operation, crate::dynamo::error_response, call).await
}

async fn sqs_json(e: &Emulator, parts: &Parts, body: &[u8], operation: &str) -> Response {
    if let Err(denial) = verify(e, parts, body) {
        return wire::json_error(&denied(denial, denial.json_code()));
    }
    let needed = || vec![access::sqs(&e.0.shared, operation, body)];
    if let Err(error) = authorize(e, parts, ("AccessDeniedException", 403), needed) {
        return crate::sqs::json::error_response(&error);
    }
    let host =
        parts.headers.get(http::header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let sender = Authorization::read(&parts.headers).map_or("", |authorization| authorization.key_id);
    let call = crate::sqs::json::answer(&e.0.sqs, operation, body, host, sender);
    with_faults(e, "sqs", operation, crate::sqs::json::error_response, call).await
}

async fn query(e: &Emulator, parts: &Parts, body: &[u8], service: &'static str) -> Response {
    let namespace = match service {
        "ses" => ses::NAMESPACE,
        "sns" => sns::NAMESPACE,
        _ => STS,
    };
    let refuse = |error: &ServiceError| wire::query_error(namespace, error);
    if let Err(denial) = verify(e, parts, body) {
        return refuse(&denied(denial, denial.query_code()));
    }
    let form = Form::parse(body);
    let operation = form.operation();
    let allowed = match service {
        "ses" => authorize(e, parts, ("AccessDenied", 403), || e.0.ses.needed_by_query(operation, &form)),
        "sns" => authorize(e, parts, ("AuthorizationError", 403), || {
            vec![access::notification(operation, form.get("TopicArn").or_else(|| form.get("TargetArn")))]
        }),
        // Everybody may ask who they are.
        _ => Ok(()),
    };
    if let Err(error) = allowed {
        return refuse(&error);
    }
    let call = async {
        let result = match service {
            "ses" => e.0.ses.query(operation, &form),
            "sns" => e.0.sns.query(operation, &form),
            "sts" => caller_identity(e, parts, operation),
            _ => Err(ServiceError::unknown_operation(service, operation)),
        };
        match result {
            Ok(result) => wire::query_response(namespace, operation, &result),
            Err(error) => refuse(&error),
        }
    };
    with_faults(e, service, operation, refuse, call).await
}

fn caller_identity(e: &Emulator, parts: &Parts, operation: &str) -> Result<String, ServiceError> {
    if operation != "GetCallerIdentity" {
        return Err(ServiceError::unknown_operation("sts", operation));
    }
    let key_id = Authorization::read(&parts.headers).map_or("", |authorization| authorization.key_id);
    let account = &e.0.shared.account;
    let mut xml = String::new();
    wire::element(&mut xml, "Arn", &format!("arn:aws:iam::{account}:user/{key_id}"));
    wire::element(&mut xml, "UserId", key_id);
    wire::element(&mut xml, "Account", account);
    Ok(xml)
}

async fn ses_v2(e: &Emulator, parts: &Parts, body: &[u8]) -> Response {
    if let Err(denial) = verify(e, parts, body) {
        return wire::rest_json_error(&denied(denial, denial.query_code()));
    }
    let operation = ses::v2::operation(&parts.method, parts.uri.path());
    let needed = || e.0.ses.needed_by_v2(operation, body);
    if let Err(error) = authorize(e, parts, ("AccessDeniedException", 403), needed) {
        return wire::rest_json_error(&error);
    }
    let call = async {
        match e.0.ses.v2(operation, parts.uri.path(), body) {
            Ok(json) => wire::respond(200, "application/json", json),
            Err(error) => wire::rest_json_error(&error),
        }
    };
    with_faults(e, "ses", operation, wire::rest_json_error, call).await
}

async fn invoke(e: &Emulator, parts: &Parts, body: &Bytes) -> Response {
    if let Err(denial) = verify(e, parts, body) {
        return wire::rest_json_error(&denied(denial, denial.query_code()));
    }
    let Some(function) = lambda::invoked(&parts.method, parts.uri.path()) else {
        return wire::rest_json_error(&ServiceError::unknown_operation("lambda", parts.uri.path()));
    };
    let needed = || vec![access::invocation(&e.0.shared, &function)];
    if let Err(error) = authorize(e, parts, ("AccessDeniedException", 403), needed) {
        return wire::rest_json_error(&error);
    }
    let call = async {
        match e.0.functions.get().and_then(std::sync::Weak::upgrade) {
            Some(functions) => lambda::invoke(&*functions, &function, &parts.headers, body),
            None => wire::rest_json_error(&ServiceError {
                status: 404,
                code: Cow::Borrowed("ResourceNotFoundException"),
                message: format!("Function not found: {function}"),
            }),
        }
    };
    with_faults(e, "lambda", lambda::OPERATION, wire::rest_json_error, call).await
}

/// The newest mails as JSON, for scripts that want to see what was sent.
fn mailbox(e: &Emulator) -> Response {
    let mails = e.mailbox().list(100, None);
    let body = serde_json::json!({ "messages": mails });
    wire::respond(200, "application/json", body.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_loopback_name_reads_mail_unsigned() {
        let host = |name: &str| HeaderMap::from_iter([(http::header::HOST, name.parse().unwrap())]);
        assert!(is_loopback(&host("127.0.0.1:4566")));
        assert!(is_loopback(&host("localhost")));
        assert!(is_loopback(&host("[::1]:80")));
        assert!(!is_loopback(&host("evil.example:4566")));
    }
}

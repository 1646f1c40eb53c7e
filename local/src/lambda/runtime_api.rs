//! The Runtime API of one environment, over HTTP/1.1 on a loopback port of its own.
//!
//! This is the path of every invocation, so it is matched by hand and hands payloads over without copying them.

use super::environment::{Delivery, Environment};
use super::{FunctionError, MOST_CONCURRENCY, PAYLOAD_LIMIT};
use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

type Reply = Response<Full<Bytes>>;

/// A runtime uses one or two connections for each of its workers, an extension one more.
const MOST_CONNECTIONS: usize = 2 * MOST_CONCURRENCY + 16;
/// A response beyond Lambda's limit is read to its end, so that the runtime gets to see the refusal, but no further.
const READ_LIMIT: usize = 64 * 1024 * 1024;
/// Error reports are a few kilobytes.
const ERROR_LIMIT: usize = 256 * 1024;

/// Serves until it is aborted; open connections end with it.
pub(super) async fn serve(listener: TcpListener, environment: Arc<Environment>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < MOST_CONNECTIONS => match accepted {
                Ok((stream, _)) => { connections.spawn(connection(stream, environment.clone())); }
                Err(error) => {
                    // Out of file descriptors, most likely: give others time to close theirs.
                    tracing::warn!(%error, "the Runtime API cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

async fn connection(stream: TcpStream, environment: Arc<Environment>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    let service = service_fn(|request| {
        let environment = environment.clone();
        async move { Ok::<_, Infallible>(answer(&environment, request).await) }
    });
    let served = http1::Builder::new()
        .header_read_timeout(None)
        .auto_date_header(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        // A killed process leaves half a request behind; the supervisor deals with it.
        tracing::trace!(%error, "a Runtime API connection broke");
    }
}

async fn answer(environment: &Arc<Environment>, request: Request<Incoming>) -> Reply {
    let path = request.uri().path().to_owned();
    if let Some(rest) = path.strip_prefix("/2018-06-01/runtime/") {
        return runtime(environment, request, rest).await;
    }
    if let Some(rest) = path.strip_prefix("/2020-01-01/extension/") {
        return extension(environment, request, rest).await;
    }
    not_found()
}

async fn runtime(environment: &Arc<Environment>, request: Request<Incoming>, path: &str) -> Reply {
    let is_get = request.method() == Method::GET;
    match path.strip_prefix("invocation/") {
        Some("next") if is_get => next(environment).await,
        Some(rest) if request.method() == Method::POST => match rest.split_once('/') {
            Some((id, "response")) => respond(environment, id, request).await,
            Some((id, "error")) => fail(environment, id, request).await,
            _ => not_found(),
        },
        None if path == "init/error" && !is_get => init_error(environment, request).await,
        _ => not_found(),
    }
}

async fn next(environment: &Arc<Environment>) -> Reply {
    environment.pool.ask(environment);
    let Delivery { request_id, payload, left } = environment.next().await;
    // Real time: the runtime compares it with its own clock.
    let deadline =
        chrono::Utc::now().timestamp_millis() + i64::try_from(left.as_millis()).unwrap_or(i64::MAX);
    let mut reply = Response::new(Full::new(payload));
    let headers = reply.headers_mut();
    headers.reserve(5);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("lambda-runtime-deadline-ms", HeaderValue::from(deadline));
    headers.insert("lambda-runtime-invoked-function-arn", environment.pool.arn.clone());
    // Both are hexadecimal digits and dashes.
    if let Ok(trace) = HeaderValue::try_from(trace_id(&request_id, deadline)) {
        headers.insert("lambda-runtime-trace-id", trace);
    }
    if let Ok(request_id) = HeaderValue::try_from(request_id) {
        headers.insert("lambda-runtime-aws-request-id", request_id);
    }
    reply
}

/// A trace header in X-Ray's form, from the request's own randomness.
fn trace_id(request_id: &str, millis: i64) -> String {
    let digits: String = request_id.chars().filter(char::is_ascii_hexdigit).collect();
    let (root, parent) = (digits.get(..24).unwrap_or_default(), digits.get(16..).unwrap_or_default());
    format!("Root=1-{:08x}-{root};Parent={parent};Sampled=0", millis / 1000)
}

async fn respond(environment: &Environment, id: &str, request: Request<Incoming>) -> Reply {
    if !environment.works_on(id) {
        return refuse_unknown(request).await;
    }
    let body = match read(request.into_body(), PAYLOAD_LIMIT).await {
        Ok(body) => body,
        Err(unread) => return refuse(environment, id, unread),
    };
    match environment.complete(id) {
        Some((job, run)) => {
            job.respond(body, run);
            accepted()
        }
        None => unknown_request(),
    }
}

/// Ends an invocation whose response cannot be taken.
fn refuse(environment: &Environment, id: &str, unread: Unread) -> Reply {
    let Unread::TooLarge(size) = unread else {
        // The process broke off in the middle. Whether it died or tries again, its supervisor will tell.
        return error(StatusCode::BAD_REQUEST, "InvalidRequest", "the response broke off");
    };
    let message = format!(
        "Response payload size ({size} bytes) exceeded maximum allowed payload size ({PAYLOAD_LIMIT} bytes)."
    );
    if let Some((job, run)) = environment.complete(id) {
        job.fail(FunctionError::new("Function.ResponseSizeTooLarge", message.clone()), Some(run));
    }
    error(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", &message)
}

async fn fail(environment: &Environment, id: &str, request: Request<Incoming>) -> Reply {
    if !environment.works_on(id) {
        return refuse_unknown(request).await;
    }
    let error = read_error(request).await;
    match environment.complete(id) {
        Some((job, run)) => {
            job.fail(error, Some(run));
            accepted()
        }
        None => unknown_request(),
    }
}

async fn init_error(environment: &Environment, request: Request<Incoming>) -> Reply {
    let error = read_error(request).await;
    environment.report_init_error(error);
    accepted()
}

/// The error that a runtime reports; what it leaves out is filled in as Lambda does.
async fn read_error(request: Request<Incoming>) -> FunctionError {
    #[derive(serde::Deserialize)]
    struct Report {
        #[serde(rename = "errorType")]
        error_type: Option<String>,
        #[serde(rename = "errorMessage")]
        message: Option<String>,
    }
    let named = request.headers().get("lambda-runtime-function-error-type").and_then(|v| v.to_str().ok());
    let named = named.unwrap_or("Runtime.UnknownReason").to_owned();
    let body = read(request.into_body(), ERROR_LIMIT).await.unwrap_or_default();
    match serde_json::from_slice::<Report>(&body) {
        Ok(report) => FunctionError {
            error_type: report.error_type.unwrap_or(named),
            message: report.message.unwrap_or_default(),
        },
        Err(_) => FunctionError { error_type: named, message: String::from_utf8_lossy(&body).into_owned() },
    }
}

/// Why a body could not be had.
enum Unread {
    TooLarge(usize),
    Broken,
}

/// The whole body if it has at most `limit` bytes. One that came in one piece is not copied.
async fn read(mut body: Incoming, limit: usize) -> Result<Bytes, Unread> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    let mut size = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Unread::Broken)?.into_data() else { continue };
        size += data.len();
        if size > READ_LIMIT {
            return Err(Unread::TooLarge(size));
        }
        if size > limit {
            continue;
        }
        if first.is_empty() {
            first = data;
            continue;
        }
        if rest.is_empty() {
            rest.reserve(announced.clamp(first.len() + data.len(), limit.max(first.len() + data.len())));
            rest.extend_from_slice(&first);
        }
        rest.extend_from_slice(&data);
    }
    match size {
        size if size > limit => Err(Unread::TooLarge(size)),
        _ if rest.is_empty() => Ok(first),
        _ => Ok(rest.freeze()),
    }
}

async fn extension(environment: &Environment, request: Request<Incoming>, path: &str) -> Reply {
    match path {
        "register" => register(environment, request).await,
        "event/next" => event(environment, &request).await,
        "init/error" | "exit/error" => accepted(),
        _ => not_found(),
    }
}

async fn register(environment: &Environment, request: Request<Incoming>) -> Reply {
    if !request.headers().contains_key("lambda-extension-name") {
        return error(StatusCode::FORBIDDEN, "Extension.MissingHeader", "Lambda-Extension-Name is missing");
    }
    let body = read(request.into_body(), ERROR_LIMIT).await.unwrap_or_default();
    let identifier = match environment.extensions.register(&body) {
        Ok(identifier) => identifier,
        Err(message) => return error(StatusCode::BAD_REQUEST, "Extension.InvalidRegistration", message),
    };
    let body = serde_json::json!({
        "functionName": environment.pool.function.name,
        "functionVersion": "$LATEST",
        "handler": "bootstrap",
    });
    let mut reply = json(StatusCode::OK, body.to_string());
    if let Ok(identifier) = HeaderValue::try_from(identifier) {
        reply.headers_mut().insert("lambda-extension-identifier", identifier);
    }
    reply
}

async fn event(environment: &Environment, request: &Request<Incoming>) -> Reply {
    let identifier =
        request.headers().get("lambda-extension-identifier").and_then(|value| value.to_str().ok());
    match identifier.and_then(|identifier| environment.extensions.wants_shutdown(identifier)) {
        Some(wants_shutdown) => {
            json(StatusCode::OK, environment.extensions.event(wants_shutdown).await.to_string())
        }
        None => error(StatusCode::FORBIDDEN, "Extension.UnknownExtensionIdentifier", "unknown extension"),
    }
}

fn accepted() -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from_static(b"{\"status\":\"OK\"}\n")));
    *reply.status_mut() = StatusCode::ACCEPTED;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply
}

/// Reads the body all the same: a runtime that is still sending it would not see the refusal.
async fn refuse_unknown(request: Request<Incoming>) -> Reply {
    match read(request.into_body(), 0).await {
        Ok(_) | Err(Unread::TooLarge(_)) => unknown_request(),
        Err(Unread::Broken) => error(StatusCode::BAD_REQUEST, "InvalidRequest", "the request broke off"),
    }
}

fn unknown_request() -> Reply {
    error(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID")
}

fn not_found() -> Reply {
    error(StatusCode::NOT_FOUND, "NotFound", "no such path in the Runtime API")
}

fn error(status: StatusCode, error_type: &str, message: &str) -> Reply {
    json(status, serde_json::json!({"errorMessage": message, "errorType": error_type}).to_string())
}

fn json(status: StatusCode, body: String) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from(body)));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_id_has_the_form_of_x_ray() {
        let trace = trace_id("67e55044-10b1-426f-9247-bb680e5fe0c8", 1_700_000_000_123);
        assert_eq!(trace, "Root=1-6553f100-67e5504410b1426f9247bb68;Parent=9247bb680e5fe0c8;Sampled=0");
    }
}

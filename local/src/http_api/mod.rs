//! An API Gateway HTTP API in front of the functions: routes, JWT authorizers, CORS, throttling, and the translation
//! between HTTP and payload format 2.0.

mod cors;
mod event;
mod jwt;
mod keys;
mod response;
mod routes;
mod throttle;

pub use jwt::{Claims, Denied, Verifier};

use crate::app::{HttpApi, JwtAuthorizer};
use crate::lambda::{Lambda, Outcome, PAYLOAD_LIMIT, Source};
use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use cors::Cors;
use emulator::Clock;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version, header,
    request::Parts,
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use routes::{Match, Routes};
use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use throttle::Bucket;

/// API Gateway's limit for a request's body.
const BODY_LIMIT: usize = 10 * 1024 * 1024;
/// API Gateway's limit for the request line and the header values together.
const HEADER_LIMIT: usize = 10_240;
/// A longer path and query cannot be within that limit, and is told apart.
const URL_LIMIT: usize = 8_192;
/// The account of every local resource.
const ACCOUNT: &str = "000000000000";
/// The longest that an HTTP API waits for its integration.
const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest that a caller may take to send the body it announced.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a template's API cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    #[error("the route {method} {path} wants the authorizer {authorizer}, which the API does not have")]
    UnknownAuthorizer { method: String, path: String, authorizer: String },
    #[error("the path {0} is not one that an HTTP API can route")]
    Path(String),
    #[error("there are two routes {0}")]
    Duplicate(String),
    #[error("the identity source {0} is neither a header nor a query parameter")]
    IdentitySource(String),
    #[error("the CORS configuration has {0:?}, which is not a header value")]
    Cors(String),
}

/// A refusal in the gateway's own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    NotFound,
    Unauthorized,
    Forbidden,
    TooManyRequests,
    BodyTooLarge,
    HeadersTooLarge,
    UrlTooLong,
    BadRequest,
    TooSlow,
    FunctionFailed,
    Unavailable,
}

impl Refusal {
    fn parts(self) -> (StatusCode, &'static str) {
        match self {
            Self::NotFound => (StatusCode::NOT_FOUND, r#"{"message":"Not Found"}"#),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, r#"{"message":"Unauthorized"}"#),
            Self::Forbidden => (StatusCode::FORBIDDEN, r#"{"message":"Forbidden"}"#),
            Self::TooManyRequests => (StatusCode::TOO_MANY_REQUESTS, r#"{"message":"Too Many Requests"}"#),
            Self::BodyTooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, r#"{"message":"Request Entity Too Large"}"#)
            }
            Self::HeadersTooLarge => (
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                r#"{"message":"Request Header Fields Too Large"}"#,
            ),
            Self::UrlTooLong => (StatusCode::URI_TOO_LONG, r#"{"message":"URI Too Long"}"#),
            Self::BadRequest => (StatusCode::BAD_REQUEST, r#"{"message":"Bad Request"}"#),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, r#"{"message":"Request Timeout"}"#),
            Self::FunctionFailed => {
                (StatusCode::INTERNAL_SERVER_ERROR, r#"{"message":"Internal Server Error"}"#)
            }
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, r#"{"message":"Service Unavailable"}"#),
        }
    }

    fn response(self) -> Response<Body> {
        let (status, body) = self.parts();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Where a token is taken from.
#[derive(Debug)]
enum IdentitySource {
    Header(HeaderName),
    Query(String),
}

impl IdentitySource {
    fn parse(text: &str) -> Result<Self, GatewayError> {
        let invalid = || GatewayError::IdentitySource(text.to_owned());
        if let Some(name) = text.strip_prefix("$request.header.") {
            let name = HeaderName::from_bytes(name.to_ascii_lowercase().as_bytes()).map_err(|_| invalid())?;
            return Ok(Self::Header(name));
        }
        let name = text.strip_prefix("$request.querystring.").filter(|name| !name.is_empty());
        Ok(Self::Query(name.ok_or_else(invalid)?.to_owned()))
    }

    /// Several values are one with commas, as functions get them too, and then no token.
    fn token(&self, parts: &Parts) -> Option<String> {
        let values: Vec<Cow<str>> = match self {
            Self::Header(name) => {
                let values = parts.headers.get_all(name).iter();
                values.map(|value| value.to_str().map(Cow::from)).collect::<Result<_, _>>().ok()?
            }
            Self::Query(name) => {
                let pairs = event::query_pairs(parts.uri.query()?);
                pairs.filter(|(key, _)| key == name).map(|(_, value)| value).collect()
            }
        };
        if values.is_empty() {
            return None;
        }
        let value = values.join(",");
        let is_bearer = value.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer "));
        Some(if is_bearer { value.split_at(7).1.trim().to_owned() } else { value })
    }
}

/// The authorizer of one route.
struct Guard {
    source: IdentitySource,
    authorizer: JwtAuthorizer,
}

/// What the gateway does for one route.
struct Target {
    /// `GET /notes/{id}`, as events carry it.
    key: String,
    function: String,
    guard: Option<Arc<Guard>>,
}

/// A running HTTP API.
pub struct Gateway {
    id: String,
    routes: Routes<Target>,
    lambda: Lambda,
    verifier: Verifier,
    clock: Clock,
    cors: Option<Cors>,
    bucket: Option<Bucket>,
    integration_timeout: Duration,
    body_timeout: Duration,
}

/// A request that was let in: which function is to answer it, and the event for it.
#[derive(Debug)]
struct Admitted {
    function: String,
    event: Vec<u8>,
}

impl Gateway {
    /// An API that routes as `api` says.
    ///
    /// # Errors
    /// When `api` contradicts itself or has what no HTTP API can have.
    pub fn new(api: HttpApi, lambda: Lambda, verifier: Verifier, clock: Clock) -> Result<Self, GatewayError> {
        let routes = Routes::new(targets(&api)?)?;
        let cors = api.cors.as_ref().map(Cors::new).transpose()?;
        let bucket = api.throttle.map(Bucket::new);
        let (integration_timeout, body_timeout) = (INTEGRATION_TIMEOUT, BODY_TIMEOUT);
        Ok(Self {
            id: api.id,
            routes,
            lambda,
            verifier,
            clock,
            cors,
            bucket,
            integration_timeout,
            body_timeout,
        })
    }

    /// Answers one request from `peer`.
    pub async fn handle(&self, request: Request<Body>, peer: SocketAddr) -> Response<Body> {
        let request_id = request_id();
        let mut response = match self.preflight(&request) {
            Some(response) => response,
            None => self.respond(request, peer, &request_id).await,
        };
        if let Ok(id) = HeaderValue::try_from(request_id) {
            response.headers_mut().insert(HeaderName::from_static("apigw-requestid"), id);
        }
        response
    }

    fn preflight(&self, request: &Request<Body>) -> Option<Response<Body>> {
        let cors = self.cors.as_ref()?;
        let is_preflight = request.method() == Method::OPTIONS
            && request.headers().contains_key(header::ORIGIN)
            && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        is_preflight.then(|| cors.preflight(request.headers()))
    }

    async fn respond(&self, request: Request<Body>, peer: SocketAddr, request_id: &str) -> Response<Body> {
        let origin = request.headers().get(header::ORIGIN).cloned();
        let answer = self.answer(request, peer, request_id).await;
        let mut response = answer.unwrap_or_else(Refusal::response);
        if let Some(cors) = &self.cors {
            cors.apply(origin.as_ref(), response.headers_mut());
        }
        response
    }

    async fn answer(
        &self,
        request: Request<Body>,
        peer: SocketAddr,
        request_id: &str,
    ) -> Result<Response<Body>, Refusal> {
        let Admitted { function, event } = self.admit(request, peer, request_id).await?;
        if event.len() > PAYLOAD_LIMIT {
            return Err(Refusal::BodyTooLarge);
        }
        let invocation = self.lambda.invoke(&function, Bytes::from(event), Source::Http, 1);
        match tokio::time::timeout(self.integration_timeout, invocation).await {
            Ok(Outcome::Response(body)) => response::translate(&body).ok_or(Refusal::FunctionFailed),
            Ok(Outcome::FunctionError(_)) => Err(Refusal::FunctionFailed),
            Ok(Outcome::Throttled) | Err(_) => Err(Refusal::Unavailable),
        }
    }

    /// Everything before the invocation.
    async fn admit(
        &self,
        request: Request<Body>,
        peer: SocketAddr,
        request_id: &str,
    ) -> Result<Admitted, Refusal> {
        let (parts, body) = request.into_parts();
        within_limits(&parts)?;
        names_one_host(&parts)?;
        let Match { target, parameters } =
            self.routes.find(&parts.method, parts.uri.path()).ok_or(Refusal::NotFound)?;
        if self.bucket.as_ref().is_some_and(|bucket| !bucket.take()) {
            return Err(Refusal::TooManyRequests);
        }
        let claims = match &target.guard {
            Some(guard) => Some(self.authorize(&parts, guard).await?),
            None => None,
        };
        let body = read(body, self.body_timeout).await?;
        let authorized = claims.as_deref().zip(target.guard.as_deref());
        let context = event::Context {
            api_id: &self.id,
            route_key: &target.key,
            parameters: &parameters,
            authorized: authorized.map(|(claims, guard)| (claims, guard.authorizer.scopes.as_slice())),
            peer: peer.ip(),
            request_id,
            at: self.clock.now(),
        };
        Ok(Admitted { function: target.function.clone(), event: event::build(&parts, &body, &context) })
    }

    async fn authorize(&self, parts: &Parts, guard: &Guard) -> Result<Arc<Claims>, Refusal> {
        let token = guard.source.token(parts).ok_or(Refusal::Unauthorized)?;
        self.verifier.verify(&token, &guard.authorizer).await.map_err(|denied| match denied {
            Denied::Unauthorized => Refusal::Unauthorized,
            Denied::Forbidden => Refusal::Forbidden,
        })
    }
}

fn targets(api: &HttpApi) -> Result<Vec<(String, String, Target)>, GatewayError> {
    let target = |route: &crate::app::Route| {
        let guard = match &route.authorizer {
            None => None,
            Some(name) => {
                let authorizer = api.authorizers.get(name).cloned();
                let authorizer = authorizer.ok_or_else(|| GatewayError::UnknownAuthorizer {
                    method: route.method.clone(),
                    path: route.path.clone(),
                    authorizer: name.clone(),
                })?;
                let source = IdentitySource::parse(&authorizer.identity_source)?;
                Some(Arc::new(Guard { source, authorizer }))
            }
        };
        let method = route.method.to_ascii_uppercase();
        let key =
            if route.path == "$default" { route.path.clone() } else { format!("{method} {}", route.path) };
        Ok((method, route.path.clone(), Target { key, function: route.function.clone(), guard }))
    };
    api.routes.iter().map(target).collect()
}

fn within_limits(parts: &Parts) -> Result<(), Refusal> {
    let url = parts.uri.path_and_query().map_or(0, |url| url.as_str().len());
    if url > URL_LIMIT {
        return Err(Refusal::UrlTooLong);
    }
    if url + header_size(&parts.headers) > HEADER_LIMIT {
        return Err(Refusal::HeadersTooLarge);
    }
    Ok(())
}

/// HTTP/1.1 wants one `Host` (RFC 9112, 3.2): with several, whoever is before and behind us may each heed another.
fn names_one_host(parts: &Parts) -> Result<(), Refusal> {
    let hosts = parts.headers.get_all(header::HOST).iter().count();
    if parts.version == Version::HTTP_11 && hosts != 1 { Err(Refusal::BadRequest) } else { Ok(()) }
}

fn header_size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

async fn read(body: Body, timeout: Duration) -> Result<Bytes, Refusal> {
    match tokio::time::timeout(timeout, Limited::new(body, BODY_LIMIT).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refusal::BodyTooLarge),
        Ok(Err(_)) => Err(Refusal::BadRequest),
        Err(_) => Err(Refusal::TooSlow),
    }
}

/// An id in the form of API Gateway's: sixteen characters of base64.
fn request_id() -> String {
    let random = uuid::Uuid::new_v4();
    STANDARD.encode(random.as_bytes().get(5..).unwrap_or_default())
}

#[cfg(test)]
mod environments_tests;
#[cfg(test)]
mod tests;

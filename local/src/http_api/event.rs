//! A request as a function sees it: payload format 2.0.

use super::ACCOUNT;
use super::jwt::{Claims, scopes};
use super::routes::decode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use http::request::Parts;
use http::{HeaderMap, Version, header};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::IpAddr;

type Pairs<'a> = BTreeMap<Cow<'a, str>, Cow<'a, str>>;

/// What the gateway knows about a request beyond the request.
pub(super) struct Context<'a> {
    pub(super) api_id: &'a str,
    pub(super) route_key: &'a str,
    pub(super) parameters: &'a [(&'a str, String)],
    /// The caller's claims, and the scopes that the route asks for.
    pub(super) authorized: Option<(&'a Claims, &'a [String])>,
    pub(super) peer: IpAddr,
    pub(super) request_id: &'a str,
    pub(super) at: DateTime<Utc>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    version: &'static str,
    route_key: &'a str,
    raw_path: &'a str,
    raw_query_string: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cookies: Vec<Cow<'a, str>>,
    headers: Pairs<'a>,
    #[serde(skip_serializing_if = "Pairs::is_empty")]
    query_string_parameters: Pairs<'a>,
    request_context: RequestContext<'a>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    path_parameters: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Cow<'a, str>>,
    is_base64_encoded: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    account_id: &'static str,
    api_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorizer: Option<Authorizer<'a>>,
    domain_name: &'a str,
    domain_prefix: &'a str,
    http: Http<'a>,
    request_id: &'a str,
    route_key: &'a str,
    stage: &'static str,
    time: String,
    time_epoch: i64,
}

#[derive(Serialize)]
struct Authorizer<'a> {
    jwt: Jwt<'a>,
}

#[derive(Serialize)]
struct Jwt<'a> {
    claims: BTreeMap<&'a str, Cow<'a, str>>,
    /// `null` unless the route asks for some.
    scopes: Option<Vec<&'a str>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Http<'a> {
    method: &'a str,
    path: &'a str,
    protocol: &'static str,
    source_ip: String,
    user_agent: Cow<'a, str>,
}

/// The event as JSON.
pub(super) fn build(parts: &Parts, body: &[u8], context: &Context) -> Vec<u8> {
    let headers = &parts.headers;
    // An HTTP API hands the path over decoded, unlike the query.
    let path = decode(parts.uri.path());
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let domain = without_port(host);
    let query = parts.uri.query().unwrap_or_default();
    let (body, is_base64_encoded) = body_text(headers, body);
    let event = Event {
        version: "2.0",
        route_key: context.route_key,
        raw_path: &path,
        raw_query_string: query,
        cookies: cookies(headers),
        headers: all_headers(headers, host, context),
        query_string_parameters: query_parameters(query),
        request_context: RequestContext {
            account_id: ACCOUNT,
            api_id: context.api_id,
            authorizer: context.authorized.map(authorizer),
            domain_name: domain,
            domain_prefix: domain.split('.').next().unwrap_or_default(),
            http: Http {
                method: parts.method.as_str(),
                path: &path,
                protocol: protocol(parts.version),
                source_ip: context.peer.to_string(),
                user_agent: headers.get(header::USER_AGENT).map(text).unwrap_or_default(),
            },
            request_id: context.request_id,
            route_key: context.route_key,
            stage: "$default",
            time: context.at.format("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            time_epoch: context.at.timestamp_millis(),
        },
        path_parameters: context.parameters.iter().map(|(name, value)| (*name, value.as_str())).collect(),
        body,
        is_base64_encoded,
    };
    let mut json =
        Vec::with_capacity(2048 + event.body.as_ref().map_or(0, |body| body.len() + body.len() / 8));
    // Maps with text keys and a vector to write to: there is nothing that could fail.
    if let Err(error) = serde_json::to_writer(&mut json, &event) {
        tracing::error!(%error, "an event could not be written");
    }
    json
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        _ => "HTTP/1.1",
    }
}

fn text(value: &http::HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}

fn cookies(headers: &HeaderMap) -> Vec<Cow<'_, str>> {
    let lines = headers.get_all(header::COOKIE).into_iter();
    let split = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    split
        .map(|cookie| String::from_utf8_lossy(cookie.trim_ascii()))
        .filter(|cookie| !cookie.is_empty())
        .collect()
}

/// Every header but cookies, in lower case, several of one name joined; and those that a proxy adds.
fn all_headers<'a>(headers: &'a HeaderMap, host: &str, context: &Context) -> Pairs<'a> {
    let mut all = Pairs::new();
    for (name, value) in headers.iter().filter(|(name, _)| *name != header::COOKIE) {
        join(&mut all, Cow::Borrowed(name.as_str()), text(value));
    }
    let port = host.rsplit_once(':').map_or("80", |(_, port)| port).to_owned();
    join(&mut all, Cow::Borrowed("x-forwarded-for"), Cow::Owned(context.peer.to_string()));
    all.insert(Cow::Borrowed("x-forwarded-port"), Cow::Owned(port));
    all.insert(Cow::Borrowed("x-forwarded-proto"), Cow::Borrowed("http"));
    all
}

fn join<'a>(pairs: &mut Pairs<'a>, name: Cow<'a, str>, value: Cow<'a, str>) {
    match pairs.get_mut(&name) {
        None => {
            pairs.insert(name, value);
        }
        Some(joined) => {
            let joined = joined.to_mut();
            joined.push(',');
            joined.push_str(&value);
        }
    }
}

/// The decoded pairs of a query, in order.
pub(super) fn query_pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode_query(name), decode_query(value))
    })
}

fn query_parameters(query: &str) -> Pairs<'_> {
    let mut all = Pairs::new();
    query_pairs(query).for_each(|(name, value)| join(&mut all, name, value));
    all
}

fn decode_query(text: &str) -> Cow<'_, str> {
    if text.contains('+') {
        let spaced = text.replace('+', " ");
        return Cow::Owned(percent_decode_str(&spaced).decode_utf8_lossy().into_owned());
    }
    percent_decode_str(text).decode_utf8_lossy()
}

fn authorizer<'a>((claims, wanted): (&'a Claims, &'a [String])) -> Authorizer<'a> {
    let texts = claims.iter().map(|(name, value)| (name.as_str(), claim_text(value))).collect();
    let granted = (!wanted.is_empty()).then(|| scopes(claims).collect());
    Authorizer { jwt: Jwt { claims: texts, scopes: granted } }
}

/// A claim as API Gateway writes it: always text, lists as `[a b]`.
fn claim_text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        other => {
            let mut text = String::new();
            write_claim(&mut text, other);
            Cow::Owned(text)
        }
    }
}

fn write_claim(text: &mut String, value: &Value) {
    // Writing to a string cannot fail.
    let _ = match value {
        Value::String(value) => write!(text, "{value}"),
        Value::Array(values) => {
            text.push('[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    text.push(' ');
                }
                write_claim(text, value);
            }
            text.push(']');
            Ok(())
        }
        Value::Object(fields) => {
            text.push_str("map[");
            for (index, (name, value)) in fields.iter().enumerate() {
                let space = if index > 0 { " " } else { "" };
                let _ = write!(text, "{space}{name}:");
                write_claim(text, value);
            }
            text.push(']');
            Ok(())
        }
        other => write!(text, "{other}"),
    };
}

/// The body, and whether it is in base64: everything that is not said to be text.
fn body_text<'a>(headers: &HeaderMap, body: &'a [u8]) -> (Option<Cow<'a, str>>, bool) {
    if body.is_empty() {
        return (None, false);
    }
    match std::str::from_utf8(body) {
        Ok(text) if is_text(headers) => (Some(Cow::Borrowed(text)), false),
        _ => (Some(Cow::Owned(STANDARD.encode(body))), true),
    }
}

fn is_text(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let Some(content_type) = content_type else { return true };
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let application = ["json", "xml", "javascript", "x-www-form-urlencoded"];
    essence.starts_with("text/")
        || essence.strip_prefix("application/").is_some_and(|kind| {
            application.contains(&kind) || kind.ends_with("+json") || kind.ends_with("+xml")
        })
}

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;

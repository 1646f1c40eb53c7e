//! What only looks.

use super::{Control, Refusal};
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use emulator::Mail;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

type Answer = Result<Json<Value>, Refusal>;

const TOKEN_LIFE: Duration = Duration::from_secs(12 * 3600);
const LISTED: usize = 1_000;

pub(super) async fn health(State(control): State<Arc<Control>>) -> Json<Value> {
    Json(json!({
        "status": "ok",
        "api": control.api_url,
        "endpoint": control.endpoint_url,
        "functions": control.app.functions.len(),
        "outputs": control.app.outputs,
    }))
}

#[derive(Deserialize)]
pub(super) struct TokenQuery {
    sub: String,
    email: Option<String>,
    audience: Option<String>,
    /// Seconds until it expires.
    expires_in: Option<u64>,
}

/// A signed token for anyone who asks: this identity is for the laptop alone. Plain text, so that a shell can take it
/// as it is; as an OAuth token response to whoever accepts JSON only.
pub(super) async fn token(
    State(control): State<Arc<Control>>,
    Query(query): Query<TokenQuery>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    if query.sub.is_empty() {
        return Err(Refusal::bad_request("sub must not be empty"));
    }
    let audience = match query.audience {
        Some(audience) => audience,
        None => control.default_audience(),
    };
    let life = query.expires_in.map_or(TOKEN_LIFE, Duration::from_secs);
    let token = control
        .identity
        .token(&query.sub, query.email.as_deref(), &audience, &[], life)
        .map_err(Refusal::failed)?;
    if headers.get(header::ACCEPT).is_some_and(|accept| accept == "application/json") {
        let answer = json!({ "access_token": token, "token_type": "Bearer", "expires_in": life.as_secs() });
        return Ok(Json(answer).into_response());
    }
    Ok(token.into_response())
}

impl Control {
    /// The audience that the API's authorizer wants.
    fn default_audience(&self) -> String {
        let authorizers = self.app.http_api.iter().flat_map(|api| api.authorizers.values());
        authorizers.filter_map(|authorizer| authorizer.audience.first()).next().cloned().unwrap_or_default()
    }

    pub(super) fn embedded(&self) -> Result<&emulator::Emulator, Refusal> {
        self.emulator.as_ref().ok_or_else(Refusal::elsewhere)
    }
}

pub(super) async fn discovery(State(control): State<Arc<Control>>) -> Json<Value> {
    Json(control.identity.discovery())
}

pub(super) async fn jwks(State(control): State<Arc<Control>>) -> Json<Value> {
    Json(control.identity.jwks())
}

#[derive(Deserialize)]
pub(super) struct ListQuery {
    /// How many at most.
    limit: Option<usize>,
    /// Only mails that came before the one with this id: the next page begins after the last of this.
    before: Option<String>,
}

pub(super) async fn mail_list(
    State(control): State<Arc<Control>>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Vec<Mail>>, Refusal> {
    let limit = query.limit.unwrap_or(LISTED).min(LISTED);
    Ok(Json(control.embedded()?.mailbox().list(limit, query.before.as_deref())))
}

pub(super) async fn mail(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
) -> Result<Json<Mail>, Refusal> {
    let mail = control.embedded()?.mailbox().get(&id);
    mail.map(Json).ok_or_else(|| Refusal::not_found(format!("there is no mail {id}")))
}

pub(super) async fn schedules(State(control): State<Arc<Control>>) -> Json<Value> {
    Json(json!(control.sources.schedules()))
}

pub(super) async fn clock(State(control): State<Arc<Control>>) -> Json<Value> {
    Json(control.clock_status())
}

impl Control {
    pub(super) fn clock_status(&self) -> Value {
        json!({ "now": self.clock.now(), "offset_seconds": self.clock.offset().num_milliseconds() as f64 / 1e3 })
    }
}

pub(super) async fn faults(State(control): State<Arc<Control>>) -> Answer {
    let faults = control.embedded()?.faults().list();
    Ok(Json(faults.into_iter().map(|(fault, fired)| json!({ "fault": fault, "fired": fired })).collect()))
}

pub(super) async fn functions(State(control): State<Arc<Control>>) -> Json<Value> {
    Json(json!(control.lambda.status()))
}

pub(super) async fn logs(State(control): State<Arc<Control>>, Path(name): Path<String>) -> Answer {
    if !control.app.functions.iter().any(|function| function.name == name) {
        return Err(Refusal::not_found(format!("there is no function {name}")));
    }
    Ok(Json(json!(control.lambda.logs(&name, 500))))
}

pub(super) async fn sources(State(control): State<Arc<Control>>) -> Json<Value> {
    Json(json!(control.sources.status()))
}

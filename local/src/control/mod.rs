//! The routes under `/_local/`: what people and tests look at and turn while the system runs.

mod events;
mod guard;
mod idle;
mod observe;
mod operate;
mod page;
mod queues;

pub use operate::CLOCK;

use crate::app::App;
use crate::clients::Clients;
use crate::identity::Identity;
use crate::lambda::Lambda;
use crate::sources::Sources;
use crate::state::State;
use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use emulator::{Clock, Emulator};
use serde::de::DeserializeOwned;
use serde_json::json;
use std::sync::Arc;

/// What the control routes reach.
pub struct Control {
    pub app: App,
    pub lambda: Lambda,
    pub sources: Arc<Sources>,
    pub identity: Arc<Identity>,
    /// `None` when another endpoint holds the data.
    pub emulator: Option<Emulator>,
    pub clients: Clients,
    pub clock: Clock,
    pub state: State,
    pub api_url: String,
    pub endpoint_url: String,
}

/// The router of every control route, the page and the identity's own routes.
pub fn router(control: Arc<Control>) -> Router {
    let routes = Router::new()
        .route("/health", get(observe::health))
        .route("/token", get(observe::token))
        .route("/identity/.well-known/openid-configuration", get(observe::discovery))
        .route("/identity/jwks.json", get(observe::jwks))
        .route("/mail", get(observe::mail_list).delete(operate::clear_mail))
        .route("/mail/{id}", get(observe::mail))
        .route("/queues", get(queues::list))
        .route("/queues/{name}/messages", get(queues::messages))
        .route("/queues/{name}/replay", post(queues::replay))
        .route("/schedules", get(observe::schedules))
        .route("/schedules/{name}/run", post(operate::run_schedule))
        .route("/lambda/2015-03-31/functions/{name}/invocations", post(operate::invoke))
        .route("/clock", get(observe::clock).post(operate::move_clock))
        .route("/faults", get(observe::faults).post(operate::add_fault).delete(operate::clear_faults))
        .route("/functions", get(observe::functions))
        .route("/functions/{name}/logs", get(observe::logs))
        .route("/sources", get(observe::sources))
        .route("/events", get(events::events))
        .route("/idle", get(idle::idle));
    Router::new()
        .route("/", get(page::to_page))
        .route("/_local", get(page::to_page))
        .route("/_local/", get(page::page))
        .route("/_local/{file}", get(page::file))
        .nest("/_local", routes)
        .layer(axum::middleware::from_fn(guard::guard))
        .with_state(control)
}

/// Reads a body as JSON whatever its declared type: these routes are typed by hand into curl.
fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(Refusal::bad_request)
}

/// A control request that cannot be answered.
pub(crate) struct Refusal(StatusCode, String);

impl Refusal {
    pub(crate) fn bad_request(message: impl ToString) -> Self {
        Self(StatusCode::BAD_REQUEST, message.to_string())
    }

    fn forbidden(message: impl ToString) -> Self {
        Self(StatusCode::FORBIDDEN, message.to_string())
    }

    pub(crate) fn not_found(message: impl ToString) -> Self {
        Self(StatusCode::NOT_FOUND, message.to_string())
    }

    pub(crate) fn elsewhere() -> Self {
        let message = "the data is behind --endpoint, which does not tell; ask it by its own means";
        Self(StatusCode::NOT_IMPLEMENTED, message.into())
    }

    pub(crate) fn failed(error: impl ToString) -> Self {
        Self(StatusCode::BAD_GATEWAY, error.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, axum::Json(json!({ "message": self.1 }))).into_response()
    }
}

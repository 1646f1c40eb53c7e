use crate::methods::Methods;
use serde_json::json;
use shared::http::{Request, Response};
use shared::limits;
use shared::problem::Problem;
use shared::validate;
use std::sync::LazyLock;

/// `openapi.yaml` as JSON, see `build.rs`.
const CONTRACT: &str = include_str!(concat!(env!("OUT_DIR"), "/openapi.json"));

/// Read when the first request comes that no route takes: a start, and a greeting, need not wait for it.
static METHODS: LazyLock<Methods> = LazyLock::new(|| Methods::of_contract(CONTRACT));

/// The handler; it needs nothing, so that it answers where everything else is broken.
pub struct Hello;

impl Hello {
    pub async fn answer(&self, request: &Request) -> Result<Response, Problem> {
        match request.route.as_str() {
            "GET /hello" => greet(request),
            "GET /openapi.json" => Ok(contract()),
            "$default" => Err(refusal(request)),
            _ => Err(Problem::NotFound),
        }
    }
}

/// Why no route fits: the path is none of the contract's, or does not take the method.
fn refusal(request: &Request) -> Problem {
    match METHODS.of(&request.target) {
        Some(allowed) => Problem::MethodNotAllowed(allowed),
        None => Problem::NotFound,
    }
}

fn greet(request: &Request) -> Result<Response, Problem> {
    let name = request.query("name").unwrap_or("world");
    let name = validate::line("name", name, limits::NAME_CHARACTERS)?;
    Response::json(200, &json!({ "message": format!("Hello, {name}!") }))
}

fn contract() -> Response {
    Response::text(200, "application/json", CONTRACT.to_owned())
        .with(http::header::CACHE_CONTROL, "public, max-age=300")
}

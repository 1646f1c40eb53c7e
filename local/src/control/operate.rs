//! What changes something.

use super::{Control, Refusal, read};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use chrono::{DateTime, TimeDelta, Utc};
use emulator::Fault;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

type Answer = Result<Json<Value>, Refusal>;

/// Where the clock's offset is kept over restarts.
pub const CLOCK: (&str, &str) = ("clock", "offset_milliseconds");

pub(super) async fn clear_mail(State(control): State<Arc<Control>>) -> Result<StatusCode, Refusal> {
    control.embedded()?.mailbox().clear();
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn run_schedule(
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let known: Vec<String> = control.app.schedules.iter().map(|schedule| schedule.name.clone()).collect();
    let not_found =
        || Refusal::not_found(format!("there is no schedule {name}; there are: {}", known.join(", ")));
    // A function with one schedule is as good a name as the schedule's own.
    let full = known
        .iter()
        .find(|known| **known == name)
        .or_else(|| {
            let mut of_function = known.iter().filter(|known| known.split('.').next() == Some(name.as_str()));
            of_function.next().filter(|_| of_function.next().is_none())
        })
        .ok_or_else(not_found)?;
    let execution = control.sources.run_schedule(full).await.ok_or_else(not_found)?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "schedule": full, "execution_id": execution }))))
}

/// Lambda's `Invoke`, unsigned as all of these routes: where the data is elsewhere, no endpoint but this one has the functions.
pub(super) async fn invoke(
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    event: Bytes,
) -> Response {
    emulator::lambda::invoke(&*control.sources, &name, &headers, &event)
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum ClockBody {
    AdvanceSeconds(f64),
    Set(DateTime<Utc>),
}

pub(super) async fn move_clock(State(control): State<Arc<Control>>, body: Bytes) -> Answer {
    match read(&body)? {
        ClockBody::AdvanceSeconds(seconds) if seconds.is_finite() && seconds.abs() < 1e11 => {
            control.clock.advance(TimeDelta::milliseconds((seconds * 1e3) as i64));
        }
        ClockBody::AdvanceSeconds(_) => return Err(Refusal::bad_request("advance_seconds is out of range")),
        ClockBody::Set(to) => control.clock.set(to),
    }
    let offset = control.clock.offset().num_milliseconds();
    control.state.put(CLOCK.0, CLOCK.1, &offset).map_err(Refusal::failed)?;
    // What expired by the move is gone when this answers, so that nobody has to wait for the next sweep.
    if let Some(emulator) = &control.emulator {
        emulator.sweep_ttl().await;
        emulator.trim_streams().await;
    }
    Ok(Json(control.clock_status()))
}

pub(super) async fn add_fault(
    State(control): State<Arc<Control>>,
    body: Bytes,
) -> Result<StatusCode, Refusal> {
    let fault: Fault = read(&body)?;
    control.embedded()?.faults().add(fault).map_err(Refusal::bad_request)?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn clear_faults(State(control): State<Arc<Control>>) -> Result<StatusCode, Refusal> {
    control.embedded()?.faults().clear();
    Ok(StatusCode::NO_CONTENT)
}

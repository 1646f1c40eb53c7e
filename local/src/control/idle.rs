//! Waiting until there is nothing to wait for.

use super::Control;
use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const LONGEST: u64 = 600;
/// Between two looks when nothing tells of a change.
const LOOK_AGAIN: Duration = Duration::from_millis(25);

#[derive(Deserialize)]
pub(super) struct IdleQuery {
    /// Seconds to wait at most; 60 unless told.
    timeout: Option<u64>,
}

/// Answers 200 when no event is queued, in flight or due on the clock, or 408 when that does not come in time.
/// `next_due` is the moment to which the clock must move for more to happen.
pub(super) async fn idle(
    State(control): State<Arc<Control>>,
    Query(query): Query<IdleQuery>,
) -> (StatusCode, Json<Value>) {
    let deadline = Instant::now() + Duration::from_secs(query.timeout.unwrap_or(60).min(LONGEST));
    while Instant::now() < deadline {
        if control.is_idle().await {
            return (StatusCode::OK, Json(json!({ "idle": true, "next_due": control.next_due() })));
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    (StatusCode::REQUEST_TIMEOUT, Json(json!({ "idle": false, "sources": control.sources.status() })))
}

impl Control {
    /// The counters show what a look missed because it moved from a place not yet looked at to one already seen. What
    /// another endpoint has under way within itself, such as an upload's notification that is in no queue yet, nobody can
    /// ask.
    async fn is_idle(&self) -> bool {
        let before = self.turns();
        let is_idle = self.lambda.active() == 0 && self.sources.idle().await && self.lambda.active() == 0;
        is_idle && self.turns() == before
    }

    /// Moves with every invocation that begins, and with every change to the embedded data services.
    fn turns(&self) -> (u64, Option<u64>) {
        let changes = self.emulator.as_ref().map(|emulator| *emulator.changes().borrow());
        (self.lambda.begun(), changes)
    }

    /// When something that now waits becomes due: a delay, a retry; schedules are not waited for. Of messages that another
    /// endpoint's queues hold back only their number is known, see `/_local/queues`.
    fn next_due(&self) -> Option<DateTime<Utc>> {
        let queues = self.emulator.as_ref().and_then(emulator::Emulator::next_due);
        [queues, self.sources.next_due()].into_iter().flatten().min()
    }
}

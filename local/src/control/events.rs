//! The event log as server-sent events.

use super::Control;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{self, Stream};
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::broadcast::error::RecvError;

/// One event for each invocation that ends. A reader that is too slow misses some and is told how many.
pub(super) async fn events(
    State(control): State<Arc<Control>>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let events = stream::unfold(control.lambda.events(), async |mut receiver| {
        let event = match receiver.recv().await {
            Ok(invocation) => Event::default().event("invocation").json_data(&invocation).ok()?,
            Err(RecvError::Lagged(missed)) => Event::default().event("missed").data(missed.to_string()),
            Err(RecvError::Closed) => return None,
        };
        Some((Ok(event), receiver))
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}

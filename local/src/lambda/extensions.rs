//! The part of the Extensions API that `spawn_graceful_shutdown_handler` and simple extensions use: registering, and
//! being told of the end. `INVOKE` events are not delivered.

use super::job::lock;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Mutex;
use tokio::sync::watch;

/// More than Lambda itself allows (10 each of internal and external ones).
const MOST: usize = 32;

/// The extensions of one environment.
#[derive(Default)]
pub(super) struct Extensions {
    /// By identifier, whether it wants to be told of the end.
    registered: Mutex<HashMap<String, bool>>,
    /// The time by which the environment ends, in milliseconds since the epoch.
    deadline: watch::Sender<Option<i64>>,
}

#[derive(serde::Deserialize)]
struct Registration {
    #[serde(default)]
    events: Vec<String>,
}

impl Extensions {
    /// Registers an extension by its request's body and returns its identifier.
    pub(super) fn register(&self, body: &[u8]) -> Result<String, &'static str> {
        let registration: Registration =
            serde_json::from_slice(body).map_err(|_| "the registration is not JSON")?;
        let mut registered = lock(&self.registered);
        if registered.len() >= MOST {
            return Err("too many extensions");
        }
        let identifier = uuid::Uuid::new_v4().to_string();
        registered.insert(identifier.clone(), registration.events.iter().any(|event| event == "SHUTDOWN"));
        Ok(identifier)
    }

    pub(super) fn any(&self) -> bool {
        !lock(&self.registered).is_empty()
    }

    /// Whether `identifier` is registered, and if so whether for the end.
    pub(super) fn wants_shutdown(&self, identifier: &str) -> Option<bool> {
        lock(&self.registered).get(identifier).copied()
    }

    /// The environment ends at `deadline`.
    pub(super) fn shut_down(&self, deadline: i64) {
        self.deadline.send_replace(Some(deadline));
    }

    /// The next event for an extension, which is the last one.
    pub(super) async fn event(&self, wants_shutdown: bool) -> Value {
        if !wants_shutdown {
            return std::future::pending().await;
        }
        let mut deadline = self.deadline.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let deadline = deadline.wait_for(Option::is_some).await.map(|deadline| *deadline).unwrap_or_default();
        json!({"eventType": "SHUTDOWN", "shutdownReason": "spindown", "deadlineMs": deadline})
    }
}

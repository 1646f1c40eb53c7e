//! Asynchronous invocations (Lambda developer guide, "Invoking a Lambda function asynchronously"): accepted durably, tried
//! again after one and two minutes, given up by attempts or age, and then told to the on-failure destination and to the
//! function's dead-letter queue. Throttles use up no attempt.

use super::activity::{Activity, Meter, lock};
use super::endpoint::EndpointError;
use super::failures::{AsynchronousFailure, Destination};
use super::invoke::Invoke;
use crate::app;
use crate::backoff::Backoff;
use crate::lambda::{FunctionError, Outcome, Source};
use crate::state::{State, StateError};
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use emulator::Clock;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

/// The kind under which accepted invocations are kept in the host's state.
const PENDING: &str = "asynchronous-invocation";
/// What an asynchronous invocation may carry.
const PAYLOAD_LIMIT: usize = 1024 * 1024;
/// Bounds on what waits and on what runs at once.
const MOST_PENDING: usize = 10_000;
const MOST_RUNNING: usize = 32;

/// Why an asynchronous invocation is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    #[error("there is no function {0:?}")]
    UnknownFunction(String),
    #[error("the payload has {0} bytes; an asynchronous invocation takes at most {PAYLOAD_LIMIT}")]
    TooLarge(usize),
    #[error("the payload is not JSON")]
    NotJson,
    #[error("{MOST_PENDING} asynchronous invocations are waiting")]
    Full,
    #[error(transparent)]
    State(#[from] StateError),
}

impl AcceptError {
    /// Whether trying again can help.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Full | Self::State(_))
    }

    /// The status and the code by which Lambda says so.
    pub fn status_and_code(&self) -> (u16, &'static str) {
        match self {
            Self::UnknownFunction(_) => (404, "ResourceNotFoundException"),
            Self::TooLarge(_) => (413, "RequestTooLargeException"),
            Self::NotJson => (400, "InvalidRequestContentException"),
            Self::Full => (429, "TooManyRequestsException"),
            Self::State(_) => (500, "ServiceException"),
        }
    }
}

/// A function's side of it.
pub(super) struct Target {
    pub(super) arn: String,
    pub(super) rules: app::Asynchronous,
    pub(super) destination: Option<Destination>,
    pub(super) dead_letters: Option<Destination>,
}

impl Target {
    /// Tells whoever wants to know of a failure. Those who were told are told again when another could not be.
    async fn tell(&self, failure: &AsynchronousFailure<'_>, now: DateTime<Utc>) -> Result<(), EndpointError> {
        if let Some(destination) = &self.destination {
            destination.tell(&failure.message(now)).await?;
        }
        if let Some(dead_letters) = &self.dead_letters {
            dead_letters.send(failure.payload.to_owned(), failure.attributes()).await?;
        }
        Ok(())
    }
}

/// An accepted invocation, as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Accepted {
    function: String,
    payload: String,
    scheduled: bool,
    accepted: DateTime<Utc>,
    due: DateTime<Utc>,
    /// Attempts that the function failed, and the last error's type and message.
    failures: u32,
    error: Option<(String, String)>,
    throttles: u32,
    /// Set once it is given up and only its destination is still to be told.
    lost: Option<String>,
    #[serde(skip)]
    running: bool,
}

/// What happens to an invocation next.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Done,
    Again(DateTime<Utc>),
    GiveUp(&'static str),
}

/// The rule for the delays: one minute before the second attempt, two before the third.
fn after_failure(failures: u32, rules: &app::Asynchronous, now: DateTime<Utc>) -> Next {
    if failures > rules.maximum_retry_attempts {
        return Next::GiveUp("RetriesExhausted");
    }
    Next::Again(now + TimeDelta::minutes(if failures <= 1 { 1 } else { 2 }))
}

fn too_old(accepted: DateTime<Utc>, rules: &app::Asynchronous, now: DateTime<Utc>) -> bool {
    TimeDelta::from_std(rules.maximum_event_age).is_ok_and(|most| now - accepted > most)
}

/// The queue of asynchronous invocations in front of all functions.
pub(super) struct Asynchronous {
    targets: BTreeMap<String, Target>,
    invoke: Arc<dyn Invoke>,
    clock: Clock,
    state: State,
    activity: Arc<Activity>,
    pending: Mutex<BTreeMap<String, Accepted>>,
    accepted: Notify,
    pub(super) meter: Meter,
    backoff: Mutex<Backoff>,
}

impl Asynchronous {
    /// Takes up what an earlier run of the host left.
    pub(super) fn new(
        targets: BTreeMap<String, Target>,
        invoke: Arc<dyn Invoke>,
        clock: Clock,
        state: State,
        activity: Arc<Activity>,
        seed: u64,
    ) -> Result<Self, StateError> {
        let pending = state.list(PENDING)?.into_iter().collect();
        let queue = Self {
            targets,
            invoke,
            clock,
            state,
            activity,
            pending: Mutex::new(pending),
            accepted: Notify::new(),
            meter: Meter::new("asynchronous", "asynchronous", "*"),
            backoff: Mutex::new(Backoff::new(TimeDelta::seconds(1), TimeDelta::minutes(5), seed)),
        };
        queue.show();
        Ok(queue)
    }

    /// Accepts an invocation: it is kept before this returns. Gives the request id.
    pub(super) fn accept(
        &self,
        function: &str,
        payload: &Bytes,
        source: Source,
    ) -> Result<String, AcceptError> {
        if !self.targets.contains_key(function) {
            return Err(AcceptError::UnknownFunction(function.to_owned()));
        }
        if payload.len() > PAYLOAD_LIMIT {
            return Err(AcceptError::TooLarge(payload.len()));
        }
        // An empty payload is what Lambda takes as an empty event.
        let text = if payload.is_empty() {
            "{}"
        } else {
            std::str::from_utf8(payload).map_err(|_| AcceptError::NotJson)?
        };
        serde_json::from_str::<serde::de::IgnoredAny>(text).map_err(|_| AcceptError::NotJson)?;
        let now = self.clock.now();
        let accepted = Accepted {
            function: function.to_owned(),
            payload: text.to_owned(),
            scheduled: source == Source::Schedule,
            accepted: now,
            due: now,
            failures: 0,
            error: None,
            throttles: 0,
            lost: None,
            running: false,
        };
        let id = uuid::Uuid::now_v7().to_string();
        let mut pending = lock(&self.pending);
        if pending.len() >= MOST_PENDING {
            return Err(AcceptError::Full);
        }
        self.state.put(PENDING, &id, &accepted)?;
        pending.insert(id.clone(), accepted);
        drop(pending);
        self.show();
        self.accepted.notify_one();
        Ok(id)
    }

    /// Runs until told to stop; what is under way ends.
    pub(super) async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut running = JoinSet::new();
        let mut moves = self.clock.moves();
        while !*stop.borrow() {
            moves.mark_unchanged();
            while running.len() < MOST_RUNNING
                && let Some(id) = self.pick()
            {
                running.spawn(self.clone().attempt(id));
                // What runs is not due any more.
                self.show();
            }
            let due = self.next_due().filter(|_| running.len() < MOST_RUNNING);
            let come = async {
                match due {
                    Some(due) => self.clock.sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = come => {}
                () = self.accepted.notified() => {}
                Some(_) = running.join_next() => {}
                _ = moves.changed() => {}
                _ = stop.changed() => {}
            }
        }
        while running.join_next().await.is_some() {}
    }

    /// The oldest invocation that is due, marked as running.
    fn pick(&self) -> Option<String> {
        let now = self.clock.now();
        let mut pending = lock(&self.pending);
        let (id, found) = pending.iter_mut().find(|(_, waiting)| !waiting.running && waiting.due <= now)?;
        found.running = true;
        Some(id.clone())
    }

    /// The earliest moment at which something that waits is due.
    pub(super) fn next_due(&self) -> Option<DateTime<Utc>> {
        lock(&self.pending).values().filter(|waiting| !waiting.running).map(|waiting| waiting.due).min()
    }

    /// Whether nothing runs and nothing is due.
    pub(super) fn idle(&self) -> bool {
        let now = self.clock.now();
        !lock(&self.pending).values().any(|waiting| waiting.running || waiting.due <= now)
    }

    async fn attempt(self: Arc<Self>, id: String) {
        let _busy = self.activity.begin();
        let Some(mut accepted) = lock(&self.pending).get(&id).cloned() else {
            return;
        };
        let next = match accepted.lost.clone() {
            Some(condition) => self.give_up(&id, &mut accepted, &condition).await,
            None => match self.try_once(&mut accepted).await {
                Next::GiveUp(condition) => {
                    accepted.lost = Some(condition.to_owned());
                    self.give_up(&id, &mut accepted, condition).await
                }
                next => next,
            },
        };
        self.keep(&id, accepted, &next);
    }

    async fn try_once(&self, accepted: &mut Accepted) -> Next {
        let Some(target) = self.targets.get(&accepted.function) else {
            // The function left the template while the invocation waited.
            return Next::GiveUp("FunctionNotFound");
        };
        if too_old(accepted.accepted, &target.rules, self.clock.now()) {
            return Next::GiveUp("EventAgeExceeded");
        }
        let source = if accepted.scheduled { Source::Schedule } else { Source::Asynchronous };
        let payload = Bytes::from(accepted.payload.clone());
        match self.invoke.invoke(&accepted.function, payload, source, 1).await {
            Outcome::Response(_) => {
                self.meter.settled(1);
                Next::Done
            }
            Outcome::FunctionError(error) => {
                self.meter.failed(&format!("{}: {}", error.error_type, error.message));
                accepted.failures = accepted.failures.saturating_add(1);
                accepted.error = Some((error.error_type, error.message));
                after_failure(accepted.failures, &target.rules, self.clock.now())
            }
            Outcome::Throttled => {
                self.meter.failed("throttled");
                accepted.throttles = accepted.throttles.saturating_add(1);
                Next::Again(self.clock.now() + lock(&self.backoff).delay(accepted.throttles))
            }
        }
    }

    /// Tells the destination; until that works the invocation is kept.
    async fn give_up(&self, id: &str, accepted: &mut Accepted, condition: &str) -> Next {
        tracing::warn!(function = %accepted.function, condition, "an asynchronous invocation is given up");
        if let Some(target) = self.targets.get(&accepted.function) {
            let error = accepted.error.clone();
            let error = error.map(|(error_type, message)| FunctionError { error_type, message });
            let failure = AsynchronousFailure {
                request_id: id,
                function_arn: &target.arn,
                condition,
                invocations: accepted.failures,
                payload: &accepted.payload,
                error: error.as_ref(),
            };
            if let Err(error) = target.tell(&failure, self.clock.now()).await {
                self.meter.troubled(&format!("the failure destination: {error}"));
                accepted.throttles = accepted.throttles.saturating_add(1);
                return Next::Again(self.clock.now() + lock(&self.backoff).delay(accepted.throttles));
            }
        }
        self.meter.discarded(1);
        Next::Done
    }

    /// Writes down what comes next.
    fn keep(&self, id: &str, mut accepted: Accepted, next: &Next) {
        let kept = match next {
            Next::Again(due) => {
                accepted.due = *due;
                accepted.running = false;
                let kept = self.state.put(PENDING, id, &accepted);
                lock(&self.pending).insert(id.to_owned(), accepted);
                kept
            }
            Next::Done | Next::GiveUp(_) => {
                let kept = self.state.delete(PENDING, id);
                lock(&self.pending).remove(id);
                kept
            }
        };
        // The state of before stays: after a restart the invocation may be repeated, never lost.
        if let Err(error) = kept {
            self.meter.troubled(&error.to_string());
        }
        self.show();
    }

    fn show(&self) {
        let lag = lock(&self.pending).len();
        self.meter.holds(lag, self.next_due());
    }
}

#[cfg(test)]
#[path = "asynchronous_tests.rs"]
mod tests;

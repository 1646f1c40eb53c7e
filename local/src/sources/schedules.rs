//! EventBridge Scheduler: runs schedules when they are due by handing their target function an asynchronous invocation.
//!
//! What is due is every occurrence since the last one considered that is no older than the retry policy's
//! `MaximumEventAge`; older ones are dropped, so that moving the clock by a month does not bring thousands of runs. After
//! the host was down only the last missed occurrence runs, under the same condition. A `rate` counts from the first start.

use super::activity::{Activity, lock};
use super::asynchronous::{AcceptError, Asynchronous};
use super::endpoint::{MessageAttribute, moment_in_seconds};
use super::expression::Expression;
use super::failures::Destination;
use super::schedule_input::Run;
use crate::app::Schedule;
use crate::backoff::Backoff;
use crate::lambda::Source;
use crate::state::{State, StateError};
use bytes::Bytes;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use emulator::Clock;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

/// The kind under which schedules are kept in the host's state.
const SCHEDULES: &str = "schedule";
/// This, and that nothing recurs more than once a minute, bounds the runs that one move of the clock can bring.
const LONGEST_EVENT_AGE: TimeDelta = TimeDelta::hours(24);
/// Why a run has no further attempt, in Scheduler's words.
const TOO_OLD: &str = "MaximumEventAgeInSeconds";
/// Tries to send a dead letter, over some five minutes. AWS gives it up as well.
const TRIES_TO_BURY: u32 = 12;

/// A schedule, for people.
#[derive(Clone, Debug, Serialize)]
pub struct ScheduleStatus {
    pub name: String,
    pub function: String,
    pub expression: String,
    pub time_zone: String,
    pub enabled: bool,
    /// `None` when it will not run again.
    pub next_run: Option<DateTime<Utc>>,
    /// The scheduled time of the last run.
    pub last_run: Option<DateTime<Utc>>,
}

/// What is remembered of a schedule.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Memory {
    /// When it first started; a rate counts from here.
    start: DateTime<Utc>,
    /// Every occurrence up to here has run or been dropped.
    considered: DateTime<Utc>,
    last_run: Option<DateTime<Utc>>,
}

/// One schedule and everything it works with.
pub(super) struct Runner {
    schedule: Schedule,
    arn: String,
    target_arn: String,
    expression: Expression,
    dead_letters: Option<Destination>,
    asynchronous: Arc<Asynchronous>,
    clock: Clock,
    state: State,
    activity: Arc<Activity>,
    memory: Mutex<Memory>,
    seed: u64,
}

/// The occurrences in `(considered, now]` that are no older than `age`, oldest first.
fn missed(
    expression: &Expression,
    memory: &Memory,
    now: DateTime<Utc>,
    age: TimeDelta,
) -> Vec<DateTime<Utc>> {
    // An occurrence of exactly the greatest age still runs.
    let mut after = memory.considered.max(now - age - TimeDelta::milliseconds(1));
    let mut found = Vec::new();
    while let Some(at) = expression.next_after(after, memory.start).filter(|at| *at <= now) {
        found.push(at);
        after = at;
    }
    found
}

/// The parts of the host that a schedule works with.
#[derive(Clone)]
pub(super) struct Host {
    pub(super) asynchronous: Arc<Asynchronous>,
    pub(super) clock: Clock,
    pub(super) state: State,
    pub(super) activity: Arc<Activity>,
    pub(super) seed: u64,
}

impl Runner {
    /// Takes up where an earlier run of the host left.
    pub(super) fn new(
        schedule: Schedule,
        expression: Expression,
        target_arn: String,
        dead_letters: Option<Destination>,
        host: Host,
    ) -> Result<Self, StateError> {
        let now = host.clock.now();
        let known: Option<Memory> = host.state.get(SCHEDULES, &schedule.name)?;
        let mut memory = known.unwrap_or_else(|| {
            // A rate begins at once; the others look for what comes.
            let start = now.trunc_subsecs(0);
            Memory { start, considered: start - TimeDelta::seconds(1), last_run: None }
        });
        let last = missed(&expression, &memory, now, event_age(&schedule)).pop();
        memory.considered = last.map_or(now, |last| last - TimeDelta::seconds(1));
        host.state.put(SCHEDULES, &schedule.name, &memory)?;
        let mut parts = target_arn.split(':').skip(1);
        let (partition, region, account) = (parts.next(), parts.nth(1), parts.next());
        let arn = format!(
            "arn:{}:scheduler:{}:{}:schedule/default/{}",
            partition.unwrap_or("aws"),
            region.unwrap_or_default(),
            account.unwrap_or_default(),
            schedule.name
        );
        Ok(Self {
            schedule,
            arn,
            target_arn,
            expression,
            dead_letters,
            asynchronous: host.asynchronous,
            clock: host.clock,
            state: host.state,
            activity: host.activity,
            memory: Mutex::new(memory),
            seed: host.seed,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.schedule.name
    }

    pub(super) fn status(&self) -> ScheduleStatus {
        ScheduleStatus {
            name: self.schedule.name.clone(),
            function: self.schedule.function.clone(),
            expression: self.schedule.expression.clone(),
            time_zone: self.schedule.time_zone.clone(),
            enabled: self.schedule.enabled,
            next_run: self.next_run(),
            last_run: lock(&self.memory).last_run,
        }
    }

    /// The next occurrence, which may be due already.
    fn next_run(&self) -> Option<DateTime<Utc>> {
        if !self.schedule.enabled {
            return None;
        }
        let memory = lock(&self.memory).clone();
        // Occurrences that are too old will not run.
        let oldest = self.clock.now() - event_age(&self.schedule) - TimeDelta::milliseconds(1);
        self.expression.next_after(memory.considered.max(oldest), memory.start)
    }

    /// Whether nothing is due that has not been handed over.
    pub(super) fn idle(&self) -> bool {
        self.next_run().is_none_or(|next| next > self.clock.now())
    }

    /// Runs until told to stop.
    pub(super) async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut moves = self.clock.moves();
        while self.schedule.enabled && !*stop.borrow() {
            moves.mark_unchanged();
            self.forget_the_future();
            let now = self.clock.now();
            let due = missed(&self.expression, &lock(&self.memory), now, event_age(&self.schedule));
            for at in due {
                // Those before it may have been tried again for a while.
                if self.is_too_old(at) {
                    continue;
                }
                let execution_id = uuid::Uuid::new_v4().to_string();
                if !self.hand_over(at, &execution_id, &mut stop).await {
                    return;
                }
                self.remember(at, Some(at));
            }
            // What was dropped is over as well, and stays so when the clock is set back while the host is down.
            self.remember(now, None);
            let come = async {
                match self.next_run() {
                    Some(next) => self.clock.sleep_until(next).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = come => {}
                _ = moves.changed() => {}
                _ = stop.changed() => {}
            }
        }
    }

    /// Runs the schedule now, with the present as its scheduled time; gives the execution id. `None`: the host
    /// stopped before it was handed over.
    pub(super) async fn run_now(&self, mut stop: watch::Receiver<bool>) -> Option<String> {
        let _busy = self.activity.begin();
        let at = self.clock.now().trunc_subsecs(0);
        let execution_id = uuid::Uuid::new_v4().to_string();
        if !self.hand_over(at, &execution_id, &mut stop).await {
            return None;
        }
        let considered = lock(&self.memory).considered;
        self.remember(considered, Some(at));
        Some(execution_id)
    }

    /// A clock that was set back makes what was considered the future again; without this nothing would run until then.
    fn forget_the_future(&self) {
        let now = self.clock.now();
        let mut memory = lock(&self.memory);
        if memory.considered > now {
            memory.considered = now;
        }
        if memory.start > now {
            memory.start = now.trunc_subsecs(0);
        }
    }

    fn remember(&self, considered: DateTime<Utc>, run: Option<DateTime<Utc>>) {
        let mut memory = lock(&self.memory);
        memory.considered = considered;
        memory.last_run = run.or(memory.last_run);
        if let Err(error) = self.state.put(SCHEDULES, &self.schedule.name, &*memory) {
            tracing::warn!(schedule = %self.schedule.name, %error, "a run may be repeated after a restart");
        }
    }

    /// Hands a run to Lambda by the retry policy, or to the dead-letter queue. `false` only when the host stopped first.
    async fn hand_over(
        &self,
        at: DateTime<Utc>,
        execution_id: &str,
        stop: &mut watch::Receiver<bool>,
    ) -> bool {
        let mut backoff = Backoff::new(TimeDelta::seconds(1), TimeDelta::minutes(1), self.seed);
        let mut attempt = 0;
        loop {
            attempt += 1;
            let run = Run { schedule_arn: &self.arn, scheduled: at, execution_id, attempt };
            let payload = run.payload(self.schedule.input.as_deref());
            let accepted = self.asynchronous.accept(
                &self.schedule.function,
                &Bytes::from(payload.clone()),
                Source::Schedule,
            );
            let Err(error) = accepted else { return true };
            tracing::warn!(schedule = %self.schedule.name, %error, attempt, "a run could not be handed over");
            let mut condition = self.exhausted(at, attempt, &error);
            if condition.is_none() {
                if !self.pause(backoff.delay(attempt), stop).await {
                    return false;
                }
                condition = self.is_too_old(at).then_some(TOO_OLD);
            }
            if let Some(condition) = condition {
                return self.bury(&run, &payload, &error, condition, stop).await;
            }
        }
    }

    fn is_too_old(&self, at: DateTime<Utc>) -> bool {
        self.clock.now() - at > event_age(&self.schedule)
    }

    /// `false` when the host stops first.
    async fn pause(&self, delay: TimeDelta, stop: &mut watch::Receiver<bool>) -> bool {
        tokio::select! {
            () = self.clock.sleep(delay) => true,
            _ = stop.wait_for(|stop| *stop) => false,
        }
    }

    /// Why there is no further attempt, in Scheduler's words.
    fn exhausted(&self, at: DateTime<Utc>, attempt: u32, error: &AcceptError) -> Option<&'static str> {
        if !error.is_passing() {
            Some("NonRetryableError")
        } else if attempt > self.schedule.maximum_retry_attempts {
            Some("MaximumRetryAttempts")
        } else {
            self.is_too_old(at).then_some(TOO_OLD)
        }
    }

    /// Sends a dead-letter event: the payload, with what happened as message attributes. `false` only when the host stopped
    /// before the queue took it.
    async fn bury(
        &self,
        run: &Run<'_>,
        payload: &str,
        error: &AcceptError,
        condition: &str,
        stop: &mut watch::Receiver<bool>,
    ) -> bool {
        let Some(dead_letters) = &self.dead_letters else {
            return true;
        };
        let attributes = self.epitaph(run, error, condition);
        let mut backoff = Backoff::new(TimeDelta::seconds(1), TimeDelta::minutes(1), self.seed);
        for tries in 1..=TRIES_TO_BURY {
            let Err(error) = dead_letters.send(payload.to_owned(), attributes.clone()).await else {
                return true;
            };
            tracing::warn!(schedule = %self.schedule.name, %error, tries, "the dead-letter queue did not take a run");
            if !self.pause(backoff.delay(tries), stop).await {
                return false;
            }
        }
        tracing::error!(schedule = %self.schedule.name, execution = run.execution_id, "a run is lost");
        true
    }

    /// What a dead letter says of its run.
    fn epitaph(
        &self,
        run: &Run<'_>,
        error: &AcceptError,
        condition: &str,
    ) -> BTreeMap<String, MessageAttribute> {
        let attributes = [
            ("ERROR_CODE", format!("AWS.Lambda.{}", error.status_and_code().1)),
            ("ERROR_MESSAGE", error.to_string()),
            ("EXECUTION_ID", run.execution_id.to_owned()),
            ("EXHAUSTED_RETRY_CONDITION", condition.to_owned()),
            ("IS_PAYLOAD_TRUNCATED", "false".to_owned()),
            ("RETRY_ATTEMPTS", run.attempt.saturating_sub(1).to_string()),
            ("SCHEDULED_TIME", moment_in_seconds(run.scheduled)),
            ("SCHEDULE_ARN", run.schedule_arn.to_owned()),
            ("TARGET_ARN", self.target_arn.clone()),
        ];
        attributes.map(|(name, text)| (name.to_owned(), MessageAttribute::text(text))).into()
    }
}

fn event_age(schedule: &Schedule) -> TimeDelta {
    TimeDelta::from_std(schedule.maximum_event_age).unwrap_or(LONGEST_EVENT_AGE).min(LONGEST_EVENT_AGE)
}

#[cfg(test)]
#[path = "schedules_tests.rs"]
mod tests;

//! The environments of one function, and the queue of invocations that wait for one.

use super::environment::{Attempt, Environment, FirstQuestion, Stop};
use super::job::{Job, Meter, Run, lock};
use super::logs::Log;
use super::process::{self, End};
use super::statistics::{EnvironmentCounts, FunctionStatus};
use super::{FunctionError, Shared};
use crate::app;
use crate::backoff::{Backoff, seed_for};
use chrono::TimeDelta;
use http::HeaderValue;
use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Pauses before another start of a function that does not come up.
const FIRST_PAUSE: TimeDelta = TimeDelta::milliseconds(100);
const LONGEST_PAUSE: TimeDelta = TimeDelta::seconds(10);

/// Everything about one function that runs.
pub(super) struct Pool {
    pub(super) function: app::Function,
    pub(super) executable: PathBuf,
    /// The function's ARN as every event carries it.
    pub(super) arn: HeaderValue,
    pub(super) shared: Arc<Shared>,
    pub(super) meter: Arc<Meter>,
    pub(super) log: Log,
    /// Environments that have answered and are about to ask for more.
    pub(super) returning: AtomicUsize,
    state: Mutex<State>,
    /// An environment became ready or went away.
    changed: Notify,
}

struct State {
    environments: HashMap<u64, Arc<Environment>>,
    /// Once for each idle worker of an environment. The one that worked last comes last, and is taken first: its caches are
    /// warm, and the others may age.
    idle: Vec<Arc<Environment>>,
    queue: VecDeque<Job>,
    starting: usize,
    /// Starts that failed in a row.
    failures: u32,
    /// No start before this.
    pause_until: Option<Instant>,
    backoff: Backoff,
    closed: bool,
    next_id: u64,
}

impl State {
    fn new(backoff: Backoff) -> Self {
        Self {
            environments: HashMap::new(),
            idle: Vec::new(),
            queue: VecDeque::new(),
            starting: 0,
            failures: 0,
            pause_until: None,
            backoff,
            closed: false,
            next_id: 0,
        }
    }

    /// The next invocation that somebody still waits for.
    fn pop(&mut self) -> Option<Job> {
        std::iter::from_fn(|| self.queue.pop_front()).find(|job| !job.is_abandoned())
    }
}

impl Pool {
    pub(super) fn new(
        function: app::Function,
        executable: PathBuf,
        shared: Arc<Shared>,
        meter: Arc<Meter>,
        log: Log,
    ) -> Arc<Self> {
        let seed = seed_for(shared.options.seed, &function.name);
        let state = State::new(Backoff::new(FIRST_PAUSE, LONGEST_PAUSE, seed));
        let arn = HeaderValue::from_str(&function.arn).unwrap_or(HeaderValue::from_static("unknown"));
        Arc::new(Self {
            function,
            executable,
            arn,
            shared,
            meter,
            log,
            returning: AtomicUsize::new(0),
            state: Mutex::new(state),
            changed: Notify::new(),
        })
    }

    pub(super) fn timeout(&self) -> Duration {
        self.function.timeout
    }

    /// Events that one environment works on at a time.
    pub(super) fn concurrency(&self) -> usize {
        self.shared.options.concurrency.max(1)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Gives `job` to an idle environment, or lets it wait for one.
    pub(super) fn submit(self: &Arc<Self>, job: Job) {
        let mut state = self.state();
        if state.closed {
            drop(state);
            return job.throttle();
        }
        // Under the lock: an environment that is buried in between would take the job with it.
        if let Some(environment) = state.idle.pop() {
            return environment.assign(job);
        }
        if state.queue.len() >= self.shared.limits.queue {
            drop(state);
            return job.throttle();
        }
        state.queue.push_back(job);
        self.scale(&mut state);
    }

    /// A worker of `environment` asks for work: it gets what waits longest, or is idle from now on.
    pub(super) fn ask(self: &Arc<Self>, environment: &Arc<Environment>) {
        let mut state = self.state();
        let Some(FirstQuestion(first)) = environment.ask() else { return };
        if first {
            state.starting = state.starting.saturating_sub(1);
            state.failures = 0;
            state.pause_until = None;
        }
        match state.pop() {
            Some(job) => environment.assign(job),
            None => state.idle.push(environment.clone()),
        }
        if first {
            self.scale(&mut state);
            drop(state);
            self.changed.notify_waiters();
        }
    }

    /// Starts environments for invocations that nobody is about to take. Without counting those that have just
    /// answered, two requests in a row would find the one environment on its way back and start another.
    fn scale(self: &Arc<Self>, state: &mut State) {
        let unserved = state.queue.len().saturating_sub(self.returning.load(Ordering::Relaxed));
        self.start_for(state, unserved);
    }

    /// Starts environments until as many are starting as there are `waiting`, within bounds.
    fn start_for(self: &Arc<Self>, state: &mut State, waiting: usize) {
        // A function that does not come up is tried one process at a time.
        let parallel = if state.failures > 0 { 1 } else { self.shared.limits.starts };
        let wanted = waiting.div_ceil(self.concurrency()).min(parallel);
        while !state.closed && state.starting < wanted && self.has_room(state) {
            self.start(state);
        }
    }

    fn has_room(&self, state: &State) -> bool {
        state.environments.len() < self.shared.options.max_environments.max(1)
    }

    fn start(self: &Arc<Self>, state: &mut State) {
        let id = state.next_id;
        state.next_id += 1;
        state.starting += 1;
        let environment = Arc::new(Environment::new(id, self.clone(), self.attempt(state.failures)));
        state.environments.insert(id, environment.clone());
        let pause = state
            .pause_until
            .map(|until| until.saturating_duration_since(Instant::now()))
            .unwrap_or_default();
        // Dropped without a runtime only at the very end of the process, when nobody invokes any more.
        tokio::spawn(process::run(environment, pause));
    }

    /// The initialisation of a new environment, after so many in a row that failed. The first one that fails costs no
    /// invocation: Lambda initialises once more as part of the invocation, within the function's timeout.
    fn attempt(&self, failures: u32) -> Attempt {
        match failures {
            0 => Attempt { limit: self.shared.limits.init, last: false },
            _ => Attempt { limit: self.timeout(), last: true },
        }
    }

    /// Takes `environment` out after its process has ended, and tells whoever waited for it.
    pub(super) fn bury(self: &Arc<Self>, environment: &Arc<Environment>, end: &End) {
        let mut state = self.state();
        state.environments.remove(&environment.id);
        state.idle.retain(|idle| idle.id != environment.id);
        let remains = environment.remains();
        let mut stillborn = Vec::new();
        if !remains.ready {
            state.starting = state.starting.saturating_sub(1);
            if !end.was_asked_for() {
                Self::note_failed_start(&mut state);
                if environment.attempt.last {
                    stillborn.extend(state.pop());
                }
            }
        }
        for job in remains.untouched.into_iter().rev() {
            if state.closed { stillborn.push(job) } else { state.queue.push_front(job) }
        }
        self.scale(&mut state);
        drop(state);
        for job in stillborn {
            let error = remains.init_error.clone().unwrap_or_else(|| end.error(&job.request_id, self));
            job.fail(error, None);
        }
        for (job, run) in remains.cut_off {
            let error = end.error(&job.request_id, self);
            if end.is_timeout() { job.time_out(error, run) } else { job.fail(error, Some(run)) }
        }
        self.changed.notify_waiters();
    }

    /// Tells those who wait for the invocations that their time is over.
    pub(super) fn time_out(&self, late: Vec<(Job, Run)>) {
        for (job, run) in late {
            let error = End::Stopped(Stop::TimedOut).error(&job.request_id, self);
            job.time_out(error, run);
        }
    }

    /// Doubles the pause before the next start, with jitter, so that functions that broke together do not try together.
    fn note_failed_start(state: &mut State) {
        state.failures = state.failures.saturating_add(1);
        let pause = state.backoff.delay(state.failures).to_std().unwrap_or_default();
        state.pause_until = Some(Instant::now() + pause);
    }

    pub(super) async fn warm(self: &Arc<Self>, count: usize) {
        self.start_up_to(count);
        self.until(|state| state.starting == 0).await;
    }

    fn start_up_to(self: &Arc<Self>, count: usize) {
        let mut state = self.state();
        while !state.closed && state.environments.len() < count && self.has_room(&state) {
            self.start(&mut state);
        }
    }

    pub(super) async fn until_empty(&self) {
        self.until(|state| state.environments.is_empty()).await;
    }

    async fn until(&self, condition: impl Fn(&State) -> bool) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // Listen before looking, so that a change between the two is not missed.
            changed.as_mut().enable();
            if condition(&self.state()) {
                return;
            }
            changed.await;
        }
    }

    /// Takes no more work and gives back what waits.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        let waiting = std::mem::take(&mut state.queue);
        drop(state);
        waiting.into_iter().for_each(Job::throttle);
    }

    pub(super) fn end_all(&self) {
        let mut state = self.state();
        state.idle.clear();
        state.environments.values().for_each(|environment| environment.end());
    }

    /// Throttles what waited too long and ends environments that were idle for long.
    pub(super) fn sweep(self: &Arc<Self>) {
        let limits = &self.shared.limits;
        let mut state = self.state();
        let late = state.queue.iter().take_while(|job| job.asked.elapsed() >= limits.wait).count();
        let late: Vec<Job> = state.queue.drain(..late).collect();
        let aged = |environment: &Arc<Environment>| {
            environment.idle_since().is_some_and(|since| since.elapsed() >= limits.idle)
        };
        state.idle.extract_if(.., |environment| aged(environment)).for_each(|environment| environment.end());
        // An environment that has answered and then does not ask for more holds nobody up for longer than this.
        let waiting = state.queue.len();
        self.start_for(&mut state, waiting);
        drop(state);
        late.into_iter().for_each(Job::throttle);
    }

    pub(super) fn status(&self) -> FunctionStatus {
        let mut environments = EnvironmentCounts::default();
        let mut pids = Vec::new();
        let state = self.state();
        state.environments.values().for_each(|environment| environment.count(&mut environments, &mut pids));
        let queued = state.queue.len();
        drop(state);
        pids.sort_unstable();
        let statistics = self.meter.statistics();
        FunctionStatus {
            name: self.function.name.clone(),
            environments,
            pids,
            queued,
            invocations: statistics.invocations,
            errors: statistics.errors,
            timeouts: statistics.timeouts,
            throttles: statistics.throttles,
            cold_starts: statistics.cold_starts,
            p50_ms: statistics.percentile_ms(50.0),
            p99_ms: statistics.percentile_ms(99.0),
        }
    }

    /// An error in Lambda's form: what happened, after the request that it happened to.
    pub(super) fn error(&self, error_type: &str, request_id: &str, what: &str) -> FunctionError {
        FunctionError::new(error_type, format!("RequestId: {request_id} Error: {what}"))
    }
}

//! One execution environment as its pool and its Runtime API see it: which phase it is in and what it works on.

use super::extensions::Extensions;
use super::job::{Job, Run, lock};
use super::pool::Pool;
use super::{FunctionError, memory, statistics::EnvironmentCounts};
use bytes::Bytes;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// A process of a function, from the decision to start it until it is buried.
pub(super) struct Environment {
    pub(super) id: u64,
    pub(super) pool: Arc<Pool>,
    pub(super) extensions: Extensions,
    pub(super) attempt: Attempt,
    slot: Mutex<Slot>,
    /// Tells the Runtime API's `next` that there may be work.
    work: Notify,
    /// Tells the supervisor that what it watches for has changed.
    alarm: Notify,
}

/// How an environment is initialised.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt {
    /// How long it may take to ask for its first event.
    pub(super) limit: Duration,
    /// Whether an invocation fails with it.
    pub(super) last: bool,
}

struct Slot {
    /// Whether it was asked to end; then it takes no more work.
    is_ending: bool,
    /// Whether it has asked for an event yet, which is when its initialisation was over.
    ready: bool,
    /// What it works on, one event for each of its workers at most.
    running: Vec<Running>,
    /// Workers that have answered, and are about to ask for more.
    returning: usize,
    /// Workers that have asked, and got nothing yet.
    idle: usize,
    /// When one of them last began to wait.
    idle_since: Instant,
    /// Whether it has had an invocation.
    used: bool,
    /// Whether the supervisor has a timer set. If not it must be told of a deadline.
    watched: bool,
    /// Until when it must be ready.
    init_deadline: Option<Instant>,
    init_error: Option<FunctionError>,
    pid: Option<u32>,
}

struct Running {
    job: Job,
    run: Run,
    deadline: Instant,
    /// Whether the process was given it. If not, another environment may still have it.
    delivered: bool,
}

/// An event on its way to the process.
pub(super) struct Delivery {
    pub(super) request_id: String,
    pub(super) payload: Bytes,
    /// Time left for it.
    pub(super) left: Duration,
}

/// What the supervisor has to do next.
pub(super) enum Watch {
    /// Look again at this time, or when told.
    Until(Instant),
    /// Tell those who wait for these invocations that their time is over; the process goes on.
    Late(Vec<(Job, Run)>),
    /// Look again when told.
    Nothing,
    /// End the process.
    Stop(Stop),
}

/// Why an environment is ended by the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    Asked,
    TimedOut,
    InitTimedOut,
    InitError,
    OutOfMemory,
}

/// What an environment leaves behind when it has ended.
pub(super) struct Remains {
    pub(super) ready: bool,
    pub(super) init_error: Option<FunctionError>,
    /// The jobs that its process knew of, with the runs that were cut off.
    pub(super) cut_off: Vec<(Job, Run)>,
    /// The jobs that its process never saw, in the order in which they were given to it.
    pub(super) untouched: Vec<Job>,
}

impl Environment {
    pub(super) fn new(id: u64, pool: Arc<Pool>, attempt: Attempt) -> Self {
        let slot = Slot {
            is_ending: false,
            ready: false,
            running: Vec::new(),
            returning: 0,
            idle: 0,
            idle_since: Instant::now(),
            used: false,
            watched: false,
            init_deadline: None,
            init_error: None,
            pid: None,
        };
        Self {
            id,
            pool,
            extensions: Extensions::default(),
            attempt,
            slot: Mutex::new(slot),
            work: Notify::new(),
            alarm: Notify::new(),
        }
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        lock(&self.slot)
    }

    /// The process runs; its initialisation began.
    pub(super) fn started(&self, pid: Option<u32>) {
        let mut slot = self.slot();
        slot.pid = pid;
        slot.init_deadline = Some(Instant::now() + self.attempt.limit);
    }

    /// Gives `job` to a worker that is idle: the caller has taken it from the idle ones, or is its own request for work.
    pub(super) fn assign(&self, job: Job) {
        let started = Instant::now();
        let mut slot = self.slot();
        let run = Run { started, cold: !slot.used };
        slot.used = true;
        slot.idle = slot.idle.saturating_sub(1);
        let deadline = started + self.pool.timeout();
        slot.running.push(Running { job, run, deadline, delivered: false });
        let watched = slot.watched;
        drop(slot);
        self.work.notify_one();
        if !watched {
            self.alarm.notify_one();
        }
    }

    /// Marks that a worker of the process asks for work. `Some` when it has none; then whether this is the process' first
    /// question.
    pub(super) fn ask(&self) -> Option<FirstQuestion> {
        let mut slot = self.slot();
        if slot.is_ending || slot.idle + slot.running.len() >= self.pool.concurrency() {
            return None;
        }
        let first = !slot.ready;
        slot.ready = true;
        if slot.returning > 0 {
            slot.returning -= 1;
            self.pool.returning.fetch_sub(1, Ordering::Relaxed);
        }
        slot.idle += 1;
        slot.idle_since = Instant::now();
        Some(FirstQuestion(first))
    }

    /// Since when none of its workers has had anything to do, if that is so.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let slot = self.slot();
        let is_idle = !slot.is_ending && slot.idle > 0 && slot.running.is_empty() && slot.returning == 0;
        is_idle.then_some(slot.idle_since)
    }

    /// Waits for the next event. The same event again if the answer that carried it was lost.
    pub(super) async fn next(&self) -> Delivery {
        loop {
            if let Some(delivery) = self.deliver() {
                return delivery;
            }
            self.work.notified().await;
        }
    }

    fn deliver(&self) -> Option<Delivery> {
        let mut slot = self.slot();
        // Which of several was lost nobody knows.
        let again = (self.pool.concurrency() == 1 && !slot.running.is_empty()).then_some(0);
        let index = slot.running.iter().position(|running| !running.delivered).or(again)?;
        let running = &mut slot.running[index];
        running.delivered = true;
        let delivery = Delivery {
            request_id: running.job.request_id.clone(),
            payload: running.job.payload.clone(),
            left: running.deadline.saturating_duration_since(Instant::now()),
        };
        // Told once for two, when both came while nobody waited.
        if slot.running.iter().any(|running| !running.delivered) {
            self.work.notify_one();
        }
        Some(delivery)
    }

    /// Whether `request_id` is among what it works on.
    pub(super) fn works_on(&self, request_id: &str) -> bool {
        self.slot().running.iter().any(|running| running.job.request_id == request_id)
    }

    /// Takes the job out that `request_id` names, if it is still there.
    pub(super) fn complete(&self, request_id: &str) -> Option<(Job, Run)> {
        let mut slot = self.slot();
        let index = slot.running.iter().position(|running| running.job.request_id == request_id)?;
        let running = slot.running.remove(index);
        if !slot.is_ending {
            slot.returning += 1;
            self.pool.returning.fetch_add(1, Ordering::Relaxed);
        }
        Some((running.job, running.run))
    }

    fn leave_returning(&self, slot: &mut Slot) {
        self.pool.returning.fetch_sub(std::mem::take(&mut slot.returning), Ordering::Relaxed);
    }

    pub(super) fn report_init_error(&self, error: FunctionError) {
        let mut slot = self.slot();
        if !slot.ready {
            slot.init_error = Some(error);
        }
        drop(slot);
        self.alarm.notify_one();
    }

    /// Asks it to end.
    pub(super) fn end(&self) {
        let mut slot = self.slot();
        self.leave_returning(&mut slot);
        slot.is_ending = true;
        drop(slot);
        self.alarm.notify_one();
    }

    /// Waits until there may be something new for `watch` to say.
    pub(super) async fn alarmed(&self) {
        self.alarm.notified().await;
    }

    /// What the supervisor has to do now.
    pub(super) fn watch(&self) -> Watch {
        let now = Instant::now();
        let mut slot = self.slot();
        slot.watched = false;
        if slot.is_ending {
            return Watch::Stop(Stop::Asked);
        }
        if slot.init_error.is_some() {
            return Watch::Stop(Stop::InitError);
        }
        let earliest = slot.running.iter().map(|running| running.deadline).min();
        let (deadline, stop) = match earliest {
            Some(deadline) => (Some(deadline), Stop::TimedOut),
            None if !slot.ready => (slot.init_deadline, Stop::InitTimedOut),
            None => (None, Stop::Asked),
        };
        match deadline {
            Some(deadline) if deadline <= now => self.overdue(&mut slot, stop, now),
            Some(deadline) => {
                slot.watched = true;
                Watch::Until(deadline)
            }
            None => Watch::Nothing,
        }
    }

    /// Time is over for something. A process that works on one event at a time ends with it and gets no more work; one that
    /// works on several goes on with the others.
    fn overdue(&self, slot: &mut Slot, stop: Stop, now: Instant) -> Watch {
        if stop != Stop::TimedOut || self.pool.concurrency() == 1 {
            slot.is_ending = true;
            return Watch::Stop(stop);
        }
        let late = slot.running.extract_if(.., |running| running.deadline <= now);
        Watch::Late(late.map(|running| (running.job, running.run)).collect())
    }

    /// Whether its process, at work, has more memory than the function may have. It gets no more work then.
    pub(super) fn is_out_of_memory(&self) -> bool {
        let most = u64::from(self.pool.function.memory_megabytes) * 1024 * 1024;
        let pid = self.slot().pid;
        if pid.and_then(memory::used).is_none_or(|used| used <= most) {
            return false;
        }
        let mut slot = self.slot();
        let works = !slot.is_ending && (!slot.ready || !slot.running.is_empty());
        slot.is_ending |= works;
        works
    }

    /// Takes everything out after the process has ended.
    pub(super) fn remains(&self) -> Remains {
        let mut slot = self.slot();
        self.leave_returning(&mut slot);
        slot.is_ending = true;
        slot.pid = None;
        let (cut_off, untouched): (Vec<_>, Vec<_>) =
            slot.running.drain(..).partition(|running| running.delivered);
        Remains {
            ready: slot.ready,
            init_error: slot.init_error.take(),
            cut_off: cut_off.into_iter().map(|running| (running.job, running.run)).collect(),
            untouched: untouched.into_iter().map(|running| running.job).collect(),
        }
    }

    pub(super) fn count(&self, counts: &mut EnvironmentCounts, pids: &mut Vec<u32>) {
        let slot = self.slot();
        pids.extend(slot.pid);
        match &*slot {
            Slot { is_ending: true, .. } => {}
            Slot { ready: false, .. } => counts.starting += 1,
            Slot { running, returning: 0, .. } if running.is_empty() => counts.idle += 1,
            _ => counts.busy += 1,
        }
    }
}

/// Whether a process asked for work for the first time.
pub(super) struct FirstQuestion(pub(super) bool);

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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Starting,
    Busy,
    /// Has answered, and is about to ask for more.
    Returning,
    Idle(Instant),
    /// Asked to end; takes no more work.
    Ending,
}

struct Slot {
    phase: Phase,
    /// Whether it has asked for an event yet, which is when its initialisation was over.
    ready: bool,
    running: Option<Running>,
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
    /// The job that its process knew of, with the run that was cut off.
    pub(super) cut_off: Option<(Job, Run)>,
    /// The job that its process never saw.
    pub(super) untouched: Option<Job>,
}

impl Environment {
    pub(super) fn new(id: u64, pool: Arc<Pool>, attempt: Attempt) -> Self {
        let slot = Slot {
            phase: Phase::Starting,
            ready: false,
            running: None,
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

    /// Gives it `job`. The caller has taken it from the idle ones, or is its own request for work.
    pub(super) fn assign(&self, job: Job) {
        let started = Instant::now();
        let mut slot = self.slot();
        let run = Run { started, cold: !slot.used };
        slot.used = true;
        slot.phase = Phase::Busy;
        slot.running = Some(Running { job, run, deadline: started + self.pool.timeout(), delivered: false });
        let watched = slot.watched;
        drop(slot);
        self.work.notify_one();
        if !watched {
            self.alarm.notify_one();
        }
    }

    /// Marks that the process asks for work. `Some` when it has none; then whether this is its first question.
    pub(super) fn ask(&self) -> Option<FirstQuestion> {
        let mut slot = self.slot();
        if slot.phase == Phase::Ending || slot.running.is_some() || matches!(slot.phase, Phase::Idle(_)) {
            return None;
        }
        let first = !slot.ready;
        slot.ready = true;
        self.leave_returning(&mut slot);
        slot.phase = Phase::Busy;
        Some(FirstQuestion(first))
    }

    pub(super) fn rest(&self) {
        self.slot().phase = Phase::Idle(Instant::now());
    }

    /// Since when it has been idle, if it is.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        match self.slot().phase {
            Phase::Idle(since) => Some(since),
            _ => None,
        }
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
        let running = slot.running.as_mut()?;
        running.delivered = true;
        Some(Delivery {
            request_id: running.job.request_id.clone(),
            payload: running.job.payload.clone(),
            left: running.deadline.saturating_duration_since(Instant::now()),
        })
    }

    /// Whether `request_id` is what it works on.
    pub(super) fn works_on(&self, request_id: &str) -> bool {
        self.slot().running.as_ref().is_some_and(|running| running.job.request_id == request_id)
    }

    /// Takes the job out, if it is still the one that `request_id` names.
    pub(super) fn complete(&self, request_id: &str) -> Option<(Job, Run)> {
        let mut slot = self.slot();
        let running = slot.running.take_if(|running| running.job.request_id == request_id)?;
        if slot.phase == Phase::Busy {
            slot.phase = Phase::Returning;
            self.pool.returning.fetch_add(1, Ordering::Relaxed);
        }
        Some((running.job, running.run))
    }

    fn leave_returning(&self, slot: &mut Slot) {
        if slot.phase == Phase::Returning {
            self.pool.returning.fetch_sub(1, Ordering::Relaxed);
        }
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
        slot.phase = Phase::Ending;
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
        if slot.phase == Phase::Ending {
            return Watch::Stop(Stop::Asked);
        }
        if slot.init_error.is_some() {
            return Watch::Stop(Stop::InitError);
        }
        let (deadline, stop) = match &slot.running {
            Some(running) => (Some(running.deadline), Stop::TimedOut),
            None if !slot.ready => (slot.init_deadline, Stop::InitTimedOut),
            None => (None, Stop::Asked),
        };
        match deadline {
            Some(deadline) if deadline <= now => {
                // It gets no more work.
                slot.phase = Phase::Ending;
                Watch::Stop(stop)
            }
            Some(deadline) => {
                slot.watched = true;
                Watch::Until(deadline)
            }
            None => Watch::Nothing,
        }
    }

    /// Whether its process, at work, has more memory than the function may have. It gets no more work then.
    pub(super) fn is_out_of_memory(&self) -> bool {
        let most = u64::from(self.pool.function.memory_megabytes) * 1024 * 1024;
        let pid = self.slot().pid;
        if pid.and_then(memory::used).is_none_or(|used| used <= most) {
            return false;
        }
        let mut slot = self.slot();
        let works = matches!(slot.phase, Phase::Starting | Phase::Busy);
        if works {
            slot.phase = Phase::Ending;
        }
        works
    }

    /// Takes everything out after the process has ended.
    pub(super) fn remains(&self) -> Remains {
        let mut slot = self.slot();
        self.leave_returning(&mut slot);
        slot.phase = Phase::Ending;
        slot.pid = None;
        let (cut_off, untouched) = match slot.running.take() {
            Some(running) if running.delivered => (Some((running.job, running.run)), None),
            Some(running) => (None, Some(running.job)),
            None => (None, None),
        };
        Remains { ready: slot.ready, init_error: slot.init_error.take(), cut_off, untouched }
    }

    pub(super) fn count(&self, counts: &mut EnvironmentCounts, pids: &mut Vec<u32>) {
        let slot = self.slot();
        pids.extend(slot.pid);
        match slot.phase {
            Phase::Starting => counts.starting += 1,
            Phase::Idle(_) => counts.idle += 1,
            Phase::Busy | Phase::Returning => counts.busy += 1,
            Phase::Ending => {}
        }
    }
}

/// Whether a process asked for work for the first time.
pub(super) struct FirstQuestion(pub(super) bool);

//! What all sources share: whether something is in flight, when to look again, and when to stop.

use chrono::{DateTime, Utc};
use emulator::Clock;
use serde::Serialize;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard, watch};

/// Locks a mutex whose content is whole after every statement, so that a panic elsewhere does not matter.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts what is in flight over all sources, and can hold every source off from taking more.
#[derive(Debug, Default)]
pub(super) struct Activity {
    busy: AtomicUsize,
    /// Moves with every beginning and end, so that two looks at it tell whether anything happened in between.
    turns: AtomicU64,
    /// Held for reading while a source takes work from an endpoint, until what it took is counted.
    gate: RwLock<()>,
}

/// Something in flight, until it is dropped.
#[derive(Debug)]
pub(super) struct Busy(Arc<Activity>);

impl Activity {
    pub(super) fn begin(self: &Arc<Self>) -> Busy {
        self.busy.fetch_add(1, Ordering::SeqCst);
        self.turns.fetch_add(1, Ordering::SeqCst);
        Busy(self.clone())
    }

    pub(super) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::SeqCst) > 0
    }

    pub(super) fn turns(&self) -> u64 {
        self.turns.load(Ordering::SeqCst)
    }

    /// Taken around every read from an endpoint that may remove something from it.
    pub(super) async fn taking(&self) -> RwLockReadGuard<'_, ()> {
        self.gate.read().await
    }

    /// Waits until nothing is being taken and lets nothing be taken while it is held.
    pub(super) async fn hold(&self) -> RwLockWriteGuard<'_, ()> {
        self.gate.write().await
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.turns.fetch_add(1, Ordering::SeqCst);
        self.0.busy.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Wakes a poller: by the endpoint's hint, by the clock being moved, at a due time, or after a while.
#[derive(Debug)]
pub(super) struct Alarm {
    clock: Clock,
    moves: watch::Receiver<i64>,
    changes: Option<watch::Receiver<u64>>,
    stop: watch::Receiver<bool>,
}

/// How long a poller sleeps without a sign: briefly if nobody gives one.
const INTERVAL: Duration = Duration::from_millis(250);
const INTERVAL_WITH_HINTS: Duration = Duration::from_secs(1);
/// A source that has just looked heeds no hint for so long. Under load that gathers what would else be many small batches
/// (AWS itself looks four times a second); a source that has been quiet for longer wakes at once.
const PAUSE: Duration = Duration::from_millis(20);

impl Alarm {
    pub(super) fn new(
        clock: Clock,
        changes: Option<watch::Receiver<u64>>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self { moves: clock.moves(), clock, changes, stop }
    }

    /// Call before looking: what happens from here on will wake `quiet`.
    pub(super) fn look(&mut self) {
        self.moves.mark_unchanged();
        if let Some(changes) = &mut self.changes {
            changes.mark_unchanged();
        }
    }

    pub(super) fn stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// Returns when it is worth looking again: something changed since `look`, or `due` has come.
    pub(super) async fn quiet(&mut self, due: Option<DateTime<Utc>>) {
        let interval = if self.changes.is_some() { INTERVAL_WITH_HINTS } else { INTERVAL };
        let hint = async {
            tokio::time::sleep(PAUSE).await;
            let hinted = match &mut self.changes {
                Some(changes) => changes.changed().await.is_ok(),
                None => false,
            };
            if !hinted {
                // No hints, or nobody is left who could give them.
                std::future::pending::<()>().await;
            }
        };
        let come = async {
            match due {
                Some(due) => self.clock.sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = hint => {}
            () = come => {}
            () = tokio::time::sleep(interval) => {}
            _ = self.moves.changed() => {}
            _ = self.stop.changed() => {}
        }
    }
}

/// How a source is doing, for people.
#[derive(Clone, Debug, Serialize)]
pub struct SourceStatus {
    /// `<function>.<event>` of the template.
    pub id: String,
    /// `stream`, `queue`, `bucket` or `asynchronous`.
    pub kind: &'static str,
    pub function: String,
    /// `running`, `retrying` or what the endpoint complains of.
    pub state: String,
    /// Settled batches and the records in them.
    pub batches: u64,
    pub records: u64,
    /// Batches that failed, wholly or in part.
    pub failures: u64,
    /// Records that were given up.
    pub discarded: u64,
    pub last_error: Option<String>,
    /// Records taken from the endpoint and not settled.
    pub lag: u64,
    /// When something that now waits becomes runnable.
    pub next_due: Option<DateTime<Utc>>,
}

/// A status that is written by one source and read by anybody.
#[derive(Debug)]
pub(super) struct Meter(Mutex<SourceStatus>);

impl Meter {
    pub(super) fn new(id: &str, kind: &'static str, function: &str) -> Self {
        Self(Mutex::new(SourceStatus {
            id: id.to_owned(),
            kind,
            function: function.to_owned(),
            state: "running".to_owned(),
            batches: 0,
            records: 0,
            failures: 0,
            discarded: 0,
            last_error: None,
            lag: 0,
            next_due: None,
        }))
    }

    pub(super) fn status(&self) -> SourceStatus {
        lock(&self.0).clone()
    }

    pub(super) fn settled(&self, records: usize) {
        let mut status = lock(&self.0);
        status.batches += 1;
        status.records += records as u64;
        "running".clone_into(&mut status.state);
    }

    pub(super) fn failed(&self, reason: &str) {
        let mut status = lock(&self.0);
        status.failures += 1;
        status.last_error = Some(reason.to_owned());
        "retrying".clone_into(&mut status.state);
    }

    /// Some of a batch failed: `done` of `size` records are settled.
    pub(super) fn partly(&self, done: usize, size: usize) {
        self.failed(&format!("{} of {size} failed", size - done));
        lock(&self.0).records += done as u64;
    }

    pub(super) fn discarded(&self, records: usize) {
        lock(&self.0).discarded += records as u64;
    }

    /// The endpoint does not answer as it should.
    pub(super) fn troubled(&self, reason: &str) {
        let mut status = lock(&self.0);
        reason.clone_into(&mut status.state);
        status.last_error = Some(reason.to_owned());
    }

    pub(super) fn recovered(&self) {
        "running".clone_into(&mut lock(&self.0).state);
    }

    pub(super) fn holds(&self, lag: usize, next_due: Option<DateTime<Utc>>) {
        let mut status = lock(&self.0);
        status.lag = lag as u64;
        status.next_due = next_due;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hint_since_the_last_look_wakes_at_once() {
        let (changed, changes) = watch::channel(0);
        let (_stop, stopped) = watch::channel(false);
        let mut alarm = Alarm::new(Clock::default(), Some(changes), stopped);
        alarm.look();
        changed.send_modify(|count| *count += 1);
        tokio::time::timeout(INTERVAL_WITH_HINTS / 2, alarm.quiet(None)).await.expect("woken by the hint");
    }

    #[tokio::test]
    async fn moving_the_clock_wakes() {
        let (_stop, stopped) = watch::channel(false);
        let (_changed, changes) = watch::channel(0);
        let clock = Clock::default();
        let mut alarm = Alarm::new(clock.clone(), Some(changes), stopped);
        alarm.look();
        clock.advance(chrono::TimeDelta::hours(1));
        tokio::time::timeout(INTERVAL_WITH_HINTS / 2, alarm.quiet(None)).await.expect("woken by the move");
    }

    #[tokio::test]
    async fn work_counts_as_in_flight_until_it_is_dropped() {
        let activity = Arc::new(Activity::default());
        let before = activity.turns();
        let busy = activity.begin();
        assert!(activity.is_busy());
        drop(busy);
        assert!(!activity.is_busy());
        assert_ne!(activity.turns(), before);
    }
}

//! A run from beginning to end.

use crate::cloud::Cloud;
use crate::evidence::Evidence;
use crate::killer::Killer;
use crate::model::Told;
use crate::person::Person;
use crate::workload::Worker;
use crate::{Error, Outcome, Plan, Violation, day, faults, invariants, poison};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Told how far a run is.
pub trait Progress: Send + Sync {
    /// So many more writes and uploads are acknowledged.
    fn did(&self, _writes: usize, _uploads: usize) {}
    /// The run goes on with this.
    fn stage(&self, _stage: &str) {}
}

impl Progress for () {}

/// Nights that pass: pending uploads are a day old only at the second.
const NIGHTS: usize = 2;
/// Rounds of work for a fault that has not had its occasion; then it is told that it never came.
const MOST_ROUNDS: usize = 50;
/// E-mails that a killed host's environments may have had in hand: `MaximumConcurrency` of `send-email`.
const SENDERS: u64 = 10;

/// Carries a plan out and looks at what came of it.
///
/// # Errors
/// When the run itself could not be carried out: the host does not start, or does not come to rest.
pub async fn run(plan: &Plan, progress: Arc<dyn Progress>) -> Result<Outcome, Error> {
    let started = Instant::now();
    progress.stage("starting");
    let mut run = Run {
        cloud: Arc::new(Cloud::start(plan).await?),
        plan: plan.clone(),
        outcome: Outcome::new(plan),
        progress,
        workers: Vec::new(),
        poison: BTreeSet::new(),
    };
    day::begin(&run.cloud.api().await).await?;
    run.hire().await;
    run.day().await?;
    let mut reported = BTreeSet::new();
    for _ in 0..NIGHTS {
        reported.insert(run.night().await?);
    }
    run.calm().await?;
    run.judge(reported.len()).await?;
    run.outcome.elapsed = started.elapsed();
    Ok(run.outcome)
}

struct Run {
    cloud: Arc<Cloud>,
    plan: Plan,
    outcome: Outcome,
    progress: Arc<dyn Progress>,
    workers: Vec<Worker>,
    poison: BTreeSet<String>,
}

/// Counts what is acknowledged, and tells whoever wants to know.
struct Counted {
    writes: AtomicUsize,
    progress: Arc<dyn Progress>,
}

impl Progress for Counted {
    fn did(&self, writes: usize, uploads: usize) {
        self.writes.fetch_add(writes, Relaxed);
        self.progress.did(writes, uploads);
    }
}

impl Run {
    async fn hire(&mut self) {
        for number in 0..self.plan.people {
            let person = Person::new(self.cloud.clone(), format!("person{number}"));
            let chances = self.plan.chances(&person.subject);
            let mut worker = Worker::new(person, chances);
            worker.subscribe().await;
            self.workers.push(worker);
        }
    }

    /// Everybody works, and everything goes wrong.
    async fn day(&mut self) -> Result<(), Error> {
        self.progress.stage("working");
        self.cloud.set_faults(faults::all()).await;
        let killer = self.killer("day");
        let counted = Arc::new(Counted { writes: AtomicUsize::new(0), progress: self.progress.clone() });
        let (writes, uploads) =
            (self.plan.writes.div_ceil(self.plan.people), self.plan.uploads.div_ceil(self.plan.people));
        let at_work: Vec<_> = std::mem::take(&mut self.workers)
            .into_iter()
            .map(|mut worker| {
                let counted = counted.clone();
                tokio::spawn(async move {
                    worker.work(writes, uploads, &*counted).await;
                    worker
                })
            })
            .collect();
        self.misfortunes(&counted.writes).await?;
        for worker in at_work {
            self.workers.push(worker.await?);
        }
        self.work_until_everything_went_wrong().await;
        self.count_kills(killer).await;
        self.rest().await
    }

    /// A fault that is certain still waits for its occasion, and a quick machine does a day's work in few batches.
    async fn work_until_everything_went_wrong(&mut self) {
        let kinds = faults::kinds();
        for _ in 0..MOST_ROUNDS {
            let fired = self.cloud.fired_so_far().await;
            if kinds.iter().all(|kind| fired.get(kind).is_some_and(|count| *count > 0)) {
                return;
            }
            for worker in &mut self.workers {
                let (writes, uploads) = (worker.model.writes + 1, worker.model.uploads + 1);
                worker.work(writes, uploads, &()).await;
            }
        }
    }

    /// Poison, and kills of the host, evenly over the writes.
    async fn misfortunes(&mut self, writes: &AtomicUsize) -> Result<(), Error> {
        let steps = self.plan.host_kills + 1;
        for step in 1..=steps {
            let due = self.plan.writes * step / (steps + 1);
            while writes.load(Relaxed) < due {
                // There is no event to wait for but the count.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            if step == 1 {
                self.poison = poison::put(&self.cloud, &mut self.plan.chances("poison")).await?;
            } else {
                self.cloud.kill_host().await;
                self.outcome.host_kills += 1;
            }
        }
        Ok(())
    }

    /// The schedules of one night run, with everything going wrong; returns the day that was reported on.
    async fn night(&mut self) -> Result<chrono::NaiveDate, Error> {
        self.progress.stage("night");
        let api = self.cloud.api().await;
        let today = day::now(&api).await?.date_naive();
        let noon = day::next_noon(&api).await?;
        self.cloud.set_faults(faults::all()).await;
        let killer = self.killer(&noon.to_string());
        self.outcome.schedule_runs += day::let_schedules_run(&self.cloud, noon).await?;
        self.count_kills(killer).await;
        self.rest().await?;
        Ok(today)
    }

    /// Nothing goes wrong any more, and all that is under way ends.
    async fn rest(&mut self) -> Result<(), Error> {
        self.progress.stage("coming to rest");
        self.cloud.set_faults(Vec::new()).await;
        day::drain(&self.cloud).await
    }

    /// Everything is used once more, with nothing going wrong: no function may fail.
    async fn calm(&mut self) -> Result<(), Error> {
        self.progress.stage("calm");
        let api = self.cloud.api().await;
        let before = api.get("/_local/functions").await.expect(200);
        for worker in &mut self.workers {
            worker.finishes_uploads = true;
            let (writes, uploads) = (worker.model.writes + 5, worker.model.uploads + 1);
            worker.work(writes, uploads, &()).await;
        }
        day::drain(&self.cloud).await?;
        let after = api.get("/_local/functions").await.expect(200);
        self.outcome.violations.extend(invariants::no_function_fails_in_calm(&before, &after));
        Ok(())
    }

    async fn judge(&mut self, reported: usize) -> Result<(), Error> {
        self.progress.stage("judging");
        let evidence = Evidence::gather(&self.cloud).await?;
        let outcome = &mut self.outcome;
        let wrong = &mut outcome.violations;
        let mut told: BTreeSet<Told> = BTreeSet::new();
        for worker in &mut self.workers {
            outcome.writes += worker.model.writes;
            outcome.uploads += worker.model.uploads;
            told.extend(worker.model.told.iter().cloned());
            wrong.extend(worker.model.violations.drain(..).map(Violation::wrong));
            wrong.extend(invariants::every_acknowledged_write_is_readable(worker).await);
        }
        wrong
            .extend(invariants::every_picture_has_exactly_its_thumbnails(&mut self.workers, &evidence).await);
        wrong.extend(invariants::counters_equal_a_recount(&mut self.workers, &evidence).await);
        let subjects: Vec<_> = self.workers.iter().map(|worker| worker.person.subject.clone()).collect();
        wrong.extend(invariants::every_daily_report_was_mailed(&subjects, reported, &evidence));
        let parked = invariants::only_poison_is_left(&self.poison, &evidence);
        wrong.extend(parked.wrong);
        outcome.given_up_runs = parked.given_up_runs;
        wrong.extend(invariants::sources_rest(&evidence));

        let notifications = invariants::every_notification_was_sent_once(&told, &evidence);
        wrong.extend(notifications.wrong);
        outcome.faults.extend(self.cloud.fired());
        let lost_answers = outcome.faults.get("ses: answer lost").copied().unwrap_or_default();
        let deaths = outcome.handler_kills.get("SendEmailFunction").copied().unwrap_or_default();
        let causes = lost_answers + deaths + outcome.host_kills * SENDERS;
        wrong.extend(invariants::doubles_have_a_cause(notifications.doubled_in_window, causes));

        outcome.notifications = notifications.expected;
        outcome.sent = notifications.sent;
        outcome.doubled_in_window = notifications.doubled_in_window;
        outcome.poison = self.poison.len();
        outcome.parked = evidence.parked.len();
        outcome.window_us = quantiles(evidence.unrecorded_us);
        let never = invariants::everything_went_wrong(outcome);
        outcome.violations.extend(never);
        Ok(())
    }

    fn killer(&self, part: &str) -> Killer {
        let chances = self.plan.chances(&format!("kills of {part}"));
        Killer::start(self.cloud.clone(), chances, self.plan.handler_kill_every)
    }

    async fn count_kills(&mut self, killer: Killer) {
        for (function, count) in killer.stop().await {
            *self.outcome.handler_kills.entry(function).or_default() += count;
        }
    }
}

fn quantiles(mut values: Vec<u64>) -> [u64; 3] {
    values.sort_unstable();
    let at = |share: f64| values.get((values.len() as f64 * share) as usize).or(values.last()).copied();
    [at(0.5), at(0.99), at(1.0)].map(Option::unwrap_or_default)
}

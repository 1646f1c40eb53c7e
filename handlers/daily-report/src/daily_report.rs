use crate::tally::{add, tally, totals};
use chrono::NaiveDate;
use serde::Serialize;
use shared::dynamodb::{DailyProgress, Due, Store, Work};
use shared::email::EmailJob;
use shared::failure::Failure;
use shared::limits::SHARDS;
use shared::owner::Owner;
use shared::report::Report;
use shared::runtime::Deadline;
use shared::schedule::ScheduledRun;
use shared::sqs::{Outgoing, Queues};
use std::time::Duration;

/// Activity entries, and subscribers, between two looks at the deadline.
const ENTRIES: usize = 1_000;
const SUBSCRIBERS: usize = 50;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The handler and what it needs.
pub(crate) struct DailyReport {
    pub(crate) store: Store,
    pub(crate) queues: Queues,
    pub(crate) email_queue_url: String,
    pub(crate) operator_address: String,
}

#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Answer {
    /// The day that is reported on.
    date: NaiveDate,
    /// Whether nothing is left for a later run.
    complete: bool,
}

impl DailyReport {
    /// Reports on the UTC day before the run's, going on where an earlier run stopped.
    ///
    /// Page by page: first what the page leads to, then the progress beyond it, in one item with the totals. A run that
    /// dies between the two does the page again, to the same reports and the same e-mail keys.
    ///
    /// An entry that comes when its place was counted, hours late, is kept and in no report: a report that was mailed does
    /// not change any more.
    pub(crate) async fn run(&self, run: &ScheduledRun, deadline: Deadline) -> Result<Answer, Failure> {
        let date = run.scheduled_time.minus(DAY).date();
        let mut progress = self.store.daily_progress(date).await?;
        if !progress.is_complete {
            self.go_on(date, &mut progress, deadline).await?;
        }
        let (schedule, complete) = (run.schedule.as_str(), progress.is_complete);
        let shards = progress.activity_shards + progress.subscriber_shards;
        tracing::info!(schedule, %date, complete, shards, "daily report");
        Ok(Answer { date, complete })
    }

    async fn go_on(
        &self,
        date: NaiveDate,
        progress: &mut DailyProgress,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        while !progress.is_complete && !deadline.has_passed() {
            if progress.activity_shards < SHARDS {
                self.count_page(date, progress).await?;
            } else if progress.subscriber_shards < SHARDS {
                self.mail_page(date, progress).await?;
            } else {
                self.mail_operator(date, progress).await?;
            }
            self.store.put_daily_progress(date, progress).await?;
        }
        Ok(())
    }

    /// Counts one page of activity, and stores the reports that it finishes.
    async fn count_page(&self, date: NaiveDate, progress: &mut DailyProgress) -> Result<(), Failure> {
        let page =
            self.store.activity(date, progress.activity_shards, progress.after.as_deref(), ENTRIES).await?;
        let mut finished = tally(date, &page.entries, &mut progress.open);
        if page.next.is_none() {
            finished.extend(progress.open.take());
            progress.activity_shards += 1;
        }
        progress.after = page.next;
        self.store.put_reports(&finished).await?;
        for (_, report) in &finished {
            add(totals(date, progress), report);
        }
        Ok(())
    }

    /// Puts the e-mails of one page of subscribers on their way.
    async fn mail_page(&self, date: NaiveDate, progress: &mut DailyProgress) -> Result<(), Failure> {
        let after = progress.after.as_deref().and_then(subscriber);
        let page = self
            .store
            .due(Work::DailyReport, progress.subscriber_shards, None, after.as_ref(), SUBSCRIBERS)
            .await?;
        let Some(last) = page.last() else {
            progress.subscriber_shards += 1;
            progress.after = None;
            return Ok(());
        };
        let mut jobs = Vec::with_capacity(page.len());
        for Due { owner, email, .. } in &page {
            if let Some(address) = email {
                let report = self.store.report(owner, date).await?.unwrap_or_else(|| Report::empty(date));
                jobs.push(Outgoing::job(&EmailJob::daily_report(owner, address, report), None)?);
            }
        }
        let subscribers = u64::try_from(jobs.len()).unwrap_or(0);
        self.queues.send(&self.email_queue_url, jobs).await?;
        totals(date, progress).subscribers += subscribers;
        progress.after = Some(last.order.clone());
        Ok(())
    }

    async fn mail_operator(&self, date: NaiveDate, progress: &mut DailyProgress) -> Result<(), Failure> {
        let job = EmailJob::operator_report(&self.operator_address, totals(date, progress).clone());
        self.queues.send(&self.email_queue_url, vec![Outgoing::job(&job, None)?]).await?;
        progress.is_complete = true;
        Ok(())
    }
}

/// A subscriber's entry in the work index; its order is the owner's key segment.
fn subscriber(order: &str) -> Option<Due> {
    let owner = Owner::from_key_segment(order)?;
    Some(Due { owner, sort_key: "SETTINGS".to_owned(), order: order.to_owned(), email: None })
}

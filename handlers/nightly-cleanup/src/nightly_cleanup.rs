use serde::Serialize;
use shared::dynamodb::{Due, ItemKey, Store, Work};
use shared::failure::Failure;
use shared::limits::SHARDS;
use shared::metrics::{self, Metric};
use shared::runtime::Deadline;
use shared::schedule::ScheduledRun;
use shared::timestamp::Timestamp;

/// Entries of one query: each may bring a whole note along.
const PAGE: usize = 25;
/// Failures after which a run gives up: one entry must not hold up the others, but a service that is down must not be
/// asked for every one of them.
const MAXIMUM_FAILURES: u32 = 10;

/// The handler and what it needs.
pub(crate) struct NightlyCleanup {
    pub(crate) store: Store,
}

#[derive(Debug, Default, PartialEq, Serialize)]
pub(crate) struct Answer {
    /// Notes removed for good.
    purged: u32,
    /// Attachments whose upload never came.
    expired: u32,
    /// Entries that could not be dealt with; they stay due.
    failed: u32,
    /// Whether all that was due has been looked at, and none of it failed.
    complete: bool,
}

/// Whether to go on.
#[derive(PartialEq)]
enum Flow {
    On,
    Stop,
}

impl NightlyCleanup {
    /// Works through what is due at the run's moment. What a run does not come to is still due at the next.
    pub(crate) async fn run(&self, run: &ScheduledRun, deadline: Deadline) -> Result<Answer, Failure> {
        let mut answer = Answer::default();
        let flow = self.clean(run.scheduled_time, deadline, &mut answer).await?;
        answer.complete = flow == Flow::On && answer.failed == 0;
        let Answer { purged, expired, failed, complete } = answer;
        metrics::count_many(Metric::CleanedUp, u64::from(purged) + u64::from(expired));
        tracing::info!(schedule = run.schedule, purged, expired, failed, complete, "nightly cleanup");
        Ok(answer)
    }

    async fn clean(&self, now: Timestamp, deadline: Deadline, answer: &mut Answer) -> Result<Flow, Failure> {
        for work in [Work::Purge, Work::Upload] {
            for shard in 0..SHARDS {
                if self.clean_shard(work, shard, now, deadline, answer).await? == Flow::Stop {
                    return Ok(Flow::Stop);
                }
            }
        }
        Ok(Flow::On)
    }

    async fn clean_shard(
        &self,
        work: Work,
        shard: u32,
        now: Timestamp,
        deadline: Deadline,
        answer: &mut Answer,
    ) -> Result<Flow, Failure> {
        let mut last: Option<Due> = None;
        loop {
            if deadline.has_passed() {
                return Ok(Flow::Stop);
            }
            // To the empty page: large notes make a page short that is not the last.
            let page = self.store.due(work, shard, Some(now), last.as_ref(), PAGE).await?;
            for due in &page {
                if deadline.has_passed() || answer.failed >= MAXIMUM_FAILURES {
                    return Ok(Flow::Stop);
                }
                self.clean_one(due, now, answer).await;
            }
            match page.into_iter().last() {
                Some(due) => last = Some(due),
                None => return Ok(Flow::On),
            }
        }
    }

    async fn clean_one(&self, due: &Due, now: Timestamp, answer: &mut Answer) {
        let owner = due.owner.hash();
        let result = match ItemKey::of(due.owner.clone(), &due.sort_key) {
            Some(ItemKey::Note { owner, id }) => {
                let result = self.store.purge_note(&owner, id, Some(now)).await;
                result.map(|done| answer.purged += u32::from(done))
            }
            Some(ItemKey::Attachment(key)) => {
                let result = self.store.expire_attachment(&key.owner, key.note_id, key.attachment_id).await;
                result.map(|done| answer.expired += u32::from(done))
            }
            _ => Err(Failure::permanent("the entry is neither a note nor an attachment")),
        };
        match result {
            Ok(()) => tracing::info!(owner, item = due.sort_key, "cleaned up"),
            Err(failure) => {
                answer.failed += 1;
                tracing::error!(owner, item = due.sort_key, %failure, "not cleaned up");
            }
        }
    }
}

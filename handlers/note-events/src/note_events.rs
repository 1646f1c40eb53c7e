use crate::derived::Turn;
use crate::effects::{Caused, Effects};
use crate::event::{Answer, Event};
use crate::record::{self, Record};
use serde_json::value::RawValue;
use shared::dynamodb::Store;
use shared::email::EmailJob;
use shared::failure::Failure;
use shared::metrics::{self, Metric};
use shared::runtime::Error;
use shared::s3::Objects;
use shared::sqs::{Outgoing, Queues};

/// The handler and what it needs.
pub struct NoteEvents {
    pub store: Store,
    pub queues: Queues,
    pub objects: Objects,
    pub email_queue_url: String,
}

impl NoteEvents {
    pub async fn answer(&self, event: Event) -> Result<Answer, Error> {
        if event.is_from_queue() {
            let messages = event.into_messages()?;
            let work = async |message: &shared::sqs::Message| self.take(&message.body, Turn::Missed).await;
            return Ok(Answer::Queue(self.queues.consume(messages, work).await));
        }
        Ok(self.take_batch(&event.records).await)
    }

    /// Takes a batch of the stream: all effects together, which is what usually works and costs the fewest requests.
    /// Where it does not, record by record, to find the first that fails: from that one on Lambda delivers again.
    async fn take_batch(&self, records: &[Box<RawValue>]) -> Answer {
        match self.take_together(records).await {
            Ok(()) => return Answer::done(),
            Err(failure) => {
                tracing::warn!(records = records.len(), %failure, "the batch is taken one by one")
            }
        }
        for record in records {
            if let Err(failure) = self.take(record.get(), Turn::Kept).await {
                let sequence_number = record::sequence_number(record.get());
                tracing::warn!(sequence_number, %failure, "the batch failed from here on");
                return Answer::failed_from(sequence_number);
            }
        }
        Answer::done()
    }

    async fn take_together(&self, records: &[Box<RawValue>]) -> Result<(), Failure> {
        let mut effects = Effects::default();
        for record in records {
            effects.add(Record::parse(record.get())?);
        }
        self.apply(&effects, Turn::Kept).await
    }

    async fn take(&self, record: &str, turn: Turn) -> Result<(), Failure> {
        let mut effects = Effects::default();
        effects.add(Record::parse(record)?);
        self.apply(&effects, turn).await
    }

    async fn apply(&self, effects: &Effects, turn: Turn) -> Result<(), Failure> {
        let job = |email: &Caused<EmailJob>| Outgoing::job(&email.effect, email.correlation_id.as_deref());
        let emails = effects.emails.iter().map(job).collect::<Result<Vec<_>, _>>()?;
        tokio::try_join!(
            self.store.record_activity(effects.activity.iter().map(|activity| &activity.effect)),
            self.queues.send(&self.email_queue_url, emails),
            self.remove(effects),
        )?;
        // Last, and not beside the others: nobody's e-mail waits for it.
        effects.derived.apply(&self.store, turn).await?;
        for Caused { effect, correlation_id } in &effects.activity {
            let (event_id, owner, kind) = (effect.event_id.as_str(), effect.owner.hash(), effect.kind);
            tracing::info!(event_id, correlation_id, owner, ?kind, "change");
            metrics::count(Metric::Changes);
        }
        Ok(())
    }

    async fn remove(&self, effects: &Effects) -> Result<(), Failure> {
        for key in &effects.removals {
            self.objects.remove(key).await?;
        }
        Ok(())
    }
}

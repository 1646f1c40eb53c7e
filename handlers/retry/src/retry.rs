use crate::stream_failure::StreamFailure;
use shared::dead_letter::History;
use shared::failure::Failure;
use shared::limits::REPLAYS;
use shared::metrics::{self, Metric};
use shared::sqs::{self, Message, Outgoing, Queues};
use shared::streams::Streams;

/// The attempt that a first replay's delay is taken from: the queue itself made the six before it, with the delays of
/// those.
const FIRST_ATTEMPT: u32 = 7;

/// The handler and what it needs.
pub(crate) struct Retry {
    pub(crate) queues: Queues,
    pub(crate) streams: Streams,
    /// Where fetched stream records go.
    pub(crate) replays_queue_url: String,
    pub(crate) parking_queue_url: String,
}

impl Retry {
    /// Takes a dead letter or the word of a failed stream batch. Taking one again replays its events again, which they
    /// bear: each effect has a key of its own.
    pub(crate) async fn take(&self, message: &Message) -> Result<(), Failure> {
        let history = History::of(message);
        if history.source_queue_arn != message.queue_arn {
            return self.take_dead_letter(message, history).await;
        }
        match StreamFailure::parse(&message.body) {
            Some(failure) => self.take_stream_failure(message, history, &failure).await,
            None => {
                let reason = Failure::permanent("it is neither a dead letter nor a stream failure");
                self.park(message, &history.with(reason, message)).await
            }
        }
    }

    /// Sends a dead letter back to the queue it failed in. It is parked when that was done often enough, or cannot help.
    async fn take_dead_letter(&self, message: &Message, mut history: History) -> Result<(), Failure> {
        let is_hopeless = history.last_failure.as_ref().is_some_and(|failure| !failure.is_passing());
        if is_hopeless || history.replays >= REPLAYS {
            return self.park(message, &history).await;
        }
        let delay = sqs::backoff(FIRST_ATTEMPT + history.replays, &message.id);
        history.replays += 1;
        let (source, replays) = (history.source_queue_arn.as_str(), history.replays);
        let outgoing = Outgoing { delay, ..history.beside(message)? };
        self.queues.send(&sqs::queue_url(source), vec![outgoing]).await?;
        let (message_id, correlation_id) = (message.id.as_str(), message.correlation_id());
        tracing::info!(
            message_id,
            correlation_id,
            source,
            replays,
            delay_seconds = delay.as_secs(),
            "replayed"
        );
        metrics::count(Metric::Replayed);
        Ok(())
    }

    /// Fetches a failed batch's records from the stream and sends each on its own, so that they pass or fail alone.
    async fn take_stream_failure(
        &self,
        message: &Message,
        history: History,
        failure: &StreamFailure,
    ) -> Result<(), Failure> {
        let batch = &failure.batch;
        let (first, last) = (batch.start_sequence_number.as_str(), batch.end_sequence_number.as_str());
        let fetched = match self.streams.fetch(&batch.stream_arn, &batch.shard_id, first, last).await {
            Ok(fetched) => fetched,
            Err(Failure::Permanent(problem)) => {
                let reason = Failure::permanent(format!("{problem}; {failure}"));
                return self.park(message, &history.with(reason, message)).await;
            }
            Err(passing) => return Err(passing),
        };
        let count = fetched.records.len();
        let outgoing = fetched.records.into_iter().map(replay).collect::<Result<_, _>>()?;
        self.queues.send(&self.replays_queue_url, outgoing).await?;
        tracing::info!(message_id = message.id, %failure, first, last, records = count, "replayed");
        metrics::count_many(Metric::Replayed, u64::try_from(count).unwrap_or(u64::MAX));
        if !fetched.is_cut {
            return Ok(());
        }
        let reason =
            format!("the stream holds only the last {count} of the records, which were replayed; {failure}");
        self.park(message, &history.with(Failure::permanent(reason), message)).await
    }

    async fn park(&self, message: &Message, history: &History) -> Result<(), Failure> {
        self.queues.send(&self.parking_queue_url, vec![history.beside(message)?]).await?;
        let (source, replays) = (history.source_queue_arn.as_str(), history.replays);
        let error = history.last_failure.as_ref().map(Failure::reason);
        let (message_id, correlation_id) = (message.id.as_str(), message.correlation_id());
        tracing::error!(message_id, correlation_id, source, replays, error, "parked");
        metrics::count(Metric::Parked);
        Ok(())
    }
}

/// A record for `note-events`. The delay keeps many of them from coming at once.
fn replay(record: serde_json::Value) -> Result<Outgoing, Failure> {
    let event_id = record["eventID"].as_str().unwrap_or_default();
    let delay = sqs::backoff(1, event_id);
    Ok(Outgoing { body: record.to_string(), delay, ..Outgoing::default() })
}

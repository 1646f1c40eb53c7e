use crate::stream_failure::StreamFailure;
use shared::failure::Failure;
use shared::limits::REPLAYS;
use shared::parking::Parked;
use shared::sqs::{self, Message, Outgoing, Queues};
use shared::streams::Streams;

/// The attribute that counts a message's replays.
const REPLAYS_ATTRIBUTE: &str = "replays";
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
        if let Some(source) = &message.dead_letter_source {
            return self.take_dead_letter(message, source).await;
        }
        match StreamFailure::parse(&message.body) {
            Some(failure) => self.take_stream_failure(message, &failure).await,
            None => {
                self.park(message, &message.queue_arn, 0, "it is neither a dead letter nor a stream failure")
                    .await
            }
        }
    }

    /// Sends a dead letter back to the queue it came from, or parks it when that was done often enough.
    async fn take_dead_letter(&self, message: &Message, source: &str) -> Result<(), Failure> {
        let replays =
            message.attributes.get(REPLAYS_ATTRIBUTE).and_then(|text| text.parse().ok()).unwrap_or(0);
        if replays >= REPLAYS {
            return self
                .park(message, source, replays, &format!("it still failed after {replays} replays"))
                .await;
        }
        let mut attributes = message.attributes.clone();
        attributes.insert(REPLAYS_ATTRIBUTE.to_owned(), (replays + 1).to_string());
        let delay = sqs::backoff(FIRST_ATTEMPT + replays, sqs::jitter(&message.id));
        let outgoing = Outgoing { body: message.body.clone(), delay, attributes };
        self.queues.send(&sqs::queue_url(source), vec![outgoing]).await?;
        let delay_seconds = delay.as_secs();
        tracing::info!(message_id = message.id, source, replays = replays + 1, delay_seconds, "replayed");
        Ok(())
    }

    /// Fetches a failed batch's records from the stream and sends each on its own, so that they pass or fail alone.
    async fn take_stream_failure(&self, message: &Message, failure: &StreamFailure) -> Result<(), Failure> {
        let batch = &failure.batch;
        let (first, last) = (batch.start_sequence_number.as_str(), batch.end_sequence_number.as_str());
        match self.streams.fetch(&batch.stream_arn, &batch.shard_id, first, last).await {
            Ok(records) => {
                self.queues.send_all(&self.replays_queue_url, &records).await?;
                let condition = failure.context.condition.as_str();
                tracing::info!(
                    message_id = message.id,
                    condition,
                    first,
                    last,
                    records = records.len(),
                    "replayed"
                );
                Ok(())
            }
            Err(Failure::Permanent(reason)) => self.park(message, &message.queue_arn, 0, &reason).await,
            Err(passing) => Err(passing),
        }
    }

    async fn park(&self, message: &Message, source: &str, replays: u32, error: &str) -> Result<(), Failure> {
        let parked = Parked { parked_at: message.now(), source_queue_arn: source, replays, error };
        let parked = parked.message(&message.body, &message.attributes);
        self.queues.send(&self.parking_queue_url, vec![parked]).await?;
        tracing::error!(message_id = message.id, source, replays, error, "parked");
        Ok(())
    }
}

//! Working with what failed: list, show, replay and discard the messages of dead-letter and parking queues, over any SQS.
//! Messages that failed in a queue go back there; events that Lambda or Scheduler gave up go back to their function.
//!
//! SQS has no way to look at a message without receiving it. So whatever is looked at is hidden for a moment, is shown
//! again at the end, and counts one receive more. A FIFO queue gives ten messages of a group at most before the first of
//! them is gone.

mod command;
mod find;
mod given_up;
mod letter;
mod move_back;
mod render;
#[cfg(test)]
mod tests;

pub use command::run;
pub use letter::DeadLetter;
pub(crate) use render::SHORT_ID;

use crate::clients::Clients;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::operation::receive_message::ReceiveMessageOutput;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, MessageSystemAttributeName,
    QueueAttributeName,
};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use move_back::Sources;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// How long a message is hidden while it is looked at or moved, in seconds. One that this process left hidden when it
/// died is back after that.
const HOLD_SECONDS: i32 = 120;
/// A long poll, however short, asks all of SQS's servers; a short one a few of them.
const WAIT_SECONDS: i32 = 1;
/// Messages of one request.
const BATCH: usize = 10;
/// Messages that one pass works through at most; another pass goes on.
const MOST_MESSAGES: usize = 100_000;
/// Messages that are held at once, at most.
const MOST_HELD: usize = 10_000;
/// Receives in a row that bring only what was there before, after which a queue counts as seen.
const STALE_RECEIVES: usize = 3;

/// Why dead letters cannot be worked with. Every text names the queue or message.
#[derive(Debug, thiserror::Error)]
pub enum DeadLetterError {
    #[error("queue {queue}: {problem}")]
    Sqs { queue: String, problem: String },
    #[error("there is no queue {queue}{}", .known.as_ref().map(|known| format!("; dead letters are in {known}")).unwrap_or_default())]
    NoQueue { queue: String, known: Option<String> },
    #[error("{0} names more than one message: write more of its id")]
    Ambiguous(String),
}

/// Where dead letters are, and where they go back to.
#[derive(Clone, Debug)]
pub struct Services {
    pub sqs: Client,
    pub lambda: aws_sdk_lambda::Client,
}

impl From<&Clients> for Services {
    fn from(clients: &Clients) -> Self {
        Self { sqs: clients.sqs.clone(), lambda: clients.lambda.clone() }
    }
}

/// Which messages to act on.
#[derive(Clone, Debug)]
pub enum Which {
    All,
    /// By id, or by a beginning of it that no other message shares.
    Only(BTreeSet<String>),
}

impl Which {
    /// The given text that names a message, if one does.
    fn names(&self, message_id: &str) -> Option<&str> {
        match self {
            Self::All => None,
            Self::Only(ids) => ids.iter().find(|id| message_id.starts_with(id.as_str())).map(String::as_str),
        }
    }
}

/// What to do with messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Sends a message back to the queue it failed in, or has its function invoked, and then removes it here. In between
    /// it is in both, and an interruption leaves it there: a repeated event, which its handlers bear as they bear every
    /// repeated delivery.
    Replay,
    /// Removes a message for good.
    Discard,
}

/// What became of an action.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub done: usize,
    /// Messages that stay where they are, by id, each with the reason.
    pub stayed: BTreeMap<String, String>,
    /// Given ids that no message has.
    pub missing: BTreeSet<String>,
}

/// The messages of one queue, and what else there is.
#[derive(Clone, Debug)]
pub struct Listing {
    pub queue: String,
    pub letters: Vec<DeadLetter>,
    /// About how many more there are that cannot be seen: in a consumer's hands, delayed, or behind others of their
    /// FIFO group, or beyond the limit of the list.
    pub unseen: usize,
}

/// How far an action is, for whoever waits for it, and whether it should end.
#[derive(Debug, Default)]
pub struct Course {
    done: AtomicUsize,
    is_stopped: AtomicBool,
}

impl Course {
    /// Messages dealt with so far.
    pub fn done(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }

    /// Lets the action end after what it has in hand.
    pub fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    pub fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }
}

/// The dead letters of one queue.
#[derive(Clone, Debug)]
pub struct DeadLetters {
    services: Services,
    queue: String,
    url: String,
}

impl DeadLetters {
    /// Finds the queue by its name.
    ///
    /// # Errors
    /// When there is no such queue, or it cannot be asked.
    pub async fn open(services: Services, queue: &str) -> Result<Self, DeadLetterError> {
        let url = queue_url(&services.sqs, queue).await?;
        Ok(Self { services, queue: queue.to_owned(), url })
    }

    pub fn queue(&self) -> &str {
        &self.queue
    }

    /// About how many messages there are, hidden ones included: SQS counts as it can.
    ///
    /// # Errors
    /// When the queue cannot be asked.
    pub async fn count(&self) -> Result<usize, DeadLetterError> {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        ];
        let request = self.services.sqs.get_queue_attributes().queue_url(&self.url);
        let request = request.set_attribute_names(Some(names.to_vec()));
        let output = request.send().await.map_err(|error| sqs_error(&self.queue, &error))?;
        let counts = output.attributes.unwrap_or_default();
        Ok(names.iter().filter_map(|name| counts.get(name)?.parse::<usize>().ok()).sum())
    }

    /// The first `limit` messages, without taking them away.
    ///
    /// # Errors
    /// When the queue cannot be read.
    pub async fn list(&self, limit: usize) -> Result<Listing, DeadLetterError> {
        let mut pass = Pass::default();
        let read = self.read(&mut pass, limit).await;
        // Before the messages are shown again; they would be counted as seen and as visible.
        let count = self.count().await;
        self.release(pass.held()).await;
        read?;
        let mut letters: Vec<DeadLetter> = pass.letters.into_values().collect();
        letters.truncate(limit);
        letters.sort_by(|a, b| (a.at, &a.message_id).cmp(&(b.at, &b.message_id)));
        Ok(Listing { queue: self.queue.clone(), unseen: count?.saturating_sub(letters.len()), letters })
    }

    async fn read(&self, pass: &mut Pass, limit: usize) -> Result<(), DeadLetterError> {
        while pass.letters.len() < limit && !self.receive(pass).await?.is_empty() {}
        Ok(())
    }

    /// Acts on messages. One that it fails for stays, and does not keep the others.
    ///
    /// # Errors
    /// When the queue cannot be read, or an id names more than one message. Nothing is lost then either.
    pub async fn act(
        &self,
        action: Action,
        which: &Which,
        course: &Course,
    ) -> Result<Outcome, DeadLetterError> {
        let mut pass = Pass::default();
        let mut outcome = Outcome::default();
        let result = match which {
            Which::All => self.act_on_all(action, course, &mut pass, &mut outcome).await,
            Which::Only(ids) => self.act_on_some(action, which, ids, course, &mut pass, &mut outcome).await,
        };
        self.release(pass.held()).await;
        result.map(|()| outcome)
    }

    /// As they come, so that the first are done before the last are read.
    async fn act_on_all(
        &self,
        action: Action,
        course: &Course,
        pass: &mut Pass,
        outcome: &mut Outcome,
    ) -> Result<(), DeadLetterError> {
        let mut sources = Sources::default();
        while pass.seen < MOST_MESSAGES && !course.is_stopped() {
            let fresh = self.receive(pass).await?;
            if fresh.is_empty() {
                break;
            }
            self.carry_out(action, &fresh, &mut sources, pass, outcome, course).await?;
        }
        Ok(())
    }

    /// Reads everything first, unless all ids are whole ones and found: only then it is known that each names one message.
    async fn act_on_some(
        &self,
        action: Action,
        which: &Which,
        ids: &BTreeSet<String>,
        course: &Course,
        pass: &mut Pass,
        outcome: &mut Outcome,
    ) -> Result<(), DeadLetterError> {
        let is_found = |pass: &Pass| ids.iter().all(|id| pass.letters.contains_key(id));
        while pass.letters.len() < MOST_HELD && !is_found(pass) && !course.is_stopped() {
            if self.receive(pass).await?.is_empty() {
                break;
            }
        }
        let mut named = BTreeMap::new();
        for message_id in pass.letters.keys() {
            let Some(id) = which.names(message_id) else { continue };
            if named.insert(id, message_id.clone()).is_some() {
                return Err(DeadLetterError::Ambiguous(id.to_owned()));
            }
        }
        outcome.missing = ids.iter().filter(|id| !named.contains_key(id.as_str())).cloned().collect();
        let mut sources = Sources::default();
        for some in named.into_values().collect::<Vec<_>>().chunks(BATCH) {
            if course.is_stopped() {
                break;
            }
            self.carry_out(action, some, &mut sources, pass, outcome, course).await?;
        }
        Ok(())
    }

    async fn carry_out(
        &self,
        action: Action,
        message_ids: &[String],
        sources: &mut Sources,
        pass: &mut Pass,
        outcome: &mut Outcome,
        course: &Course,
    ) -> Result<(), DeadLetterError> {
        let letters: Vec<&DeadLetter> = message_ids.iter().filter_map(|id| pass.letters.get(id)).collect();
        let kept = match action {
            Action::Replay => sources.send_back(&self.services, &self.url, &letters).await,
            Action::Discard => BTreeMap::new(),
        };
        let gone: Vec<&DeadLetter> =
            letters.into_iter().filter(|letter| !kept.contains_key(&letter.message_id)).collect();
        let not_removed = self.remove(&gone).await;
        let done: Vec<String> = gone
            .iter()
            .map(|letter| letter.message_id.clone())
            .filter(|id| !not_removed.contains_key(id))
            .collect();
        outcome.done += done.len();
        course.done.fetch_add(message_ids.len(), Ordering::Relaxed);
        outcome.stayed.extend(kept);
        outcome.stayed.extend(not_removed.into_iter().map(|(id, problem)| match action {
            Action::Replay => (id, format!("it was sent back, but could not be removed here: {problem}")),
            Action::Discard => (id, problem),
        }));
        for id in done {
            pass.letters.remove(&id);
        }
        Ok(())
    }

    /// Receives up to ten messages more; the ids of those that the pass had not seen. None: the queue is through.
    async fn receive(&self, pass: &mut Pass) -> Result<Vec<String>, DeadLetterError> {
        for _ in 0..STALE_RECEIVES {
            let messages = self.receive_some().await?.messages.unwrap_or_default();
            if messages.is_empty() {
                break;
            }
            let letters = messages.into_iter().map(|message| DeadLetter::new(&self.queue, message));
            let fresh = pass.take(letters);
            if !fresh.is_empty() {
                return Ok(fresh);
            }
        }
        Ok(Vec::new())
    }

    async fn receive_some(&self) -> Result<ReceiveMessageOutput, DeadLetterError> {
        self.services
            .sqs
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(BATCH as i32)
            .visibility_timeout(HOLD_SECONDS)
            .wait_time_seconds(WAIT_SECONDS)
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .send()
            .await
            .map_err(|error| sqs_error(&self.queue, &error))
    }

    /// Shows messages again. Best effort: what stays hidden is back when its time is up.
    async fn release(&self, letters: Vec<&DeadLetter>) {
        for batch in letters.chunks(BATCH) {
            let entries = batch.iter().enumerate().filter_map(|(index, letter)| {
                ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(index.to_string())
                    .receipt_handle(letter.receipt_handle())
                    .visibility_timeout(0)
                    .build()
                    .ok()
            });
            let request = self.services.sqs.change_message_visibility_batch().queue_url(&self.url);
            if let Err(error) = request.set_entries(Some(entries.collect())).send().await {
                let error = sqs_error(&self.queue, &error);
                tracing::debug!(%error, seconds = HOLD_SECONDS, "messages stay hidden");
            }
        }
    }

    /// Removes up to ten messages; those that could not be, with the reason.
    async fn remove(&self, letters: &[&DeadLetter]) -> BTreeMap<String, String> {
        if letters.is_empty() {
            return BTreeMap::new();
        }
        let entries = letters.iter().enumerate().filter_map(|(index, letter)| {
            DeleteMessageBatchRequestEntry::builder()
                .id(index.to_string())
                .receipt_handle(letter.receipt_handle())
                .build()
                .ok()
        });
        let request = self.services.sqs.delete_message_batch().queue_url(&self.url);
        match request.set_entries(Some(entries.collect())).send().await {
            Ok(output) => by_message(letters, output.failed()),
            Err(error) => all_by_message(letters, &sqs_error(&self.queue, &error).to_string()),
        }
    }
}

/// What one pass over a queue has received and still holds, by message id.
#[derive(Default)]
struct Pass {
    letters: BTreeMap<String, DeadLetter>,
    /// Ids of all that came, with what is gone already: SQS may well deliver a message again that was just removed.
    known: BTreeSet<String>,
    seen: usize,
}

impl Pass {
    /// Takes what was received; the ids of what is new. Of what is not, only the newest receipt counts from now on.
    fn take(&mut self, letters: impl Iterator<Item = DeadLetter>) -> Vec<String> {
        let mut fresh = Vec::new();
        for letter in letters {
            let id = letter.message_id.clone();
            if self.known.insert(id.clone()) {
                fresh.push(id.clone());
                self.seen += 1;
            }
            self.letters.insert(id, letter);
        }
        fresh
    }

    fn held(&self) -> Vec<&DeadLetter> {
        self.letters.values().collect()
    }
}

async fn queue_url(client: &Client, queue: &str) -> Result<String, DeadLetterError> {
    match client.get_queue_url().queue_name(queue).send().await {
        Ok(output) => Ok(output.queue_url.unwrap_or_default()),
        Err(error) if error.as_service_error().is_some_and(|error| error.is_queue_does_not_exist()) => {
            Err(DeadLetterError::NoQueue { queue: queue.to_owned(), known: None })
        }
        Err(error) => Err(sqs_error(queue, &error)),
    }
}

/// The reasons of a batch's failed entries, whose ids are places in the batch, by message id.
fn by_message(
    letters: &[&DeadLetter],
    failed: &[aws_sdk_sqs::types::BatchResultErrorEntry],
) -> BTreeMap<String, String> {
    let reason = |entry: &aws_sdk_sqs::types::BatchResultErrorEntry| {
        entry.message().unwrap_or_else(|| entry.code()).to_owned()
    };
    let reasons: HashMap<&str, String> = failed.iter().map(|entry| (entry.id(), reason(entry))).collect();
    let ids = letters.iter().enumerate().map(|(index, letter)| (index.to_string(), letter));
    ids.filter_map(|(index, letter)| Some((letter.message_id.clone(), reasons.get(index.as_str())?.clone())))
        .collect()
}

fn all_by_message(letters: &[&DeadLetter], reason: &str) -> BTreeMap<String, String> {
    letters.iter().map(|letter| (letter.message_id.clone(), reason.to_owned())).collect()
}

/// An error in the service's own words, or in those of whatever is in the way to it.
fn sqs_error<E, R>(queue: &str, error: &SdkError<E, R>) -> DeadLetterError
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
    R: std::fmt::Debug,
{
    DeadLetterError::Sqs { queue: queue.to_owned(), problem: problem(error) }
}

fn problem<E, R>(error: &SdkError<E, R>) -> String
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
    R: std::fmt::Debug,
{
    let said = error.as_service_error().and_then(|error| error.message().or(error.code()));
    said.map_or_else(|| causes(error), ToOwned::to_owned)
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

//! The AWS data services of the laptop cloud: DynamoDB with Streams, S3, SQS, SES and SNS behind one loopback
//! HTTP endpoint, durable in one directory and all on one [`Clock`].
//!
//! What is acknowledged survives `kill -9` of the process: every write reaches the operating system before it is
//! answered. It is not synchronised to the disk, so a power cut may lose the last seconds.
#![forbid(unsafe_code)]

pub mod access;
pub mod clock;
mod dynamo;
mod faults;
mod front;
pub mod lambda;
mod s3;
mod ses;
mod sigv4;
mod sns;
mod sql;
mod sqs;
mod wire;

pub use access::{Credentials, Key};
pub use clock::Clock;
pub use faults::{Delivery, Fault, Faults, InvalidFault};
pub use ses::mailbox::{Mail, Mailbox};
pub use sqs::PeekedMessage;

use chrono::{DateTime, TimeDelta, Utc};
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};
use tokio::sync::watch;

/// How to open an [`Emulator`].
pub struct Options {
    /// Where everything is kept; made when missing. One process at a time may use it.
    pub directory: PathBuf,
    /// The region in ARNs and in signatures' scope, such as `us-east-1`.
    pub region: String,
    /// The twelve-digit account number in ARNs and queue URLs.
    pub account: String,
    /// The clock of every timeout, retention and timestamp. Signatures alone are judged by the system's time.
    pub clock: Clock,
    /// Who may call.
    pub credentials: Credentials,
}

/// Why an [`Emulator`] could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory could not be made or read.
    #[error("cannot use the state directory: {0}")]
    Directory(#[from] std::io::Error),
    /// A store in the directory is damaged, locked or of a newer version.
    #[error("cannot open a store: {0}")]
    Store(#[from] rusqlite::Error),
    /// The DynamoDB engine refused its file.
    #[error("cannot open the tables: {0}")]
    Tables(String),
}

/// What every service shares.
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    pub(crate) region: String,
    pub(crate) account: String,
    pub(crate) faults: Faults,
    pub(crate) guard: access::Guard,
    changes: watch::Sender<u64>,
    /// Moves with every stream record.
    pub(crate) records: watch::Sender<u64>,
}

impl Shared {
    fn new(clock: Clock, region: String, account: String, credentials: Credentials) -> Arc<Self> {
        Arc::new(Self {
            clock,
            region,
            account,
            faults: Faults::default(),
            guard: access::Guard::new(credentials),
            changes: watch::Sender::new(0),
            records: watch::Sender::new(0),
        })
    }

    /// Tells every poller that there may be work.
    pub(crate) fn changed(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    #[cfg(test)]
    pub(crate) fn for_tests(clock: Clock) -> Arc<Self> {
        Self::new(clock, "us-east-1".to_owned(), "123456789012".to_owned(), Arc::new(|_| None))
    }

    pub(crate) fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:aws:{service}:{}:{}:{resource}", self.region, self.account)
    }
}

/// Locks a mutex whose holder may have panicked: every critical section leaves its state usable.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The data services of one directory. Clones are handles to the same.
#[derive(Clone)]
pub struct Emulator(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) shared: Arc<Shared>,
    pub(crate) keys: sigv4::Verifier,
    pub(crate) dynamo: dynamo::Dynamo,
    pub(crate) sqs: Arc<sqs::Sqs>,
    pub(crate) sns: Arc<sns::Sns>,
    pub(crate) ses: ses::Ses,
    pub(crate) s3: s3::Front,
    /// Not the emulator's own: whoever runs them may well hold it.
    pub(crate) functions: OnceLock<Weak<dyn lambda::Functions>>,
}

impl Emulator {
    /// Opens or creates the state in `options.directory` and delivers what a killed process left undelivered.
    ///
    /// # Errors
    /// When the directory or a store in it cannot be used.
    pub fn open(options: Options) -> Result<Self, OpenError> {
        let Options { directory, region, account, clock, credentials } = options;
        std::fs::create_dir_all(&directory)?;
        let shared = Shared::new(clock, region, account, credentials.clone());
        let sqs = Arc::new(sqs::Sqs::open(&directory, shared.clone())?);
        let sns = Arc::new(sns::Sns::open(&directory, shared.clone(), sqs.clone())?);
        let s3 = s3::Front::open(&directory, shared.clone(), sqs.clone(), credentials.clone())?;
        Ok(Self(Arc::new(Inner {
            dynamo: dynamo::Dynamo::open(&directory, shared.clone())?,
            ses: ses::Ses::open(&directory, shared.clone(), sns.clone())?,
            keys: sigv4::Verifier::new(credentials),
            shared,
            sqs,
            sns,
            s3,
            functions: OnceLock::new(),
        })))
    }

    /// Answers AWS requests on `listener` until `shutdown` resolves, and keeps the clock's own work going
    /// meanwhile (expiry of items, trimming of streams, messages that become visible).
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(
        self,
        listener: tokio::net::TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<()> {
        let upkeep = tokio::spawn(self.clone().upkeep());
        let arrivals = tokio::spawn(self.clone().announce_arrivals());
        let served = front::serve(self, listener, shutdown).await;
        upkeep.abort();
        arrivals.abort();
        served
    }

    /// Carries out one request to DynamoDB or DynamoDB Streams from within this process, which needs no signature and
    /// meets no faults: status and JSON of the answer to `operation` (such as `PutItem`) with the JSON `body`.
    pub fn dynamodb(&self, operation: &str, body: &[u8]) -> (u16, Vec<u8>) {
        self.0.dynamo.carry_out(operation, body)
    }

    /// Carries out one request to SQS from within this process, which needs no signature and meets no faults of its
    /// service: status and JSON of the answer to `operation` (such as `SendMessage`) with the JSON `body`.
    pub async fn sqs(&self, operation: &str, body: &[u8]) -> (u16, Vec<u8>) {
        sqs::json::carry_out(&self.0.sqs, operation, body).await
    }

    /// Takes invocations of these functions from now on. Said once; before, and when they are gone, there is no function.
    pub fn invoke_by(&self, functions: Weak<dyn lambda::Functions>) {
        if self.0.functions.set(functions).is_err() {
            tracing::debug!("functions were given before");
        }
    }

    /// Says what roles may do; before, they may do nothing. Said once.
    pub fn enforce(&self, roles: access::Roles) {
        self.0.shared.guard.enforce(roles);
    }

    /// Writes down from now on which rights are used.
    pub fn record(&self, record: access::Record) {
        self.0.shared.guard.record(record);
    }

    /// The faults to inject.
    pub fn faults(&self) -> &Faults {
        &self.0.shared.faults
    }

    /// Whether a reader of this table's stream is to lose the checkpoint of what it has just settled; counted as fired.
    pub fn loses_checkpoint(&self, table: &str) -> bool {
        self.0.shared.faults.disturb("streams", table, Delivery::Twice).is_some()
    }

    /// Every e-mail accepted.
    pub fn mailbox(&self) -> &Mailbox {
        &self.0.ses.mailbox
    }

    /// Changes on every write that may have made work (a stream record, a message become visible), so that a
    /// poller awaits it instead of sleeping. The number itself means nothing.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.shared.changes.subscribe()
    }

    /// Changes with every new stream record, whatever the table.
    pub fn new_records(&self) -> watch::Receiver<u64> {
        self.0.shared.records.subscribe()
    }

    /// Changes when a message of this queue may have become visible; `None` when there is no such queue.
    pub fn arrivals(&self, queue: &str) -> Option<watch::Receiver<u64>> {
        self.0.sqs.arrivals(queue)
    }

    /// Deletes the items whose time to live has passed on this clock; returns how many.
    pub async fn sweep_ttl(&self) -> usize {
        let this = self.clone();
        tokio::task::spawn_blocking(move || this.0.dynamo.sweep_ttl()).await.unwrap_or_default()
    }

    /// Drops the stream records older than 24 hours on this clock.
    pub async fn trim_streams(&self) {
        let this = self.clone();
        // A failed task is one that panicked or was shut down: nothing is left half done either way.
        let _ = tokio::task::spawn_blocking(move || this.0.dynamo.trim_streams()).await;
    }

    /// The first `limit` messages of a queue, oldest first, without receiving them.
    pub fn peek(&self, queue: &str, limit: usize) -> Vec<PeekedMessage> {
        self.0.sqs.peek(queue, limit)
    }

    /// When the next delayed or in-flight message becomes visible.
    pub fn next_due(&self) -> Option<DateTime<Utc>> {
        self.0.sqs.next_due()
    }

    async fn upkeep(self) {
        let mut moves = self.0.shared.clock.moves();
        loop {
            self.sweep_ttl().await;
            self.trim_streams().await;
            tokio::select! {
                () = self.0.shared.clock.sleep(TimeDelta::minutes(1)) => {}
                _ = moves.changed() => {}
            }
        }
    }

    /// Turns the passing of time into [`changes`](Self::changes): nothing is written when a message comes due.
    async fn announce_arrivals(self) {
        let mut changes = self.changes();
        loop {
            changes.mark_unchanged();
            let Some(due) = self.0.sqs.next_due() else {
                if changes.changed().await.is_err() {
                    return;
                }
                continue;
            };
            tokio::select! {
                () = self.0.shared.clock.sleep_until(due) => self.0.sqs.announce_due(),
                _ = changes.changed() => {}
            }
        }
    }
}

use crate::content;
use crate::mime;
use shared::dynamodb::{Claim, Recorded, Store};
use shared::email::{EmailJob, unsubscribe_token};
use shared::failure::Failure;
use shared::limits;
use shared::metrics::{self, Metric};
use shared::runtime::Deadline;
use shared::ses::Mailer;
use shared::signing::SigningKeys;
use shared::sqs::Message;
use shared::timestamp::Timestamp;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Times that another's claim is waited for. One is enough, unless several have the job in hand.
const WAITS: usize = 2;
/// The wait after the first attempt to record a sent e-mail; each attempt doubles it to the longest.
const SETTLE_WAIT: Duration = Duration::from_millis(50);
const LONGEST_SETTLE_WAIT: Duration = Duration::from_secs(2);

/// The handler and what it needs.
pub(crate) struct SendEmail {
    pub(crate) store: Store,
    pub(crate) mailer: Mailer,
    pub(crate) keys: SigningKeys,
    /// Where unsubscribe links lead.
    pub(crate) api_url: String,
}

impl SendEmail {
    /// Takes one job. However often it comes, one e-mail is sent for its key. Where `deadline` leaves too little time for
    /// that, a later delivery does it.
    pub(crate) async fn take(&self, message: &Message, deadline: Deadline) -> Result<(), Failure> {
        // Not serde's own words: they may quote the job.
        let job =
            EmailJob::parse(&message.body).map_err(|_| Failure::permanent("the message is no e-mail job"))?;
        // Asked again right before SES is called; here it saves a claim.
        time_for_an_email(deadline)?;
        let token = Uuid::new_v4().to_string();
        match self.claim(&job.key, &token, message, deadline).await? {
            Claim::Granted { until } => {
                let attempt = Attempt { message, claimed_until: until, deadline };
                self.take_claimed(&job, &token, &attempt).await
            }
            Claim::Settled => {
                tracing::info!(key = job.key, correlation_id = message.correlation_id(), "settled before");
                Ok(())
            }
            Claim::Held { .. } => Err(Failure::passing("another invocation has the e-mail in hand")),
        }
    }

    /// Claims the job. Another's claim is waited for, where there is time: it ends within seconds, and a message that
    /// went back to the queue for it would be nearer to its last receive.
    async fn claim(
        &self,
        key: &str,
        token: &str,
        message: &Message,
        deadline: Deadline,
    ) -> Result<Claim, Failure> {
        for _ in 0..WAITS {
            let claim = self.store.claim_email(key, token, Timestamp::system(), message.now()).await?;
            let Claim::Held { until } = claim else { return Ok(claim) };
            let left = until.since(Timestamp::system()) + Duration::from_millis(1);
            if !deadline.leaves(left + limits::EMAIL_TIME) {
                return Ok(claim);
            }
            tokio::time::sleep(left).await;
        }
        self.store.claim_email(key, token, Timestamp::system(), message.now()).await
    }

    async fn take_claimed(&self, job: &EmailJob, token: &str, attempt: &Attempt<'_>) -> Result<(), Failure> {
        let recorded = match self.send(job, attempt).await {
            Ok(recorded) => recorded,
            // Trying again cannot help, so the job is done; its record says how it ended.
            Err(Failure::Permanent(reason)) => Recorded::Refused { reason },
            Err(passing) => {
                if let Err(failure) = self.store.release_email(&job.key, token).await {
                    tracing::warn!(key = job.key, %failure, "the claim must run out");
                }
                return Err(passing);
            }
        };
        self.settle(job, attempt.message.correlation_id(), recorded).await
    }

    /// Sends, unless the address is not to be mailed. Between SES's acceptance in here and the record of it in
    /// [`Self::settle`] is the one window in which an end of this process, or an answer of SES that is lost, leads to a
    /// second e-mail: SES takes no key. The end of the invocation's time never falls there.
    async fn send(&self, job: &EmailJob, attempt: &Attempt<'_>) -> Result<Recorded, Failure> {
        if self.store.suppression(&job.to).await?.is_some_and(|reason| reason.stops(&job.message)) {
            return Ok(Recorded::Suppressed);
        }
        let token = unsubscribe_token(&self.keys, &job.to);
        let unsubscribe_url = format!("{}/unsubscribe?token={token}", self.api_url.trim_end_matches('/'));
        let content = content::render(&job.message, &unsubscribe_url)?;
        let envelope = mime::Envelope {
            key: &job.key,
            from: &self.mailer.sender,
            to: &job.to,
            date: attempt.message.now(),
            unsubscribe_url: &unsubscribe_url,
        };
        let mime = envelope.message(content)?;
        attempt.may_send()?;
        let message_id = self.mailer.send(&job.to, mime).await?;
        Ok(Recorded::Sent { message_id })
    }

    async fn settle(
        &self,
        job: &EmailJob,
        correlation_id: Option<&str>,
        recorded: Recorded,
    ) -> Result<(), Failure> {
        let answered = Instant::now();
        let key = job.key.as_str();
        let end = Deadline::after(limits::EMAIL_RECORD_TIME);
        let result = self.insist_on_settling(key, &recorded, end).await;
        // How long the window was open in which a crash would have doubled the e-mail.
        let unrecorded_us = u64::try_from(answered.elapsed().as_micros()).unwrap_or(u64::MAX);
        match (result, &recorded) {
            (Ok(()), Recorded::Sent { message_id }) => {
                tracing::info!(key, correlation_id, message_id, unrecorded_us, "sent");
                metrics::count(Metric::EmailsSent);
                Ok(())
            }
            // The job still counts as done: to deliver it again would surely send it twice, and now only another copy of
            // the job could.
            (Err(failure), Recorded::Sent { message_id }) => {
                tracing::error!(key, correlation_id, message_id, unrecorded_us, %failure, "sent, but not recorded");
                metrics::count(Metric::EmailsSent);
                metrics::count(Metric::EmailsUnrecorded);
                Ok(())
            }
            (result, Recorded::Refused { reason }) => {
                tracing::error!(key, correlation_id, reason, "refused");
                metrics::count(Metric::EmailsRefused);
                result
            }
            (result, Recorded::Suppressed) => {
                tracing::info!(key, correlation_id, "suppressed");
                metrics::count(Metric::EmailsSuppressed);
                result
            }
        }
    }

    /// Records how the e-mail ended, again and again while an attempt and the wait before it still end by `end`.
    pub(crate) async fn insist_on_settling(
        &self,
        key: &str,
        recorded: &Recorded,
        end: Deadline,
    ) -> Result<(), Failure> {
        let mut wait = SETTLE_WAIT;
        loop {
            let attempt = self.store.settle_email(key, recorded);
            let result = tokio::time::timeout(limits::EMAIL_RECORD_ATTEMPT_TIME, attempt).await;
            match result.unwrap_or_else(|_| Err(Failure::passing("DynamoDB did not answer in time"))) {
                Err(failure)
                    if failure.is_passing() && end.leaves(wait + limits::EMAIL_RECORD_ATTEMPT_TIME) => {}
                result => return result,
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_SETTLE_WAIT);
        }
    }
}

/// One attempt to send an e-mail, and the times that bound it.
pub(crate) struct Attempt<'a> {
    /// The job's.
    pub(crate) message: &'a Message,
    pub(crate) claimed_until: Timestamp,
    pub(crate) deadline: Deadline,
}

impl Attempt<'_> {
    /// Whether SES will have answered while the claim still holds, so that nobody else sends meanwhile, and whether the
    /// invocation then has time left for the record.
    pub(crate) fn may_send(&self) -> Result<(), Failure> {
        let claimed = self.claimed_until.since(Timestamp::system());
        if claimed < limits::EMAIL_SEND_TIME + limits::EMAIL_CLOCK_SKEW {
            return Err(Failure::passing("the claim ends before SES must have answered"));
        }
        time_for_an_email(self.deadline)
    }
}

/// Whether an e-mail and its record still fit into the invocation.
fn time_for_an_email(deadline: Deadline) -> Result<(), Failure> {
    if deadline.leaves(limits::EMAIL_TIME) {
        return Ok(());
    }
    Err(Failure::passing("the invocation has too little time left for an e-mail and its record"))
}

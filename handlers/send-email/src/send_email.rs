use crate::content;
use crate::mime;
use shared::dynamodb::{Claim, Recorded, Store};
use shared::email::{EmailJob, unsubscribe_token};
use shared::failure::Failure;
use shared::limits;
use shared::runtime::Deadline;
use shared::ses::Mailer;
use shared::signing::SigningKeys;
use shared::sqs::Message;
use shared::timestamp::Timestamp;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Times that another's claim is waited for. One is enough, unless several have the job in hand.
const WAITS: usize = 2;
/// Times that the record of a sent e-mail is tried, and the wait after the first of them; each doubles it to the
/// longest. About ten seconds: the longer DynamoDB is asked, the fewer e-mails go out twice.
const SETTLE_ATTEMPTS: u32 = 9;
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
    /// Takes one job. However often it comes, one e-mail is sent for its key.
    pub(crate) async fn take(&self, message: &Message, deadline: Deadline) -> Result<(), Failure> {
        // Not serde's own words: they may quote the job.
        let job: EmailJob = serde_json::from_str(&message.body)
            .map_err(|_| Failure::permanent("the message is no e-mail job"))?;
        let token = Uuid::new_v4().to_string();
        match self.claim(&job.key, &token, message, deadline).await? {
            Claim::Granted => self.take_claimed(&job, &token, message.now()).await,
            Claim::Settled => {
                tracing::info!(key = job.key, "settled before");
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
            if !deadline.leaves(left + limits::EMAIL_SEND_TIME) {
                return Ok(claim);
            }
            tokio::time::sleep(left).await;
        }
        self.store.claim_email(key, token, Timestamp::system(), message.now()).await
    }

    async fn take_claimed(&self, job: &EmailJob, token: &str, now: Timestamp) -> Result<(), Failure> {
        // The claim holds for longer than this: nobody else sends meanwhile.
        let sent = tokio::time::timeout(limits::EMAIL_SEND_TIME, self.send(job, now)).await;
        let recorded = match sent.unwrap_or_else(|_| Err(Failure::passing("sending took too long"))) {
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
        self.settle(job, recorded).await
    }

    /// Sends, unless the address is not to be mailed. Between SES's acceptance in here and the record of it in
    /// [`Self::settle`] is the one window in which an end of this process, or an answer of SES that is lost, leads to a
    /// second e-mail: SES takes no key.
    async fn send(&self, job: &EmailJob, now: Timestamp) -> Result<Recorded, Failure> {
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
            date: now,
            unsubscribe_url: &unsubscribe_url,
        };
        let message_id = self.mailer.send(&job.to, envelope.message(content)?).await?;
        Ok(Recorded::Sent { message_id })
    }

    async fn settle(&self, job: &EmailJob, recorded: Recorded) -> Result<(), Failure> {
        let answered = Instant::now();
        let key = job.key.as_str();
        let result = self.insist_on_settling(key, &recorded).await;
        // How long the window was open in which a crash would have doubled the e-mail.
        let unrecorded_us = u64::try_from(answered.elapsed().as_micros()).unwrap_or(u64::MAX);
        match (result, &recorded) {
            (Ok(()), Recorded::Sent { message_id }) => {
                tracing::info!(key, message_id, unrecorded_us, "sent");
                Ok(())
            }
            // The job still counts as done: to deliver it again would surely send it twice, and now only another copy of
            // the job could.
            (Err(failure), Recorded::Sent { message_id }) => {
                tracing::error!(key, message_id, unrecorded_us, %failure, "sent, but not recorded");
                Ok(())
            }
            (result, Recorded::Refused { reason }) => {
                tracing::error!(key, reason, "refused");
                result
            }
            (result, Recorded::Suppressed) => {
                tracing::info!(key, "suppressed");
                result
            }
        }
    }

    async fn insist_on_settling(&self, key: &str, recorded: &Recorded) -> Result<(), Failure> {
        let mut wait = SETTLE_WAIT;
        for _ in 1..SETTLE_ATTEMPTS {
            match self.store.settle_email(key, recorded).await {
                Err(Failure::Passing(_)) => {}
                result => return result,
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_SETTLE_WAIT);
        }
        self.store.settle_email(key, recorded).await
    }
}

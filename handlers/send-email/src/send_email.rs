use crate::content;
use crate::mime;
use shared::dynamodb::{Claim, Claimant, Recorded, Store};
use shared::email::{EmailJob, unsubscribe_token};
use shared::failure::Failure;
use shared::ses::Mailer;
use shared::signing::SigningKeys;
use shared::sqs::Message;
use shared::timestamp::Timestamp;

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
    pub(crate) async fn take(&self, message: &Message) -> Result<(), Failure> {
        // Not serde's own words: they may quote the job.
        let job: EmailJob = serde_json::from_str(&message.body)
            .map_err(|_| Failure::permanent("the message is no e-mail job"))?;
        // The machine's time: a claim is about which process has the job in hand.
        let claimant = Claimant { message_id: &message.id, delivery: message.receive_count };
        match self.store.claim_email(&job.key, claimant, Timestamp::system()).await? {
            Claim::Granted => self.take_claimed(&job, message.now()).await,
            Claim::Settled => {
                tracing::info!(key = job.key, "settled before");
                Ok(())
            }
            Claim::Held => Err(Failure::passing("another invocation has the e-mail in hand")),
        }
    }

    async fn take_claimed(&self, job: &EmailJob, now: Timestamp) -> Result<(), Failure> {
        let recorded = match self.send(job, now).await {
            Ok(recorded) => recorded,
            // Trying again cannot help, so the job is done; its record says how it ended.
            Err(Failure::Permanent(reason)) => Recorded::Refused { reason },
            Err(passing) => {
                if let Err(failure) = self.store.release_email(&job.key).await {
                    tracing::warn!(key = job.key, %failure, "the claim must run out");
                }
                return Err(passing);
            }
        };
        self.settle(job, recorded).await
    }

    /// Sends, unless the address is not to be mailed. Between SES's acceptance in here and the record of it in
    /// [`Self::settle`] is the one window in which a crash leads to a second e-mail: SES takes no key.
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
        let result = self.store.settle_email(&job.key, &recorded).await;
        let key = job.key.as_str();
        match &recorded {
            Recorded::Sent { message_id } => tracing::info!(key, message_id, "sent"),
            Recorded::Refused { reason } => tracing::error!(key, reason, "refused"),
            Recorded::Suppressed => tracing::info!(key, "suppressed"),
        }
        match (result, recorded) {
            // It is sent, and only delivering the job again could send it twice: so the job counts as done.
            (Err(failure), Recorded::Sent { .. }) => {
                tracing::error!(key, %failure, "sent, but not recorded");
                Ok(())
            }
            (result, _) => result,
        }
    }
}

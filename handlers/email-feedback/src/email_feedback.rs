use crate::notification::Feedback;
use shared::dynamodb::Store;
use shared::email::address_hash;
use shared::failure::Failure;
use shared::sqs::Message;

/// The handler and what it needs.
pub(crate) struct EmailFeedback {
    pub(crate) store: Store,
}

impl EmailFeedback {
    /// Takes one notification. Taking it again suppresses the same addresses for the same reason.
    pub(crate) async fn take(&self, message: &Message) -> Result<(), Failure> {
        let feedback = Feedback::parse(&message.body)?;
        let kind = feedback.kind.as_str();
        let Some(reason) = feedback.suppression else {
            tracing::info!(kind, "nothing to suppress");
            return Ok(());
        };
        let at = feedback.at.unwrap_or_else(|| message.now());
        for address in &feedback.addresses {
            let address = address_hash(address);
            self.store.suppress(&address, reason, at).await?;
            tracing::info!(kind, address, ?reason, "suppressed");
        }
        Ok(())
    }
}

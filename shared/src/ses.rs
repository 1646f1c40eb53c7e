//! The edge to SES.

use crate::failure::Failure;
use crate::limits;
use aws_sdk_ses::primitives::Blob;
use aws_sdk_ses::types::RawMessage;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// Sends finished MIME messages.
#[derive(Clone)]
pub struct Mailer {
    client: aws_sdk_ses::Client,
    /// The verified identity that mail is sent from.
    pub sender: String,
    configuration_set: Option<String>,
}

impl Mailer {
    pub fn new(client: aws_sdk_ses::Client, sender: String, configuration_set: Option<String>) -> Self {
        Self { client, sender, configuration_set }
    }

    /// Sends `mime` to one address, within [`limits::EMAIL_SEND_TIME`]; returns SES's message id.
    ///
    /// # Errors
    /// Permanent where SES will never take this message; passing for throttles, quotas and faults, and where no answer came
    /// in time.
    pub async fn send(&self, to: &str, mime: Vec<u8>) -> Result<String, Failure> {
        let answer = tokio::time::timeout(limits::EMAIL_SEND_TIME, self.try_to_send(to, mime)).await;
        answer.unwrap_or_else(|_| Err(Failure::passing("SES did not answer in time")))
    }

    async fn try_to_send(&self, to: &str, mime: Vec<u8>) -> Result<String, Failure> {
        let message = RawMessage::builder().data(Blob::new(mime)).build().map_err(Failure::permanent)?;
        let result = self
            .client
            .send_raw_email()
            .source(&self.sender)
            .destinations(to)
            .raw_message(message)
            .set_configuration_set_name(self.configuration_set.clone())
            .send()
            .await;
        match result {
            Ok(output) => Ok(output.message_id().to_owned()),
            Err(error) => Err(match (error.code(), error.message().unwrap_or("rejected")) {
                // An identity that is not verified is the operator's to put right, and the mail must still be there then.
                (Some("MessageRejected"), message) if message.contains("not verified") => {
                    Failure::passing(without_addresses(message))
                }
                // SES's word that the message itself is at fault.
                (Some("MessageRejected" | "InvalidParameterValue"), message) => {
                    Failure::permanent(without_addresses(message))
                }
                _ => crate::dynamodb::failure(&error),
            }),
        }
    }
}

/// SES's words without the addresses that it quotes: failures are logged, and noted beside what is given up.
fn without_addresses(message: &str) -> String {
    let word = |word: &'_ str| if word.contains('@') { "…" } else { word }.to_owned();
    message.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_without_addresses() {
        let said = "The following identities failed the check in region EU-WEST-1: ben@example.com, <ann@example.com>";
        let kept = "The following identities failed the check in region EU-WEST-1: … …";
        assert_eq!(without_addresses(said), kept);
    }
}

//! What SES tells of an e-mail's fate, bare or in SNS's envelope.
//!
//! A configuration set's events name their kind `eventType`, an identity's notifications `notificationType`; the rest is
//! the same.

use serde::Deserialize;
use shared::email::Suppression;
use shared::failure::Failure;
use shared::json;
use shared::timestamp::Timestamp;

/// What a notification means for some addresses.
#[derive(Debug, PartialEq)]
pub(crate) struct Feedback {
    /// `Bounce`, `Complaint`, or a kind that concerns nobody here.
    pub(crate) kind: String,
    /// `None`: nothing is to be done.
    pub(crate) suppression: Option<Suppression>,
    pub(crate) addresses: Vec<String>,
    /// When it happened, as SES says.
    pub(crate) at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "Type")]
    kind: String,
    #[serde(rename = "Message")]
    message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(alias = "notificationType")]
    event_type: String,
    bounce: Option<Bounce>,
    complaint: Option<Complaint>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bounce {
    bounce_type: String,
    bounced_recipients: Vec<Recipient>,
    timestamp: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Complaint {
    complained_recipients: Vec<Recipient>,
    timestamp: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recipient {
    email_address: String,
}

impl Feedback {
    /// Reads a message's body.
    ///
    /// # Errors
    /// Permanent where it is no notification.
    pub(crate) fn parse(body: &str) -> Result<Self, Failure> {
        match json::object::<Envelope>(body.as_bytes()) {
            Ok(envelope) if envelope.kind == "Notification" => Self::of_event(&envelope.message),
            _ => Self::of_event(body),
        }
    }

    fn of_event(text: &str) -> Result<Self, Failure> {
        // Not serde's own words: they may quote an address.
        let event: Event = json::object(text.as_bytes())
            .map_err(|_| Failure::permanent("the message is no SES notification"))?;
        let kind = event.event_type;
        let (suppression, recipients, at) = match (kind.as_str(), event.bounce, event.complaint) {
            // Others pass: a full mailbox, a server that is down. SES itself tries those again.
            ("Bounce", Some(bounce), _) => {
                let is_permanent = bounce.bounce_type == "Permanent";
                (is_permanent.then_some(Suppression::Bounced), bounce.bounced_recipients, bounce.timestamp)
            }
            ("Complaint", _, Some(complaint)) => {
                (Some(Suppression::Complained), complaint.complained_recipients, complaint.timestamp)
            }
            ("Bounce" | "Complaint", ..) => {
                return Err(Failure::permanent("the notification lacks its recipients"));
            }
            _ => (None, Vec::new(), None),
        };
        let addresses = recipients.into_iter().map(|recipient| bare(&recipient.email_address)).collect();
        Ok(Self { kind, suppression, addresses, at })
    }
}

/// The address alone: mail servers may report it with angle brackets, or with a name before them.
fn bare(address: &str) -> String {
    let inside = address.rsplit_once('<').map_or(address, |(_, rest)| rest.trim_end().trim_end_matches('>'));
    inside.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::bare;

    #[test]
    fn an_address_is_taken_out_of_its_brackets() {
        for address in ["a@example.com", "<a@example.com>", "A B <a@example.com> "] {
            assert_eq!(bare(address), "a@example.com");
        }
    }
}

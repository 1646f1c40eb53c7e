//! E-mail jobs: what goes through the e-mail queue.

use crate::activity::Kind;
use crate::note::Id;
use crate::owner::Owner;
use crate::report::{OperatorReport, Report};
use crate::signing::SigningKeys;
use crate::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// One e-mail to one address. `key` names the effect: however often the job arrives, one e-mail is sent for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmailJob {
    pub key: String,
    pub to: String,
    #[serde(flatten)]
    pub message: Message,
}

/// What the e-mail says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "template", rename_all = "snake_case")]
pub enum Message {
    NoteChanged(NoteChanged),
    DailyReport(Report),
    OperatorReport(OperatorReport),
}

/// A change to a note that names the recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteChanged {
    pub note_id: Id,
    pub change: Kind,
    pub title: String,
    pub excerpt: String,
    pub tags: Vec<String>,
    pub version: u64,
    pub at: Timestamp,
    /// The e-mail claim of whoever made the change, where their token had one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub changed_by: Option<String>,
}

/// An address as keys and logs have it: 32 hexadecimal digits of its SHA-256, letter case ignored.
pub fn address_hash(address: &str) -> String {
    let digest = Sha256::digest(address.to_lowercase().as_bytes());
    digest[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What an unsubscribe token is signed for.
const UNSUBSCRIBE: &str = "unsubscribe";

/// The token of `address`'s unsubscribe links. It has no end: a link in an old e-mail must work (RFC 8058).
pub fn unsubscribe_token(keys: &SigningKeys, address: &str) -> String {
    keys.sign(UNSUBSCRIBE, &address_hash(address))
}

/// The hash of the address that [`unsubscribe_token`] made this token for; `None` for any other text.
pub fn verify_unsubscribe_token(keys: &SigningKeys, token: &str) -> Option<String> {
    keys.verify(UNSUBSCRIBE, token)
}

impl EmailJob {
    /// The job that tells `to` of the change that `event_id` reported.
    pub fn note_changed(event_id: &str, to: &str, change: NoteChanged) -> Self {
        Self {
            key: format!("note/{event_id}/{}", address_hash(to)),
            to: to.to_owned(),
            message: Message::NoteChanged(change),
        }
    }

    /// The job that mails an owner the report of one day.
    pub fn daily_report(owner: &Owner, to: &str, report: Report) -> Self {
        // Not the owner itself: keys are logged. Not the short hash: two owners must never share an e-mail's key.
        let digest = Sha256::digest(owner.as_str().as_bytes());
        let owner: String = digest[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            key: format!("daily/{}/{owner}", report.date),
            to: to.to_owned(),
            message: Message::DailyReport(report),
        }
    }

    /// The job that mails the operator the report of one day.
    pub fn operator_report(to: &str, report: OperatorReport) -> Self {
        Self {
            key: format!("operator/{}", report.date),
            to: to.to_owned(),
            message: Message::OperatorReport(report),
        }
    }
}

/// Why an address is not mailed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Suppression {
    /// The recipient followed an unsubscribe link: no e-mail but what they ask for again.
    Unsubscribed,
    /// The owner of the address turned notifications off: no word of changes to notes.
    Muted,
    /// The address does not exist.
    Bounced,
    /// The recipient called an e-mail spam.
    Complained,
}

impl Suppression {
    /// Whether this keeps `message` from being sent.
    pub fn stops(self, message: &Message) -> bool {
        match self {
            Self::Muted => matches!(message, Message::NoteChanged(_)),
            Self::Unsubscribed | Self::Bounced | Self::Complained => true,
        }
    }

    /// Whether an owner who proves that an address is theirs may lift it: a bounce stays.
    pub fn can_be_lifted(self) -> bool {
        matches!(self, Self::Unsubscribed | Self::Muted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unsubscribe_token_leads_to_its_address_and_no_other_text_does() {
        let keys = SigningKeys::parse("key").unwrap();
        let token = unsubscribe_token(&keys, "A@example.com");
        assert_eq!(verify_unsubscribe_token(&keys, &token), Some(address_hash("a@example.com")));
        assert_eq!(
            verify_unsubscribe_token(&keys, &keys.sign("cursor", &address_hash("a@example.com"))),
            None
        );
        assert_eq!(verify_unsubscribe_token(&keys, ""), None);
    }
}

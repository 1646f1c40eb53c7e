//! E-mail jobs: what goes through the e-mail queue.

use crate::activity::Kind;
use crate::hex;
use crate::json;
use crate::note::Id;
use crate::owner::Owner;
use crate::report::{OperatorReport, Report};
use crate::signing::SigningKeys;
use crate::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// One e-mail to one address. `key` names the effect: however often the job arrives, one e-mail is sent for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EmailJob {
    pub key: String,
    pub to: String,
    #[serde(flatten)]
    pub message: Message,
}

/// What the e-mail says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
    hex::encode(&digest[..16])
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
    /// Reads a message's body.
    ///
    /// # Errors
    /// When it is no job. The error may quote it.
    pub fn parse(body: &str) -> Result<Self, json::Error> {
        #[derive(Deserialize)]
        struct Head {
            key: String,
            to: String,
            template: Template,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum Template {
            NoteChanged,
            DailyReport,
            OperatorReport,
        }
        let body = body.as_bytes();
        let Head { key, to, template } = json::object(body)?;
        let message = match template {
            Template::NoteChanged => Message::NoteChanged(json::object(body)?),
            Template::DailyReport => Message::DailyReport(json::object(body)?),
            Template::OperatorReport => Message::OperatorReport(json::object(body)?),
        };
        Ok(Self { key, to, message })
    }

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
        let owner = hex::encode(&digest[..16]);
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
    use crate::sample::damaged;
    use proptest::prelude::*;

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

    fn jobs() -> Vec<EmailJob> {
        let owner = Owner::new("ada").unwrap();
        let report = Report { hours: vec![1; 24], ..Report::empty("2026-11-22".parse().unwrap()) };
        let at = Timestamp::from_millis(1_795_442_400_000);
        let changed = NoteChanged {
            note_id: Id::new(at),
            change: Kind::Trashed,
            title: "key \" {}".into(),
            excerpt: String::new(),
            tags: vec!["a".into()],
            version: 7,
            at,
            changed_by: None,
        };
        let operator = OperatorReport {
            date: report.date,
            counts: report.counts.clone(),
            hours: report.hours.clone(),
            active_owners: 1,
            subscribers: 2,
        };
        vec![
            EmailJob::note_changed("event", "a@example.com", changed),
            EmailJob::daily_report(&owner, "a@example.com", report),
            EmailJob::operator_report("a@example.com", operator),
        ]
    }

    #[test]
    fn every_job_is_read_as_it_was_written() {
        for job in jobs() {
            assert_eq!(EmailJob::parse(&serde_json::to_string(&job).unwrap()).unwrap(), job);
        }
    }

    #[test]
    fn what_is_no_job_is_refused() {
        let counts = |job: &EmailJob| {
            let mut json = serde_json::to_value(job).unwrap();
            let counts = json["counts"].take();
            // As serde would take it: the fields in their order.
            let names = ["created", "updated", "trashed", "restored", "purged", "attached", "detached"];
            json["counts"] = names.map(|name| counts[name].clone()).as_slice().into();
            json.to_string()
        };
        let good = serde_json::to_string(&jobs()[0]).unwrap();
        for text in [
            counts(&jobs()[1]),
            counts(&jobs()[2]),
            good.replace("note_changed", "daily_report"),
            good.replace("note_changed", "other"),
            good.replace("\"key\":", "\"other\":"),
            good.replacen('{', "{\"to\":\"eve@example.com\",", 1),
            format!("[{good}]"),
            format!("{good}{good}"),
            String::new(),
        ] {
            assert!(EmailJob::parse(&text).is_err(), "{text}");
        }
    }

    proptest! {
        /// With a bit of a good one gone, doubled or changed.
        #[test]
        fn no_body_makes_the_reader_panic(of in 0usize..3, at in any::<usize>(), by in "[\\[\\]{}:,\"0-9a-z\\\\]{0,3}", gone in 0usize..4) {
            let good = serde_json::to_string(&jobs()[of]).unwrap();
            let changed = damaged(&good, at, gone, &by);
            if let Ok(job) = EmailJob::parse(&changed) {
                prop_assert_eq!(EmailJob::parse(&serde_json::to_string(&job).unwrap()).unwrap(), job);
            }
        }

        #[test]
        fn a_token_that_was_changed_or_is_anothers_leads_nowhere(
            address in "[a-z]{1,8}@[a-z]{1,8}\\.de", other in "[a-z]{1,8}@[a-z]{1,8}\\.de",
            at in any::<prop::sample::Index>(), to in "[A-Za-z0-9_=-]|é", noise in "\\PC{0,60}|[A-Za-z0-9_-]{0,80}",
        ) {
            let keys = SigningKeys::parse("key").unwrap();
            let token = unsubscribe_token(&keys, &address);
            // Old links go on to work when there is a newer key.
            let rotated = SigningKeys::parse("newer,key").unwrap();
            prop_assert_eq!(verify_unsubscribe_token(&rotated, &token), Some(address_hash(&address)));
            prop_assert_eq!(verify_unsubscribe_token(&SigningKeys::parse("newer").unwrap(), &token), None);
            let at = at.index(token.len());
            let changed = format!("{}{to}{}", &token[..at], &token[at + 1..]);
            prop_assert_eq!(verify_unsubscribe_token(&keys, &changed).is_some(), changed == token);
            prop_assert_eq!(verify_unsubscribe_token(&keys, &token[..at]), None);
            prop_assert_eq!(verify_unsubscribe_token(&keys, &noise), None);
            let others = verify_unsubscribe_token(&keys, &unsubscribe_token(&keys, &other));
            prop_assert_eq!(others == Some(address_hash(&address)), other == address);
        }
    }
}

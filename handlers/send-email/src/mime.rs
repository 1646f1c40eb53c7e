//! The e-mail as it goes over the wire (RFC 5322, RFC 2045).

use crate::content::Content;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MessageBuilder, MultiPart};
use lettre::{Address, Message};
use sha2::{Digest, Sha256};
use shared::failure::Failure;
use shared::hex;
use shared::timestamp::Timestamp;
use std::time::{Duration, SystemTime};

/// What the header is made of.
pub(crate) struct Envelope<'a> {
    /// The job's key: message id and boundary come from it, so that the same job always makes the same bytes.
    pub(crate) key: &'a str,
    pub(crate) from: &'a str,
    pub(crate) to: &'a str,
    pub(crate) date: Timestamp,
    pub(crate) unsubscribe_url: &'a str,
}

impl Envelope<'_> {
    /// The finished message.
    ///
    /// # Errors
    /// Permanent when an address is none.
    pub(crate) fn message(&self, content: Content) -> Result<Vec<u8>, Failure> {
        let from = address(self.from)?;
        let digest = hex::encode(&Sha256::digest(self.key)[..16]);
        let message_id = format!("<{digest}@{}>", from.domain());
        let builder = Message::builder()
            .from(Mailbox::new(Some("Notes".to_owned()), from))
            .to(Mailbox::new(None, address(self.to)?))
            .subject(content.subject)
            .date(system_time(self.date))
            .message_id(Some(message_id));
        // Both parts would otherwise be given a boundary by chance.
        let parts = MultiPart::alternative().boundary(format!("=_{digest}"));
        let parts = parts
            .singlepart(lettre::message::SinglePart::plain(content.text))
            .singlepart(lettre::message::SinglePart::html(content.html));
        let message = self.with_list_headers(builder).multipart(parts).map_err(Failure::permanent)?;
        Ok(message.formatted())
    }

    /// One-click unsubscribe (RFC 8058), and word to mail robots that no answer is awaited (RFC 3834).
    fn with_list_headers(&self, builder: MessageBuilder) -> MessageBuilder {
        builder
            .raw_header(verbatim("List-Unsubscribe", format!("<{}>", self.unsubscribe_url)))
            .raw_header(verbatim("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned()))
            .raw_header(verbatim("Auto-Submitted", "auto-generated".to_owned()))
    }
}

/// A header that must stay as it is: encoded words, as long values would get, may not stand in these. What is not
/// printable ASCII goes, so nothing can end the line.
fn verbatim(name: &'static str, value: String) -> HeaderValue {
    let value: String = value.chars().filter(|c| c.is_ascii_graphic()).collect();
    HeaderValue::dangerous_new_pre_encoded(HeaderName::new_from_ascii_str(name), value.clone(), value)
}

fn address(text: &str) -> Result<Address, Failure> {
    // Not lettre's own words: they may quote the address.
    text.parse().map_err(|_| Failure::permanent("an address is none"))
}

fn system_time(moment: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(moment.millis()).unwrap_or(0))
}

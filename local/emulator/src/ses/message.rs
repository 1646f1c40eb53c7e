//! Addresses and MIME messages.

use super::mailbox::Mail;
use crate::wire::ServiceError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use mail_parser::{HeaderValue, Message, MessageParser, PartType};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Bytes of one message in the v1 API.
const LARGEST: usize = 10 * 1024 * 1024;
const MOST_RECIPIENTS: usize = 50;

type Result<T> = std::result::Result<T, ServiceError>;

fn invalid(message: impl Into<String>) -> ServiceError {
    ServiceError::sender("InvalidParameterValue", message)
}

/// A message before it is written as MIME.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) from: String,
    pub(super) to: Vec<String>,
    pub(super) cc: Vec<String>,
    pub(super) bcc: Vec<String>,
    pub(super) reply_to: Vec<String>,
    pub(super) subject: String,
    pub(super) text: Option<String>,
    pub(super) html: Option<String>,
    pub(super) headers: Vec<(String, String)>,
}

impl Draft {
    pub(super) fn recipients(&self) -> Vec<String> {
        self.to.iter().chain(&self.cc).chain(&self.bcc).cloned().collect()
    }

    /// The message as MIME. Header values that could start another header are refused.
    pub(super) fn mime(&self, now: DateTime<Utc>) -> Result<String> {
        let mut mime = String::new();
        let join = |list: &[String]| list.join(", ");
        let lists = [("To", join(&self.to)), ("Cc", join(&self.cc)), ("Reply-To", join(&self.reply_to))];
        let own =
            lists.iter().filter(|(_, list)| !list.is_empty()).map(|(name, list)| (*name, list.as_str()));
        let date = now.to_rfc2822();
        let first = [("From", self.from.as_str()), ("Subject", &self.subject), ("Date", &date)];
        let more = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in first.into_iter().chain(own).chain(more) {
            if value.contains(['\r', '\n']) || name.contains(['\r', '\n', ':']) {
                return Err(invalid(format!("Header {name} contains a line break.")));
            }
            // Writing to a string cannot fail.
            let _ = write!(mime, "{name}: {}\r\n", encoded(name, value));
        }
        mime.push_str("MIME-Version: 1.0\r\n");
        self.write_body(&mut mime);
        Ok(mime)
    }

    fn write_body(&self, mime: &mut String) {
        match (&self.text, &self.html) {
            (Some(text), Some(html)) => {
                let boundary = uuid::Uuid::new_v4().simple().to_string();
                let _ = write!(mime, "Content-Type: multipart/alternative; boundary=\"{boundary}\"\r\n\r\n");
                for (kind, body) in [("plain", text), ("html", html)] {
                    let _ = write!(mime, "--{boundary}\r\n");
                    part(mime, kind, body);
                }
                let _ = write!(mime, "--{boundary}--\r\n");
            }
            (None, Some(html)) => part(mime, "html", html),
            (text, None) => part(mime, "plain", text.as_deref().unwrap_or_default()),
        }
    }
}

fn part(mime: &mut String, kind: &str, body: &str) {
    let _ =
        write!(mime, "Content-Type: text/{kind}; charset=UTF-8\r\nContent-Transfer-Encoding: base64\r\n\r\n");
    let encoded = STANDARD.encode(body);
    for line in encoded.as_bytes().chunks(76) {
        mime.extend(line.iter().map(|byte| char::from(*byte)));
        mime.push_str("\r\n");
    }
}

/// A header value in ASCII: subjects beyond it as an encoded word (RFC 2047).
fn encoded(name: &str, value: &str) -> String {
    if value.is_ascii() || name != "Subject" {
        return value.to_owned();
    }
    // 39 bytes make 52 characters of Base64: within the 75 that a word may have.
    let mut words = Vec::new();
    let mut word = String::new();
    for c in value.chars() {
        if word.len() + c.len_utf8() > 39 {
            words.push(std::mem::take(&mut word));
        }
        word.push(c);
    }
    words.push(word);
    let words: Vec<_> = words.iter().map(|word| format!("=?UTF-8?B?{}?=", STANDARD.encode(word))).collect();
    words.join("\r\n ")
}

/// Reads a MIME message sent from `from` to `to` (both taken from its headers when not given).
///
/// # Errors
/// `InvalidParameterValue` when it is too large, not MIME, or has no sender or recipient.
pub(super) fn read(
    raw: &[u8],
    from: Option<&str>,
    to: Vec<String>,
    sent_at: DateTime<Utc>,
) -> Result<(Mail, Vec<(String, String)>)> {
    if raw.len() > LARGEST {
        return Err(invalid(format!("Message length is more than {LARGEST} bytes long: '{}'.", raw.len())));
    }
    let message =
        MessageParser::default().parse(raw).ok_or_else(|| invalid("The message is not a MIME message."))?;
    let headers: Vec<(String, String)> =
        message.headers_raw().map(|(name, value)| (name.to_owned(), unfold(value))).collect();
    let from = from
        .map(str::to_owned)
        .or_else(|| header(&headers, "From"))
        .ok_or_else(|| invalid("Missing required header 'From'."))?;
    let to = if to.is_empty() { header_recipients(&message) } else { to };
    let mail = Mail {
        id: message_id(),
        sent_at,
        from,
        to,
        subject: message.subject().unwrap_or_default().to_owned(),
        text: body(&message, false),
        html: body(&message, true),
        headers: decoded_headers(&message, &headers),
        raw: String::from_utf8_lossy(raw).into_owned(),
    };
    Ok((mail, headers))
}

pub(super) fn header(headers: &[(String, String)], wanted: &str) -> Option<String> {
    headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.clone())
}

fn unfold(value: &str) -> String {
    value.split(['\r', '\n']).map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

fn decoded_headers(message: &Message<'_>, raw: &[(String, String)]) -> BTreeMap<String, String> {
    let mut headers: BTreeMap<_, _> = raw.iter().cloned().collect();
    for header in message.headers() {
        if let (HeaderValue::Text(text), name) = (header.value(), header.name()) {
            headers.insert(name.to_owned(), text.to_string());
        }
    }
    headers
}

fn header_recipients(message: &Message<'_>) -> Vec<String> {
    let lists = [message.to(), message.cc(), message.bcc()];
    let addresses = lists.into_iter().flatten().flat_map(|list| list.iter());
    addresses.filter_map(|address| address.address().map(str::to_owned)).collect()
}

/// The first text part of that kind. A plain text that would be made up from HTML is none.
fn body(message: &Message<'_>, html: bool) -> Option<String> {
    message.parts.iter().find_map(|part| match &part.body {
        PartType::Text(text) if !html => Some(text.to_string()),
        PartType::Html(text) if html => Some(text.to_string()),
        _ => None,
    })
}

/// An id in SES's form.
fn message_id() -> String {
    let id = uuid::Uuid::new_v4();
    format!("0100{:012x}-{id}-000000", id.as_u64_pair().0 >> 16)
}

/// Who a MIME message says that it is from.
pub(super) fn sender(raw: &[u8]) -> Option<String> {
    let message = MessageParser::default().parse(raw)?;
    let from = message.headers_raw().find(|(name, _)| name.eq_ignore_ascii_case("From"));
    from.map(|(_, value)| unfold(value))
}

/// The bare address in `Name <user@host>` or `user@host`.
///
/// # Errors
/// `InvalidParameterValue` when it is no address that mail can be sent to.
pub(super) fn bare_address(text: &str) -> Result<&str> {
    let text = text.trim();
    let address = match text.strip_suffix('>') {
        Some(named) => named.rsplit_once('<').ok_or_else(|| invalid("Missing '<'"))?.1,
        None => text,
    };
    let (local, domain) = address.rsplit_once('@').ok_or_else(|| invalid("Missing final '@domain'"))?;
    let plain = |c: char| c.is_ascii_graphic() && !"()<>,;:\\\"[]@".contains(c);
    if local.is_empty() || local.len() > 64 || !local.chars().all(plain) {
        return Err(invalid("Local address contains control or whitespace"));
    }
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if domain.len() > 253 || !domain.split('.').all(label) {
        return Err(invalid("Domain contains illegal character"));
    }
    Ok(address)
}

/// # Errors
/// `InvalidParameterValue` when there is none, one is malformed, or there are more than 50.
pub(super) fn check_recipients(recipients: &[String]) -> Result<()> {
    match recipients.len() {
        0 => Err(invalid("Missing required header 'To'.")),
        1..=MOST_RECIPIENTS => recipients.iter().try_for_each(|address| bare_address(address).map(drop)),
        count => Err(invalid(format!("Recipient count exceeds {MOST_RECIPIENTS}: {count}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_bare_or_named_and_nothing_else() {
        assert_eq!(bare_address("Ann <ann+x@mail.example>").unwrap(), "ann+x@mail.example");
        for wrong in ["ann", "a b@c.d", "@c.d", "a@", "a@b..c", "a@b c", "a@b\r\nBcc: x@y.z", "x <a@b.c> y"] {
            assert!(bare_address(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_draft_survives_being_written_and_read() {
        let draft = Draft {
            from: "me@ok.test".to_owned(),
            to: vec!["a@b.test".to_owned()],
            subject: "Grüße an alle, die sehr lange Betreffzeilen mögen – und Emojis 🎉".to_owned(),
            text: Some("plain ü".to_owned()),
            html: Some("<b>h</b>".to_owned()),
            ..Draft::default()
        };
        let mime = draft.mime(Utc::now()).unwrap();
        let (mail, _) = read(mime.as_bytes(), None, Vec::new(), Utc::now()).unwrap();
        assert_eq!(mail.subject, draft.subject);
        assert_eq!((mail.from.as_str(), &mail.to), ("me@ok.test", &draft.to));
        assert_eq!((mail.text, mail.html), (draft.text, draft.html));
    }

    #[test]
    fn a_subject_cannot_smuggle_a_header() {
        let draft = Draft { subject: "x\r\nBcc: evil@x.y".to_owned(), ..Draft::default() };
        assert!(draft.mime(Utc::now()).is_err());
    }
}

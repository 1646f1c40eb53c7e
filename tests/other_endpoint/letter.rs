//! E-mails as whoever gets them sees them, with what differs from run to run taken out.

use mail_parser::{Message, MessageParser, MimeHeaders, PartType};
use std::collections::BTreeMap;

/// What people see, and what their programs act on.
const HEADERS: [&str; 6] =
    ["From", "To", "MIME-Version", "List-Unsubscribe", "List-Unsubscribe-Post", "Auto-Submitted"];

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Letter {
    /// The addresses of the envelope.
    pub(crate) to: Vec<String>,
    pub(crate) subject: String,
    /// Of [`HEADERS`] those that it has.
    pub(crate) headers: BTreeMap<String, String>,
    /// Media type and content of each part, in their order; nothing of one that only holds others.
    pub(crate) parts: Vec<(String, String)>,
}

impl Letter {
    pub(crate) fn read(to: Vec<String>, mime: &[u8]) -> Self {
        let message = MessageParser::default().parse(mime).expect("a MIME message");
        let headers = message.headers_raw().filter(|(name, _)| HEADERS.contains(name));
        Self {
            to,
            subject: masked(message.subject().expect("a subject")),
            headers: headers.map(|(name, value)| (name.to_owned(), masked(&unfolded(value)))).collect(),
            parts: parts(&message),
        }
    }
}

fn parts(message: &Message<'_>) -> Vec<(String, String)> {
    let part = |part: &mail_parser::MessagePart<'_>| {
        let kind = part.content_type().expect("a media type");
        let content = match &part.body {
            PartType::Text(text) | PartType::Html(text) => masked(text),
            PartType::Multipart(_) => String::new(),
            other => panic!("no part that these e-mails have: {other:?}"),
        };
        (format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or_default()), content)
    };
    message.parts.iter().map(part).collect()
}

fn unfolded(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Numbers (moments, ports) become `#`, and of tokens only that they are there remains. How lines end is the carrier's.
fn masked(text: &str) -> String {
    const TOKEN: &str = "token=";
    let mut masked = String::new();
    let mut rest = text.trim_end();
    while let Some(c) = rest.chars().next() {
        let run = if let Some(value) = rest.strip_prefix(TOKEN) {
            masked.push_str(TOKEN);
            let is_token = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            TOKEN.len() + value.find(|c| !is_token(c)).unwrap_or(value.len())
        } else if c.is_ascii_digit() {
            masked.push('#');
            rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())
        } else {
            if c != '\r' {
                masked.push(c);
            }
            c.len_utf8()
        };
        rest = &rest[run..];
    }
    masked
}

#[test]
fn only_what_differs_by_chance_is_taken_out() {
    assert_eq!(masked("at 12:30\r\n<a?token=a-_.Z9>x=7"), "at #:#\n<a?token=>x=#");
}

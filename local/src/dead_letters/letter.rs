//! A failed message, and what can be told of it without telling what it says.

use super::given_up::GivenUp;
use crate::app::name_of;
use aws_sdk_sqs::types::{Message, MessageAttributeValue, MessageSystemAttributeName};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use std::collections::HashMap;

/// Attributes by which whoever gave a message up says why. All are optional: SQS itself leaves only the source.
pub(super) mod attribute {
    /// The ARN of the queue that a replay sends the message to.
    pub(in super::super) const SOURCE: &str = "source_queue_arn";
    /// How often it was replayed before.
    pub(in super::super) const REPLAYS: &str = "replays";
    /// Its last error.
    pub(in super::super) const ERROR: &str = "error";
    /// `permanent` or `passing`.
    pub(in super::super) const FAILURE: &str = "failure";

    /// All of them: history, which a replay leaves behind.
    pub(in super::super) const ALL: [&str; 4] = [SOURCE, REPLAYS, ERROR, FAILURE];
}

/// Fields by which messages commonly say what they are.
const NAMING_FIELDS: [&str; 8] =
    ["type", "Type", "kind", "template", "action", "event", "eventName", "detail-type"];
/// Characters of a kind, at most.
const KIND_CHARACTERS: usize = 60;

/// A failed message. What serializes is safe to show: ids, names and numbers, but nothing of the payload.
#[derive(Clone, Debug, Serialize)]
pub struct DeadLetter {
    pub message_id: String,
    /// The queue it is in.
    pub queue: String,
    /// The name of the queue it failed in, where known.
    pub source_queue: Option<String>,
    /// The name of the function it was for, where it is an event that Lambda or Scheduler gave up.
    pub function: Option<String>,
    /// When it was given up; where SQS itself did that, when it was sent.
    pub at: Option<DateTime<Utc>>,
    /// How often it was received here, this time included.
    pub receives: u32,
    pub replays: u32,
    /// Its last error, where noted.
    pub error: Option<String>,
    /// Whether its failure was noted as one that trying again cannot help.
    pub is_permanent: bool,
    /// What it is, as far as its shape tells.
    pub kind: String,
    /// The size of its payload.
    pub bytes: usize,
    #[serde(skip)]
    pub(super) message: Message,
    #[serde(skip)]
    given_up: Option<GivenUp>,
}

/// Where a replay takes a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin<'a> {
    /// The queue it failed in, by ARN.
    Queue(&'a str),
    /// The function its event was for, by ARN.
    Function { arn: &'a str, event: &'a str },
    /// Nowhere, and why.
    Unknown(&'a str),
}

impl DeadLetter {
    pub(super) fn new(queue: &str, message: Message) -> Self {
        let noted = |name: &str| {
            message
                .message_attributes
                .as_ref()?
                .get(name)?
                .string_value
                .clone()
                .filter(|text| !text.is_empty())
        };
        let sent = system(&message, &MessageSystemAttributeName::SentTimestamp)
            .and_then(|millis| DateTime::from_timestamp_millis(millis.parse().ok()?));
        let body = message.body.as_deref().unwrap_or_default();
        let given_up = GivenUp::read(&message);
        let told = given_up.as_ref();
        Self {
            message_id: message.message_id.clone().unwrap_or_default(),
            queue: queue.to_owned(),
            source_queue: source_arn(&message).map(|arn| name_of(arn).to_owned()),
            function: told.and_then(GivenUp::function).map(ToOwned::to_owned),
            at: sent,
            receives: system(&message, &MessageSystemAttributeName::ApproximateReceiveCount)
                .and_then(|count| count.parse().ok())
                .unwrap_or_default(),
            replays: noted(attribute::REPLAYS).and_then(|count| count.parse().ok()).unwrap_or_default(),
            error: noted(attribute::ERROR).or_else(|| told?.error.clone()),
            is_permanent: noted(attribute::FAILURE).is_some_and(|failure| failure == "permanent"),
            kind: told.and_then(|told| told.kind.clone()).unwrap_or_else(|| kind(body)),
            bytes: body.len(),
            message,
            given_up,
        }
    }

    /// A message that failed in a queue goes back there, whatever it is.
    pub(super) fn origin(&self) -> Origin<'_> {
        if let Some(arn) = source_arn(&self.message) {
            return Origin::Queue(arn);
        }
        match &self.given_up {
            Some(GivenUp { function_arn: Some(arn), event: Ok(event), .. }) => {
                Origin::Function { arn, event }
            }
            Some(GivenUp { event: Err(reason), .. }) => Origin::Unknown(reason),
            _ => Origin::Unknown("it does not say which queue it failed in"),
        }
    }

    pub fn body(&self) -> &str {
        self.message.body.as_deref().unwrap_or_default()
    }

    /// The attributes that came with it.
    pub fn attributes(&self) -> impl Iterator<Item = (&String, &MessageAttributeValue)> {
        self.message.message_attributes.iter().flatten()
    }

    /// The attributes that SQS gave it.
    pub fn system_attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.message.attributes.iter().flatten().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(super) fn system(&self, name: &MessageSystemAttributeName) -> Option<&str> {
        system(&self.message, name)
    }

    /// What a replay takes along: what came with the message, without the history of its failures.
    pub(super) fn own_attributes(&self) -> HashMap<String, MessageAttributeValue> {
        let mut own = self.message.message_attributes.clone().unwrap_or_default();
        own.retain(|name, _| !attribute::ALL.contains(&name.as_str()));
        own
    }

    pub(super) fn receipt_handle(&self) -> &str {
        self.message.receipt_handle.as_deref().unwrap_or_default()
    }
}

fn system<'a>(message: &'a Message, name: &MessageSystemAttributeName) -> Option<&'a str> {
    message.attributes.as_ref()?.get(name).map(String::as_str)
}

/// What gave the message up knows better than SQS, which only knows the last queue of its way.
fn source_arn(message: &Message) -> Option<&str> {
    let noted =
        message.message_attributes.as_ref().and_then(|own| own.get(attribute::SOURCE)?.string_value());
    noted.or_else(|| system(message, &MessageSystemAttributeName::DeadLetterQueueSourceArn))
}

/// What a payload is, by its shape and by names in it, but never by its texts: those may be anyone's.
fn kind(body: &str) -> String {
    let Ok(value) = serde_json::from_str::<Value>(body) else {
        return "not JSON".to_owned();
    };
    let Some(object) = value.as_object() else {
        return if value.is_array() { "a list" } else { "a value" }.to_owned();
    };
    let kind = event(&value)
        .or_else(|| event(&value["Records"][0]))
        .or_else(|| NAMING_FIELDS.iter().find_map(|field| name(&value[field])).map(ToOwned::to_owned))
        .unwrap_or_else(|| {
            let keys: Vec<&str> = object.keys().map(String::as_str).filter(|key| is_name(key)).collect();
            format!("{{{}}}", keys.join(", "))
        });
    kind.chars().take(KIND_CHARACTERS).collect()
}

/// A record of one of AWS's event sources.
fn event(value: &Value) -> Option<String> {
    let source = name(&value["eventSource"])?;
    Some(name(&value["eventName"]).map_or_else(|| source.to_owned(), |event| format!("{source} {event}")))
}

pub(super) fn name(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| is_name(text))
}

/// Whether a text is a name of a program's making: one short word.
pub(super) fn is_name(text: &str) -> bool {
    (1..=KIND_CHARACTERS).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.:/".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_kind_comes_from_the_shape() {
        for (body, expected) in [
            (json!({ "template": "note_changed", "to": "ben@example.com" }), "note_changed"),
            (json!({ "eventSource": "aws:dynamodb", "eventName": "MODIFY" }), "aws:dynamodb MODIFY"),
            (
                json!({ "Records": [{ "eventSource": "aws:s3", "eventName": "ObjectCreated:Put" }] }),
                "aws:s3 ObjectCreated:Put",
            ),
            (json!({ "to": "x", "at": 1 }), "{at, to}"),
            (json!([1]), "a list"),
            (json!("Dear Ben"), "a value"),
        ] {
            assert_eq!(kind(&body.to_string()), expected);
        }
        assert_eq!(kind("Dear Ben"), "not JSON");
    }

    #[test]
    fn a_kind_tells_nothing_of_the_texts() {
        let body = json!({ "type": "Dear Ben", "kind": "ben@example.com", "dear ben": 1, "event": 7 });
        assert_eq!(kind(&body.to_string()), "{event, kind, type}");
        let long = json!({ "type": "x".repeat(1_000), "action": "" });
        assert_eq!(kind(&long.to_string()), "{action, type}");
    }

    #[test]
    fn what_gave_it_up_says_where_it_belongs() {
        let text = |text: &str| {
            MessageAttributeValue::builder().data_type("String").string_value(text).build().unwrap()
        };
        let by_sqs = Message::builder()
            .body("{}")
            .attributes(MessageSystemAttributeName::DeadLetterQueueSourceArn, "arn:aws:sqs:r:1:dead")
            .attributes(MessageSystemAttributeName::SentTimestamp, "1000");
        let letter = DeadLetter::new("parking", by_sqs.clone().build());
        assert_eq!(letter.source_queue.as_deref(), Some("dead"));
        assert_eq!(
            (letter.at.unwrap().timestamp(), letter.error.as_deref(), letter.is_permanent),
            (1, None, false)
        );

        let noted = by_sqs
            .message_attributes(attribute::SOURCE, text("arn:aws:sqs:r:1:work"))
            .message_attributes(attribute::ERROR, text("it broke"))
            .message_attributes(attribute::FAILURE, text("permanent"))
            .message_attributes("own", text("kept"));
        let letter = DeadLetter::new("parking", noted.build());
        assert_eq!(letter.source_queue.as_deref(), Some("work"));
        assert_eq!(
            (letter.at.unwrap().timestamp(), letter.error.as_deref(), letter.is_permanent),
            (1, Some("it broke"), true)
        );
        assert_eq!(letter.own_attributes().into_keys().collect::<Vec<_>>(), ["own"]);
    }
}

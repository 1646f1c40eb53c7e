//! The rules a message must keep, and the attributes that a receiver is told.

use super::message::{self, Attribute, Message};
use super::queue::Queue;
use super::{Attributes, Outgoing, Result};
use crate::sigv4::hex;
use crate::wire::ServiceError;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Attributes of one message.
const MOST_ATTRIBUTES: usize = 10;

pub(super) fn invalid(message: impl Into<String>) -> ServiceError {
    ServiceError::sender("InvalidParameterValue", message)
}

fn missing(name: &str) -> ServiceError {
    ServiceError::sender("MissingParameter", format!("The request must contain the parameter {name}."))
}

/// Checks a message against its queue's rules; the key to recognise repeats by, of FIFO queues.
pub(super) fn check(queue: &Queue, outgoing: &Outgoing) -> Result<Option<String>> {
    if outgoing.body.is_empty() {
        return Err(missing("MessageBody"));
    }
    let largest = queue.settings.largest;
    if message::size(&outgoing.body, &outgoing.attributes) > largest {
        return Err(invalid(format!(
            "One or more parameters are invalid. Reason: Message must be shorter than {largest} bytes."
        )));
    }
    if outgoing
        .body
        .chars()
        .any(|c| (c < ' ' && !"\t\n\r".contains(c)) || matches!(c, '\u{fffe}' | '\u{ffff}'))
    {
        return Err(ServiceError::sender("InvalidMessageContents", "Invalid characters found."));
    }
    check_attributes(&outgoing.attributes)?;
    if outgoing.delay.is_some_and(|delay| !(0..=900).contains(&delay)) {
        return Err(invalid("DelaySeconds must be >= 0 and <= 900."));
    }
    if !queue.settings.fifo {
        return match outgoing.deduplication {
            Some(_) => Err(invalid("MessageDeduplicationId is valid only for FIFO queues.")),
            None => Ok(None),
        };
    }
    deduplication_key(queue, outgoing).map(Some)
}

fn deduplication_key(queue: &Queue, outgoing: &Outgoing) -> Result<String> {
    let group = outgoing.group.as_deref().ok_or_else(|| missing("MessageGroupId"))?;
    if outgoing.delay.is_some_and(|delay| delay != 0) {
        return Err(invalid("DelaySeconds is not valid for a message of a FIFO queue."));
    }
    let id = match &outgoing.deduplication {
        Some(id) => id.clone(),
        None if queue.settings.content_deduplication => content_hash(&outgoing.body),
        None => {
            return Err(invalid(
                "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided \
                 explicitly",
            ));
        }
    };
    for (name, value) in [("MessageGroupId", group), ("MessageDeduplicationId", &id)] {
        if value.is_empty() || value.len() > 128 || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(invalid(format!("Value {value} for parameter {name} is invalid.")));
        }
    }
    Ok(if queue.settings.scope_is_group { format!("{group}/{id}") } else { id })
}

fn check_attributes(attributes: &Attributes) -> Result {
    if attributes.len() > MOST_ATTRIBUTES {
        return Err(invalid(format!(
            "Number of message attributes [{}] exceeds the allowed maximum [{MOST_ATTRIBUTES}].",
            attributes.len()
        )));
    }
    for (name, attribute) in attributes {
        let known = |kind: &str| {
            attribute.data_type == kind
                || attribute.data_type.strip_prefix(kind).is_some_and(|label| label.starts_with('.'))
        };
        if !["String", "Number", "Binary"].into_iter().any(known) {
            return Err(invalid(format!("The type of message (user) attribute '{name}' is invalid.")));
        }
        if attribute.bytes().is_none_or(|(value, _)| value.is_empty()) {
            return Err(invalid(format!(
                "The message (user) attribute '{name}' must contain a non-empty value of its type."
            )));
        }
    }
    Ok(())
}

pub(super) fn content_hash(body: &str) -> String {
    hex(&Sha256::digest(body))
}

const TRACE: &str = "AWSTraceHeader";

pub(super) fn trace_md5(trace: Option<&str>) -> Option<String> {
    let (name, attribute) = (TRACE.to_owned(), Attribute::string(trace?));
    message::attributes_md5(std::iter::once((&name, &attribute)))
}

/// The attributes that SQS itself gives a message. All are texts.
pub(super) fn system_attributes(message: &Message, fifo: bool) -> BTreeMap<String, String> {
    let content = &message.content;
    let mut attributes = BTreeMap::from([
        ("ApproximateReceiveCount".to_owned(), message.receive_count.to_string()),
        ("SenderId".to_owned(), content.sender.clone()),
        ("SentTimestamp".to_owned(), content.sent_at.to_string()),
    ]);
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            attributes.insert(name.to_owned(), value);
        }
    };
    add("ApproximateFirstReceiveTimestamp", message.first_received.map(|at| at.to_string()));
    add("DeadLetterQueueSourceArn", content.dead_letter_source.clone());
    add(TRACE, content.trace.clone());
    add("MessageGroupId", content.group.clone());
    if fifo {
        add("MessageDeduplicationId", content.deduplication.clone());
        add("SequenceNumber", Some(format!("{:020}", message.sequence)));
    }
    attributes
}

/// The sender's attributes that a receiver asked for by `names`: all, exact names, or `prefix.*`.
pub(super) fn selected<'a>(
    attributes: &'a Attributes,
    names: &[String],
) -> BTreeMap<&'a String, &'a Attribute> {
    let wanted = |name: &str| {
        names.iter().any(|pattern| match pattern.as_str() {
            "All" | ".*" => true,
            pattern => {
                pattern == name || pattern.strip_suffix(".*").is_some_and(|prefix| name.starts_with(prefix))
            }
        })
    };
    attributes.iter().filter(|(name, _)| wanted(name)).collect()
}

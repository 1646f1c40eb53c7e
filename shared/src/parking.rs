//! How events are parked: the payload as it was, with the reason beside it.

use crate::sqs::Outgoing;
use crate::timestamp::Timestamp;
use std::collections::HashMap;
use std::time::Duration;

/// Message attributes that SQS takes at most.
const ATTRIBUTES: usize = 10;

/// Why an event is parked. It goes beside the payload, as message attributes, so that any tool can send the body back to
/// the queue that `source_queue_arn` names.
///
/// Not every message in the parking queue has them: what could not even be parked, and schedules that never reached
/// their function, come from AWS itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked<'a> {
    pub parked_at: Timestamp,
    /// Where a replay sends the payload.
    pub source_queue_arn: &'a str,
    /// How often it was replayed before.
    pub replays: u32,
    /// Why it was parked.
    pub error: &'a str,
}

impl Parked<'_> {
    /// The message for the parking queue: `body` as it was, and as many of its own attributes as there is room for.
    pub fn message(&self, body: &str, own: &HashMap<String, String>) -> Outgoing {
        let mut attributes = HashMap::from([
            ("parked_at".to_owned(), self.parked_at.to_string()),
            ("source_queue_arn".to_owned(), self.source_queue_arn.to_owned()),
            ("replays".to_owned(), self.replays.to_string()),
            ("error".to_owned(), self.error.to_owned()),
        ]);
        for (name, value) in own {
            if attributes.len() < ATTRIBUTES {
                attributes.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
        Outgoing { body: body.to_owned(), delay: Duration::ZERO, attributes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_stays_as_it_was_and_the_reason_is_beside_it() {
        let parked = Parked {
            parked_at: Timestamp::from_millis(0),
            source_queue_arn: "arn:aws:sqs:eu-west-1:12:mail",
            replays: 3,
            error: "it failed",
        };
        let own: HashMap<_, _> = (0..20).map(|number| (format!("own{number}"), "x".to_owned())).collect();
        let message = parked.message("{\"key\":\"\u{e9}\"}", &own);
        assert_eq!(message.body, "{\"key\":\"\u{e9}\"}");
        assert_eq!(message.attributes["error"], "it failed");
        assert_eq!(message.attributes["source_queue_arn"], "arn:aws:sqs:eu-west-1:12:mail");
        assert_eq!(message.attributes.len(), ATTRIBUTES);
    }
}

//! What the parking queue holds: the events that would not pass, for people to look at and to replay.

use crate::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// One parked event, as JSON the body of a message in the parking queue.
///
/// Not every message there is one: what could not even be parked, and schedules that never reached their function, come
/// from AWS itself in shapes of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    pub parked_at: Timestamp,
    /// Where a replay sends the payload.
    pub source_queue_arn: String,
    /// How often it was replayed before.
    pub replays: u32,
    /// Why it was parked.
    pub error: String,
    /// The message's body as it was.
    pub payload: String,
    /// The message's string attributes.
    #[serde(default)]
    pub attributes: HashMap<String, String>,
}

impl Parked {
    /// Reads a message's body; `None` for what AWS itself put into the queue.
    pub fn read(body: &str) -> Option<Self> {
        serde_json::from_str(body).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_parked_is_read_back_and_other_shapes_are_told_apart() {
        let parked = Parked {
            parked_at: Timestamp::from_millis(0),
            source_queue_arn: "arn:aws:sqs:eu-west-1:12:mail".into(),
            replays: 3,
            error: "it failed".into(),
            payload: "{\"key\":\"\u{e9}\"}".into(),
            attributes: HashMap::from([("replays".into(), "3".into())]),
        };
        let body = serde_json::to_string(&parked).unwrap();
        assert_eq!(Parked::read(&body), Some(parked));
        assert_eq!(Parked::read(r#"{"requestContext":{}}"#), None);
        assert_eq!(Parked::read("text"), None);
    }
}

//! What is given up, and the reason beside it.
//!
//! A message that SQS itself moves to a dead-letter queue says where it came from, but not why. So whoever fails for the
//! last time moves it with the reason; SQS does so without only for those who die with it in hand.

use crate::failure::Failure;
use crate::sqs::{Attribute, Attributes, Message, Outgoing};

/// Message attributes that SQS takes at most.
const ATTRIBUTES: usize = 10;
/// Characters of an error that are kept.
const ERROR_CHARACTERS: usize = 300;
/// What is known of a failure when SQS itself gave the message up.
pub const SILENT_END: &str = "no error was noted: its function died, ran out of time or was throttled";
/// Between an error and an earlier one.
const BEFORE: &str = "; before that: ";

// The names, which the command line of the laptop cloud knows as well.
const SOURCE: &str = "source_queue_arn";
const REPLAYS: &str = "replays";
const ERROR: &str = "error";
const FAILURE: &str = "failure";

const PERMANENT: &str = "permanent";
const PASSING: &str = "passing";

/// What is known of a message's failures. It goes beside the payload, as message attributes, so that any tool can send
/// the body back to the queue that `source_queue_arn` names.
///
/// Whoever may send to a dead-letter queue may note what it likes; a replay goes no further than `retry`'s permissions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// Where a replay sends the payload.
    pub source_queue_arn: String,
    /// How often it was replayed.
    pub replays: u32,
    /// The last failure; `None` of what has not failed.
    pub last_failure: Option<Failure>,
}

impl History {
    /// What a message says of itself. Without a word it is one that has not failed before the queue it is in.
    pub fn of(message: &Message) -> Self {
        let noted = |name: &str| message.attributes.get(name)?.as_text();
        let failure = |error: &str| match noted(FAILURE) {
            Some(PERMANENT) => Failure::permanent(error),
            _ => Failure::passing(error),
        };
        let source = noted(SOURCE).or(message.dead_letter_source.as_deref());
        Self {
            source_queue_arn: source.unwrap_or(&message.queue_arn).to_owned(),
            replays: noted(REPLAYS).and_then(|text| text.parse().ok()).unwrap_or(0),
            last_failure: match message.dead_letter_source {
                // Whatever is noted is of an earlier failure than the one for which SQS moved it.
                Some(_) => Some(Failure::passing(after(SILENT_END, noted(ERROR)))),
                None => noted(ERROR).map(failure),
            },
        }
    }

    /// The same with one failure more: that of whoever has `message` in hand. Where that is not the queue it failed in
    /// but one on its way from there, why it is on its way stays known.
    #[must_use]
    pub fn with(self, failure: Failure, message: &Message) -> Self {
        let earlier = self.last_failure.filter(|_| self.source_queue_arn != message.queue_arn);
        let earlier = earlier.as_ref().map(Failure::reason);
        let error = after(failure.reason(), earlier);
        let failure = if failure.is_passing() { Failure::passing(error) } else { Failure::permanent(error) };
        Self { last_failure: Some(failure), ..self }
    }

    /// The message with this history: the payload as it was, and its own attributes.
    ///
    /// # Errors
    /// When SQS takes no more attributes. Then it is SQS that must move the message, as it is: nothing of it is dropped.
    pub fn beside(&self, message: &Message) -> Result<Outgoing, Failure> {
        let mut attributes: Attributes = message.attributes.clone();
        let mut note = |name: &str, value: Option<&str>| match value {
            Some(value) => _ = attributes.insert(name.to_owned(), Attribute::text(value)),
            None => _ = attributes.remove(name),
        };
        note(SOURCE, Some(&self.source_queue_arn));
        note(REPLAYS, Some(&self.replays.to_string()));
        let failure = self.last_failure.as_ref();
        note(FAILURE, failure.map(|failure| if failure.is_passing() { PASSING } else { PERMANENT }));
        note(ERROR, failure.map(|failure| kept(failure.reason())).as_deref());
        if attributes.len() > ATTRIBUTES {
            return Err(Failure::passing(
                "the message has too many attributes of its own to note why it failed",
            ));
        }
        Ok(Outgoing { body: message.body.clone(), attributes, ..Outgoing::default() })
    }
}

/// An error and the one before it, each told once however often it happens.
fn after(error: &str, earlier: Option<&str>) -> String {
    match earlier {
        Some(earlier) if earlier != error => {
            let known = earlier.strip_prefix(error).and_then(|rest| rest.strip_prefix(BEFORE));
            format!("{error}{BEFORE}{}", known.unwrap_or(earlier))
        }
        _ => error.to_owned(),
    }
}

/// An error as an attribute can hold it: not endless, not empty, without control characters.
fn kept(error: &str) -> String {
    let clean = |c: char| if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') { ' ' } else { c };
    let kept: String = error.chars().map(clean).take(ERROR_CHARACTERS).collect();
    if kept.trim().is_empty() { "unknown".to_owned() } else { kept }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIL: &str = "arn:aws:sqs:eu-west-1:12:mail";
    const DEAD: &str = "arn:aws:sqs:eu-west-1:12:dead";

    fn message(attributes: usize) -> Message {
        Message {
            body: "{\"key\":\"\u{e9}\"}".to_owned(),
            queue_arn: MAIL.to_owned(),
            attributes: (0..attributes).map(|n| (format!("own{n}"), Attribute::text("x"))).collect(),
            ..Message::default()
        }
    }

    /// The message as it is received again in another queue.
    fn received(outgoing: Outgoing) -> Message {
        Message {
            body: outgoing.body,
            queue_arn: DEAD.to_owned(),
            attributes: outgoing.attributes,
            ..Message::default()
        }
    }

    #[test]
    fn a_history_goes_along_and_is_read_again() {
        let first = History::of(&message(5));
        assert_eq!((first.source_queue_arn.as_str(), first.replays), (MAIL, 0));
        for last_failure in [None, Some(Failure::passing("Throttling")), Some(Failure::permanent("no job"))] {
            let history = History { replays: 2, last_failure, ..first.clone() };
            let outgoing = history.beside(&message(5)).unwrap();
            assert_eq!(outgoing.body, message(5).body);
            assert_eq!(outgoing.attributes["own4"].as_text(), Some("x"));
            assert_eq!(History::of(&received(outgoing)), history);
        }
    }

    #[test]
    fn a_later_failure_takes_the_place_of_an_earlier_one() {
        let passing = History::of(&message(0)).with(Failure::Throttled("slow".into()), &message(0));
        assert_eq!(passing.last_failure, Some(Failure::passing("slow")));
        let permanent = passing.with(Failure::permanent("no job"), &message(0));
        assert_eq!(permanent.last_failure, Some(Failure::permanent("no job")));
    }

    #[test]
    fn what_fails_on_its_way_keeps_why_it_is_on_its_way() {
        let failed = History::of(&message(0)).with(Failure::permanent("no job"), &message(0));
        let letter = received(failed.beside(&message(0)).unwrap());
        let stuck = History::of(&letter).with(Failure::passing("SQS is away"), &letter);
        assert_eq!(stuck.last_failure, Some(Failure::passing("SQS is away; before that: no job")));
        assert_eq!(stuck.source_queue_arn, MAIL);
    }

    #[test]
    fn a_silent_end_is_told_as_such_with_what_was_known_before() {
        let mut letter = received(Outgoing::default());
        letter.dead_letter_source = Some(MAIL.to_owned());
        let history = History::of(&letter);
        assert_eq!(history.source_queue_arn, MAIL);
        assert_eq!(history.last_failure, Some(Failure::passing(SILENT_END)));

        // However often it comes back and ends so again.
        letter.attributes.insert(ERROR.to_owned(), Attribute::text("Throttling"));
        let expected = format!("{SILENT_END}; before that: Throttling");
        for _ in 0..3 {
            assert_eq!(History::of(&letter).last_failure, Some(Failure::passing(&expected)));
            letter.attributes = History::of(&letter).beside(&letter).unwrap().attributes;
        }
    }

    #[test]
    fn no_attribute_is_dropped_for_the_history() {
        let failed = |own: usize| History::of(&message(own)).with(Failure::passing("x"), &message(own));
        assert!(failed(6).beside(&message(6)).is_ok());
        assert!(failed(7).beside(&message(7)).is_err());
    }

    #[test]
    fn an_error_is_made_fit_to_be_kept() {
        assert_eq!(kept("a\nb\u{0}c"), "a b c");
        assert_eq!(kept(&"é".repeat(1_000)).chars().count(), ERROR_CHARACTERS);
        assert_eq!(kept(" "), "unknown");
    }
}

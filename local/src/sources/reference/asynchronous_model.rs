//! The reference model of asynchronous invocations: what Lambda does with each event, by the developer guide's "How Lambda
//! handles errors and retries with asynchronous invocation" and "Capturing records of Lambda asynchronous invocations".
//!
//! It watches what is accepted, invoked, answered, told to the destination and kept over a restart. Where the guide gives
//! no figure (after a throttle) it lets an event wait for up to five minutes.

use crate::lambda::Source;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde_json::{Value, json};
use std::collections::BTreeSet;

type Checked = Result<(), TestCaseError>;

/// The longest that an event may wait after a throttle, or after its destination refused it.
const LONGEST_BACKOFF: TimeDelta = TimeDelta::minutes(5);
/// Events that may run at once.
const MOST_AT_ONCE: usize = 32;

/// What a function's event invoke configuration says.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) function: String,
    pub(super) arn: String,
    pub(super) retries: u32,
    pub(super) age: TimeDelta,
    pub(super) destination: bool,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Well,
    Error,
    Throttled,
}

#[derive(Debug)]
struct Event {
    rules: Rules,
    request: String,
    source: Source,
    accepted: DateTime<Utc>,
    /// It runs again no earlier than `from`, and at `until` without fail.
    from: DateTime<Utc>,
    until: DateTime<Utc>,
    failures: u32,
    /// The invocation under way.
    call: Option<usize>,
    /// It will not run again, but its destination does not know yet.
    lost: Option<&'static str>,
    over: bool,
}

impl Event {
    fn is_old(&self, now: DateTime<Utc>) -> bool {
        now - self.accepted > self.rules.age
    }

    fn again(&mut self, from: DateTime<Utc>, until: DateTime<Utc>) {
        (self.from, self.until) = (from, until);
    }
}

#[derive(Default)]
pub(super) struct Model {
    /// By the number that their payload carries.
    events: Vec<Event>,
}

/// The payload of the event with this number.
pub(super) fn payload(number: usize) -> Value {
    json!({ "number": number })
}

fn number(payload: &Value) -> usize {
    usize::try_from(payload["number"].as_u64().expect("our own payload")).expect("a number")
}

impl Model {
    pub(super) fn accepted(&mut self, rules: &Rules, source: Source, request: String, now: DateTime<Utc>) {
        self.events.push(Event {
            rules: rules.clone(),
            request,
            source,
            accepted: now,
            from: now,
            until: now,
            failures: 0,
            call: None,
            lost: None,
            over: false,
        });
    }

    /// How many were accepted.
    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    /// A function was invoked.
    pub(super) fn called(
        &mut self,
        call: usize,
        (function, source): (&str, Source),
        payload: &Value,
        now: DateTime<Utc>,
    ) -> Checked {
        prop_assert!(self.running() < MOST_AT_ONCE, "too many at once");
        let number = number(payload);
        let event = &mut self.events[number];
        prop_assert_eq!(payload, &self::payload(number), "the payload changed");
        prop_assert_eq!((function, source), (event.rules.function.as_str(), event.source));
        prop_assert!(!event.over && event.lost.is_none(), "{number} was over");
        prop_assert!(event.call.is_none(), "{number} runs already");
        prop_assert!(event.from <= now, "{number} was to wait until {}", event.from);
        prop_assert!(!event.is_old(now), "{number} was too old");
        event.call = Some(call);
        Ok(())
    }

    /// An invocation ended.
    pub(super) fn answered(&mut self, call: usize, ending: Ending, now: DateTime<Utc>) {
        let event = self.events.iter_mut().find(|event| event.call == Some(call)).expect("a running call");
        event.call = None;
        match ending {
            Ending::Well => event.over = true,
            Ending::Error => {
                event.failures += 1;
                let wait = TimeDelta::minutes(if event.failures == 1 { 1 } else { 2 });
                if event.failures <= event.rules.retries {
                    event.again(now + wait, now + wait);
                } else if event.rules.destination {
                    event.lost = Some("RetriesExhausted");
                    event.again(now, now);
                } else {
                    event.over = true;
                }
            }
            Ending::Throttled => event.again(now + TimeDelta::milliseconds(1), now + LONGEST_BACKOFF),
        }
    }

    /// The destination was told of an event that is given up, or did not take the message.
    pub(super) fn told(&mut self, message: &Value, taken: bool, now: DateTime<Utc>) -> Checked {
        let number = number(&message["requestPayload"]);
        let event = &mut self.events[number];
        prop_assert!(event.rules.destination, "there is no destination");
        prop_assert!(!event.over && event.call.is_none(), "{number} was not given up");
        prop_assert!(event.from <= now, "{number} was to wait until {}", event.from);
        prop_assert!(event.lost.is_some() || event.is_old(now), "{number} had attempts left");
        let condition = event.lost.unwrap_or("EventAgeExceeded");
        prop_assert_eq!(message, &expected(event, condition, number, now));
        if taken {
            event.over = true;
        } else {
            event.lost = Some(condition);
            event.again(now + TimeDelta::milliseconds(1), now + LONGEST_BACKOFF);
        }
        Ok(())
    }

    /// Nothing can go on; these requests are kept in the host's state, and the host says that the next is due at `due`.
    pub(super) fn quiet(
        &mut self,
        kept: &BTreeSet<String>,
        due: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Checked {
        let full = self.running() == MOST_AT_ONCE;
        for (number, event) in self.events.iter_mut().enumerate() {
            let kept = kept.contains(&event.request);
            if !event.over && !kept {
                let silent = !event.rules.destination && event.call.is_none() && event.from <= now;
                prop_assert!(silent && event.is_old(now), "{number} is lost");
                event.over = true;
            }
            prop_assert!(!(event.over && kept), "{number} is over and still kept");
            let waits = event.over || event.call.is_some() || now < event.until || full;
            prop_assert!(waits, "nobody works on {number}");
        }
        let waiting = || self.events.iter().filter(|event| !event.over && event.call.is_none());
        let (from, until) =
            (waiting().map(|event| event.from).min(), waiting().map(|event| event.until).min());
        prop_assert!(from <= due && due <= until, "the next is due at {due:?}, in {from:?} to {until:?}");
        Ok(())
    }

    /// The host died: attempts that ran then are made again.
    pub(super) fn crashed(&mut self) {
        for event in &mut self.events {
            event.call = None;
        }
    }

    pub(super) fn running(&self) -> usize {
        self.events.iter().filter(|event| event.call.is_some()).count()
    }

    pub(super) fn all_over(&self) -> bool {
        self.events.iter().all(|event| event.over)
    }
}

/// The invocation record.
fn expected(event: &Event, condition: &str, number: usize, now: DateTime<Utc>) -> Value {
    let mut record = json!({
        "version": "1.0",
        "timestamp": now.to_rfc3339_opts(SecondsFormat::Millis, true),
        "requestContext": {
            "requestId": event.request,
            "functionArn": format!("{}:$LATEST", event.rules.arn),
            "condition": condition,
            "approximateInvokeCount": event.failures,
        },
        "requestPayload": payload(number),
    });
    if event.failures > 0 {
        record["responseContext"] =
            json!({"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"});
        record["responsePayload"] = json!({"errorType": "Test", "errorMessage": "as told"});
    }
    record
}

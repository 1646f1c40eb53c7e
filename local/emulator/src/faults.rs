//! Fault injection: answers AWS errors on request, before or after the operation is carried out, and disturbs deliveries.

use crate::lock;
use serde::{Deserialize, Serialize};
use std::sync::Mutex;
use std::time::Duration;

/// A longer injected delay than any client waits would only hang a test.
const LONGEST_DELAY: Duration = Duration::from_secs(60);
/// More rules than anyone writes; a bound on what each request is compared with.
const MOST_FAULTS: usize = 256;

/// The most that a delivery is held back: what SQS lets a sender ask for.
const LONGEST_LATENESS: u64 = 900_000;

/// What may happen to an event on its way, by what AWS says of at-least-once delivery. Order is never broken where it is
/// promised: FIFO queues and topics are spared, and a stream's shard only goes back to repeat what it said.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// `sqs`: a received message stays behind as well, visible at once or after `delay_ms`, as from a server that did not
    /// hear of the receive. `s3`, `sns`: a notification is sent twice, the second `delay_ms` later. `streams`: the reader of
    /// a shard loses the checkpoint of what just succeeded, and goes back to the one before.
    Twice,
    /// `sqs`, `s3`, `sns`: a message becomes visible `delay_ms` later than it was to.
    Late,
    /// `sqs`: a receive finds the newest messages first.
    OutOfOrder,
}

/// One rule: which calls to fail or which deliveries to disturb, how and how often.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Fault {
    /// `dynamodb`, `streams`, `s3`, `sqs`, `ses`, `sns` or `sts`.
    pub service: String,
    /// The operation's name, such as `PutItem`; of a delivery that of the queue delivered to (of `streams`, of the table).
    /// `*` for any.
    #[serde(default = "any")]
    pub operation: String,
    /// The AWS error code to answer, such as `Throttling`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub error: String,
    /// Disturbs deliveries instead of answering errors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
    /// The HTTP status to answer.
    #[serde(default = "client_error")]
    pub status: u16,
    /// How many times it fires; until removed when `None`.
    #[serde(default)]
    pub count: Option<u32>,
    /// Chance from 0 to 1 that a matching call is hit; always when `None`.
    #[serde(default)]
    pub probability: Option<f64>,
    /// Milliseconds to wait before the call is taken up, in real time; of a delivery, on the emulator's clock.
    #[serde(default)]
    pub delay_ms: Option<u64>,
    /// The operation is carried out first and its response lost.
    #[serde(default)]
    pub after: bool,
}

fn any() -> String {
    "*".to_owned()
}

fn client_error() -> u16 {
    400
}

/// Why a rule is none.
#[derive(Debug, thiserror::Error)]
pub enum InvalidFault {
    #[error("a fault has either an error or a delivery")]
    NotOne,
    #[error(
        "of deliveries, those of sqs may come twice, late and out_of_order, of s3 and sns twice and late, of streams twice"
    )]
    Delivery,
    #[error("a late delivery has a delay_ms, and no delivery more than {LONGEST_LATENESS}")]
    Delay,
}

impl Fault {
    fn check(&self) -> Result<(), InvalidFault> {
        let Some(delivery) = self.delivery else {
            return if self.error.is_empty() { Err(InvalidFault::NotOne) } else { Ok(()) };
        };
        if !self.error.is_empty() {
            return Err(InvalidFault::NotOne);
        }
        let happens = match self.service.as_str() {
            "sqs" => true,
            "s3" | "sns" => delivery != Delivery::OutOfOrder,
            "streams" => delivery == Delivery::Twice,
            _ => false,
        };
        let delay = self.delay_ms.unwrap_or_default();
        match delivery {
            _ if !happens => Err(InvalidFault::Delivery),
            Delivery::Late if delay == 0 => Err(InvalidFault::Delay),
            _ if delay > LONGEST_LATENESS => Err(InvalidFault::Delay),
            _ => Ok(()),
        }
    }

    fn matches(&self, service: &str, operation: &str) -> bool {
        self.service == service && (self.operation == "*" || self.operation == operation)
    }

    /// What the injected error says.
    pub(crate) fn message(&self) -> String {
        format!("{} (an injected fault)", self.error)
    }
}

/// The rules in force, in the order they were added; the first that fires decides.
#[derive(Debug)]
pub struct Faults(Mutex<State>);

#[derive(Debug)]
struct State {
    rules: Vec<(Fault, u64)>,
    random: SplitMix,
}

impl Default for Faults {
    fn default() -> Self {
        Self(Mutex::new(State { rules: Vec::new(), random: SplitMix(0) }))
    }
}

impl Faults {
    /// Adds a rule. Beyond 256 rules the oldest goes.
    ///
    /// # Errors
    /// When it says neither what to answer nor what to disturb, or both.
    pub fn add(&self, fault: Fault) -> Result<(), InvalidFault> {
        fault.check()?;
        let mut state = lock(&self.0);
        if state.rules.len() == MOST_FAULTS {
            state.rules.remove(0);
        }
        state.rules.push((fault, 0));
        Ok(())
    }

    /// Removes every rule.
    pub fn clear(&self) {
        lock(&self.0).rules.clear();
    }

    /// Every rule with how often it fired, spent ones included.
    pub fn list(&self) -> Vec<(Fault, u64)> {
        lock(&self.0).rules.clone()
    }

    /// Starts the random sequence over, so that the same calls are hit again.
    pub fn reseed(&self, seed: u64) {
        lock(&self.0).random = SplitMix(seed);
    }

    /// The fault that this call is to suffer, counted as fired.
    pub(crate) fn hit(&self, service: &str, operation: &str) -> Option<Fault> {
        self.draw(|fault| fault.delivery.is_none() && fault.matches(service, operation))
    }

    /// By how many milliseconds a delivery to this queue (of streams, from this table) is to be disturbed so; counted as
    /// fired.
    pub(crate) fn disturb(&self, service: &str, place: &str, delivery: Delivery) -> Option<i64> {
        let fault = self.draw(|fault| fault.delivery == Some(delivery) && fault.matches(service, place))?;
        Some(i64::try_from(fault.delay_ms.unwrap_or_default()).unwrap_or_default())
    }

    fn draw(&self, matches: impl Fn(&Fault) -> bool) -> Option<Fault> {
        let state = &mut *lock(&self.0);
        for (fault, fired) in &mut state.rules {
            if !matches(fault) || fault.count.is_some_and(|count| *fired >= u64::from(count)) {
                continue;
            }
            if fault.probability.is_none_or(|chance| state.random.next_unit() < chance) {
                *fired += 1;
                return Some(fault.clone());
            }
        }
        None
    }

    /// [`hit`](Self::hit), with the fault's delay already waited for.
    pub(crate) async fn strike(&self, service: &str, operation: &str) -> Option<Fault> {
        let fault = self.hit(service, operation)?;
        if let Some(delay) = fault.delay_ms {
            tokio::time::sleep(Duration::from_millis(delay).min(LONGEST_DELAY)).await;
        }
        Some(fault)
    }
}

/// SplitMix64: reproducible from its seed, and good enough to decide about faults.
#[derive(Debug)]
struct SplitMix(u64);

impl SplitMix {
    /// A number in `[0, 1)`.
    fn next_unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        #[allow(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
        let unit = (z >> 11) as f64 / (1u64 << 53) as f64;
        unit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(json: &str) -> Fault {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_counted_fault_fires_that_often_and_then_lets_calls_pass() {
        let faults = Faults::default();
        faults
            .add(fault(r#"{"service":"ses","operation":"*","error":"Throttling","status":400,"count":2}"#))
            .unwrap();
        assert!(faults.hit("sqs", "SendMessage").is_none());
        assert!(faults.hit("ses", "SendEmail").is_some());
        assert!(faults.hit("ses", "SendRawEmail").is_some());
        assert!(faults.hit("ses", "SendEmail").is_none());
        assert_eq!(faults.list()[0].1, 2);
    }

    #[test]
    fn the_same_seed_hits_the_same_calls() {
        let faults = Faults::default();
        faults.add(fault(r#"{"service":"s3","error":"SlowDown","status":503,"probability":0.5}"#)).unwrap();
        let run = |seed| {
            faults.reseed(seed);
            (0..64).map(|_| faults.hit("s3", "GetObject").is_some()).collect::<Vec<_>>()
        };
        let first = run(7);
        assert_eq!(first, run(7));
        assert_ne!(first, run(8));
        let hits = first.iter().filter(|hit| **hit).count();
        assert!((16..48).contains(&hits), "{hits} of 64");
    }

    #[test]
    fn a_fault_either_answers_an_error_or_disturbs_a_delivery_that_aws_may_disturb() {
        let faults = Faults::default();
        for wrong in [
            r#"{"service":"sqs"}"#,
            r#"{"service":"sqs","error":"Throttling","delivery":"twice"}"#,
            r#"{"service":"dynamodb","delivery":"twice"}"#,
            r#"{"service":"streams","delivery":"out_of_order"}"#,
            r#"{"service":"s3","delivery":"late"}"#,
            r#"{"service":"s3","delivery":"late","delay_ms":86400000}"#,
        ] {
            assert!(faults.add(fault(wrong)).is_err(), "{wrong}");
        }
        faults.add(fault(r#"{"service":"sqs","operation":"q","delivery":"late","delay_ms":7}"#)).unwrap();
        assert_eq!(faults.disturb("sqs", "q", Delivery::Late), Some(7));
        assert_eq!(faults.disturb("sqs", "other", Delivery::Late), None);
        assert_eq!(faults.disturb("s3", "q", Delivery::Late), None);
        assert!(faults.hit("sqs", "q").is_none(), "a delivery is no call");
    }
}

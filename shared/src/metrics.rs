//! What the system did, as metrics of CloudWatch: counted where it is done, and told in one line an invocation, in the
//! [embedded metric format](https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html).
//!
//! What AWS measures by itself (requests, errors, durations, ages of queues) is not told again. The one dimension is the
//! stack: each further value of a dimension would be a metric to pay for, and the line names the function anyway.

use crate::timestamp::Timestamp;
use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::env;
use std::io::Write;

/// The namespace that the stack's dashboard and alarms look into.
const NAMESPACE: &str = "Notes";
/// The variable that names the stack, and the dimension that it becomes.
const STACK_VARIABLE: &str = "STACK_NAME";
const STACK_DIMENSION: &str = "Stack";

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// Changes of notes and attachments whose effects are done.
    Changes,
    EmailsSent,
    /// E-mails that SES will never take.
    EmailsRefused,
    /// E-mails to addresses that are not mailed any more.
    EmailsSuppressed,
    /// E-mails that were sent and could not be recorded: another copy of the job would send them again.
    EmailsUnrecorded,
    UploadsReady,
    UploadsFailed,
    /// What failed and was sent back to where it failed.
    Replayed,
    /// What would not pass and waits for a person.
    Parked,
    /// Notes purged, and uploads that never came, cleaned up.
    CleanedUp,
}

impl Metric {
    fn name(self) -> &'static str {
        match self {
            Self::Changes => "Changes",
            Self::EmailsSent => "EmailsSent",
            Self::EmailsRefused => "EmailsRefused",
            Self::EmailsSuppressed => "EmailsSuppressed",
            Self::EmailsUnrecorded => "EmailsUnrecorded",
            Self::UploadsReady => "UploadsReady",
            Self::UploadsFailed => "UploadsFailed",
            Self::Replayed => "Replayed",
            Self::Parked => "Parked",
            Self::CleanedUp => "CleanedUp",
        }
    }
}

type Counts = BTreeMap<Metric, u64>;

tokio::task_local! {
    /// Of the invocation that this task works on.
    static CURRENT: RefCell<Counts>;
}

/// Counts one for the invocation at hand.
pub fn count(metric: Metric) {
    count_many(metric, 1);
}

/// Counts several.
pub fn count_many(metric: Metric, number: u64) {
    // Fails outside of an invocation, which only tests are.
    let _outside = CURRENT.try_with(|counts| *counts.borrow_mut().entry(metric).or_default() += number);
}

/// Runs an invocation's work, and tells what it counted. Work that it gives to other tasks is not seen.
pub(crate) async fn told<F: Future>(function: &str, request_id: &str, work: F) -> F::Output {
    let (output, counts) = counted(work).await;
    if let Some(line) = line(&counts, env::var(STACK_VARIABLE).ok(), function, request_id) {
        // A closed output ends the environment soon, and there is nowhere to say it.
        let _closed = writeln!(std::io::stdout().lock(), "{line}");
    }
    output
}

async fn counted<F: Future>(work: F) -> (F::Output, Counts) {
    // In a box, so that whatever holds this holds a pointer and not all of the work's own futures.
    let work = Box::pin(async {
        let output = work.await;
        (output, CURRENT.with(RefCell::take))
    });
    CURRENT.scope(RefCell::default(), work).await
}

/// The line, if there is anything to tell.
fn line(counts: &Counts, stack: Option<String>, function: &str, request_id: &str) -> Option<Value> {
    let counts: BTreeMap<&str, u64> = counts
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(metric, count)| (metric.name(), *count))
        .collect();
    if counts.is_empty() {
        return None;
    }
    let metrics: Vec<Value> = counts.keys().map(|name| json!({ "Name": name, "Unit": "Count" })).collect();
    let dimensions = if stack.is_some() { json!([[STACK_DIMENSION]]) } else { json!([[]]) };
    let mut line = Map::new();
    line.insert(
        "_aws".into(),
        json!({
            "Timestamp": Timestamp::system().millis(),
            "CloudWatchMetrics": [{ "Namespace": NAMESPACE, "Dimensions": dimensions, "Metrics": metrics }],
        }),
    );
    line.extend(stack.map(|stack| (STACK_DIMENSION.to_owned(), Value::from(stack))));
    line.insert("function".into(), function.into());
    line.insert("request_id".into(), request_id.into());
    line.extend(counts.into_iter().map(|(name, count)| (name.to_owned(), Value::from(count))));
    Some(Value::Object(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(counts: &Counts, stack: Option<&str>) -> Option<Value> {
        line(counts, stack.map(ToOwned::to_owned), "SendEmail", "r-1").map(|mut line| {
            assert!(line["_aws"]["Timestamp"].take().is_i64());
            line
        })
    }

    #[tokio::test]
    async fn an_invocation_tells_what_it_counted() {
        count(Metric::EmailsSent);
        let work = async {
            count(Metric::EmailsSent);
            count_many(Metric::CleanedUp, 0);
            tokio::task::yield_now().await;
            count_many(Metric::EmailsSent, 2);
            count(Metric::Parked);
            "done"
        };
        let (output, counts) = counted(work).await;
        assert_eq!(output, "done");
        let metrics =
            json!([{ "Name": "EmailsSent", "Unit": "Count" }, { "Name": "Parked", "Unit": "Count" }]);
        let expected = json!({
            "_aws": {
                "Timestamp": null,
                "CloudWatchMetrics": [{ "Namespace": "Notes", "Dimensions": [["Stack"]], "Metrics": metrics }],
            },
            "Stack": "notes-test", "function": "SendEmail", "request_id": "r-1", "EmailsSent": 3, "Parked": 1,
        });
        assert_eq!(told(&counts, Some("notes-test")), Some(expected));
    }

    #[test]
    fn nothing_is_told_of_nothing_and_no_dimension_without_a_stack() {
        assert_eq!(told(&Counts::new(), Some("notes")), None);
        let alone = told(&Counts::from([(Metric::Changes, 1)]), None).unwrap();
        assert_eq!(alone["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([[]]));
        assert_eq!(alone.get("Stack"), None);
    }
}

//! What a function's response says about its batch, by Lambda's strict rules for `ReportBatchItemFailures`
//! (Lambda developer guide, "Implementing partial batch responses" for DynamoDB Streams and for SQS).

use crate::lambda::{FunctionError, Outcome};
use serde_json::Value;
use std::collections::HashSet;

/// What is to be concluded from one invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Every item succeeded.
    Succeeded,
    /// Some items failed: their places in the batch, ascending, without repetition, never empty.
    Partly(Vec<usize>),
    /// The whole batch failed.
    Failed(Failure),
    /// The function was not invoked.
    Throttled,
}

/// Why a whole batch failed, for status lines and destinations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// The function's own error; `None` where it answered, but not by the rules.
    pub(super) error: Option<FunctionError>,
    pub(super) message: String,
}

/// Judges `outcome` for a batch of items with these `identifiers`.
///
/// Without `report` (the mapping's `FunctionResponseTypes`) a response is never looked at: answering is succeeding.
pub(super) fn judge(outcome: Outcome, report: bool, identifiers: &[&str]) -> Verdict {
    let body = match outcome {
        Outcome::Throttled => return Verdict::Throttled,
        Outcome::FunctionError(error) => {
            let message = format!("{}: {}", error.error_type, error.message);
            return Verdict::Failed(Failure { error: Some(error), message });
        }
        Outcome::Response(_) if !report => return Verdict::Succeeded,
        Outcome::Response(body) => body,
    };
    match failed_places(&body, identifiers) {
        Ok(failed) if failed.is_empty() => Verdict::Succeeded,
        Ok(failed) => Verdict::Partly(failed),
        Err(reason) => Verdict::Failed(Failure { error: None, message: reason.to_owned() }),
    }
}

/// The places of the items that a response calls failed; an error when the response breaks a rule.
fn failed_places(body: &[u8], identifiers: &[&str]) -> Result<Vec<usize>, &'static str> {
    if body.trim_ascii().is_empty() {
        return Ok(Vec::new());
    }
    let response: Value = serde_json::from_slice(body).map_err(|_| "the response is not JSON")?;
    let items = match &response {
        Value::Null => return Ok(Vec::new()),
        Value::Object(fields) => match fields.get("batchItemFailures") {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::Array(items)) => items,
            Some(_) => return Err("batchItemFailures is not a list"),
        },
        _ => return Err("the response is not a JSON object"),
    };
    let named = items.iter().map(identifier).collect::<Result<HashSet<_>, _>>()?;
    let known: HashSet<&str> = identifiers.iter().copied().collect();
    if !named.is_subset(&known) {
        return Err("an itemIdentifier names nothing in the batch");
    }
    let failed = identifiers.iter().enumerate().filter(|(_, identifier)| named.contains(*identifier));
    Ok(failed.map(|(place, _)| place).collect())
}

fn identifier(item: &Value) -> Result<&str, &'static str> {
    match item.get("itemIdentifier") {
        Some(Value::String(identifier)) if !identifier.is_empty() => Ok(identifier),
        Some(Value::String(_)) => Err("an itemIdentifier is empty"),
        Some(Value::Null) => Err("an itemIdentifier is null"),
        Some(_) => Err("an itemIdentifier is not a string"),
        None => Err("an item of batchItemFailures has no itemIdentifier"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn verdict(body: &str) -> Verdict {
        judge(Outcome::Response(Bytes::copy_from_slice(body.as_bytes())), true, &["1", "2", "3"])
    }

    #[test]
    fn empty_and_null_answers_are_success() {
        for body in [
            "",
            "  ",
            "null",
            "{}",
            r#"{"batchItemFailures":null}"#,
            r#"{"batchItemFailures":[]}"#,
            r#"{"other":1}"#,
        ] {
            assert_eq!(verdict(body), Verdict::Succeeded, "{body}");
        }
    }

    #[test]
    fn named_items_failed_in_the_order_of_the_batch() {
        let body =
            r#"{"batchItemFailures":[{"itemIdentifier":"3"},{"itemIdentifier":"2"},{"itemIdentifier":"3"}]}"#;
        assert_eq!(verdict(body), Verdict::Partly(vec![1, 2]));
    }

    #[test]
    fn every_malformed_answer_fails_the_whole_batch() {
        for body in [
            r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":2}]}"#,
            r#"{"batchItemFailures":[{"ItemIdentifier":"2"}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":"2"},{"itemIdentifier":"9"}]}"#,
            r#"{"batchItemFailures":["2"]}"#,
            r#"{"batchItemFailures":"2"}"#,
            r#""fine""#,
            "not json",
        ] {
            assert!(matches!(verdict(body), Verdict::Failed(_)), "{body}");
        }
    }

    #[test]
    fn an_answer_is_not_read_unless_reporting_is_on() {
        let outcome = Outcome::Response(Bytes::from_static(b"not json"));
        assert_eq!(judge(outcome, false, &["1"]), Verdict::Succeeded);
    }

    #[test]
    fn errors_and_throttles_are_told_apart() {
        let error = FunctionError { error_type: "Runtime.ExitError".into(), message: "exit 1".into() };
        let failed = judge(Outcome::FunctionError(error.clone()), true, &["1"]);
        assert!(matches!(failed, Verdict::Failed(Failure { error: Some(e), .. }) if e == error));
        assert_eq!(judge(Outcome::Throttled, true, &["1"]), Verdict::Throttled);
    }
}

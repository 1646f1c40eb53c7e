//! What a function may answer to a batch, and what that means by Lambda's rules for partial batch responses.

use super::super::testing::{answer, function_error};
use crate::lambda::Outcome;
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// An answer, made up before it is known what it will answer: places beyond the batch count from its start again.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// One of the ways to say that all went well.
    Well(usize),
    /// These items failed, named in this order and perhaps twice.
    Failed(Vec<usize>),
    /// One of the ways to break the rules of a partial response.
    Malformed(usize),
    Error,
    Throttled,
}

/// What is to be concluded from an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Done,
    /// The items at these places failed; never empty.
    Items(BTreeSet<usize>),
    /// The whole batch failed; whether with an error of the function.
    Whole {
        error: bool,
    },
    /// It was not invoked.
    Throttled,
}

pub(super) fn answers() -> impl Strategy<Value = Answer> {
    prop_oneof![
        5 => (0usize..6).prop_map(Answer::Well),
        4 => prop::collection::vec(0usize..12, 1..4).prop_map(Answer::Failed),
        1 => (0usize..6).prop_map(Answer::Malformed),
        3 => Just(Answer::Error),
        1 => Just(Answer::Throttled),
    ]
}

impl Answer {
    /// What the function answers to a batch of these items, and what Lambda has to make of it. Without `report` it does
    /// not look at responses.
    pub(super) fn to(&self, items: &[&str], report: bool) -> (Outcome, Meaning) {
        let (outcome, meaning) = match self {
            Self::Well(form) => (well(*form), Meaning::Done),
            Self::Failed(places) => {
                let places: Vec<usize> = places.iter().map(|place| place % items.len()).collect();
                let named: Vec<Value> =
                    places.iter().map(|place| json!({"itemIdentifier": items[*place]})).collect();
                let outcome = answer(&json!({ "batchItemFailures": named }));
                (outcome, Meaning::Items(places.into_iter().collect()))
            }
            Self::Malformed(form) => (malformed(*form, items[0]), Meaning::Whole { error: false }),
            Self::Error => return (function_error(), Meaning::Whole { error: true }),
            Self::Throttled => return (Outcome::Throttled, Meaning::Throttled),
        };
        (outcome, if report { meaning } else { Meaning::Done })
    }
}

fn well(form: usize) -> Outcome {
    let forms =
        ["", "null", "{}", r#"{"batchItemFailures":[]}"#, r#"{"batchItemFailures":null}"#, r#"{"other":1}"#];
    Outcome::Response(Bytes::from_static(forms[form].as_bytes()))
}

/// Each of these fails the whole batch, although a good identifier may stand beside the bad one.
fn malformed(form: usize, good: &str) -> Outcome {
    let items = match form {
        0 => json!([{"itemIdentifier": ""}]),
        1 => json!([{"itemIdentifier": good}, {"itemIdentifier": null}]),
        2 => json!([{"itemIdentifier": good}, {"itemId": good}]),
        3 => json!([{"itemIdentifier": good}, {"itemIdentifier": "no such item"}]),
        4 => json!("all of them"),
        _ => return Outcome::Response(Bytes::from_static(b"not JSON")),
    };
    answer(&json!({ "batchItemFailures": items }))
}

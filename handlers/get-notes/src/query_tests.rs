//! Query strings of every kind: what is wrong with one is told by name, and nothing else is.

use crate::tests::{answer, list};
use proptest::prelude::*;
use shared::fake::FakeAws;
use shared::limits::{PAGE_MAXIMUM, SEARCH_CHARACTERS, TAG_CHARACTERS};

/// The parameters in the order in which they are judged.
type Parameters = [(&'static str, Option<String>); 4];

/// A value that is likely good, or anything at all.
fn value(likely: &'static str) -> impl Strategy<Value = Option<String>> {
    prop::option::of(prop_oneof![3 => likely, 2 => "(?s).{0,60}", 1 => " {0,3}[a-z]{180,220} {0,3}"])
}

fn parameters() -> impl Strategy<Value = Parameters> {
    let words = || value("[a-z]{1,8}( [A-Zé]{1,8}){0,3}");
    (value("true|false"), value("[0-9]{1,3}"), words(), words())
        .prop_map(|(trash, limit, tag, q)| [("trash", trash), ("limit", limit), ("tag", tag), ("q", q)])
}

fn is_good(name: &str, value: &str) -> bool {
    let is_line = |most: usize| {
        let is_blank = value.chars().all(char::is_whitespace);
        !is_blank && value.chars().count() <= most && !value.contains(char::is_control)
    };
    match name {
        "trash" => value == "true" || value == "false",
        "limit" => {
            let is_number = value.chars().all(|digit| digit.is_ascii_digit());
            is_number && value.parse().is_ok_and(|limit: usize| (1..=PAGE_MAXIMUM).contains(&limit))
        }
        "tag" => is_line(TAG_CHARACTERS),
        _ => is_line(SEARCH_CHARACTERS),
    }
}

/// Whether everything that was asked of the tables was asked of this caller's part of them.
fn asks_the_callers_partitions_only(aws: &FakeAws) -> bool {
    aws.sent("Query").iter().all(|query| {
        let values = query["ExpressionAttributeValues"].as_object();
        values.is_some_and(|values| {
            values.values().any(|value| value["S"].as_str().is_some_and(|text| text.contains("auth0|ada")))
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn exactly_the_wrong_parameters_of_a_query_are_named(
        parameters in parameters(),
        cursor in prop::option::weighted(0.2, "(?s).{1,40}"),
    ) {
        let given = parameters.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?)));
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(given.clone()).extend_pairs(cursor.iter().map(|cursor| ("cursor", cursor)));
        let mut wrong: Vec<_> = given.filter(|(name, value)| !is_good(name, value)).map(|(name, _)| name).collect();
        // A cursor is for a listing, which must be known first.
        if wrong.is_empty() && cursor.is_some() {
            wrong.push("cursor");
        }

        let aws = FakeAws::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let answered = runtime.block_on(answer(&aws, list(&query.finish())));
        prop_assert_eq!(answered.status, if wrong.is_empty() { 200 } else { 422 }, "{}", answered.body);
        prop_assert!(asks_the_callers_partitions_only(&aws));
        if !wrong.is_empty() {
            prop_assert_eq!(answered.wrong_fields(), wrong);
            prop_assert!(aws.calls().is_empty());
        }
    }
}

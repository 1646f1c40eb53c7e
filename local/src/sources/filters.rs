//! Lambda's event filter patterns (Lambda developer guide, "Filter rule syntax"): nested objects are ANDed, the values of a
//! list are ORed, and of several patterns any may match.
//!
//! Not there because Lambda's table of rules has none of it: wildcards, IP ranges. DynamoDB's numbers are strings in the
//! event, so `numeric` never matches one.

use serde_json::{Map, Value};

/// The most patterns a mapping may have.
const MOST_PATTERNS: usize = 5;

/// Why a pattern cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FilterError {
    #[error("{0} filter patterns, but at most {MOST_PATTERNS} are allowed")]
    TooMany(usize),
    #[error("filter pattern: {at}: {problem}")]
    Pattern { at: String, problem: &'static str },
}

/// The filters of one mapping.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filters(Vec<Node>);

impl Filters {
    /// Reads patterns given as JSON objects.
    pub(crate) fn new(patterns: &[Value]) -> Result<Self, FilterError> {
        if patterns.len() > MOST_PATTERNS {
            return Err(FilterError::TooMany(patterns.len()));
        }
        patterns.iter().map(|pattern| node(pattern, "$")).collect::<Result<_, _>>().map(Self)
    }

    /// Whether an event passes: any pattern matches, or there is none.
    pub(super) fn pass(&self, event: &Value) -> bool {
        self.0.is_empty() || self.0.iter().any(|pattern| pattern.matches(Some(event)))
    }

    /// Whether there is nothing to filter by.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A pattern, or the part of one under some key.
#[derive(Clone, Debug)]
enum Node {
    /// Every field matches, and so does one alternative of each `$or`.
    Object { fields: Vec<(String, Node)>, either: Vec<Vec<Node>> },
    /// Any rule matches the value.
    Leaf(Vec<Rule>),
}

#[derive(Clone, Debug)]
enum Rule {
    Equals(Value),
    EqualsIgnoreCase(String),
    Prefix(String),
    Suffix(String),
    AnythingBut(Vec<Rule>),
    Numeric(Vec<(Comparison, f64)>),
    Exists(bool),
}

#[derive(Clone, Copy, Debug)]
enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

fn problem(at: &str, problem: &'static str) -> FilterError {
    FilterError::Pattern { at: at.to_owned(), problem }
}

fn node(pattern: &Value, at: &str) -> Result<Node, FilterError> {
    match pattern {
        Value::Object(fields) => object(fields, at),
        Value::Array(rules) if rules.is_empty() => Err(problem(at, "an empty list matches nothing")),
        Value::Array(rules) => {
            rules.iter().map(|value| rule(value, at)).collect::<Result<_, _>>().map(Node::Leaf)
        }
        _ => Err(problem(at, "values must stand in a list")),
    }
}

fn object(pattern: &Map<String, Value>, at: &str) -> Result<Node, FilterError> {
    let (mut fields, mut either) = (Vec::new(), Vec::new());
    for (key, value) in pattern {
        let here = format!("{at}.{key}");
        match value {
            Value::Array(alternatives) if key == "$or" => {
                either.push(alternatives.iter().map(|each| node(each, &here)).collect::<Result<_, _>>()?);
            }
            _ => fields.push((key.clone(), node(value, &here)?)),
        }
    }
    Ok(Node::Object { fields, either })
}

fn rule(value: &Value, at: &str) -> Result<Rule, FilterError> {
    let Value::Object(operator) = value else {
        return match value {
            Value::Array(_) => Err(problem(at, "a list in a list")),
            _ => Ok(Rule::Equals(value.clone())),
        };
    };
    let mut entries = operator.iter();
    let (Some((name, operand)), None) = (entries.next(), entries.next()) else {
        return Err(problem(at, "a rule has exactly one operator"));
    };
    match (name.as_str(), operand) {
        ("prefix", Value::String(text)) => Ok(Rule::Prefix(text.clone())),
        ("suffix", Value::String(text)) => Ok(Rule::Suffix(text.clone())),
        ("equals-ignore-case", Value::String(text)) => Ok(Rule::EqualsIgnoreCase(text.to_lowercase())),
        ("exists", Value::Bool(exists)) => Ok(Rule::Exists(*exists)),
        ("numeric", Value::Array(parts)) => numeric(parts, at),
        ("anything-but", Value::Array(values)) => {
            values.iter().map(|value| rule(value, at)).collect::<Result<_, _>>().map(Rule::AnythingBut)
        }
        ("anything-but", other) => Ok(Rule::AnythingBut(vec![rule(other, at)?])),
        ("prefix" | "suffix" | "equals-ignore-case" | "exists" | "numeric", _) => {
            Err(problem(at, "the operator's value has the wrong type"))
        }
        _ => Err(problem(at, "Lambda's filters do not know this operator")),
    }
}

fn numeric(parts: &[Value], at: &str) -> Result<Rule, FilterError> {
    if parts.is_empty() || parts.len() > 4 || !parts.len().is_multiple_of(2) {
        return Err(problem(at, "numeric takes one or two pairs of comparison and number"));
    }
    let comparisons = parts.chunks(2).map(|pair| {
        let comparison = match pair[0].as_str() {
            Some("=") => Comparison::Equal,
            Some("<") => Comparison::Less,
            Some("<=") => Comparison::LessOrEqual,
            Some(">") => Comparison::Greater,
            Some(">=") => Comparison::GreaterOrEqual,
            _ => return Err(problem(at, "numeric knows =, <, <=, > and >=")),
        };
        let number = pair[1].as_f64().ok_or_else(|| problem(at, "numeric compares with numbers"))?;
        Ok((comparison, number))
    });
    comparisons.collect::<Result<_, _>>().map(Rule::Numeric)
}

impl Node {
    fn matches(&self, value: Option<&Value>) -> bool {
        match (self, value) {
            // An object in a list matches when any element does.
            (Self::Object { .. }, Some(Value::Array(elements))) => {
                elements.iter().any(|element| self.matches(Some(element)))
            }
            // A missing or simple value has no fields, which `exists: false` may be looking for.
            (Self::Object { fields, either }, _) => {
                let under = |key: &str| value.and_then(|value| value.get(key));
                fields.iter().all(|(key, node)| node.matches(under(key)))
                    && either.iter().all(|alternatives| alternatives.iter().any(|node| node.matches(value)))
            }
            (Self::Leaf(rules), Some(Value::Array(elements))) => {
                rules.iter().any(|rule| rule.matches_list(elements))
            }
            (Self::Leaf(rules), _) => rules.iter().any(|rule| rule.matches(value)),
        }
    }
}

impl Rule {
    fn matches_list(&self, elements: &[Value]) -> bool {
        match self {
            Self::Exists(exists) => *exists,
            _ => elements.iter().any(|element| self.matches(Some(element))),
        }
    }

    fn matches(&self, value: Option<&Value>) -> bool {
        let text = value.and_then(Value::as_str);
        match self {
            // `exists` looks at leaves only: an object is none.
            Self::Exists(exists) => *exists == value.is_some_and(|value| !value.is_object()),
            Self::Equals(Value::Number(wanted)) => {
                value.and_then(Value::as_f64).is_some_and(|number| Some(number) == wanted.as_f64())
            }
            Self::Equals(wanted) => value == Some(wanted),
            Self::EqualsIgnoreCase(wanted) => text.is_some_and(|text| text.to_lowercase() == *wanted),
            Self::Prefix(prefix) => text.is_some_and(|text| text.starts_with(prefix.as_str())),
            Self::Suffix(suffix) => text.is_some_and(|text| text.ends_with(suffix.as_str())),
            Self::AnythingBut(rules) => {
                value.is_some_and(|value| !value.is_object()) && !rules.iter().any(|rule| rule.matches(value))
            }
            Self::Numeric(comparisons) => value.and_then(Value::as_f64).is_some_and(|number| {
                comparisons.iter().all(|(comparison, other)| comparison.holds(number, *other))
            }),
        }
    }
}

impl Comparison {
    #[expect(clippy::float_cmp, reason = "numeric equality is what the pattern asks for")]
    fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Self::Equal => left == right,
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pass(pattern: Value, event: Value) -> bool {
        Filters::new(&[pattern]).unwrap().pass(&event)
    }

    #[test]
    fn without_a_pattern_everything_passes() {
        assert!(Filters::default().pass(&json!({"a": 1})));
    }

    #[test]
    fn the_notes_table_filter_passes_notes_and_attachments_only() {
        let pattern =
            json!({"dynamodb": {"Keys": {"sk": {"S": [{"prefix": "NOTE#"}, {"prefix": "ATTACHMENT#"}]}}}});
        let event = |sk: &str| json!({"dynamodb": {"Keys": {"pk": {"S": "USER#1"}, "sk": {"S": sk}}}});
        assert!(pass(pattern.clone(), event("NOTE#1")));
        assert!(pass(pattern.clone(), event("ATTACHMENT#1#2")));
        assert!(!pass(pattern.clone(), event("SETTINGS")));
        assert!(!pass(pattern, json!({"dynamodb": {}})));
    }

    #[test]
    fn every_operator_matches_what_it_says() {
        let cases = [
            (json!(["x"]), json!("x"), json!("y")),
            (json!([null]), json!(null), json!("")),
            (json!([""]), json!(""), json!("x")),
            (json!([7]), json!(7.0), json!("7")),
            (json!([true]), json!(true), json!(false)),
            (json!([{"prefix": "ab"}]), json!("abc"), json!("cab")),
            (json!([{"suffix": ".png"}]), json!("a.png"), json!("png.")),
            (json!([{"equals-ignore-case": "HeLLo"}]), json!("hello"), json!("hell")),
            (json!([{"anything-but": ["a", "b"]}]), json!("c"), json!("a")),
            (json!([{"anything-but": {"prefix": "a"}}]), json!("ba"), json!("ab")),
            (json!([{"numeric": [">", 1, "<=", 5]}]), json!(5), json!(1)),
            (json!([{"numeric": ["=", 2]}]), json!(2), json!("2")),
            (json!([{"exists": true}]), json!(0), json!({"not": "a leaf"})),
            (json!(["x", {"prefix": "y"}]), json!("yes"), json!("no")),
            (json!(["x"]), json!(["y", "x"]), json!(["y"])),
        ];
        for (rules, yes, no) in cases {
            let pattern = json!({ "k": rules });
            assert!(pass(pattern.clone(), json!({ "k": yes })), "{pattern} on {yes}");
            assert!(!pass(pattern.clone(), json!({ "k": no })), "{pattern} on {no}");
        }
    }

    #[test]
    fn absence_is_found_at_any_depth() {
        let pattern = json!({"a": {"b": [{"exists": false}]}});
        assert!(pass(pattern.clone(), json!({})));
        assert!(pass(pattern.clone(), json!({"a": {"c": 1}})));
        assert!(!pass(pattern, json!({"a": {"b": 1}})));
        assert!(!pass(json!({"a": [{"anything-but": ["x"]}]}), json!({})));
    }

    #[test]
    fn alternatives_over_fields_are_ored_and_fields_are_anded() {
        let pattern = json!({"kind": ["k"], "$or": [{"a": [1]}, {"b": [2]}]});
        assert!(pass(pattern.clone(), json!({"kind": "k", "b": 2})));
        assert!(!pass(pattern.clone(), json!({"kind": "k"})));
        assert!(!pass(pattern, json!({"kind": "z", "a": 1})));
    }

    #[test]
    fn patterns_that_aws_would_refuse_are_refused() {
        for pattern in [
            json!({"a": "x"}),
            json!({"a": []}),
            json!({"a": [{"wildcard": "*"}]}),
            json!({"a": [{"prefix": 1}]}),
            json!({"a": [{"numeric": ["~", 1]}]}),
            json!({"a": [{"numeric": [">"]}]}),
            json!("text"),
        ] {
            assert!(Filters::new(std::slice::from_ref(&pattern)).is_err(), "{pattern}");
        }
        assert_eq!(Filters::new(&vec![json!({}); 6]).unwrap_err(), FilterError::TooMany(6));
    }
}

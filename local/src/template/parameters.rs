//! Parameters: their values, defaults and constraints, and the pseudo parameters.

use super::Settings;
use super::problem::{Place, Problems, suggestion};
use super::source::Template;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

const KEYS: [&str; 11] = [
    "AllowedPattern",
    "AllowedValues",
    "ConstraintDescription",
    "Default",
    "Description",
    "MaxLength",
    "MaxValue",
    "MinLength",
    "MinValue",
    "NoEcho",
    "Type",
];

/// The value of every parameter and pseudo parameter; lists are arrays of strings. A parameter whose value is missing
/// or wrong is told and stands as `Null`.
pub(super) fn resolve(
    template: &Template,
    settings: &Settings<'_>,
    problems: &Problems,
) -> BTreeMap<String, Value> {
    let issuers = issuer_parameters(template);
    let mut values = pseudo_parameters(settings);
    for name in settings.parameters.keys().filter(|name| !template.parameters.contains_key(*name)) {
        let hint = suggestion(name, template.parameters.keys().map(String::as_str));
        problems
            .add("section Parameters", format_args!("a value was given for unknown parameter {name}{hint}"));
    }
    for (name, definition) in &template.parameters {
        let place = Place::new(format!("parameter {name}"));
        let Value::Object(definition) = definition else {
            problems.add(place, "it is not a mapping");
            continue;
        };
        let given = settings.parameters.get(name).cloned();
        // A token issuer is a service that the laptop cloud is itself: a template that leaves it open gets the host's.
        let given = given.or_else(|| issuers.contains(name.as_str()).then(|| settings.local_issuer.clone()));
        let given = given.or_else(|| definition.get("Default").map(text));
        values.insert(name.clone(), value(&place, definition, given, problems));
    }
    values
}

fn pseudo_parameters(settings: &Settings<'_>) -> BTreeMap<String, Value> {
    let Settings { region, account, stack_name, .. } = settings;
    let partition = settings.partition();
    [
        ("AWS::AccountId", account.clone()),
        ("AWS::Partition", partition.to_owned()),
        ("AWS::Region", region.clone()),
        (
            "AWS::StackId",
            format!("arn:{partition}:cloudformation:{region}:{account}:stack/{stack_name}/local"),
        ),
        ("AWS::StackName", stack_name.clone()),
        ("AWS::URLSuffix", settings.url_suffix().to_owned()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), Value::String(value)))
    .collect()
}

/// Parameters that a JWT authorizer's issuer refers to and that the template leaves open: without a default, or with
/// an empty one, which is how a template says "make an identity provider of your own".
fn issuer_parameters(template: &Template) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    template
        .resources
        .values()
        .filter(|resource| resource.kind == "AWS::Serverless::HttpApi")
        .filter_map(|api| api.properties.get("Auth")?["Authorizers"].as_object())
        .flat_map(Map::values)
        .for_each(|authorizer| references(&authorizer["JwtConfiguration"]["issuer"], &mut names));
    let open = |name: &&str| match template.parameters.get(*name) {
        Some(definition) => definition.get("Default").is_none_or(|default| default == ""),
        None => false,
    };
    names.into_iter().filter(open).collect()
}

/// The names that `Ref`s anywhere in an expression give.
fn references<'v>(expression: &'v Value, names: &mut BTreeSet<&'v str>) {
    match expression {
        Value::Object(object) => {
            names.extend(object.get("Ref").and_then(Value::as_str));
            object.values().for_each(|inner| references(inner, names));
        }
        Value::Array(items) => items.iter().for_each(|inner| references(inner, names)),
        _ => {}
    }
}

fn value(
    place: &Place,
    definition: &Map<String, Value>,
    given: Option<String>,
    problems: &Problems,
) -> Value {
    for key in definition.keys().filter(|key| !KEYS.contains(&key.as_str())) {
        problems.add(place, format_args!("unknown property {key:?}{}", suggestion(key, KEYS)));
    }
    let kind = definition.get("Type").and_then(Value::as_str).unwrap_or_default();
    let Some(given) = given else {
        problems.add(place, "it has no default and no value was given: add --parameter NAME=VALUE");
        return Value::Null;
    };
    match kind {
        "String" => checked(place, definition, given, problems),
        "Number" if given.trim().parse::<f64>().is_err() => {
            problems.add(place, format_args!("{given:?} is not a number"));
            Value::Null
        }
        "Number" => checked_number(place, definition, given, problems),
        "CommaDelimitedList" | "List<Number>" => given
            .split(',')
            .map(|item| checked(place, definition, item.trim().to_owned(), problems))
            .collect(),
        _ => {
            problems.add(place, unknown_type(kind));
            Value::Null
        }
    }
}

fn unknown_type(kind: &str) -> String {
    if kind.is_empty() {
        "it has no Type".to_owned()
    } else if kind.starts_with("AWS::SSM::Parameter") {
        format!(
            "type {kind} reads from Systems Manager, which the laptop cloud has not: use a String parameter"
        )
    } else if kind.starts_with("AWS::") || kind.starts_with("List<AWS::") {
        format!("type {kind} names things of an AWS account, which the laptop cloud has not")
    } else {
        format!("unknown type {kind:?}")
    }
}

fn checked(place: &Place, definition: &Map<String, Value>, value: String, problems: &Problems) -> Value {
    if let Some(complaint) = complaint(definition, &value) {
        let description = definition.get("ConstraintDescription").and_then(Value::as_str);
        let description = description.map_or_else(String::new, |text| format!(" ({text})"));
        problems.add(place, format_args!("{complaint}{description}"));
        return Value::Null;
    }
    Value::String(value)
}

/// Which constraint of a string `value` breaks.
fn complaint(definition: &Map<String, Value>, value: &str) -> Option<String> {
    let length = value.chars().count() as f64;
    if let Some(allowed) = definition.get("AllowedValues").and_then(Value::as_array)
        && !allowed.iter().any(|allowed| text(allowed) == value)
    {
        let allowed: Vec<String> = allowed.iter().map(text).collect();
        return Some(format!("{value:?} is not one of its AllowedValues: {}", allowed.join(", ")));
    }
    if let Some(pattern) = definition.get("AllowedPattern").and_then(Value::as_str) {
        // The whole value has to match, as with CloudFormation.
        match regex_lite::Regex::new(&format!("^(?:{pattern})$")) {
            Ok(regex) if regex.is_match(value) => {}
            Ok(_) => return Some(format!("{value:?} does not match its AllowedPattern {pattern}")),
            Err(error) => return Some(format!("its AllowedPattern is not a regular expression: {error}")),
        }
    }
    if let Some(least) = bound(definition, "MinLength").filter(|least| length < *least) {
        return Some(format!("{value:?} is shorter than its MinLength, {least}"));
    }
    let most = bound(definition, "MaxLength").filter(|most| length > *most)?;
    Some(format!("{value:?} is longer than its MaxLength, {most}"))
}

fn checked_number(
    place: &Place,
    definition: &Map<String, Value>,
    given: String,
    problems: &Problems,
) -> Value {
    let number = given.trim().parse::<f64>().unwrap_or(f64::NAN);
    if let Some(least) = bound(definition, "MinValue").filter(|least| number < *least) {
        problems.add(place, format_args!("{given} is less than its MinValue, {least}"));
        return Value::Null;
    }
    if let Some(most) = bound(definition, "MaxValue").filter(|most| number > *most) {
        problems.add(place, format_args!("{given} is more than its MaxValue, {most}"));
        return Value::Null;
    }
    checked(place, definition, given, problems)
}

fn bound(definition: &Map<String, Value>, key: &str) -> Option<f64> {
    let value = definition.get(key)?;
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

/// A scalar as the text that CloudFormation makes of it.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{settings, template};
    use super::*;

    fn resolved(parameters: &str, given: &[(&str, &str)]) -> (BTreeMap<String, Value>, Vec<String>) {
        let template = template(&format!("Parameters: {parameters}\nResources: {{}}"));
        let mut settings = settings();
        settings.parameters =
            given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let problems = Problems::default();
        (resolve(&template, &settings, &problems), problems.messages())
    }

    #[test]
    fn defaults_given_values_and_lists() {
        let (values, problems) = resolved(
            "{A: {Type: String, Default: a}, B: {Type: Number, Default: 5}, C: {Type: CommaDelimitedList}}",
            &[("A", "given"), ("C", "x, y")],
        );
        assert_eq!(problems, [""; 0]);
        assert_eq!(values["A"], "given");
        assert_eq!(values["B"], "5");
        assert_eq!(values["C"], serde_json::json!(["x", "y"]));
        assert_eq!(values["AWS::URLSuffix"], "amazonaws.com");
    }

    #[test]
    fn every_broken_constraint_is_told() {
        let cases = [
            ("{P: {Type: String}}", "it has no default and no value was given: add --parameter NAME=VALUE"),
            (
                "{P: {Type: String, Default: c, AllowedValues: [a, b]}}",
                r#""c" is not one of its AllowedValues: a, b"#,
            ),
            (
                "{P: {Type: String, Default: A1, AllowedPattern: '[a-z]+', ConstraintDescription: lower case}}",
                r#""A1" does not match its AllowedPattern [a-z]+ (lower case)"#,
            ),
            ("{P: {Type: String, Default: a, MinLength: 2}}", r#""a" is shorter than its MinLength, 2"#),
            ("{P: {Type: String, Default: abc, MaxLength: 2}}", r#""abc" is longer than its MaxLength, 2"#),
            ("{P: {Type: Number, Default: x}}", r#""x" is not a number"#),
            ("{P: {Type: Number, Default: 1, MinValue: 2}}", "1 is less than its MinValue, 2"),
            ("{P: {Type: Number, Default: 3, MaxValue: 2}}", "3 is more than its MaxValue, 2"),
            (
                "{P: {Type: 'AWS::SSM::Parameter::Value<String>', Default: x}}",
                "type AWS::SSM::Parameter::Value<String> reads from Systems Manager, which the laptop cloud has not: \
                 use a String parameter",
            ),
        ];
        for (parameters, expected) in cases {
            assert_eq!(resolved(parameters, &[]).1, [format!("parameter P: {expected}")]);
        }
    }

    #[test]
    fn an_unknown_parameter_is_told() {
        let (_, problems) = resolved("{Stage: {Type: String, Default: x}}", &[("stge", "y")]);
        assert_eq!(
            problems,
            ["section Parameters: a value was given for unknown parameter stge — did you mean Stage?"]
        );
    }
}

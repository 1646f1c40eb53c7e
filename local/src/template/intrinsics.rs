//! The intrinsic functions themselves.

use super::parameters::text;
use super::problem::{Place, suggestion};
use super::scope::Scope;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value};

/// The function that an object calls, if it is a call: one key, `Ref`, `Condition` or `Fn::…`.
pub(super) fn call(object: &Map<String, Value>) -> Option<(&str, &Value)> {
    let (key, argument) = object.iter().next().filter(|_| object.len() == 1)?;
    // An IAM statement's `Condition` is an object and no call.
    let is_call = key == "Ref" || key.starts_with("Fn::") || (key == "Condition" && argument.is_string());
    is_call.then_some((key.as_str(), argument))
}

/// What a call comes to: `None` for `AWS::NoValue`, `Null` for what was told to be wrong.
pub(super) fn evaluate(scope: &Scope<'_>, function: &str, argument: &Value, place: &Place) -> Option<Value> {
    let value = match function {
        "Ref" => match argument.as_str() {
            Some(name) => return scope.reference(name, place),
            None => scope.wrong(place, "Ref takes the name of a resource or parameter"),
        },
        "Fn::If" => return if_(scope, argument, place),
        "Condition" => argument.as_str().and_then(|name| scope.condition(name, place)).map(Value::Bool),
        "Fn::GetAtt" => get_att(scope, argument, place).map(Value::String),
        "Fn::Sub" => sub(scope, argument, place).map(Value::String),
        "Fn::Join" => join(scope, argument, place).map(Value::String),
        "Fn::Split" => split(scope, argument, place),
        "Fn::Select" => select(scope, argument, place),
        "Fn::FindInMap" => find_in_map(scope, argument, place),
        "Fn::Base64" => {
            scope.resolve_text(argument, place).map(|text| Value::String(BASE64_STANDARD.encode(text)))
        }
        "Fn::Equals" => equals(scope, argument, place).map(Value::Bool),
        "Fn::Not" => not(scope, argument, place).map(Value::Bool),
        "Fn::And" => all_of(scope, "Fn::And", argument, place).map(|all| Value::Bool(all.iter().all(|x| *x))),
        "Fn::Or" => all_of(scope, "Fn::Or", argument, place).map(|all| Value::Bool(all.iter().any(|x| *x))),
        "Fn::GetAZs" => Some(availability_zones(scope)),
        "Fn::ImportValue" => scope.wrong(
            place,
            "Fn::ImportValue reads from another stack, and there is none here: use a parameter",
        ),
        other => scope.wrong(place, format_args!("{other} is not supported")),
    };
    Some(value.unwrap_or(Value::Null))
}

/// The arguments of a function that takes exactly `N`.
fn arguments<'v, const N: usize>(
    scope: &Scope<'_>,
    function: &str,
    argument: &'v Value,
    place: &Place,
) -> Option<[&'v Value; N]> {
    let items: Option<[&Value; N]> =
        argument.as_array().and_then(|items| items.iter().collect::<Vec<_>>().try_into().ok());
    items.or_else(|| scope.wrong(place, format_args!("{function} takes a list of {N} values")))
}

/// A list: either written out or what a function comes to.
fn list(scope: &Scope<'_>, function: &str, value: &Value, place: &Place) -> Option<Vec<Value>> {
    match scope.resolve(value, place) {
        Some(Value::Array(items)) => Some(items),
        Some(Value::Null) => None,
        _ => scope.wrong(place, format_args!("{function} needs a list here")),
    }
}

fn if_(scope: &Scope<'_>, argument: &Value, place: &Place) -> Option<Value> {
    let Some([name, then, otherwise]) = arguments(scope, "Fn::If", argument, place) else {
        return Some(Value::Null);
    };
    let Some(name) = name.as_str() else {
        scope.problems.add(place, "Fn::If takes the name of a condition first");
        return Some(Value::Null);
    };
    match scope.condition(name, place) {
        Some(true) => scope.resolve(then, place),
        Some(false) => scope.resolve(otherwise, place),
        None => Some(Value::Null),
    }
}

fn get_att(scope: &Scope<'_>, argument: &Value, place: &Place) -> Option<String> {
    let (name, attribute) = match argument {
        Value::String(text) => text.split_once('.').map(|(name, rest)| (name, Value::from(rest))),
        Value::Array(items) => match items.as_slice() {
            [Value::String(name), attribute] => Some((name.as_str(), attribute.clone())),
            _ => None,
        },
        _ => None,
    }
    .or_else(|| scope.wrong(place, "Fn::GetAtt takes a resource and an attribute"))?;
    let attribute = scope.resolve_text(&attribute, place)?;
    scope.attribute(name, &attribute, place)
}

/// `Fn::Sub`, in both forms.
fn sub(scope: &Scope<'_>, argument: &Value, place: &Place) -> Option<String> {
    let none = Map::new();
    let (template, variables) = match argument {
        Value::String(template) => Some((template, &none)),
        Value::Array(items) => match items.as_slice() {
            [Value::String(template), Value::Object(variables)] => Some((template, variables)),
            _ => None,
        },
        _ => None,
    }
    .or_else(|| scope.wrong(place, "Fn::Sub takes a text, or a list of a text and a mapping"))?;
    let mut output = String::new();
    let mut rest = template.as_str();
    while let Some((before, after)) = rest.split_once("${") {
        let (name, behind) = after
            .split_once('}')
            .or_else(|| scope.wrong(place, format_args!("Fn::Sub: a ${{ is not closed in {template:?}")))?;
        output.push_str(before);
        output.push_str(&sub_variable(scope, name, variables, place)?);
        rest = behind;
    }
    output.push_str(rest);
    Some(output)
}

fn sub_variable(
    scope: &Scope<'_>,
    name: &str,
    variables: &Map<String, Value>,
    place: &Place,
) -> Option<String> {
    // `${!Name}` is how a literal `${Name}` is written.
    if let Some(literal) = name.strip_prefix('!') {
        return Some(format!("${{{literal}}}"));
    }
    let name = name.trim();
    if let Some(value) = variables.get(name) {
        return scope.resolve_text(value, place);
    }
    match name.split_once('.') {
        Some((resource, attribute)) => scope.attribute(resource, attribute, place),
        None => scope.resolve_text(&serde_json::json!({"Ref": name}), place),
    }
}

fn join(scope: &Scope<'_>, argument: &Value, place: &Place) -> Option<String> {
    let [delimiter, items] = arguments(scope, "Fn::Join", argument, place)?;
    let delimiter = scope.resolve_text(delimiter, place)?;
    let items = list(scope, "Fn::Join", items, place)?;
    if items.iter().any(Value::is_null) {
        return None;
    }
    Some(items.iter().map(text).collect::<Vec<_>>().join(&delimiter))
}

fn split(scope: &Scope<'_>, argument: &Value, place: &Place) -> Option<Value> {
    let [delimiter, whole] = arguments(scope, "Fn::Split", argument, place)?;
    let delimiter = scope.resolve_text(delimiter, place)?;
    let whole = scope.resolve_text(whole, place)?;
    if delimiter.is_empty() {
        return scope.wrong(place, "Fn::Split needs a delimiter");
    }
    Some(whole.split(delimiter.as_str()).collect())
}

fn select(scope: &Scope<'_>, argument: &Value, place: &Place) -> Option<Value> {
    let [index, items] = arguments(scope, "Fn::Select", argument, place)?;
    let index = scope.resolve_text(index, place)?;
    let items = list(scope, "Fn::Select", items, place)?;
    let found = index.parse::<usize>().ok().and_then(|index| items.get(index)).cloned();
    found.or_else(|| {
        scope.wrong(place, format_args!("Fn::Select: there is no item {index} in a list of {}", items.len()))
    })
}

fn find_in_map(scope: &Scope<'_>, argument: &Value, place: &Place) -> Option<Value> {
    let [map, first, second] = arguments(scope, "Fn::FindInMap", argument, place)?;
    let map = scope.resolve_text(map, place)?;
    let first = scope.resolve_text(first, place)?;
    let second = scope.resolve_text(second, place)?;
    let mappings = &scope.template.mappings;
    let Some(entries) = mappings.get(&map) else {
        let hint = suggestion(&map, mappings.keys().map(String::as_str));
        return scope.wrong(place, format_args!("Fn::FindInMap: {map:?} is no mapping{hint}"));
    };
    let found = entries.get(&first).and_then(|entry| entry.get(&second)).cloned();
    found.or_else(|| scope.wrong(place, format_args!("Fn::FindInMap: {map} has no {first}.{second}")))
}

/// Both sides as text, as CloudFormation compares them.
fn equals(scope: &Scope<'_>, argument: &Value, place: &Place) -> Option<bool> {
    let [left, right] = arguments(scope, "Fn::Equals", argument, place)?;
    let (left, right) = (scope.resolve(left, place)?, scope.resolve(right, place)?);
    (!left.is_null() && !right.is_null()).then(|| text(&left) == text(&right))
}

fn not(scope: &Scope<'_>, argument: &Value, place: &Place) -> Option<bool> {
    let [condition] = arguments(scope, "Fn::Not", argument, place)?;
    scope.boolean(condition, place).map(|value| !value)
}

fn all_of(scope: &Scope<'_>, function: &str, argument: &Value, place: &Place) -> Option<Vec<bool>> {
    match argument.as_array() {
        Some(items) if (2..=10).contains(&items.len()) => {
            items.iter().map(|item| scope.boolean(item, place)).collect()
        }
        _ => scope.wrong(place, format_args!("{function} takes a list of 2 to 10 conditions")),
    }
}

fn availability_zones(scope: &Scope<'_>) -> Value {
    ["a", "b", "c"].iter().map(|zone| format!("{}{zone}", scope.settings.region)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::problem::Problems;
    use super::super::testing::{settings, template};
    use super::*;
    use serde_json::json;

    const TEMPLATE: &str = "
Parameters: {Stage: {Type: String, Default: dev}, List: {Type: CommaDelimitedList, Default: 'a,b'}}
Mappings: {Sizes: {dev: {Memory: 128}, prod: {Memory: 512}}}
Conditions:
  IsProd: !Equals [!Ref Stage, prod]
  IsDev: !Not [!Condition IsProd]
  Either: !Or [!Condition IsProd, !Condition IsDev]
  Both: !And [!Condition IsProd, !Condition IsDev]
  Circle: !Not [!Condition Circle]
Resources:
  Queue: {Type: AWS::SQS::Queue}
  Table: {Type: AWS::DynamoDB::Table, Properties: {StreamSpecification: {StreamViewType: NEW_IMAGE}}}
  Never: {Type: AWS::SQS::Queue, Condition: IsProd}
";

    fn evaluated(expression: &str) -> (Option<Value>, Vec<String>) {
        let document = format!("{TEMPLATE}Outputs: {{X: {expression}}}");
        let template = template(&document);
        let settings = settings();
        let problems = Problems::default();
        let scope = Scope::new(&template, &settings, &problems);
        let value = scope.resolve(&template.outputs["X"], &Place::new("here"));
        (value, problems.messages())
    }

    #[test]
    fn every_intrinsic_comes_to_its_value() {
        let cases = [
            ("!Ref Stage", json!("dev")),
            ("!Ref List", json!(["a", "b"])),
            ("!Ref Queue", json!("http://localhost:4566/000000000000/test-Queue")),
            ("!GetAtt Queue.Arn", json!("arn:aws:sqs:us-east-1:000000000000:test-Queue")),
            ("{'Fn::GetAtt': [Queue, QueueName]}", json!("test-Queue")),
            (
                "!GetAtt Table.StreamArn",
                json!("arn:aws:dynamodb:us-east-1:000000000000:table/test-Table/stream/local"),
            ),
            (
                "!Sub '${Stage}-${Queue.QueueName}-${!Raw}-${AWS::Region}'",
                json!("dev-test-Queue-${Raw}-us-east-1"),
            ),
            ("!Sub ['${A}/${Stage}', {A: !Select [1, !Ref List]}]", json!("b/dev")),
            ("!Join ['-', [a, 1, !Ref Stage, !Ref 'AWS::NoValue']]", json!("a-1-dev")),
            ("!Join [':', !Ref List]", json!("a:b")),
            ("!Select [1, !Split ['/', x/y/z]]", json!("y")),
            ("!Split [',', 'p,q']", json!(["p", "q"])),
            ("!If [IsProd, 1, 2]", json!(2)),
            ("{a: !If [IsProd, 1, !Ref 'AWS::NoValue'], b: [!Ref 'AWS::NoValue', 3]}", json!({"b": [3]})),
            ("!FindInMap [Sizes, !Ref Stage, Memory]", json!(128)),
            ("!Base64 hello", json!("aGVsbG8=")),
            ("!Equals [1, '1']", json!(true)),
            ("!Condition Either", json!(true)),
            ("!Condition Both", json!(false)),
            ("{Condition: {StringEquals: {a: b}}}", json!({"Condition": {"StringEquals": {"a": "b"}}})),
        ];
        for (expression, expected) in cases {
            assert_eq!(evaluated(expression), (Some(expected), vec![]), "{expression}");
        }
    }

    #[test]
    fn no_value_takes_the_property_away() {
        assert_eq!(evaluated("!Ref 'AWS::NoValue'"), (None, vec![]));
    }

    #[test]
    fn every_mistake_is_told() {
        let cases = [
            ("!Ref Queu", r#"here: "Queu" is no resource or parameter — did you mean Queue?"#),
            ("!Sub '${Nothing}'", r#"here: "Nothing" is no resource or parameter"#),
            ("!GetAtt Queue.Arm", r#"here: AWS::SQS::Queue has no attribute "Arm" — did you mean Arn?"#),
            ("!GetAtt Queue", r#"here: AWS::SQS::Queue has no attribute """#),
            ("!Ref Never", "here: Never is referred to but not created: its condition IsProd is false"),
            ("!If [IsPrd, 1, 2]", r#"here: "IsPrd" is no condition — did you mean IsProd?"#),
            ("!Condition Circle", "condition Circle: condition Circle refers to itself"),
            (
                "!ImportValue x",
                "here: Fn::ImportValue reads from another stack, and there is none here: use a parameter",
            ),
            ("!FindInMap [Size, a, b]", r#"here: Fn::FindInMap: "Size" is no mapping — did you mean Sizes?"#),
            ("!FindInMap [Sizes, dev, Disk]", "here: Fn::FindInMap: Sizes has no dev.Disk"),
            ("!Select [5, [a]]", "here: Fn::Select: there is no item 5 in a list of 1"),
            ("!Join [a]", "here: Fn::Join takes a list of 2 values"),
            ("!Sub '${Stage'", r#"here: Fn::Sub: a ${ is not closed in "${Stage""#),
            ("!Not [maybe]", "here: it is not a condition"),
            ("!Cidr [a]", "here: Fn::Cidr is not supported"),
        ];
        for (expression, expected) in cases {
            let (value, problems) = evaluated(expression);
            assert_eq!(problems, [expected], "{expression}");
            assert_eq!(value, Some(Value::Null), "{expression}");
        }
    }
}

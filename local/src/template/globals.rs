//! `Globals`, merged as SAM does it: mappings key by key, lists one after the other, everything else the resource's own.

use super::problem::{Problems, suggestion};
use serde_json::{Map, Value, json};

/// The implicit API of functions whose `HttpApi` events name none, under the name that SAM gives it.
pub(super) const IMPLICIT_API: &str = "ServerlessHttpApi";

const SECTIONS: [(&str, &str); 3] = [
    ("Function", "AWS::Serverless::Function"),
    ("HttpApi", "AWS::Serverless::HttpApi"),
    ("SimpleTable", "AWS::Serverless::SimpleTable"),
];

pub(super) fn check(globals: &Map<String, Value>, problems: &Problems) {
    let known = || SECTIONS.iter().map(|(section, _)| *section);
    for (section, value) in globals {
        if !known().any(|name| name == section) {
            let hint = suggestion(section, known());
            problems.add("section Globals", format_args!("unknown section {section:?}{hint}"));
        } else if !value.is_object() {
            problems.add("section Globals", format_args!("{section} is not a mapping"));
        }
    }
}

/// `own` properties of a resource of type `kind`, over those that `Globals` has for it.
pub(super) fn merged(
    globals: &Map<String, Value>,
    kind: &str,
    own: Map<String, Value>,
    ignore: Option<&Value>,
) -> Map<String, Value> {
    let section = SECTIONS.iter().find(|(_, of)| *of == kind).and_then(|(section, _)| globals.get(*section));
    let Some(Value::Object(section)) = section else {
        return own;
    };
    if ignore.is_some_and(|ignore| ignore == "*") {
        return own;
    }
    let ignored =
        |key: &String| ignore.and_then(Value::as_array).is_some_and(|keys| keys.iter().any(|k| k == key));
    let inherited = section.iter().filter(|(key, _)| !ignored(key)).map(|(k, v)| (k.clone(), v.clone()));
    match merge(Value::Object(inherited.collect()), Value::Object(own)) {
        Value::Object(properties) => properties,
        _ => Map::new(),
    }
}

fn merge(global: Value, own: Value) -> Value {
    match (global, own) {
        (Value::Object(global), Value::Object(own)) if !is_intrinsic(&global) && !is_intrinsic(&own) => {
            Value::Object(merge_objects(global, own))
        }
        (Value::Array(mut global), Value::Array(own)) => {
            global.extend(own);
            Value::Array(global)
        }
        (_, own) => own,
    }
}

fn merge_objects(mut global: Map<String, Value>, own: Map<String, Value>) -> Map<String, Value> {
    for (key, value) in own {
        let value = match global.remove(&key) {
            Some(inherited) => merge(inherited, value),
            None => value,
        };
        global.insert(key, value);
    }
    global
}

/// SAM treats an intrinsic like the scalar that it will become.
fn is_intrinsic(object: &Map<String, Value>) -> bool {
    object.len() == 1
        && object.keys().all(|key| key == "Ref" || key == "Condition" || key.starts_with("Fn::"))
}

/// Adds the API that SAM makes up when an `HttpApi` event has no `ApiId`.
pub(super) fn add_implicit_api(resources: &mut Map<String, Value>) {
    let wanted = resources.values().any(|resource| {
        resource["Type"] == "AWS::Serverless::Function"
            && resource["Properties"]["Events"].as_object().is_some_and(|events| {
                events
                    .values()
                    .any(|event| event["Type"] == "HttpApi" && event["Properties"]["ApiId"].is_null())
            })
    });
    if wanted && !resources.contains_key(IMPLICIT_API) {
        resources.insert(IMPLICIT_API.to_owned(), json!({"Type": "AWS::Serverless::HttpApi"}));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn mappings_merge_lists_concatenate_and_scalars_override() {
        let globals = object(json!({"Function": {
            "Timeout": 10, "Layers": ["a"],
            "Environment": {"Variables": {"A": "1", "B": {"Ref": "X"}}},
        }}));
        let own = object(json!({
            "Timeout": 30, "Layers": ["b"], "Environment": {"Variables": {"B": {"Ref": "Y"}, "C": "3"}},
        }));
        let merged = merged(&globals, "AWS::Serverless::Function", own, None);
        assert_eq!(
            Value::Object(merged),
            json!({
                "Timeout": 30, "Layers": ["a", "b"],
                "Environment": {"Variables": {"A": "1", "B": {"Ref": "Y"}, "C": "3"}},
            })
        );
    }

    #[test]
    fn globals_can_be_ignored() {
        let globals = object(json!({"Function": {"Timeout": 10, "MemorySize": 256}}));
        let kind = "AWS::Serverless::Function";
        assert!(merged(&globals, kind, Map::new(), Some(&json!("*"))).is_empty());
        let some = merged(&globals, kind, Map::new(), Some(&json!(["Timeout"])));
        assert_eq!(Value::Object(some), json!({"MemorySize": 256}));
        assert!(merged(&globals, "AWS::SQS::Queue", Map::new(), None).is_empty());
    }

    #[test]
    fn an_unknown_section_is_told() {
        let problems = Problems::default();
        check(&object(json!({"Functions": {}})), &problems);
        assert_eq!(
            problems.messages(),
            [r#"section Globals: unknown section "Functions" — did you mean Function?"#]
        );
    }

    #[test]
    fn an_event_without_an_api_makes_one() {
        let mut resources = object(json!({"F": {
            "Type": "AWS::Serverless::Function", "Properties": {"Events": {"E": {"Type": "HttpApi"}}},
        }}));
        add_implicit_api(&mut resources);
        assert_eq!(resources[IMPLICIT_API]["Type"], "AWS::Serverless::HttpApi");
    }
}

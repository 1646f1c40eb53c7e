//! The template as it is written: YAML or JSON, with every short tag (`!Ref`) put into its long form (`Ref`), cut into
//! its sections.

use super::globals;
use super::problem::{Place, Problems, TemplateErrors, suggestion};
use serde_json::{Map, Value};
use serde_yaml_ng::Value as Yaml;
use std::collections::BTreeMap;

/// The sections of a template, unresolved.
#[derive(Debug, Default)]
pub(super) struct Template {
    pub(super) parameters: Map<String, Value>,
    pub(super) mappings: Map<String, Value>,
    pub(super) conditions: Map<String, Value>,
    pub(super) resources: BTreeMap<String, Resource>,
    pub(super) outputs: Map<String, Value>,
}

/// One resource, unresolved but with `Globals` merged in.
#[derive(Debug)]
pub(super) struct Resource {
    pub(super) kind: String,
    pub(super) properties: Map<String, Value>,
    pub(super) metadata: Value,
    pub(super) condition: Option<String>,
    pub(super) depends_on: Vec<String>,
}

impl Resource {
    pub(super) fn place(&self, logical_id: &str) -> Place {
        Place::new(format!("resource {logical_id} ({})", self.kind))
    }
}

const SECTIONS: [&str; 11] = [
    "AWSTemplateFormatVersion",
    "Conditions",
    "Description",
    "Globals",
    "Mappings",
    "Metadata",
    "Outputs",
    "Parameters",
    "Resources",
    "Rules",
    "Transform",
];

/// Attributes beside `Properties`. What happens to a resource when its stack is updated or deleted has no meaning here:
/// the laptop cloud never deletes one.
const RESOURCE_ATTRIBUTES: [&str; 10] = [
    "Condition",
    "CreationPolicy",
    "DeletionPolicy",
    "DependsOn",
    "IgnoreGlobals",
    "Metadata",
    "Properties",
    "Type",
    "UpdatePolicy",
    "UpdateReplacePolicy",
];

/// Reads the text of a template. Errors of form end here; what the sections mean is looked at later.
pub(super) fn parse(text: &str, problems: &Problems) -> Result<Template, TemplateErrors> {
    // JSON is YAML, so one parser reads both.
    let mut yaml: Yaml = serde_yaml_ng::from_str(text)
        .map_err(|error| TemplateErrors::one(format!("this is not YAML or JSON: {error}")))?;
    yaml.apply_merge().map_err(|error| TemplateErrors::one(format!("a merge key (<<) is wrong: {error}")))?;
    let root = long_form(yaml, &Place::new("the template"), problems);
    let Value::Object(mut root) = root else {
        return Err(TemplateErrors::one("the template is not a mapping with a Resources section"));
    };
    for section in root.keys().filter(|section| !SECTIONS.contains(&section.as_str())) {
        let hint = suggestion(section, SECTIONS);
        problems.add("the template", format_args!("unknown section {section:?}{hint}"));
    }
    let mut section = |name: &str| take_section(&mut root, name, problems);
    let globals = section("Globals");
    let mut template = Template {
        parameters: section("Parameters"),
        mappings: section("Mappings"),
        conditions: section("Conditions"),
        resources: BTreeMap::new(),
        outputs: section("Outputs"),
    };
    let mut resources = section("Resources");
    if resources.is_empty() {
        problems.add("the template", "it has no resources");
    }
    globals::add_implicit_api(&mut resources);
    globals::check(&globals, problems);
    for (logical_id, body) in resources {
        if let Some(resource) = resource(&logical_id, body, &globals, problems) {
            template.resources.insert(logical_id, resource);
        }
    }
    Ok(template)
}

fn take_section(root: &mut Map<String, Value>, name: &str, problems: &Problems) -> Map<String, Value> {
    match root.remove(name) {
        Some(Value::Object(section)) => section,
        None => Map::new(),
        Some(_) => {
            problems.add(format_args!("section {name}"), "it is not a mapping");
            Map::new()
        }
    }
}

fn resource(
    logical_id: &str,
    body: Value,
    globals: &Map<String, Value>,
    problems: &Problems,
) -> Option<Resource> {
    let place = Place::new(format!("resource {logical_id}"));
    let Value::Object(mut body) = body else {
        problems.add(place, "it is not a mapping");
        return None;
    };
    let Some(kind) = body.remove("Type").as_ref().and_then(Value::as_str).map(str::to_owned) else {
        problems.add(place, "it has no Type");
        return None;
    };
    for attribute in body.keys().filter(|key| !RESOURCE_ATTRIBUTES.contains(&key.as_str())) {
        let hint = suggestion(attribute, RESOURCE_ATTRIBUTES);
        problems.add(format_args!("{place} ({kind})"), format_args!("unknown attribute {attribute:?}{hint}"));
    }
    let own = match body.remove("Properties") {
        Some(Value::Object(properties)) => properties,
        None => Map::new(),
        Some(_) => {
            problems.add(format_args!("{place} ({kind})"), "Properties is not a mapping");
            Map::new()
        }
    };
    Some(Resource {
        properties: globals::merged(globals, &kind, own, body.get("IgnoreGlobals")),
        metadata: body.remove("Metadata").unwrap_or(Value::Null),
        condition: body.get("Condition").and_then(Value::as_str).map(str::to_owned),
        depends_on: strings(body.get("DependsOn")),
        kind,
    })
}

/// A string, or a list of strings.
fn strings(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

fn long_form(yaml: Yaml, place: &Place, problems: &Problems) -> Value {
    match yaml {
        Yaml::Null => {
            problems.add(place, "there is no value here (null)");
            Value::Null
        }
        Yaml::Bool(flag) => Value::Bool(flag),
        Yaml::Number(number) => serde_json::to_value(number).unwrap_or(Value::Null),
        Yaml::String(text) => Value::String(text),
        Yaml::Sequence(items) => Value::Array(
            items
                .into_iter()
                .enumerate()
                .map(|(index, item)| long_form(item, &place.index(index), problems))
                .collect(),
        ),
        Yaml::Mapping(entries) => Value::Object(
            entries
                .into_iter()
                .map(|(key, value)| {
                    let key = scalar_text(key, place, problems);
                    let value = long_form(value, &place.key(&key), problems);
                    (key, value)
                })
                .collect(),
        ),
        Yaml::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            let value = long_form(tagged.value, place, problems);
            long_tag(tag.trim_start_matches('!'), value)
        }
    }
}

/// Keys are text; numbers and flags (`200:`) are written as they stand.
fn scalar_text(key: Yaml, place: &Place, problems: &Problems) -> String {
    match key {
        Yaml::String(text) => text,
        Yaml::Number(number) => number.to_string(),
        Yaml::Bool(flag) => flag.to_string(),
        _ => {
            problems.add(place, "a key is not text");
            String::new()
        }
    }
}

fn long_tag(tag: &str, value: Value) -> Value {
    let (key, value) = match (tag, value) {
        ("Ref" | "Condition", value) => (tag.to_owned(), value),
        // `!GetAtt Table.Arn`: the first dot ends the logical id, the attribute may have more.
        ("GetAtt", Value::String(text)) => {
            let (id, attribute) = text.split_once('.').unwrap_or((&text, ""));
            ("Fn::GetAtt".to_owned(), Value::from(vec![id, attribute]))
        }
        (_, value) => (format!("Fn::{tag}"), value),
    };
    Value::Object(Map::from_iter([(key, value)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn body(text: &str) -> Value {
        long_form(serde_yaml_ng::from_str(text).unwrap(), &Place::new("x"), &Problems::default())
    }

    #[test]
    fn short_tags_become_long_forms() {
        assert_eq!(body("!Ref A"), json!({"Ref": "A"}));
        assert_eq!(body("!GetAtt A.B.C"), json!({"Fn::GetAtt": ["A", "B.C"]}));
        assert_eq!(body("!GetAtt [A, B]"), json!({"Fn::GetAtt": ["A", "B"]}));
        assert_eq!(body("!Sub [a, {b: !Ref C}]"), json!({"Fn::Sub": ["a", {"b": {"Ref": "C"}}]}));
        assert_eq!(body("!Condition A"), json!({"Condition": "A"}));
        assert_eq!(body("Fn::Join: ['', [a, !Ref B]]"), json!({"Fn::Join": ["", ["a", {"Ref": "B"}]]}));
    }

    #[test]
    fn anchors_and_json_are_read() {
        let problems = Problems::default();
        let template = parse(
            "Resources: {A: {Type: T, Properties: &P {x: 1}}, B: {Type: T, Properties: *P}}",
            &problems,
        )
        .unwrap();
        assert_eq!(template.resources["B"].properties["x"], 1);
        let template =
            parse(r#"{"Resources": {"A": {"Type": "T", "DependsOn": ["B"]}}}"#, &problems).unwrap();
        assert_eq!(template.resources["A"].depends_on, ["B"]);
        assert!(problems.messages().is_empty());
    }

    #[test]
    fn what_is_not_a_template_is_told() {
        let problems = Problems::default();
        assert!(parse("a: [", &problems).unwrap_err().to_string().contains("this is not YAML or JSON"));
        assert!(parse("- a", &problems).unwrap_err().to_string().contains("not a mapping"));
        parse("Resouces: {}\nResources: {A: {Type: T, Propertys: {}}, B: {}}", &problems).unwrap();
        assert_eq!(
            problems.messages(),
            [
                r#"the template: unknown section "Resouces" — did you mean Resources?"#,
                r#"resource A (T): unknown attribute "Propertys" — did you mean Properties?"#,
                "resource B: it has no Type",
            ]
        );
    }
}

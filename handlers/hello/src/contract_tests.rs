//! The contract, the template, the handlers and the limits say the same.

use serde_json::Value;
use shared::limits;
use shared::problem::Problem;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn contract() -> Value {
    serde_json::from_str(include_str!(concat!(env!("OUT_DIR"), "/openapi.json"))).unwrap()
}

/// The template as plain JSON: a tag like `!Ref` goes, and what it stands before stays.
fn template() -> Value {
    let text = fs::read_to_string(root().join("template.yaml")).unwrap();
    let document: serde_yaml_ng::Value = serde_yaml_ng::from_str(&text).unwrap();
    serde_json::to_value(without_tags(document)).unwrap()
}

fn without_tags(value: serde_yaml_ng::Value) -> serde_yaml_ng::Value {
    use serde_yaml_ng::Value as Yaml;
    match value {
        Yaml::Tagged(tagged) => without_tags(tagged.value),
        Yaml::Sequence(values) => values.into_iter().map(without_tags).collect(),
        Yaml::Mapping(fields) => {
            Yaml::Mapping(fields.into_iter().map(|(name, value)| (name, without_tags(value))).collect())
        }
        other => other,
    }
}

/// One route of the template.
struct Route {
    binary: String,
    is_open: bool,
}

/// `GET /notes/{id}` and so on, of every function.
fn routes_of_template() -> BTreeMap<String, Route> {
    let template = template();
    let mut routes = BTreeMap::new();
    for function in template["Resources"].as_object().unwrap().values() {
        let events = function["Properties"]["Events"].as_object().cloned().unwrap_or_default();
        for event in events.values().filter(|event| event["Type"] == "HttpApi") {
            let properties = &event["Properties"];
            let name = match (properties["Method"].as_str(), properties["Path"].as_str()) {
                (Some(method), Some(path)) => format!("{method} {path}"),
                (None, None) => "$default".to_owned(),
                half => panic!("{half:?} is no route"),
            };
            let binary = function["Metadata"]["BuildProperties"]["Binary"].as_str().unwrap().to_owned();
            routes.insert(name, Route { binary, is_open: properties["Auth"]["Authorizer"] == "NONE" });
        }
    }
    routes
}

/// The same of the contract, each with whether it is open to everybody.
fn routes_of_contract() -> BTreeMap<String, bool> {
    const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];
    let contract = contract();
    let mut routes = BTreeMap::new();
    for (path, item) in contract["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if METHODS.contains(&method.as_str()) {
                let is_open = operation["security"].as_array().is_some_and(Vec::is_empty);
                routes.insert(format!("{} {path}", method.to_uppercase()), is_open);
            }
        }
    }
    routes
}

#[test]
fn contract_and_template_have_the_same_routes_open_to_the_same_callers() {
    let mut template: BTreeMap<_, _> =
        routes_of_template().into_iter().map(|(name, route)| (name, route.is_open)).collect();
    // What no route takes is none of the contract's paths.
    assert_eq!(template.remove("$default"), Some(true));
    assert!(template.len() > 10);
    assert_eq!(routes_of_contract(), template);
}

#[test]
fn every_handler_answers_the_routes_that_the_template_gives_it_and_no_other() {
    let mut wanted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, route) in routes_of_template() {
        wanted.entry(route.binary).or_default().insert(name);
    }
    for (binary, routes) in wanted {
        let source = root()
            .join("handlers")
            .join(&binary)
            .join("src")
            .join(format!("{}.rs", binary.replace('-', "_")));
        let source = fs::read_to_string(&source).unwrap();
        assert_eq!(routes_of_source(&source), routes, "{binary}");
    }
}

/// The arms of a handler's `match` on the route.
fn routes_of_source(source: &str) -> BTreeSet<String> {
    let arms = source.lines().filter_map(|line| line.trim().strip_prefix('"')?.split_once("\" => "));
    arms.map(|(route, _)| route.to_owned()).collect()
}

#[test]
fn the_contract_states_the_limits_that_hold() {
    let contract = contract();
    let number = |pointer: &str| {
        contract.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("{pointer} is no number"))
    };
    let schema = |rest: &str| number(&format!("/components/schemas/{rest}"));
    for (stated, holds) in [
        (schema("Title/maxLength"), limits::TITLE_CHARACTERS),
        (schema("Body/maxLength"), limits::BODY_BYTES),
        (schema("Tags/maxItems"), limits::TAGS),
        (schema("Tags/items/maxLength"), limits::TAG_CHARACTERS),
        (schema("Notify/maxItems"), limits::NOTIFY_ADDRESSES),
        (schema("Address/maxLength"), limits::ADDRESS_CHARACTERS),
        (schema("NotePage/properties/items/maxItems"), limits::PAGE_MAXIMUM),
        (schema("VersionPage/properties/items/maxItems"), usize::try_from(limits::VERSIONS).unwrap()),
        (schema("NewAttachment/properties/filename/maxLength"), limits::FILENAME_CHARACTERS),
        (schema("NewAttachment/properties/size/maximum"), usize::try_from(limits::ATTACHMENT_BYTES).unwrap()),
        (schema("AttachmentList/properties/items/maxItems"), limits::ATTACHMENTS),
        (number("/paths/~1hello/get/parameters/0/schema/maxLength"), limits::NAME_CHARACTERS),
        (number("/paths/~1notes/get/parameters/0/schema/maximum"), limits::PAGE_MAXIMUM),
        (number("/paths/~1notes/get/parameters/0/schema/default"), limits::PAGE_DEFAULT),
        (number("/paths/~1notes~1{id}~1versions/get/parameters/0/schema/maximum"), limits::PAGE_MAXIMUM),
        (number("/paths/~1notes~1{id}~1versions/get/parameters/0/schema/default"), limits::PAGE_DEFAULT),
        (number("/paths/~1notes/get/parameters/2/schema/maxLength"), limits::TAG_CHARACTERS),
        (number("/paths/~1notes/get/parameters/3/schema/maxLength"), limits::SEARCH_CHARACTERS),
        (number("/paths/~1notes/post/parameters/0/schema/maxLength"), limits::IDEMPOTENCY_KEY_CHARACTERS),
    ] {
        assert_eq!(stated, holds as u64);
    }
    let sizes = &contract["components"]["schemas"]["Thumbnail"]["properties"]["size"]["enum"];
    assert_eq!(*sizes, serde_json::json!(shared::attachment::THUMBNAIL_SIZES));
}

#[test]
fn the_contract_tells_the_limits_of_a_search() {
    let contract = contract();
    let parameters = contract["paths"]["/notes"]["get"]["parameters"].as_array().unwrap();
    let search = parameters.iter().find(|parameter| parameter["name"] == "q").unwrap();
    let told = search["description"].as_str().unwrap().replace(',', "");
    for limit in [
        format!("a word of {} or more characters", limits::PREFIX_CHARACTERS),
        format!("the first {} characters", limits::WORD_CHARACTERS),
        format!("the first {} different words", limits::INDEXED_WORDS),
    ] {
        assert!(told.contains(&limit), "{limit}: {told}");
    }
}

#[test]
fn the_contract_knows_every_problem_type() {
    let problems = [
        Problem::MalformedBody(String::new()),
        Problem::Unauthorized,
        Problem::NotFound,
        Problem::MethodNotAllowed(String::new()),
        Problem::Conflict(""),
        Problem::PreconditionFailed,
        Problem::TooLarge,
        Problem::UnsupportedMediaType(&[]),
        Problem::InvalidFields(Vec::new()),
        Problem::IdempotencyKeyReused,
        Problem::TooManyRequests(String::new()),
        Problem::Internal(String::new()),
        Problem::Unavailable(String::new()),
    ];
    let problem = &contract()["components"]["schemas"]["Problem"];
    let types: Vec<Value> = problems.iter().map(|problem| problem.document()["type"].clone()).collect();
    assert_eq!(problem["properties"]["type"]["enum"], Value::Array(types));
    for problem_of_ours in &problems {
        let document = problem_of_ours.document();
        let row = format!("| `{}` | {} |", document["type"].as_str().unwrap(), document["status"]);
        assert!(problem["description"].as_str().unwrap().contains(&row), "{row}");
    }
}

/// What a reference stands for, or the value itself.
fn resolved<'a>(contract: &'a Value, value: &'a Value) -> &'a Value {
    match value.get("$ref").and_then(Value::as_str) {
        Some(target) => contract.pointer(target.trim_start_matches('#')).unwrap(),
        None => value,
    }
}

/// The examples of one media type of an answer, as bodies.
fn examples<'a>(contract: &'a Value, media: &'a Value) -> Vec<&'a Value> {
    let named = media["examples"].as_object().into_iter().flat_map(serde_json::Map::values);
    named.map(|example| &resolved(contract, example)["value"]).chain(media.get("example")).collect()
}

/// Every answer in JSON: its operation, its status, its media type, and that one's examples.
fn answers_in_json(contract: &Value) -> Vec<(String, &str, &str, Vec<&Value>)> {
    let mut answers = Vec::new();
    for route in routes_of_contract().into_keys() {
        let (method, path) = route.split_once(' ').unwrap();
        let operation = &contract["paths"][path][method.to_lowercase()];
        for (status, answer) in operation["responses"].as_object().unwrap() {
            for (kind, media) in resolved(contract, answer)["content"].as_object().into_iter().flatten() {
                if kind.ends_with("json") {
                    answers.push((route.clone(), status.as_str(), kind.as_str(), examples(contract, media)));
                }
            }
        }
    }
    answers
}

#[test]
fn every_answer_in_json_has_an_example_and_a_problem_that_of_its_status() {
    let contract = contract();
    for (route, status, kind, examples) in answers_in_json(&contract) {
        // What it answers is the contract itself.
        if (route.as_str(), status) == ("GET /openapi.json", "200") {
            continue;
        }
        assert!(!examples.is_empty(), "{route} {status} {kind}");
        for example in examples.into_iter().filter(|_| kind == "application/problem+json") {
            let stated = example["status"].to_string();
            assert!(stated == status || status == "default", "{route} {status}: {stated}");
        }
    }
}

#[test]
fn an_answer_says_the_headers_that_its_status_has() {
    let contract = contract();
    for route in routes_of_contract().into_keys() {
        let (method, path) = route.split_once(' ').unwrap();
        let operation = &contract["paths"][path][method.to_lowercase()];
        for (status, answer) in operation["responses"].as_object().unwrap() {
            let answer = resolved(&contract, answer);
            let wanted = match status.as_str() {
                "201" => "Location",
                "304" => "ETag",
                "401" => "WWW-Authenticate",
                "415" => "Accept",
                "429" | "default" => "Retry-After",
                _ if answer["content"]["application/json"]["schema"]["$ref"]
                    == "#/components/schemas/Note" =>
                {
                    "ETag"
                }
                _ => continue,
            };
            assert!(answer["headers"].get(wanted).is_some(), "{wanted} of {route} {status}");
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn walk(contract: &Value, value: &Value) {
        if let Some(target) = value.get("$ref").and_then(Value::as_str) {
            let pointer = target.strip_prefix('#').unwrap_or_else(|| panic!("{target} leads outside"));
            assert!(contract.pointer(pointer).is_some(), "{target}");
        }
        match value {
            Value::Array(values) => values.iter().for_each(|value| walk(contract, value)),
            Value::Object(fields) => fields.values().for_each(|value| walk(contract, value)),
            _ => {}
        }
    }
    let contract = contract();
    walk(&contract, &contract);
}

#[test]
fn every_http_function_has_a_sample_event_on_one_of_its_routes() {
    let routes = routes_of_template();
    let binaries: BTreeSet<_> = routes.values().map(|route| route.binary.clone()).collect();
    for binary in binaries {
        let key = shared::sample::event(&binary)["routeKey"].as_str().unwrap().to_owned();
        assert_eq!(routes[&key].binary, binary);
    }
}

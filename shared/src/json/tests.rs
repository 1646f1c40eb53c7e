use super::*;
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Debug;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Point {
    x: u8,
    y: u8,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Wrapped(Point);

#[derive(Debug, PartialEq, Deserialize)]
enum Shape {
    Nothing,
    At(Point),
    Between(Point, Point),
    Sized { at: Point, radius: f64 },
}

/// A struct wherever one can be.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Drawing {
    point: Option<Point>,
    points: Vec<Point>,
    pair: Option<(Point, Point)>,
    named: BTreeMap<String, Point>,
    wrapped: Option<Wrapped>,
    boxed: Option<Box<Point>>,
    null: Option<Option<Point>>,
    shapes: Vec<Shape>,
}

const POINT: &str = r#"{"x":1,"y":2}"#;
const LIST: &str = "[1,2]";

fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    object(text.as_bytes()).map_err(|error| error.to_string())
}

#[test]
fn an_object_is_read_and_a_list_of_its_fields_is_not() {
    assert_eq!(read::<Point>(" \n{\"y\":2,\"x\":1}\n"), Ok(Point { x: 1, y: 2 }));
    assert_eq!(serde_json::from_str::<Point>(LIST).unwrap(), Point { x: 1, y: 2 }, "serde takes it");
    for text in ["[1,2]", " [1,2]", "", "null", "7", "\"x\"", "{", "{\"x\":1}", "{\"x\":1,\"y\":2}x"] {
        assert!(read::<Point>(text).is_err(), "{text}");
    }
}

/// Each is an object with a place for a point, and with the path to it.
const PLACES: &[(&str, &str)] = &[
    (r#"{"point":$}"#, "point"),
    (r#"{"points":[{"x":0,"y":0},$]}"#, "points[1]"),
    (r#"{"pair":[{"x":0,"y":0},$]}"#, "pair[1]"),
    (r#"{"named":{"a":$}}"#, "named.a"),
    (r#"{"wrapped":$}"#, "wrapped"),
    (r#"{"boxed":$}"#, "boxed"),
    (r#"{"null":$}"#, "null"),
    (r#"{"shapes":["Nothing",{"At":$}]}"#, "shapes[1].At"),
    (r#"{"shapes":[{"Between":[$,{"x":0,"y":0}]}]}"#, "shapes[0].Between[0]"),
    (r#"{"shapes":[{"Sized":{"radius":1.5,"at":$}}]}"#, "shapes[0].Sized.at"),
];

#[test]
fn no_list_is_taken_for_a_struct_at_any_depth_and_the_error_names_the_place() {
    for (place, path) in PLACES {
        let good = place.replace('$', POINT);
        assert_eq!(read::<Drawing>(&good).unwrap(), serde_json::from_str(&good).unwrap(), "{good}");
        let bad = place.replace('$', LIST);
        assert_eq!(serde_json::from_str::<Drawing>(&bad).unwrap(), serde_json::from_str(&good).unwrap());
        let error = read::<Drawing>(&bad).unwrap_err();
        assert!(error.starts_with(&format!("{path}: invalid type: sequence")), "{error}");
    }
    let list = r#"{"shapes":[{"Sized":[{"x":1,"y":2},1.5]}]}"#;
    assert!(serde_json::from_str::<Drawing>(list).is_ok(), "serde takes it");
    assert!(read::<Drawing>(list).unwrap_err().starts_with("shapes[0].Sized"));
}

#[test]
fn whoever_reads_an_object_by_its_type_takes_no_list_either() {
    for (place, _) in PLACES {
        assert!(serde_json::from_str::<Object<Drawing>>(&place.replace('$', POINT)).is_ok());
        assert!(serde_json::from_str::<Object<Drawing>>(&place.replace('$', LIST)).is_err());
        let value: Value = serde_json::from_str(&place.replace('$', LIST)).unwrap();
        assert!(serde_json::from_value::<Object<Drawing>>(value).is_err());
    }
}

#[test]
fn what_is_no_json_or_twofold_is_refused() {
    let nested = |depth: usize| format!("{{\"any\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    let refused = [
        "\u{feff}{\"any\":1}".to_owned(),
        r#"{"any":1,"any":2}"#.to_owned(),
        r#"{"any":1,"other":2}"#.to_owned(),
        r#"{"any":1,}"#.to_owned(),
        r#"{'any':1}"#.to_owned(),
        r#"{"any":1}{}"#.to_owned(),
        r#"{"any":1e400}"#.to_owned(),
        r#"{"any":-1e400}"#.to_owned(),
        r#"{"any":NaN}"#.to_owned(),
        r#"{"any":01}"#.to_owned(),
        r#"{"any":"\ud800"}"#.to_owned(),
        r#"{"any":"\udc00\ud800"}"#.to_owned(),
        "{\"any\":\"\u{0}\"}".to_owned(),
        nested(200),
        nested(1_000_000),
        "{\"any\":".repeat(100_000),
    ];
    for text in refused {
        let told: String = text.chars().take(40).collect();
        assert!(read::<Anything>(&text).is_err(), "{told}");
    }
    for text in [r#"{"any":1e300}"#, r#"{"any":"\ud83d\ude00\u0000"}"#, &nested(100), r#"{"any":null}"#] {
        assert!(read::<Anything>(text).is_ok(), "{text}");
    }
    assert!(object::<Anything>(b"{\"any\":\"\xff\"}").is_err());
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Anything {
    any: Value,
}

#[test]
fn texts_are_borrowed_and_left_as_they_are_where_that_is_asked_for() {
    #[derive(Deserialize)]
    struct Texts<'a> {
        #[serde(borrow)]
        plain: &'a str,
        #[serde(borrow)]
        raw: &'a RawValue,
        #[serde(borrow)]
        either: Cow<'a, str>,
    }
    let texts: Texts = object(br#"{"plain":"a","raw":[ {"b":1e400} ],"either":"\n"}"#).unwrap();
    assert_eq!((texts.plain, texts.raw.get(), &*texts.either), ("a", r#"[ {"b":1e400} ]"#, "\n"));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e9..1e9).prop_map(Value::from),
        "\\PC{0,10}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map("[a-e\"\\\\é]{0,3}", inner, 0..5).prop_map(|map| json!(map)),
        ]
    })
}

fn same<T: DeserializeOwned + PartialEq + Debug>(text: &str) -> Result<(), TestCaseError> {
    prop_assert_eq!(read::<T>(text).ok(), serde_json::from_str::<T>(text).ok());
    Ok(())
}

proptest! {
    #[test]
    fn what_holds_no_struct_is_read_as_serde_reads_it(value in any_json()) {
        let text = json!({ "any": value }).to_string();
        prop_assert!(read::<Anything>(&text).is_ok());
        same::<BTreeMap<String, Value>>(&text)?;
        same::<BTreeMap<String, Option<Vec<u64>>>>(&text)?;
        same::<BTreeMap<String, Option<String>>>(&text)?;
        same::<BTreeMap<String, f64>>(&text)?;
        same::<BTreeMap<String, bool>>(&text)?;
        same::<Anything>(&text)?;
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,60}|[\\[\\]{}:,\"\\\\a-z0-9 .eE+-]{0,80}") {
        same::<Anything>(&text)?;
        let _ = read::<Drawing>(&text);
        let _ = read::<Drawing>(&format!("{{\"shapes\":[{text}]}}"));
    }
}

//! Takes resolved properties apart, one known key after the other; what is left over is unknown, and told.

use super::names::is_true;
use super::parameters::text;
use super::problem::{Place, Problems, suggestion};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// The properties of one resolved mapping. A `Null` in it was told to be wrong before and is passed over in silence.
#[must_use = "call `finish`, or unknown keys go unnoticed"]
pub(super) struct Fields<'a> {
    pub(super) place: Place,
    problems: &'a Problems,
    map: Map<String, Value>,
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(place: Place, value: Value, problems: &'a Problems) -> Self {
        let map = match value {
            Value::Object(map) => map,
            Value::Null => Map::new(),
            _ => {
                problems.add(&place, "it must be a mapping");
                Map::new()
            }
        };
        Self { place, problems, map, known: Vec::new() }
    }

    /// The value of a key, as it is.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Value> {
        self.known.push(key);
        self.map.remove(key).filter(|value| !value.is_null())
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.map.contains_key(key)
    }

    /// Tells that `key` is missing, unless it is there (rightly or wrongly).
    pub(super) fn require(&self, key: &'static str) {
        if !self.has(key) {
            self.problems.add(&self.place, format_args!("property {key} is required"));
        }
    }

    /// Tells that what stands under `key` is wrong.
    pub(super) fn wrong<T>(&self, key: &str, message: impl std::fmt::Display) -> Option<T> {
        self.problems.add(self.place.key(key), message);
        None
    }

    /// Tells that what stands at `place` is wrong.
    pub(super) fn wrong_at(&self, place: &Place, message: impl std::fmt::Display) {
        self.problems.add(place, message);
    }

    /// The fields of `value`, which was taken from under `key`.
    pub(super) fn of(&self, key: &str, value: Value) -> Fields<'a> {
        Fields::new(self.place.key(key), value, self.problems)
    }

    pub(super) fn text(&mut self, key: &'static str) -> Option<String> {
        match self.take(key)? {
            Value::Object(_) | Value::Array(_) => self.wrong(key, "it must be text"),
            scalar => Some(text(&scalar)),
        }
    }

    pub(super) fn required_text(&mut self, key: &'static str) -> Option<String> {
        self.require(key);
        self.text(key)
    }

    /// A whole number; CloudFormation takes it as text too.
    pub(super) fn integer(&mut self, key: &'static str, range: RangeInclusive<i64>) -> Option<i64> {
        let value = self.take(key)?;
        let number = value.as_i64().or_else(|| value.as_str()?.trim().parse().ok());
        match number {
            Some(number) if range.contains(&number) => Some(number),
            Some(number) => {
                let (least, most) = (range.start(), range.end());
                self.wrong(key, format_args!("{number} is not within {least}–{most}"))
            }
            None => self.wrong(key, format_args!("{} is not a whole number", text(&value))),
        }
    }

    /// Like [`Fields::integer`], for what is kept as an unsigned number: the range must not reach below zero.
    pub(super) fn count(&mut self, key: &'static str, range: RangeInclusive<i64>) -> Option<u32> {
        self.integer(key, range).and_then(|number| u32::try_from(number).ok())
    }

    pub(super) fn number(&mut self, key: &'static str) -> Option<f64> {
        let value = self.take(key)?;
        let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok());
        match number {
            Some(number) if number >= 0.0 => Some(number),
            _ => self.wrong(key, format_args!("{} is not a number from 0", text(&value))),
        }
    }

    pub(super) fn flag(&mut self, key: &'static str) -> Option<bool> {
        let value = self.take(key)?;
        let is_flag = value.is_boolean()
            || value.as_str().is_some_and(|text| matches!(text.to_lowercase().as_str(), "true" | "false"));
        if is_flag {
            Some(is_true(&value))
        } else {
            self.wrong(key, format_args!("{} is neither true nor false", text(&value)))
        }
    }

    pub(super) fn choice(&mut self, key: &'static str, allowed: &[&'static str]) -> Option<&'static str> {
        let written = self.text(key)?;
        let found = allowed.iter().find(|name| **name == written).copied();
        found.or_else(|| self.wrong(key, format_args!("{written:?} is not one of: {}", allowed.join(", "))))
    }

    pub(super) fn list(&mut self, key: &'static str) -> Vec<Value> {
        match self.take(key) {
            None => Vec::new(),
            Some(Value::Array(items)) => items,
            Some(_) => self.wrong(key, "it must be a list").unwrap_or_default(),
        }
    }

    pub(super) fn texts(&mut self, key: &'static str) -> Vec<String> {
        let mut texts = Vec::new();
        for (index, item) in self.list(key).into_iter().enumerate() {
            match item {
                Value::Null => {}
                Value::Object(_) | Value::Array(_) => {
                    self.problems.add(self.place.key(key).index(index), "it must be text");
                }
                scalar => texts.push(text(&scalar)),
            }
        }
        texts
    }

    /// A mapping with keys of its own.
    pub(super) fn object(&mut self, key: &'static str) -> Option<Fields<'a>> {
        let value = self.take(key)?;
        Some(Fields::new(self.place.key(key), value, self.problems))
    }

    pub(super) fn objects(&mut self, key: &'static str) -> Vec<Fields<'a>> {
        let place = self.place.key(key);
        self.list(key)
            .into_iter()
            .enumerate()
            .map(|(index, item)| Fields::new(place.index(index), item, self.problems))
            .collect()
    }

    /// A mapping whose keys are the template's own.
    pub(super) fn entries(&mut self, key: &'static str) -> BTreeMap<String, Value> {
        match self.take(key) {
            None => BTreeMap::new(),
            Some(Value::Object(map)) => map.into_iter().filter(|(_, value)| !value.is_null()).collect(),
            Some(_) => self.wrong(key, "it must be a mapping").unwrap_or_default(),
        }
    }

    /// Like [`Fields::entries`], each a mapping.
    pub(super) fn named_objects(&mut self, key: &'static str) -> Vec<(String, Fields<'a>)> {
        let place = self.place.key(key);
        let fields = |name: String, value| {
            let fields = Fields::new(place.key(&name), value, self.problems);
            (name, fields)
        };
        self.entries(key).into_iter().map(|(name, value)| fields(name, value)).collect()
    }

    /// Keys that are right and do nothing here.
    pub(super) fn without_effect(&mut self, keys: &[&'static str]) {
        for key in keys {
            self.take(key);
        }
    }

    /// Keys that would do something here if they were supported.
    pub(super) fn unsupported(&mut self, keys: &[(&'static str, &str)]) {
        for (key, reason) in keys {
            if self.has(key) {
                self.wrong::<()>(key, format_args!("not supported by the laptop cloud: {reason}"));
            }
            self.take(key);
        }
    }

    /// Tells every key that nobody asked for.
    pub(super) fn finish(self) {
        for key in self.map.keys().filter(|key| !self.known.contains(&key.as_str())) {
            let hint = suggestion(key, self.known.iter().copied());
            let name = self.place.property(key);
            self.problems.add(self.place.owner(), format_args!("unknown property {name:?}{hint}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn wrong_values_and_unknown_keys_are_told_by_name() {
        let problems = Problems::default();
        let place = Place::new("resource Q (T)");
        let value = json!({
            "Number": "12", "Range": 11, "Text": {"a": 1}, "Flag": "TRUE", "Choice": "z", "List": "x",
            "Inner": {"Delayy": 1}, "Poisoned": null,
        });
        let mut fields = Fields::new(place, value, &problems);
        assert_eq!(fields.integer("Number", 0..=20), Some(12));
        assert_eq!(fields.integer("Range", 0..=10), None);
        assert_eq!(fields.text("Text"), None);
        assert_eq!(fields.flag("Flag"), Some(true));
        assert_eq!(fields.choice("Choice", &["x", "y"]), None);
        assert!(fields.texts("List").is_empty());
        assert_eq!(fields.required_text("Poisoned"), None);
        assert_eq!(fields.required_text("Missing"), None);
        let mut inner = fields.object("Inner").unwrap();
        inner.without_effect(&["Delay"]);
        inner.finish();
        fields.finish();
        assert_eq!(
            problems.messages(),
            [
                "resource Q (T), Range: 11 is not within 0–10",
                "resource Q (T), Text: it must be text",
                r#"resource Q (T), Choice: "z" is not one of: x, y"#,
                "resource Q (T), List: it must be a list",
                "resource Q (T): property Missing is required",
                r#"resource Q (T): unknown property "Inner.Delayy" — did you mean Delay?"#,
            ]
        );
    }
}

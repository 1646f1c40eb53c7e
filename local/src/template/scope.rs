//! Evaluates CloudFormation's intrinsic functions: what a `Ref`, a `Fn::Sub` or a condition comes to.
//!
//! Two marks run through it: `None` is `AWS::NoValue`, which takes its property away, and `Null` is a value that could
//! not be had and was told already, so that nobody complains of it again (a template has no nulls of its own).

use super::parameters::{self, text};
use super::problem::{Place, Problems, suggestion};
use super::source::{Resource, Template};
use super::{Settings, intrinsics};
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// What names stand for while a template is resolved.
pub(super) struct Scope<'a> {
    pub(super) settings: &'a Settings<'a>,
    pub(super) template: &'a Template,
    pub(super) problems: &'a Problems,
    parameters: BTreeMap<String, Value>,
    /// `None` while a condition is being evaluated: meeting it again is a circle.
    conditions: RefCell<BTreeMap<String, Option<bool>>>,
    /// The resources referred to since the last [`Scope::take_references`].
    references: RefCell<BTreeSet<String>>,
    /// Resources whose names are being made up right now.
    pub(super) naming: RefCell<Vec<String>>,
    pub(super) secrets: RefCell<BTreeMap<String, Option<String>>>,
}

impl<'a> Scope<'a> {
    pub(super) fn new(template: &'a Template, settings: &'a Settings<'a>, problems: &'a Problems) -> Self {
        Self {
            settings,
            template,
            problems,
            parameters: parameters::resolve(template, settings, problems),
            conditions: RefCell::default(),
            references: RefCell::default(),
            naming: RefCell::default(),
            secrets: RefCell::default(),
        }
    }

    /// The value of an expression; `None` when it is `AWS::NoValue`.
    pub(super) fn resolve(&self, value: &Value, place: &Place) -> Option<Value> {
        match value {
            Value::Object(object) => match intrinsics::call(object) {
                Some((function, argument)) => intrinsics::evaluate(self, function, argument, place),
                None => Some(Value::Object(self.resolve_object(object, place))),
            },
            Value::Array(items) => Some(Value::Array(self.resolve_items(items, place))),
            other => Some(other.clone()),
        }
    }

    pub(super) fn resolve_object(&self, object: &Map<String, Value>, place: &Place) -> Map<String, Value> {
        object
            .iter()
            .filter_map(|(key, value)| Some((key.clone(), self.resolve(value, &place.key(key))?)))
            .collect()
    }

    fn resolve_items(&self, items: &[Value], place: &Place) -> Vec<Value> {
        items.iter().enumerate().filter_map(|(index, item)| self.resolve(item, &place.index(index))).collect()
    }

    /// An expression that must come to a scalar, as text. `None` was told.
    pub(super) fn resolve_text(&self, value: &Value, place: &Place) -> Option<String> {
        match self.resolve(value, place) {
            Some(Value::Null) => None,
            Some(Value::Object(_)) | None => self.wrong(place, "it must come to text"),
            Some(scalar) => Some(text(&scalar)),
        }
    }

    /// Tells that something is wrong, for a caller that has no value then.
    pub(super) fn wrong<T>(&self, place: &Place, message: impl std::fmt::Display) -> Option<T> {
        self.problems.add(place, message);
        None
    }

    /// `Ref`: a parameter, a pseudo parameter or a resource.
    pub(super) fn reference(&self, name: &str, place: &Place) -> Option<Value> {
        if name == "AWS::NoValue" {
            return None;
        }
        if let Some(value) = self.parameters.get(name) {
            return Some(value.clone());
        }
        let value = self.resource(name, place).and_then(|resource| self.reference_of(name, resource));
        Some(value.map_or(Value::Null, Value::String))
    }

    /// `Fn::GetAtt`. `None` was told.
    pub(super) fn attribute(&self, name: &str, attribute: &str, place: &Place) -> Option<String> {
        if let Some(arn) = self.generated_role(name, attribute) {
            return Some(arn);
        }
        let resource = self.resource(name, place)?;
        self.attribute_of(name, resource, attribute, place)
    }

    /// A resource that is referred to. `None` was told.
    fn resource(&self, name: &str, place: &Place) -> Option<&'a Resource> {
        let Some(resource) = self.template.resources.get(name) else {
            let known = self.template.resources.keys().chain(self.parameters.keys()).map(String::as_str);
            let hint = suggestion(name, known);
            return self.wrong(place, format_args!("{name:?} is no resource or parameter{hint}"));
        };
        if !self.exists(resource) {
            let condition = resource.condition.as_deref().unwrap_or_default();
            return self.wrong(
                place,
                format_args!("{name} is referred to but not created: its condition {condition} is false"),
            );
        }
        if self.naming.borrow().is_empty() {
            self.references.borrow_mut().insert(name.to_owned());
        }
        Some(resource)
    }

    /// The resources referred to since this was last called.
    pub(super) fn take_references(&self) -> BTreeSet<String> {
        self.references.take()
    }

    /// Whether a resource's condition holds.
    pub(super) fn exists(&self, resource: &Resource) -> bool {
        let Some(condition) = &resource.condition else {
            return true;
        };
        self.condition(condition, &Place::new(format!("condition {condition}"))).unwrap_or(true)
    }

    /// The value of a named condition. `None` was told.
    pub(super) fn condition(&self, name: &str, place: &Place) -> Option<bool> {
        if let Some(known) = self.conditions.borrow().get(name) {
            return known.or_else(|| self.wrong(place, format_args!("condition {name} refers to itself")));
        }
        let Some(expression) = self.template.conditions.get(name) else {
            let hint = suggestion(name, self.template.conditions.keys().map(String::as_str));
            return self.wrong(place, format_args!("{name:?} is no condition{hint}"));
        };
        self.conditions.borrow_mut().insert(name.to_owned(), None);
        let value = self.boolean(expression, &Place::new(format!("condition {name}")));
        // One that cannot be evaluated was told; taking it as true brings what depends on it under scrutiny too.
        self.conditions.borrow_mut().insert(name.to_owned(), Some(value.unwrap_or(true)));
        value
    }

    /// An expression that must come to a truth value. `None` was told.
    pub(super) fn boolean(&self, value: &Value, place: &Place) -> Option<bool> {
        match self.resolve(value, place) {
            Some(Value::Bool(flag)) => Some(flag),
            Some(Value::Null) => None,
            _ => self.wrong(place, "it is not a condition"),
        }
    }

    /// Evaluates the conditions nobody asked for, so that a wrong one is told.
    pub(super) fn check_conditions(&self) {
        for name in self.template.conditions.keys() {
            self.condition(name, &Place::new(format!("condition {name}")));
        }
    }
}

//! What is wrong with a template: everything that was found, each with the place it was found at.

use std::cell::RefCell;
use std::fmt;

/// Everything that is wrong with a template, in the order it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateErrors(Vec<String>);

impl TemplateErrors {
    /// One line for each thing that is wrong, naming the resource or section.
    pub fn messages(&self) -> &[String] {
        &self.0
    }

    pub(super) fn one(message: impl Into<String>) -> Self {
        Self(vec![message.into()])
    }
}

impl fmt::Display for TemplateErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = if self.0.len() == 1 { "error" } else { "errors" };
        write!(formatter, "the template has {} {noun}:", self.0.len())?;
        self.0.iter().try_for_each(|message| write!(formatter, "\n  {message}"))
    }
}

impl std::error::Error for TemplateErrors {}

/// Collects what is wrong, so that one run tells all of it. The same message is kept once: a property may be
/// looked at more than once (a bucket's name, for the bucket and for everyone who refers to it).
#[derive(Debug, Default)]
pub(super) struct Problems(RefCell<Vec<String>>);

impl Problems {
    pub(super) fn add(&self, place: impl fmt::Display, message: impl fmt::Display) {
        let text = format!("{place}: {message}");
        let mut messages = self.0.borrow_mut();
        if !messages.contains(&text) {
            messages.push(text);
        }
    }

    pub(super) fn into_result<T>(self, value: T) -> Result<T, TemplateErrors> {
        let messages = self.0.into_inner();
        if messages.is_empty() { Ok(value) } else { Err(TemplateErrors(messages)) }
    }

    #[cfg(test)]
    pub(super) fn messages(&self) -> Vec<String> {
        self.0.borrow().clone()
    }
}

/// Where in the template something stands: a resource (or section) and the path of properties below it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    owner: String,
    path: String,
}

impl Place {
    pub(super) fn new(owner: impl Into<String>) -> Self {
        Self { owner: owner.into(), path: String::new() }
    }

    pub(super) fn key(&self, key: &str) -> Self {
        let separator = if self.path.is_empty() { "" } else { "." };
        Self { owner: self.owner.clone(), path: format!("{}{separator}{key}", self.path) }
    }

    pub(super) fn index(&self, index: usize) -> Self {
        Self { owner: self.owner.clone(), path: format!("{}[{index}]", self.path) }
    }

    /// The resource or section, without the path.
    pub(super) fn owner(&self) -> &str {
        &self.owner
    }

    /// The path of `key` below this place, for messages that name a property.
    pub(super) fn property(&self, key: &str) -> String {
        self.key(key).path
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.owner)?;
        if self.path.is_empty() { Ok(()) } else { write!(formatter, ", {}", self.path) }
    }
}

/// ` — did you mean X?`, when something known is near to what was written; empty otherwise.
pub(super) fn suggestion<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    // A third of the letters wrong is a slip; more is another word.
    let limit = (written.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (distance(written, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map_or_else(String::new, |(_, candidate)| format!(" — did you mean {candidate}?"))
}

/// Levenshtein's distance, blind to case.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.to_lowercase().chars().collect();
    let right: Vec<char> = right.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, a) in left.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_suggested_and_another_word_is_not() {
        let known = ["VisibilityTimeout", "DelaySeconds"];
        assert_eq!(suggestion("VisiblityTimeout", known), " — did you mean VisibilityTimeout?");
        assert_eq!(suggestion("visibilitytimeout", known), " — did you mean VisibilityTimeout?");
        assert_eq!(suggestion("Colour", known), "");
    }

    #[test]
    fn every_message_is_told_once() {
        let problems = Problems::default();
        problems.add(Place::new("resource A").key("B").index(2).key("C"), "is wrong");
        problems.add("resource A, B[2].C", "is wrong");
        let errors = problems.into_result(()).unwrap_err();
        assert_eq!(errors.to_string(), "the template has 1 error:\n  resource A, B[2].C: is wrong");
    }
}

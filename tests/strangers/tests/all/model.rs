//! What one person has, as they must be answered about it.

use crate::step::Filter;
use serde_json::{Value, json};
use shared::limits::PREFIX_CHARACTERS;
use shared::note::excerpt;
use shared::sample::Answered;
use std::collections::BTreeMap;
use strangers::Caller;

/// What makes a version when it changes.
pub(crate) const CONTENT: [&str; 3] = ["title", "body", "tags"];

/// A person, and all that is theirs.
pub(crate) struct Person {
    pub(crate) caller: Caller,
    /// By id, live and trashed; ids sort by the moment of creation.
    pub(crate) notes: BTreeMap<String, Note>,
    /// The first use of each idempotency key.
    pub(crate) keys: BTreeMap<u8, KeyUse>,
    pub(crate) settings: Option<Value>,
    pub(crate) reports: BTreeMap<u32, Value>,
}

pub(crate) struct KeyUse {
    pub(crate) content: Value,
    /// The note as it was then.
    pub(crate) note: Value,
    pub(crate) at_seconds: i64,
}

/// A note with its attachments, by id, and its earlier versions, by number.
#[derive(Clone)]
pub(crate) struct Note {
    pub(crate) json: Value,
    pub(crate) attachments: BTreeMap<String, Value>,
    pub(crate) history: BTreeMap<u64, Value>,
}

impl Person {
    pub(crate) fn new(caller: Caller) -> Self {
        Self {
            caller,
            notes: BTreeMap::new(),
            keys: BTreeMap::new(),
            settings: None,
            reports: BTreeMap::new(),
        }
    }

    /// What a listing with this filter holds, in its order, each with its place in that order.
    pub(crate) fn listing(&self, filter: &Filter) -> Vec<(Place, Value)> {
        let mut found: Vec<_> = self
            .notes
            .values()
            .filter(|note| note.is_trashed() == filter.trash && note.fits(filter))
            .map(|note| (note.place(), note.summary()))
            .collect();
        found.sort_by(|(one, _), (other, _)| other.cmp(one));
        found
    }
}

/// Where a note stands in a listing: by its moment of deletion in the trash, and by its id.
pub(crate) type Place = (String, String);

impl Note {
    pub(crate) fn new(json: Value) -> Self {
        Self { json, attachments: BTreeMap::new(), history: BTreeMap::new() }
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        self.json[name].as_str().unwrap_or_default()
    }

    pub(crate) fn is_trashed(&self) -> bool {
        self.json["deleted_at"].is_string()
    }

    pub(crate) fn version(&self) -> u64 {
        self.json["version"].as_u64().unwrap()
    }

    /// Judges an answer that shows the note.
    pub(crate) fn must_be(&self, answered: &Answered) {
        assert_eq!((answered.status, &answered.json()), (200, &self.json));
        assert_eq!(answered.header("etag"), Some(self.etag().as_str()));
    }

    pub(crate) fn etag(&self) -> String {
        match self.attachments.len() {
            0 => format!("\"{}\"", self.version()),
            count => format!("\"{}-{count}\"", self.version()),
        }
    }

    /// A change at `now` makes the next version.
    pub(crate) fn touch(&mut self, now: &str) {
        self.json["version"] = json!(self.version() + 1);
        self.json["updated_at"] = json!(now);
    }

    /// A change at `now` gives these fields other values; what they replace joins the history.
    pub(crate) fn change(&mut self, now: &str, fields: Vec<(&str, Value)>) {
        let (number, before) = (self.version(), self.as_version());
        self.touch(now);
        for (name, value) in fields {
            self.json[name] = value;
        }
        if CONTENT.iter().any(|name| before[name] != self.json[name]) {
            self.history.insert(number, before);
        }
    }

    fn as_version(&self) -> Value {
        let fields = CONTENT.iter().chain(&["version", "updated_at"]);
        fields.map(|name| ((*name).to_owned(), self.json[name].clone())).collect()
    }

    pub(crate) fn count_attachments(&mut self) {
        self.json["attachments"] = json!(self.attachments.len());
    }

    fn place(&self) -> Place {
        (self.text("deleted_at").to_owned(), self.text("id").to_owned())
    }

    fn fits(&self, filter: &Filter) -> bool {
        let holds = |word: &str| {
            let text = format!("{} {} {}", self.text("title"), self.text("body"), self.json["tags"]);
            let mut words = text.split(|c: char| !c.is_alphanumeric());
            let word = word.to_lowercase();
            words.any(|other| other == word || word.len() >= PREFIX_CHARACTERS && other.starts_with(&word))
        };
        filter.tag.is_none_or(|tag| self.json["tags"].as_array().unwrap().contains(&json!(tag)))
            && filter.word.is_none_or(holds)
    }

    fn summary(&self) -> Value {
        summary(&self.json)
    }

    /// The earlier versions as they are listed, latest first.
    pub(crate) fn earlier(&self) -> Vec<Value> {
        self.history.values().rev().map(summary).collect()
    }
}

/// A note or a version as lists have it.
fn summary(whole: &Value) -> Value {
    let mut summary = whole.clone();
    let fields = summary.as_object_mut().unwrap();
    let body = fields.remove("body").unwrap();
    fields.insert("excerpt".into(), json!(excerpt(body.as_str().unwrap())));
    summary
}

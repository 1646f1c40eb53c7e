//! Notes: what they are, how they are made and changed.

use crate::limits;
use crate::timestamp::Timestamp;
use crate::validate::{self, Invalid};
use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::{NoContext, Uuid};

/// A UUIDv7, so that ids sort by the moment of creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Id(Uuid);

impl Id {
    /// A new id of the moment `now`.
    pub fn new(now: Timestamp) -> Self {
        let millis = u64::try_from(now.millis()).unwrap_or(0);
        let moment = uuid::Timestamp::from_unix(
            NoContext,
            millis / 1000,
            u32::try_from(millis % 1000 * 1_000_000).unwrap_or(0),
        );
        Self(Uuid::new_v7(moment))
    }

    /// Reads the hyphenated form; anything else is no id.
    pub fn parse(text: &str) -> Option<Self> {
        let id = Uuid::try_parse(text).ok()?;
        (text.len() == 36).then_some(Self(id))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// Where a note is listed: with the live ones, newest first, or in the trash, by when it went there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    Live,
    Trash { since: Timestamp },
}

impl Place {
    pub fn of(deleted_at: Option<Timestamp>) -> Self {
        deleted_at.map_or(Self::Live, |since| Self::Trash { since })
    }

    /// A text that sorts there as notes do.
    pub fn position(self, id: Id) -> String {
        match self {
            Self::Live => id.to_string(),
            Self::Trash { since } => format!("{since} {id}"),
        }
    }
}

/// Which version of a note a change is meant for: what `If-Match` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Expected {
    /// Whichever is there.
    #[default]
    Any,
    /// One of these. None at all is possible, and is never met: tags that are none of ours.
    OneOf(Vec<u64>),
}

impl Expected {
    pub fn is_met_by(&self, note: &Note) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(versions) => versions.contains(&note.version),
        }
    }
}

/// A note as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    pub id: Id,
    pub title: String,
    /// Markdown.
    pub body: String,
    pub tags: Vec<String>,
    /// Addresses that are told of changes.
    pub notify: Vec<String>,
    /// Grows by one with every change; the ETag.
    pub version: u64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// When it was moved to the trash; absent on a live note.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub deleted_at: Option<Timestamp>,
    /// How many attachments it has.
    #[serde(default)]
    pub attachments: u32,
}

/// A note as lists show it: an excerpt in place of the body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    pub id: Id,
    pub title: String,
    pub excerpt: String,
    pub tags: Vec<String>,
    pub notify: Vec<String>,
    pub version: u64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub deleted_at: Option<Timestamp>,
    #[serde(default)]
    pub attachments: u32,
}

/// What a caller may set: the body of `POST /notes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with a note's fields")]
pub struct Content {
    pub title: String,
    #[serde(default)]
    pub body: String,
    #[serde(default)]
    pub tags: Vec<String>,
    #[serde(default)]
    pub notify: Vec<String>,
}

/// A JSON merge patch (RFC 7396) over [`Content`]: absent fields stay, `null` takes a field back to its default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with a note's fields")]
pub struct Patch {
    #[serde(default, deserialize_with = "present")]
    pub title: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    pub body: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    pub tags: Option<Option<Vec<String>>>,
    #[serde(default, deserialize_with = "present")]
    pub notify: Option<Option<Vec<String>>>,
}

/// The fields of a note that a change sets, checked; the others stay. Fields are independent of one another, so that a
/// change needs to know nothing of the note it is made to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    pub title: Option<String>,
    pub body: Option<String>,
    pub tags: Option<Vec<String>>,
    pub notify: Option<Vec<String>>,
}

impl Changes {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Tells a field that is `null` (`Some(None)`) from one that is absent (`None`).
fn present<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: serde::Deserializer<'de>,
{
    Option::<T>::deserialize(deserializer).map(Some)
}

impl Content {
    /// Checks every field and brings it into the form that is stored; reports all that is wrong at once.
    pub fn checked(self) -> Result<Self, Vec<Invalid>> {
        let mut wrong = Vec::new();
        let content = Self {
            title: title(&self.title, &mut wrong),
            body: body(self.body, &mut wrong),
            tags: tags(&self.tags, &mut wrong),
            notify: notify(&self.notify, &mut wrong),
        };
        if wrong.is_empty() { Ok(content) } else { Err(wrong) }
    }

    /// The note that this content makes, created at `now`.
    pub fn into_note(self, id: Id, now: Timestamp) -> Note {
        Note {
            id,
            title: self.title,
            body: self.body,
            tags: self.tags,
            notify: self.notify,
            version: 1,
            created_at: now,
            updated_at: now,
            deleted_at: None,
            attachments: 0,
        }
    }
}

impl Patch {
    /// Checks the fields that are there, like [`Content::checked`]. A title cannot be taken away, so `null` leaves it
    /// empty for the check to refuse.
    pub fn checked(self) -> Result<Changes, Vec<Invalid>> {
        let mut wrong = Vec::new();
        let changes = Changes {
            title: self.title.map(|text| title(&text.unwrap_or_default(), &mut wrong)),
            body: self.body.map(|text| body(text.unwrap_or_default(), &mut wrong)),
            tags: self.tags.map(|list| tags(&list.unwrap_or_default(), &mut wrong)),
            notify: self.notify.map(|list| notify(&list.unwrap_or_default(), &mut wrong)),
        };
        if wrong.is_empty() { Ok(changes) } else { Err(wrong) }
    }
}

fn title(text: &str, wrong: &mut Vec<Invalid>) -> String {
    keep(validate::line("title", text, limits::TITLE_CHARACTERS), wrong).unwrap_or_default()
}

fn body(text: String, wrong: &mut Vec<Invalid>) -> String {
    if text.len() > limits::BODY_BYTES {
        wrong.push(Invalid::new("body", format!("must have at most {} bytes", limits::BODY_BYTES)));
    }
    text
}

fn tags(values: &[String], wrong: &mut Vec<Invalid>) -> Vec<String> {
    list("tags", values, limits::TAGS, wrong, |field, tag| validate::line(field, tag, limits::TAG_CHARACTERS))
}

fn notify(values: &[String], wrong: &mut Vec<Invalid>) -> Vec<String> {
    list("notify", values, limits::NOTIFY_ADDRESSES, wrong, validate::email_address)
}

fn keep<T>(result: Result<T, Invalid>, wrong: &mut Vec<Invalid>) -> Option<T> {
    result.map_err(|invalid| wrong.push(invalid)).ok()
}

/// Checks each element, drops repetitions, keeps the order.
fn list(
    field: &str,
    values: &[String],
    maximum: usize,
    wrong: &mut Vec<Invalid>,
    check: impl Fn(&str, &str) -> Result<String, Invalid>,
) -> Vec<String> {
    if values.len() > maximum {
        wrong.push(Invalid::new(field, format!("must have at most {maximum} entries")));
        return Vec::new();
    }
    let mut kept: Vec<String> = Vec::with_capacity(values.len());
    for (index, value) in values.iter().enumerate() {
        let checked = check(field, value);
        let named = checked.map_err(|invalid| Invalid::new(format!("{field}[{index}]"), invalid.message));
        if let Some(value) = keep(named, wrong)
            && !kept.contains(&value)
        {
            kept.push(value);
        }
    }
    kept
}

/// What an earlier version of a note held. Whom it notified is not part of that: to go back to a text must not bring back
/// somebody who asked to be told no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    pub version: u64,
    pub title: String,
    /// Markdown.
    pub body: String,
    pub tags: Vec<String>,
    /// When this version was made.
    pub updated_at: Timestamp,
}

/// An earlier version as lists show it: an excerpt in place of the body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VersionSummary {
    pub version: u64,
    pub title: String,
    pub excerpt: String,
    pub tags: Vec<String>,
    pub updated_at: Timestamp,
}

impl Version {
    /// The changes that give a note this content again.
    pub fn into_changes(self) -> Changes {
        Changes { title: Some(self.title), body: Some(self.body), tags: Some(self.tags), notify: None }
    }

    pub fn into_summary(self) -> VersionSummary {
        VersionSummary {
            version: self.version,
            title: self.title,
            excerpt: excerpt(&self.body),
            tags: self.tags,
            updated_at: self.updated_at,
        }
    }
}

impl Note {
    /// The value of the `ETag` header: the version, and how many attachments there are, which come and go without
    /// making a version.
    pub fn etag(&self) -> String {
        match self.attachments {
            0 => format!("\"{}\"", self.version),
            count => format!("\"{}-{count}\"", self.version),
        }
    }

    pub fn is_trashed(&self) -> bool {
        self.deleted_at.is_some()
    }
}

/// The version in an entity tag of [`Note::etag`]'s making; `None` for any other.
pub fn version_of_etag(tag: &str) -> Option<u64> {
    let tag = tag.strip_prefix('"')?.strip_suffix('"')?;
    let (version, attachments) = tag.split_once('-').unwrap_or((tag, "0"));
    // `parse` takes a plus sign, which we never write.
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?;
    number(attachments)?;
    number(version)
}

/// The start of a body as one line, for lists and e-mails.
pub fn excerpt(body: &str) -> String {
    let mut excerpt = String::new();
    let mut count = 0;
    for word in body.split_whitespace() {
        let length = word.chars().count();
        if count + length + 1 > limits::EXCERPT_CHARACTERS {
            if excerpt.is_empty() {
                excerpt.extend(word.chars().take(limits::EXCERPT_CHARACTERS - 1));
            }
            excerpt.push('…');
            break;
        }
        if !excerpt.is_empty() {
            excerpt.push(' ');
        }
        excerpt.push_str(word);
        count += length + 1;
    }
    excerpt
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn content() -> Content {
        Content { title: " Hello ".into(), tags: vec!["a".into(), "a".into()], ..Content::default() }
    }

    #[test]
    fn content_is_trimmed_and_repetitions_go() {
        let checked = content().checked().unwrap();
        assert_eq!(checked.title, "Hello");
        assert_eq!(checked.tags, ["a"]);
    }

    #[test]
    fn every_wrong_field_is_named_at_once() {
        let wrong = Content {
            title: String::new(),
            body: "x".repeat(limits::BODY_BYTES + 1),
            tags: vec!["ok".into(), "line\nbreak".into()],
            notify: vec!["nobody".into()],
        }
        .checked()
        .unwrap_err();
        let fields: Vec<_> = wrong.iter().map(|invalid| invalid.field.as_str()).collect();
        assert_eq!(fields, ["title", "body", "tags[1]", "notify[0]"]);
    }

    #[test]
    fn a_patch_sets_what_it_names_and_null_resets() {
        let patch = |json: &str| serde_json::from_str::<Patch>(json).unwrap().checked();
        let changes = patch(r#"{"tags":null,"title":" New "}"#).unwrap();
        assert_eq!(
            changes,
            Changes { title: Some("New".into()), tags: Some(Vec::new()), ..Changes::default() }
        );
        assert!(patch("{}").unwrap().is_empty());
        assert_eq!(patch(r#"{"title":null}"#).unwrap_err()[0].field, "title");
        assert_eq!(patch(r#"{"tags":["ok",""],"notify":["x"]}"#).unwrap_err().len(), 2);
    }

    #[test]
    fn an_entity_tag_leads_back_to_its_version_and_others_to_none() {
        let mut note = content()
            .checked()
            .unwrap()
            .into_note(Id::new(Timestamp::from_millis(0)), Timestamp::from_millis(0));
        for (version, attachments) in [(1, 0), (7, 3), (u64::MAX, 20)] {
            (note.version, note.attachments) = (version, attachments);
            assert_eq!(version_of_etag(&note.etag()), Some(version));
        }
        for other in [
            "",
            "1",
            "\"\"",
            "\"+1\"",
            "\"1-\"",
            "\"-1\"",
            "\"1-x\"",
            "\"1-2-3\"",
            "W/\"1\"",
            "\"99999999999999999999\"",
        ] {
            assert_eq!(version_of_etag(other), None, "{other}");
        }
    }

    #[test]
    fn ids_sort_by_moment_and_only_the_canonical_form_is_read() {
        let early = Id::new(Timestamp::from_millis(1_000));
        let late = Id::new(Timestamp::from_millis(1_001));
        assert!(early.to_string() < late.to_string());
        assert_eq!(Id::parse(&early.to_string()), Some(early));
        assert_eq!(Id::parse(&early.to_string().replace('-', "")), None);
    }

    /// Any JSON that a field may be sent as, mostly of the kind that is asked for.
    fn values() -> impl Strategy<Value = Value> {
        let text = || {
            prop_oneof![
                "\\PC{0,20}|[ \u{0}-\u{20}é]{0,4}|x{49,52}|x{199,202}",
                "[A-Za-z]{1,5}@[A-Za-z]{1,5}\\.de|[a-z@]{0,8}",
            ]
        };
        prop_oneof![
            4 => text().prop_map(Value::from),
            4 => prop::collection::vec(text(), 0..limits::TAGS + 2).prop_map(Value::from),
            1 => Just(Value::Null),
            1 => prop_oneof![Just(json!({})), Just(json!(7)), Just(json!(["a", 7])), Just(json!(true))],
        ]
    }

    fn has_its_kind(field: &str, value: &Value) -> bool {
        match field {
            "title" | "body" => value.is_null() || value.is_string(),
            "tags" | "notify" => {
                let are_texts = |list: &Vec<Value>| list.iter().all(Value::is_string);
                value.is_null() || value.as_array().is_some_and(are_texts)
            }
            _ => false,
        }
    }

    /// The parts of a field's value that cannot be taken, by the rules as the contract has them.
    fn wrong_parts(field: &str, value: &Value) -> Vec<String> {
        let is_line = |text: &str, maximum: usize| {
            !text.trim().is_empty() && text.chars().count() <= maximum && !text.chars().any(char::is_control)
        };
        let is_fine = |element: &Value| match field {
            "tags" => is_line(element.as_str().unwrap(), limits::TAG_CHARACTERS),
            _ => validate::email_address("", element.as_str().unwrap()).is_ok(),
        };
        let maximum = if field == "tags" { limits::TAGS } else { limits::NOTIFY_ADDRESSES };
        match (field, value) {
            ("title", title) if !is_line(title.as_str().unwrap_or_default(), limits::TITLE_CHARACTERS) => {
                vec![field.to_owned()]
            }
            (_, Value::Array(list)) if list.len() > maximum => vec![field.to_owned()],
            (_, Value::Array(list)) => {
                let wrong = list.iter().enumerate().filter(|(_, element)| !is_fine(element));
                wrong.map(|(index, _)| format!("{field}[{index}]")).collect()
            }
            _ => Vec::new(),
        }
    }

    proptest! {
        #[test]
        fn a_patch_of_any_json_changes_what_it_names_or_names_what_is_wrong(
            sent in prop::collection::btree_map(
                prop::sample::select(vec!["title", "body", "tags", "notify", "title", "body", "id"]), values(), 0..4
            )
        ) {
            let patch = serde_json::from_value::<Patch>(json!(sent));
            let fits = sent.iter().all(|(field, value)| has_its_kind(field, value));
            prop_assert_eq!(patch.is_ok(), fits);
            let Ok(patch) = patch else { return Ok(()) };
            let order = ["title", "body", "tags", "notify"];
            let wrong: Vec<String> =
                order.iter().filter_map(|field| Some(wrong_parts(field, sent.get(field)?))).flatten().collect();
            match patch.checked() {
                Err(named) => {
                    prop_assert!(!named.is_empty());
                    prop_assert_eq!(named.into_iter().map(|one| one.field).collect::<Vec<_>>(), wrong);
                }
                Ok(changes) => {
                    prop_assert_eq!(wrong, Vec::<String>::new());
                    let Changes { title, body, tags, notify } = changes;
                    let changed = [title.is_some(), body.is_some(), tags.is_some(), notify.is_some()];
                    prop_assert_eq!(changed, order.map(|field| sent.contains_key(field)));
                    let trimmed = |text: &Value| text.as_str().map(|text| text.trim().to_owned());
                    prop_assert_eq!(title, sent.get("title").and_then(trimmed));
                    for list in [tags, notify].into_iter().flatten() {
                        let distinct: std::collections::BTreeSet<_> = list.iter().collect();
                        prop_assert_eq!(distinct.len(), list.len());
                    }
                }
            }
        }

        #[test]
        fn an_excerpt_never_exceeds_its_limit(body in "\\PC{0,600}") {
            prop_assert!(excerpt(&body).chars().count() <= limits::EXCERPT_CHARACTERS + 1);
        }

        #[test]
        fn checking_twice_changes_nothing_more(title in "[a-zA-Z ]{1,30}x", tags in prop::collection::vec("[a-z]{1,9}", 0..5)) {
            let once = Content { title, tags, ..Content::default() }.checked().unwrap();
            prop_assert_eq!(once.clone().checked().unwrap(), once);
        }
    }
}

//! A stream record of the notes table, read straight into what its effects need.
//!
//! Not by way of generic items: bodies, which are most of a record's bytes, are borrowed from it where they can be.

use serde::{Deserialize, Deserializer};
use shared::attachment::ObjectKey;
use shared::dynamodb::ItemKey;
use shared::failure::Failure;
use shared::note::{Id, Version};
use shared::owner::Owner;
use shared::timestamp::Timestamp;
use std::borrow::Cow;

/// One change of one item.
#[derive(Debug, PartialEq)]
pub(crate) struct Record<'a> {
    pub(crate) event_id: String,
    /// When the change was made, to the second.
    pub(crate) at: Timestamp,
    /// The request of the API that made the change. Of what was removed, the record does not tell which.
    pub(crate) correlation_id: Option<String>,
    pub(crate) change: Change<'a>,
}

/// What was changed, and how it was before and is after.
#[derive(Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "nearly every record is a note's, and lives for a moment")]
pub(crate) enum Change<'a> {
    Note {
        owner: Owner,
        id: Id,
        before: Option<NoteImage<'a>>,
        after: Option<NoteImage<'a>>,
    },
    Attachment {
        key: ObjectKey,
        existed: bool,
        exists: bool,
    },
    /// Settings. The event source's filter keeps them out, but a stream that is read again has no filter.
    Other,
}

/// A note as one side of a change shows it.
#[derive(Debug, PartialEq, Deserialize)]
pub(crate) struct NoteImage<'a> {
    #[serde(deserialize_with = "string")]
    pub(crate) title: String,
    #[serde(borrow, deserialize_with = "text")]
    pub(crate) body: Cow<'a, str>,
    #[serde(deserialize_with = "string")]
    pub(crate) excerpt: String,
    #[serde(deserialize_with = "strings")]
    pub(crate) tags: Vec<String>,
    #[serde(deserialize_with = "strings")]
    pub(crate) notify: Vec<String>,
    #[serde(deserialize_with = "number")]
    pub(crate) version: u64,
    #[serde(deserialize_with = "moment")]
    pub(crate) updated_at: Timestamp,
    #[serde(default, deserialize_with = "some_moment")]
    pub(crate) deleted_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "string_or_null")]
    pub(crate) changed_by: Option<String>,
    /// The request of the API that made the change.
    #[serde(default, deserialize_with = "string_or_null")]
    pub(crate) changed_in: Option<String>,
    /// Set by operators to have the note's words written anew.
    #[serde(default, deserialize_with = "string_or_null")]
    pub(crate) index_mark: Option<String>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "eventID")]
    event_id: String,
    #[serde(rename = "eventName")]
    event_name: String,
    #[serde(borrow)]
    dynamodb: Body<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Body<'a> {
    approximate_creation_date_time: f64,
    keys: Keys,
    #[serde(borrow)]
    new_image: Option<&'a serde_json::value::RawValue>,
    #[serde(borrow)]
    old_image: Option<&'a serde_json::value::RawValue>,
}

/// An attachment as one side of a change shows it.
#[derive(Deserialize)]
struct AttachmentImage {
    #[serde(default, deserialize_with = "string_or_null")]
    changed_in: Option<String>,
}

#[derive(Deserialize)]
struct Keys {
    #[serde(deserialize_with = "string")]
    pk: String,
    #[serde(deserialize_with = "string")]
    sk: String,
}

impl NoteImage<'_> {
    /// Whether the other has the same content, as versions hold it.
    pub(crate) fn has_content_of(&self, other: &Self) -> bool {
        self.title == other.title && self.body == other.body && self.tags == other.tags
    }

    pub(crate) fn to_version(&self) -> Version {
        Version {
            version: self.version,
            title: self.title.clone(),
            body: self.body.clone().into_owned(),
            tags: self.tags.clone(),
            updated_at: self.updated_at,
        }
    }
}

impl<'a> Record<'a> {
    /// Reads the JSON that Lambda delivers.
    ///
    /// # Errors
    /// Permanent: what cannot be read now never can.
    pub(crate) fn parse(json: &'a str) -> Result<Self, Failure> {
        let envelope: Envelope = shared::json::object(json.as_bytes()).map_err(unreadable)?;
        let body = envelope.dynamodb;
        let (existed, exists) = match envelope.event_name.as_str() {
            "INSERT" => (false, true),
            "MODIFY" => (true, true),
            "REMOVE" => (true, false),
            _ => return Err(Failure::permanent("the record has no known event name")),
        };
        let mut correlation_id = None;
        let change = match ItemKey::parse(&body.keys.pk, &body.keys.sk) {
            Some(ItemKey::Note { owner, id }) => {
                let before = existed.then(|| image(body.old_image)).transpose()?;
                let mut after: Option<NoteImage> = exists.then(|| image(body.new_image)).transpose()?;
                correlation_id = after.as_mut().and_then(|note| note.changed_in.take());
                Change::Note { owner, id, before, after }
            }
            Some(ItemKey::Attachment(key)) => {
                let after: Option<AttachmentImage> = exists.then(|| image(body.new_image)).transpose()?;
                correlation_id = after.and_then(|attachment| attachment.changed_in);
                Change::Attachment { key, existed, exists }
            }
            Some(ItemKey::Settings { .. }) => Change::Other,
            None => return Err(Failure::permanent("the record has no known key")),
        };
        // Seconds since the epoch, with or without a fraction; far below where a float loses milliseconds.
        let at = Timestamp::from_millis((body.approximate_creation_date_time * 1e3).round() as i64);
        Ok(Self { event_id: envelope.event_id, at, correlation_id, change })
    }
}

/// A record's sequence number, by which a batch is given back, whatever else is wrong with the record.
pub(crate) fn sequence_number(json: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Record {
        dynamodb: Body,
    }
    #[derive(Deserialize)]
    struct Body {
        #[serde(rename = "SequenceNumber")]
        sequence_number: String,
    }
    let record: Record = shared::json::object(json.as_bytes()).ok()?;
    Some(record.dynamodb.sequence_number).filter(|number| !number.is_empty())
}

fn image<'a, T: Deserialize<'a>>(json: Option<&'a serde_json::value::RawValue>) -> Result<T, Failure> {
    let json = json.ok_or_else(|| Failure::permanent("the record lacks an image"))?;
    shared::json::object(json.get().as_bytes()).map_err(unreadable)
}

/// The place and kind of what is wrong; serde's own message would quote the note.
fn unreadable(error: shared::json::Error) -> Failure {
    let error = error.inner();
    let (line, column) = (error.line(), error.column());
    Failure::permanent(format!("the record is unreadable at {line}:{column} ({:?})", error.classify()))
}

// ---- DynamoDB's JSON: every value in an object that names its type ------------------------------------------------

#[derive(Deserialize)]
struct S {
    #[serde(rename = "S")]
    value: String,
}

/// The same, borrowed unless something in it is escaped.
#[derive(Deserialize)]
struct Borrowed<'a> {
    #[serde(rename = "S", borrow)]
    value: Cow<'a, str>,
}

/// `{"S": …}` or `{"NULL": true}`.
#[derive(Deserialize)]
struct MaybeS {
    #[serde(rename = "S")]
    value: Option<String>,
}

#[derive(Deserialize)]
struct N {
    #[serde(rename = "N")]
    value: String,
}

#[derive(Deserialize)]
struct L {
    #[serde(rename = "L")]
    values: Vec<S>,
}

fn string<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(S::deserialize(deserializer)?.value)
}

fn text<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'a, str>, D::Error> {
    Ok(Borrowed::deserialize(deserializer)?.value)
}

fn string_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(MaybeS::deserialize(deserializer)?.value)
}

fn strings<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(L::deserialize(deserializer)?.values.into_iter().map(|s| s.value).collect())
}

fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    N::deserialize(deserializer)?.value.parse().map_err(serde::de::Error::custom)
}

fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    S::deserialize(deserializer)?.value.parse().map_err(serde::de::Error::custom)
}

fn some_moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    moment(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_damaged_record_is_refused_for_good_and_nothing_of_it_is_told(
            of in 0usize..3, at in any::<usize>(), gone in 0usize..40, by in "[\\[\\]{}:,\"0-9a-zSNL\\\\]{0,4}", noise in "\\PC{0,60}",
        ) {
            let good = shared::sample::event("note-events")["Records"][of].to_string();
            prop_assert!(Record::parse(&good).is_ok());
            for json in [shared::sample::damaged(&good, at, gone, &by), noise] {
                let _ = sequence_number(&json);
                if let Err(failure) = Record::parse(&json) {
                    prop_assert!(!failure.is_passing(), "{}", json);
                    prop_assert!(!failure.reason().contains("Harbour") && !failure.reason().contains('@'), "{}", failure.reason());
                }
            }
        }
    }
}

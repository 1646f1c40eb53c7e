//! What a note's changes do to the search index.

use crate::record::NoteImage;
use shared::dynamodb::IndexChange;
use shared::note::{Id, Note, Place};
use shared::owner::Owner;
use shared::search::Indexed;
use std::collections::{BTreeMap, BTreeSet};

/// The entries of one note that changes touched, and the note as the last change left it. Each touched entry is written as
/// the note has it, or taken away.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Touched {
    entries: BTreeMap<Place, BTreeSet<String>>,
    last: Option<Indexed>,
    /// Of the last image; `None` when the note is gone.
    version: Option<u64>,
}

impl Touched {
    /// Adds a change.
    pub(crate) fn add(&mut self, before: Option<&NoteImage<'_>>, after: Option<&NoteImage<'_>>) {
        self.version = after.map(|after| after.version);
        let is_same = before.zip(after).is_some_and(|(before, after)| {
            before.deleted_at == after.deleted_at && before.has_content_of(after)
        });
        let is_asked_for = after.is_some_and(|after| {
            after.index_mark.is_some() && before.is_none_or(|before| before.index_mark != after.index_mark)
        });
        if is_same && !is_asked_for && self.entries.is_empty() {
            return;
        }
        let (before, after) = (before.map(indexed), after.map(indexed));
        self.touch(before.as_ref(), after.as_ref());
        self.touch(after.as_ref(), before.as_ref().filter(|_| !is_asked_for));
        self.last = after;
    }

    /// Touches what of one side the other has not.
    fn touch(&mut self, side: Option<&Indexed>, other: Option<&Indexed>) {
        let Some(side) = side else { return };
        let other = other.filter(|other| other.place == side.place);
        let is_changed =
            |prefix: &str| other.is_none_or(|other| other.words.get(prefix) != side.words.get(prefix));
        let prefixes = side.words.keys().filter(|prefix| is_changed(prefix)).cloned();
        self.entries.entry(side.place).or_default().extend(prefixes);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.values().all(BTreeSet::is_empty)
    }

    /// Whether what is written as of the last change is right for a note that is now in this version, or gone.
    pub(crate) fn is_of(&self, version: Option<u64>) -> bool {
        self.version == version
    }

    /// What to write if the note still is as the last change left it.
    pub(crate) fn changes<'a>(&'a self, owner: &'a Owner, note: Id) -> Vec<IndexChange<'a>> {
        self.changes_to(self.last.as_ref(), owner, note)
    }

    /// What to write for a note that is now found so.
    pub(crate) fn changes_to<'a>(
        &'a self,
        now: Option<&'a Indexed>,
        owner: &'a Owner,
        note: Id,
    ) -> Vec<IndexChange<'a>> {
        let places = self
            .entries
            .iter()
            .flat_map(|(place, prefixes)| prefixes.iter().map(move |prefix| (*place, prefix)));
        let change = |(place, prefix): (Place, &'a String)| {
            let words = now.filter(|now| now.place == place).and_then(|now| now.words.get(prefix));
            IndexChange { owner, note, place, prefix, words }
        };
        places.map(change).collect()
    }
}

/// What finds a note as it is.
pub(crate) fn indexed_note(note: &Note) -> Indexed {
    Indexed::new(note.deleted_at, &note.title, &note.tags, &note.body)
}

fn indexed(image: &NoteImage<'_>) -> Indexed {
    Indexed::new(image.deleted_at, &image.title, &image.tags, &image.body)
}

//! What is kept beside a note and derived from it: its earlier versions, and its entries in the search index.
//!
//! A stream hands over the records of one note in their order, so that each tells by its two sides what to write, and
//! nothing need be read for it. A record that missed its turn and comes by way of the replays queue tells only what may be
//! wrong: then the note is read, before writing and after, until it stood still meanwhile. Whoever writes last has thus
//! seen the note as it is, and a note that is gone leaves nothing behind.
//!
//! Index entries, unlike versions, are overwritten. So of them also a record in its turn makes sure: one read tells for a
//! whole batch which notes have moved on since, be it that a batch comes again or that two are under way at once, and
//! those are treated as if they had missed their turn.

use crate::index::{Touched, indexed_note};
use crate::record::NoteImage;
use shared::dynamodb::{HistoryChange, Kept, Store};
use shared::failure::Failure;
use shared::limits;
use shared::note::Id;
use shared::owner::Owner;
use std::collections::BTreeMap;

/// Times that a note is read again because it changed while what is derived from it was written.
const ROUNDS: usize = 4;

/// Whether records come in the order in which their note changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Kept,
    /// Later records of the same note may have been dealt with before, or may be at this moment.
    Missed,
}

/// What is derived from some notes and to be brought up to date.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Derived(BTreeMap<(Owner, Id), Stale>);

/// What of one note.
#[derive(Debug, Default, PartialEq)]
struct Stale {
    /// Versions to keep from now on, or to give up, by number.
    history: BTreeMap<u64, Option<Kept>>,
    index: Touched,
    is_gone: bool,
}

impl Derived {
    /// Adds what a note's change from one side to the other makes stale.
    pub(crate) fn add(
        &mut self,
        owner: &Owner,
        id: Id,
        before: Option<&NoteImage<'_>>,
        after: Option<&NoteImage<'_>>,
    ) {
        let stale = self.0.entry((owner.clone(), id)).or_default();
        stale.index.add(before, after);
        match (before, after) {
            (Some(before), Some(after)) => stale.history.extend(history(before, after)),
            (Some(_), None) => (stale.history, stale.is_gone) = (BTreeMap::new(), true),
            (None, _) => {}
        }
    }

    /// Brings all of it up to date.
    pub(crate) async fn apply(&self, store: &Store, turn: Turn) -> Result<(), Failure> {
        match turn {
            Turn::Kept => self.write(store).await,
            Turn::Missed => {
                for ((owner, id), stale) in self.0.iter().filter(|(_, stale)| !stale.is_empty()) {
                    stale.write_late(store, owner, *id).await?;
                }
                Ok(())
            }
        }
    }

    async fn write(&self, store: &Store) -> Result<(), Failure> {
        let changes: Vec<_> =
            self.0.iter().flat_map(|((owner, id), stale)| stale.history(owner, *id)).collect();
        store.write_history(&changes).await?;
        for ((owner, id), _) in self.0.iter().filter(|(_, stale)| stale.is_gone) {
            store.remove_versions(owner, *id).await?;
        }
        self.write_index(store).await
    }

    async fn write_index(&self, store: &Store) -> Result<(), Failure> {
        let touched = || self.0.iter().filter(|(_, stale)| !stale.index.is_empty());
        let changes: Vec<_> =
            touched().flat_map(|((owner, id), stale)| stale.index.changes(owner, *id)).collect();
        store.write_index(&changes).await?;
        let notes: Vec<_> = touched().map(|(note, _)| note.clone()).collect();
        let versions = store.note_versions(&notes).await?;
        for (note, stale) in touched().filter(|(note, stale)| !stale.index.is_of(versions.get(note).copied()))
        {
            stale.write_late(store, &note.0, note.1).await?;
        }
        Ok(())
    }
}

impl Stale {
    fn is_empty(&self) -> bool {
        self.history.is_empty() && self.index.is_empty() && !self.is_gone
    }

    fn history<'a>(&'a self, owner: &'a Owner, note: Id) -> impl Iterator<Item = HistoryChange<'a>> {
        self.history.iter().map(move |(number, kept)| HistoryChange {
            owner,
            note,
            number: *number,
            kept: kept.as_ref(),
        })
    }

    async fn write_late(&self, store: &Store, owner: &Owner, id: Id) -> Result<(), Failure> {
        let mut present = store.note(owner, id).await?;
        for _ in 0..ROUNDS {
            let indexed = present.as_ref().map(indexed_note);
            store.write_index(&self.index.changes_to(indexed.as_ref(), owner, id)).await?;
            let Some(note) = &present else { return store.remove_versions(owner, id).await };
            // What the history has left behind meanwhile stays out of it.
            let is_due = |change: &HistoryChange<'_>| {
                change.kept.is_none() || change.number + limits::VERSIONS > note.version
            };
            let changes: Vec<_> = self.history(owner, id).filter(is_due).collect();
            store.write_history(&changes).await?;
            let now = store.note(owner, id).await?;
            if now.as_ref().is_some_and(|now| now.version == note.version) {
                return Ok(());
            }
            present = now;
        }
        Err(Failure::passing("the note kept changing while what is derived from it was written"))
    }
}

/// What a change of a note does to its history.
fn history(before: &NoteImage<'_>, after: &NoteImage<'_>) -> BTreeMap<u64, Option<Kept>> {
    let mut changes = BTreeMap::new();
    if before.version == after.version {
        return changes;
    }
    if let Some(too_old) = before.version.checked_sub(limits::VERSIONS).filter(|number| *number > 0) {
        changes.insert(too_old, None);
    }
    if !before.has_content_of(after) {
        let kept = Kept { version: before.to_version(), replaced_at: after.updated_at };
        changes.insert(before.version, Some(kept));
    }
    changes
}

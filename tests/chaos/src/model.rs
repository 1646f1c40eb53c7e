//! What people know of their notes: what they were told was done, and what must come of it.

use std::collections::BTreeMap;

/// One person's notes and what happened to them.
#[derive(Default)]
pub(crate) struct Model {
    /// By id.
    pub(crate) notes: BTreeMap<String, Note>,
    /// Every e-mail that must be sent.
    pub(crate) told: Vec<Told>,
    pub(crate) counts: Counts,
    /// Acknowledged changes to notes.
    pub(crate) writes: usize,
    /// Acknowledged uploads.
    pub(crate) uploads: usize,
    /// What was seen to be wrong while the run was on.
    pub(crate) violations: Vec<String>,
}

/// A note as its owner left it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Note {
    pub(crate) title: String,
    pub(crate) body: String,
    pub(crate) notify: Vec<String>,
    pub(crate) version: u64,
    pub(crate) is: State,
    /// By id.
    pub(crate) attachments: BTreeMap<String, Attachment>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Live,
    Trashed,
    Purged,
}

/// What must become of an attachment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attachment {
    /// Uploaded, and a picture.
    Picture,
    /// Uploaded, and no picture though it says so.
    Hostile,
    /// Uploaded, and never said to be a picture.
    File,
    /// Nothing was uploaded: it goes with the nightly cleanup.
    Pending,
    /// Deleted by its owner.
    Deleted,
}

/// One change to a note, told to one address: one e-mail.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Told {
    pub(crate) to: String,
    /// Titles are unique in a run.
    pub(crate) title: String,
    pub(crate) version: u64,
}

/// What the owner did, as reports count it.
pub(crate) type Counts = BTreeMap<&'static str, u64>;

impl Model {
    /// Notes a change that made the note what it is now.
    pub(crate) fn changed(&mut self, id: &str, kind: &'static str) {
        *self.counts.entry(kind).or_default() += 1;
        self.writes += 1;
        let Some(note) = self.notes.get(id) else { return };
        self.told.extend(note.notify.iter().map(|to| Told {
            to: to.clone(),
            title: note.title.clone(),
            version: note.version,
        }));
    }

    pub(crate) fn count(&mut self, kind: &'static str, by: u64) {
        *self.counts.entry(kind).or_default() += by;
    }

    pub(crate) fn wrong(&mut self, what: String) {
        self.violations.push(what);
    }
}

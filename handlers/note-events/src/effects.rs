//! What a change leads to.

use crate::derived::Derived;
use crate::record::{Change, NoteImage, Record};
use shared::activity::{Activity, Kind};
use shared::attachment::ObjectKey;
use shared::email::{EmailJob, NoteChanged};
use shared::note::Id;
use shared::owner::Owner;
use shared::timestamp::Timestamp;

/// What is to be done for some records. All of it is keyed by the records' event ids, by object keys or by the notes' own, so
/// that doing it again changes nothing.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Effects {
    pub(crate) activity: Vec<Activity>,
    pub(crate) emails: Vec<EmailJob>,
    pub(crate) removals: Vec<ObjectKey>,
    pub(crate) derived: Derived,
}

impl Effects {
    /// Adds what `record` leads to.
    pub(crate) fn add(&mut self, record: Record<'_>) {
        let Record { event_id, at, change } = record;
        match change {
            Change::Note { owner, id, before, after } => {
                self.derived.add(&owner, id, before.as_ref(), after.as_ref());
                self.add_note(event_id, at, owner, id, before, after)
            }
            Change::Attachment { key, existed, exists } => match (existed, exists) {
                (false, true) => self.note_activity(key.owner, event_id, at, Kind::Attached),
                (true, false) => {
                    self.note_activity(key.owner.clone(), event_id, at, Kind::Detached);
                    self.removals.push(key);
                }
                _ => {}
            },
            Change::Other => {}
        }
    }

    fn add_note(
        &mut self,
        event_id: String,
        at: Timestamp,
        owner: Owner,
        id: Id,
        before: Option<NoteImage<'_>>,
        after: Option<NoteImage<'_>>,
    ) {
        let Some(kind) = kind(before.as_ref(), after.as_ref()) else {
            return;
        };
        // The note says to the millisecond when it was changed; of a purge only the stream knows.
        let at = after.as_ref().map_or(at, |note| note.updated_at);
        if let Some(note) = after {
            self.add_emails(&event_id, id, kind, note);
        }
        self.note_activity(owner, event_id, at, kind);
    }

    fn add_emails(&mut self, event_id: &str, note_id: Id, change: Kind, note: NoteImage<'_>) {
        let changed = NoteChanged {
            note_id,
            change,
            title: note.title,
            excerpt: note.excerpt,
            tags: note.tags,
            version: note.version,
            at: note.updated_at,
            changed_by: note.changed_by,
        };
        self.emails
            .extend(note.notify.iter().map(|to| EmailJob::note_changed(event_id, to, changed.clone())));
    }

    fn note_activity(&mut self, owner: Owner, event_id: String, at: Timestamp, kind: Kind) {
        self.activity.push(Activity { owner, event_id, at, kind });
    }
}

/// What happened to a note; `None` where nothing of its own changed (an attachment was counted).
fn kind(before: Option<&NoteImage<'_>>, after: Option<&NoteImage<'_>>) -> Option<Kind> {
    let (before, after) = match (before, after) {
        (None, Some(_)) => return Some(Kind::Created),
        (Some(_), None) => return Some(Kind::Purged),
        (Some(before), Some(after)) if before.version != after.version => (before, after),
        _ => return None,
    };
    Some(match (before.deleted_at, after.deleted_at) {
        (None, Some(_)) => Kind::Trashed,
        (Some(_), None) => Kind::Restored,
        _ => Kind::Updated,
    })
}

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
    pub(crate) activity: Vec<Caused<Activity>>,
    pub(crate) emails: Vec<Caused<EmailJob>>,
    pub(crate) removals: Vec<ObjectKey>,
    pub(crate) derived: Derived,
}

/// An effect, and the request of the API that it follows from, as far as that is known.
#[derive(Debug, PartialEq)]
pub(crate) struct Caused<T> {
    pub(crate) effect: T,
    pub(crate) correlation_id: Option<String>,
}

/// What all effects of a record have in common.
struct Cause {
    event_id: String,
    at: Timestamp,
    correlation_id: Option<String>,
}

impl Cause {
    fn of<T>(&self, effect: T) -> Caused<T> {
        Caused { effect, correlation_id: self.correlation_id.clone() }
    }
}

impl Effects {
    /// Adds what `record` leads to.
    pub(crate) fn add(&mut self, record: Record<'_>) {
        let Record { event_id, at, correlation_id, change } = record;
        let cause = Cause { event_id, at, correlation_id };
        match change {
            Change::Note { owner, id, before, after } => {
                self.derived.add(&owner, id, before.as_ref(), after.as_ref());
                self.add_note(&cause, owner, id, before, after)
            }
            Change::Attachment { key, existed, exists } => match (existed, exists) {
                (false, true) => self.add_activity(&cause, key.owner, cause.at, Kind::Attached),
                (true, false) => {
                    self.add_activity(&cause, key.owner.clone(), cause.at, Kind::Detached);
                    self.removals.push(key);
                }
                _ => {}
            },
            Change::Other => {}
        }
    }

    fn add_note(
        &mut self,
        cause: &Cause,
        owner: Owner,
        id: Id,
        before: Option<NoteImage<'_>>,
        after: Option<NoteImage<'_>>,
    ) {
        let Some(kind) = kind(before.as_ref(), after.as_ref()) else {
            return;
        };
        // The note says to the millisecond when it was changed; of a purge only the stream knows.
        let at = after.as_ref().map_or(cause.at, |note| note.updated_at);
        if let Some(note) = after {
            self.add_emails(cause, id, kind, note);
        }
        self.add_activity(cause, owner, at, kind);
    }

    fn add_emails(&mut self, cause: &Cause, note_id: Id, change: Kind, note: NoteImage<'_>) {
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
        let job = |to: &String| cause.of(EmailJob::note_changed(&cause.event_id, to, changed.clone()));
        self.emails.extend(note.notify.iter().map(job));
    }

    fn add_activity(&mut self, cause: &Cause, owner: Owner, at: Timestamp, kind: Kind) {
        let event_id = cause.event_id.clone();
        self.activity.push(cause.of(Activity { owner, event_id, at, kind }));
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

//! Notes: created, read, changed, trashed, restored, purged.

use crate::model::{KeyUse, Note};
use crate::run::Run;
use crate::step::{Draft, Patch, Pick, Tag};
use serde_json::{Value, json};
use shared::sample::{Answered, HttpEvent};

/// How long a key is remembered, in seconds.
const KEY_LIFE: i64 = 24 * 3600;

impl Run<'_> {
    pub(crate) async fn create(&mut self, who: usize, draft: &Draft, key: Option<u8>) {
        let content = json!({
            "title": self.text(who, &draft.title), "body": self.text(who, &draft.body), "tags": draft.tags,
        });
        let mut event = self.request(who, "POST /notes", &[]).json(&content);
        if let Some(key) = key {
            event = event.header("idempotency-key", &format!("key-{key}"));
        }
        let answered = self.ask(who, event).await;
        let seconds = self.now.seconds();
        let first = key.and_then(|key| self.people[who].keys.get(&key));
        match first.filter(|first| first.at_seconds + KEY_LIFE >= seconds) {
            Some(first) if first.content == content => {
                assert_eq!((answered.status, &answered.json()), (201, &first.note));
            }
            Some(_) => assert_eq!(answered.status, 422),
            None => self.created(who, content, key, &answered),
        }
    }

    fn created(&mut self, who: usize, content: Value, key: Option<u8>, answered: &Answered) {
        let note = answered.json();
        let (id, now) = (self.new_id(&note["id"]), self.now.to_string());
        let mut expected = content.clone();
        let rest = json!({
            "id": id, "notify": [], "version": 1, "created_at": now, "updated_at": now, "attachments": 0,
        });
        expected.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        assert_eq!((answered.status, &note), (201, &expected));
        assert_eq!(answered.header("location"), Some(format!("/notes/{id}").as_str()));
        let person = &mut self.people[who];
        if let Some(key) = key {
            let at_seconds = self.now.seconds();
            person.keys.insert(key, KeyUse { content, note: note.clone(), at_seconds });
        }
        person.notes.insert(id.clone(), Note::new(note));
        self.notes.push((who, id));
    }

    /// The header that names `tag` of a note, and whether the note as it is meets it.
    pub(crate) fn tag_of(note: Option<&Note>, tag: Tag) -> (String, bool) {
        let (etag, version) = note.map_or(("\"1\"".into(), 1), |note| (note.etag(), note.version()));
        match tag {
            Tag::Present => (etag, true),
            Tag::Earlier => (format!("\"{}\"", version - 1), false),
            Tag::Star => ("*".into(), true),
            Tag::Weak => (format!("W/{etag}"), false),
            Tag::Nonsense => ("\"none of ours\"".into(), false),
        }
    }

    pub(crate) async fn read(&mut self, who: usize, pick: Pick, known: Option<Tag>) {
        let (id, is_there) = self.pick_note(who, pick);
        let tag = known.map(|tag| (Self::tag_of(self.people[who].notes.get(&id), tag).0, tag));
        let build = |run: &mut Self, id: &str| {
            with_tag(run.request(who, "GET /notes/{id}", &[("id", id)]), "if-none-match", &tag)
        };
        let Some(answered) = self.ask_about(who, (&id, is_there), build).await else { return };
        let note = &self.people[who].notes[&id];
        assert_eq!(answered.header("etag"), Some(note.etag().as_str()));
        match tag {
            // Comparison is weak for reading.
            Some((_, Tag::Present | Tag::Star | Tag::Weak)) => {
                assert_eq!((answered.status, answered.body.len()), (304, 0))
            }
            _ => assert_eq!((answered.status, &answered.json()), (200, &note.json)),
        }
    }

    pub(crate) async fn change(&mut self, who: usize, pick: Pick, patch: &Patch, expected: Option<Tag>) {
        let (id, is_there) = self.pick_note(who, pick);
        let fields = [
            ("title", patch.title.as_ref().map(|words| json!(self.text(who, words)))),
            ("body", patch.body.as_ref().map(|body| json!(body.as_ref().map(|words| self.text(who, words))))),
            ("tags", patch.tags.as_ref().map(|tags| json!(tags))),
        ];
        let patch: Vec<_> = fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        let body: Value = patch.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let tag = expected.map(|tag| Self::tag_of(self.people[who].notes.get(&id), tag));
        let build = |run: &mut Self, id: &str| {
            let event = run.request(who, "PATCH /notes/{id}", &[("id", id)]).json(&body);
            with_tag(event, "if-match", &tag)
        };
        let Some(answered) = self.ask_about(who, (&id, is_there), build).await else { return };
        let now = self.now.to_string();
        let Some(note) = self.changeable(who, &id, &tag, &answered) else { return };
        let set = |(name, value): (_, Value)| match value {
            Value::Null => (name, if name == "tags" { json!([]) } else { json!("") }),
            value => (name, value),
        };
        if !patch.is_empty() {
            note.change(&now, patch.into_iter().map(set).collect());
        }
        note.must_be(&answered);
    }

    /// The note that a change was asked of, where it may be changed. Where the version is another or the note is in the
    /// trash, the answer must say so.
    pub(crate) fn changeable(
        &mut self,
        who: usize,
        id: &str,
        tag: &Option<(String, bool)>,
        answered: &Answered,
    ) -> Option<&mut Note> {
        let note = self.people[who].notes.get_mut(id).unwrap();
        let refusal = match tag {
            Some((_, false)) => 412,
            _ if note.is_trashed() => 409,
            _ => return Some(note),
        };
        assert_eq!(answered.status, refusal);
        None
    }

    pub(crate) async fn delete(&mut self, who: usize, pick: Pick, permanent: bool, expected: Option<Tag>) {
        let (id, is_there) = self.pick_note(who, pick);
        let tag = expected.map(|tag| Self::tag_of(self.people[who].notes.get(&id), tag));
        let build = |run: &mut Self, id: &str| {
            let event = run.request(who, "DELETE /notes/{id}", &[("id", id)]);
            let event = event.query(if permanent { "permanent=true" } else { "" });
            with_tag(event, "if-match", &tag)
        };
        let Some(answered) = self.ask_about(who, (&id, is_there), build).await else { return };
        if tag.is_some_and(|(_, is_met)| !is_met) {
            return assert_eq!(answered.status, 412);
        }
        assert_eq!((answered.status, answered.body.as_str()), (204, ""));
        let now = self.now.to_string();
        let notes = &mut self.people[who].notes;
        if permanent {
            notes.remove(&id);
            return;
        }
        let note = notes.get_mut(&id).unwrap();
        if !note.is_trashed() {
            note.touch(&now);
            note.json["deleted_at"] = json!(now);
        }
    }

    pub(crate) async fn restore(&mut self, who: usize, pick: Pick) {
        let (id, is_there) = self.pick_note(who, pick);
        let build = |run: &mut Self, id: &str| run.request(who, "POST /notes/{id}/restore", &[("id", id)]);
        let Some(answered) = self.ask_about(who, (&id, is_there), build).await else { return };
        let now = self.now.to_string();
        let note = self.people[who].notes.get_mut(&id).unwrap();
        if note.is_trashed() {
            note.touch(&now);
            note.json.as_object_mut().unwrap().remove("deleted_at");
        }
        note.must_be(&answered);
    }
}

/// The request with a tag, when one is to be said, in this header.
pub(crate) fn with_tag<T>(event: HttpEvent, header: &str, tag: &Option<(String, T)>) -> HttpEvent {
    match tag {
        Some((text, _)) => event.header(header, text),
        None => event,
    }
}

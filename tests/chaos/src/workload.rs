//! What people do: one thing after the other, each until they know that it was done.

use crate::model::{Attachment, Model, Note, State};
use crate::person::{Person, Said};
use crate::pictures;
use crate::run::Progress;
use serde_json::{Value, json};

/// Attachments that one note gets at most here; the API takes a few more.
const ATTACHMENTS: usize = 12;
/// Who is told of changes.
const FRIENDS: usize = 20;

/// A person with what they know and what they will do.
pub(crate) struct Worker {
    pub(crate) person: Person,
    pub(crate) model: Model,
    chances: fastrand::Rng,
    next_title: usize,
    /// Begins no upload without making it: no night is left that would take it away.
    pub(crate) finishes_uploads: bool,
}

#[derive(Clone, Copy)]
enum Deed {
    Create,
    Patch,
    Trash,
    Restore,
    Purge,
    Attach,
    Detach,
    Read,
}

impl Worker {
    pub(crate) fn new(person: Person, chances: fastrand::Rng) -> Self {
        Self { person, model: Model::default(), chances, next_title: 0, finishes_uploads: false }
    }

    /// Asks for the daily report, by the address that the token proves.
    pub(crate) async fn subscribe(&mut self) {
        let address = format!("{}@example.com", self.person.subject);
        let settings = json!({ "email": address, "notifications": true, "daily_report": true });
        let said = self.person.ask("PUT", "/settings", &[], &settings).await;
        self.expect("settings", &said, 200);
    }

    /// Goes on until so many writes and uploads are acknowledged in all.
    pub(crate) async fn work(&mut self, writes: usize, uploads: usize, progress: &dyn Progress) {
        while self.model.writes < writes || self.model.uploads < uploads {
            let before = (self.model.writes, self.model.uploads);
            match self.deed(writes, uploads) {
                Deed::Create => self.create().await,
                Deed::Patch => self.patch().await,
                Deed::Trash => self.trash().await,
                Deed::Restore => self.restore().await,
                Deed::Purge => self.purge().await,
                Deed::Attach => self.attach().await,
                Deed::Detach => self.detach().await,
                Deed::Read => self.read().await,
            }
            progress.did(self.model.writes - before.0, self.model.uploads - before.1);
        }
    }

    fn deed(&mut self, writes: usize, uploads: usize) -> Deed {
        let writes = writes.saturating_sub(self.model.writes);
        let uploads = uploads.saturating_sub(self.model.uploads);
        if self.chances.usize(0..writes + uploads) < uploads {
            return Deed::Attach;
        }
        match self.chances.u8(0..100) {
            0..36 => Deed::Create,
            36..72 => Deed::Patch,
            72..82 => Deed::Trash,
            82..90 => Deed::Restore,
            90..92 => Deed::Purge,
            92..95 => Deed::Detach,
            _ => Deed::Read,
        }
    }

    async fn create(&mut self) {
        let title = format!("{}-{}", self.person.subject, self.next_title);
        self.next_title += 1;
        let (body, notify) = (self.text(), self.friends());
        let content = json!({ "title": title, "body": body, "notify": notify, "tags": ["chaos"] });
        let said = self.person.ask("POST", "/notes", &[("idempotency-key", &title)], &content).await;
        if !self.expect("a creation", &said, 201) {
            return;
        }
        let answer = said.answer.json();
        let id = answer["id"].as_str().unwrap_or_default().to_owned();
        let note = Note { title, body, notify, version: 1, is: State::Live, attachments: Default::default() };
        self.model.notes.insert(id.clone(), note);
        self.model.changed(&id, "created");
        self.compare(&id, &answer);
    }

    async fn patch(&mut self) {
        let Some(id) = self.any(State::Live) else { return self.create().await };
        let (path, version) = (format!("/notes/{id}"), self.note(&id).version);
        let (body, notify) = (self.text(), self.friends());
        let patch = json!({ "body": body, "notify": notify });
        let etag = format!("\"{version}\"");
        let headers = [("if-match", etag.as_str())];
        let headers = if self.chances.bool() { &headers[..] } else { &[] };
        let said = self.person.ask("PATCH", &path, headers, &patch).await;
        let Some(present) = self.done(&path, &said, 200).await else { return };
        // Without If-Match an attempt whose answer was lost and its repetition are two changes, to the same.
        let last = present["version"].as_u64().unwrap_or_default();
        let is_exact = !said.may_be_done || !headers.is_empty();
        if last <= version || (is_exact && last != version + 1) {
            return self.model.wrong(format!("{path}: version {last} came after {version}"));
        }
        let note = self.note(&id);
        (note.body, note.notify) = (body, notify);
        for version in version + 1..=last {
            self.note(&id).version = version;
            self.model.changed(&id, "updated");
        }
        self.compare(&id, &present);
    }

    async fn trash(&mut self) {
        let Some(id) = self.any(State::Live) else { return self.create().await };
        let (path, version) = (format!("/notes/{id}"), self.note(&id).version);
        let etag = format!("\"{version}\"");
        let headers = [("if-match", etag.as_str())];
        let headers = if self.chances.bool() { &headers[..] } else { &[] };
        let said = self.person.ask("DELETE", &path, headers, &Value::Null).await;
        if self.done(&path, &said, 204).await.is_none() {
            return;
        }
        let note = self.note(&id);
        (note.is, note.version) = (State::Trashed, version + 1);
        self.model.changed(&id, "trashed");
    }

    async fn restore(&mut self) {
        let Some(id) = self.any(State::Trashed) else { return self.create().await };
        let path = format!("/notes/{id}/restore");
        let said = self.person.ask("POST", &path, &[], &Value::Null).await;
        if !self.expect("a restoration", &said, 200) {
            return;
        }
        let note = self.note(&id);
        (note.is, note.version) = (State::Live, note.version + 1);
        self.model.changed(&id, "restored");
        self.compare(&id, &said.answer.json());
    }

    async fn purge(&mut self) {
        let state = if self.chances.bool() { State::Live } else { State::Trashed };
        let Some(id) = self.any(state) else { return self.create().await };
        let path = format!("/notes/{id}?permanent=true");
        let said = self.person.ask("DELETE", &path, &[], &Value::Null).await;
        if !self.is_gone("a purge", &said) {
            return;
        }
        if state == State::Live {
            let note = self.note(&id);
            (note.is, note.version) = (State::Trashed, note.version + 1);
            self.model.changed(&id, "trashed");
        }
        let note = self.note(&id);
        note.is = State::Purged;
        let left = note.attachments.values_mut().filter(|attachment| **attachment != Attachment::Deleted);
        let removed = left.map(|attachment| *attachment = Attachment::Deleted).count();
        self.model.count("purged", 1);
        self.model.count("detached", removed as u64);
        self.model.writes += 1;
    }

    async fn attach(&mut self) {
        let Some(id) = self.any_with_room() else { return self.create().await };
        let file = pictures::file(&mut self.chances);
        let target = format!("/notes/{id}/attachments");
        let wanted = json!({
            "filename": file.name, "content_type": file.content_type, "size": file.content.len(),
        });
        let said = self.person.ask("POST", &target, &[], &wanted).await;
        if said.may_be_done {
            self.find_unknown_attachments(&id).await;
        }
        if !self.expect("an attachment", &said, 201) {
            return;
        }
        let created = said.answer.json();
        let attachment = created["attachment"]["id"].as_str().unwrap_or_default().to_owned();
        // It may be among the unknown ones already.
        if self.note(&id).attachments.insert(attachment.clone(), Attachment::Pending).is_none() {
            self.model.count("attached", 1);
        }
        if self.chances.u8(0..20) == 0 && !self.finishes_uploads {
            // Changed their mind. The nightly cleanup takes it away.
            return;
        }
        if self.person.upload(&created["upload"], &file.content).await {
            self.note(&id).attachments.insert(attachment, file.becomes);
            self.model.uploads += 1;
        } else {
            // Nobody knows whether it arrived.
            self.remove_attachment(&id, &attachment).await;
        }
    }

    /// A lost answer may have been one of success: then there is an attachment that its owner does not know.
    async fn find_unknown_attachments(&mut self, id: &str) {
        let answer = self.person.get(&format!("/notes/{id}/attachments")).await.json();
        for found in answer["items"].as_array().into_iter().flatten() {
            let attachment = found["id"].as_str().unwrap_or_default();
            if !self.note(id).attachments.contains_key(attachment) {
                self.note(id).attachments.insert(attachment.to_owned(), Attachment::Pending);
                self.model.count("attached", 1);
            }
        }
    }

    async fn detach(&mut self) {
        let with_attachment = |(id, note): (&String, &Note)| {
            let mut left = note.attachments.iter().filter(|(_, is)| **is != Attachment::Deleted);
            left.next().map(|(attachment, _)| (id.clone(), attachment.clone()))
        };
        let found: Vec<_> = self
            .model
            .notes
            .iter()
            .filter(|(_, note)| note.is != State::Purged)
            .filter_map(with_attachment)
            .collect();
        let Some((id, attachment)) = self.chances.choice(found) else { return };
        self.remove_attachment(&id, &attachment).await;
    }

    async fn remove_attachment(&mut self, id: &str, attachment: &str) {
        let path = format!("/notes/{id}/attachments/{attachment}");
        let said = self.person.ask("DELETE", &path, &[], &Value::Null).await;
        if !self.is_gone("a removal", &said) {
            return;
        }
        self.note(id).attachments.insert(attachment.to_owned(), Attachment::Deleted);
        self.model.count("detached", 1);
    }

    /// What was acknowledged can be read at once, whatever goes on.
    async fn read(&mut self) {
        let state = if self.chances.bool() { State::Live } else { State::Trashed };
        let Some(id) = self.any(state) else { return };
        let answer = self.person.get(&format!("/notes/{id}")).await;
        if answer.status == 200 {
            self.compare(&id, &answer.json());
        } else {
            self.model.wrong(format!("/notes/{id}: reading it was answered with {}", answer.status));
        }
    }

    /// The note as it stands after a change: as the answer shows it, or, where the change was refused because an
    /// earlier attempt had been it, as it is read.
    async fn done(&mut self, path: &str, said: &Said, status: u16) -> Option<Value> {
        if said.status() == 412 && said.may_be_done {
            return Some(self.person.get(path).await.json());
        }
        self.expect(path, said, status).then(|| said.answer.json())
    }

    /// Removed now, or by an earlier attempt.
    fn is_gone(&mut self, what: &str, said: &Said) -> bool {
        (said.status() == 404 && said.may_be_done) || self.expect(what, said, 204)
    }

    fn expect(&mut self, what: &str, said: &Said, status: u16) -> bool {
        let is_as_expected = said.status() == status;
        if !is_as_expected {
            let body = String::from_utf8_lossy(&said.answer.body).into_owned();
            self.model.wrong(format!("{what} was answered with {}: {body}", said.status()));
        }
        is_as_expected
    }

    /// Whether the service shows the note as its owner knows it.
    fn compare(&mut self, id: &str, shown: &Value) {
        let wrong = differences(self.note(id), shown);
        if !wrong.is_empty() {
            self.model.wrong(format!("/notes/{id}: {wrong}"));
        }
    }

    fn note(&mut self, id: &str) -> &mut Note {
        self.model.notes.get_mut(id).expect("a note that was chosen from the model")
    }

    fn any(&mut self, state: State) -> Option<String> {
        let notes = self.model.notes.iter().filter(|(_, note)| note.is == state);
        self.chances.choice(notes.map(|(id, _)| id).collect::<Vec<_>>()).cloned()
    }

    fn any_with_room(&mut self) -> Option<String> {
        let notes = self.model.notes.iter().filter(|(_, note)| note.is == State::Live);
        let notes = notes.filter(|(_, note)| note.attachments.len() < ATTACHMENTS);
        self.chances.choice(notes.map(|(id, _)| id).collect::<Vec<_>>()).cloned()
    }

    fn text(&mut self) -> String {
        let words = self.chances.usize(1..60);
        (0..words).map(|_| format!("{:x}", self.chances.u32(..))).collect::<Vec<_>>().join(" ")
    }

    /// Nobody for most changes, otherwise one to three.
    fn friends(&mut self) -> Vec<String> {
        if self.chances.u8(0..3) > 0 {
            return Vec::new();
        }
        let mut all: Vec<usize> = (0..FRIENDS).collect();
        self.chances.shuffle(&mut all);
        let count = self.chances.usize(1..=3);
        all[..count].iter().map(|friend| format!("friend{friend}@example.com")).collect()
    }
}

/// In what a note that the service shows is not the one that its owner knows.
pub(crate) fn differences(note: &Note, shown: &Value) -> String {
    let mut wrong = Vec::new();
    let mut compare = |name: &str, known: Value, shown: &Value| {
        if known != *shown {
            wrong.push(format!("{name} is {shown} instead of {known}"));
        }
    };
    compare("title", json!(note.title), &shown["title"]);
    compare("body", json!(note.body), &shown["body"]);
    compare("notify", json!(note.notify), &shown["notify"]);
    compare("version", json!(note.version), &shown["version"]);
    compare("trashed", json!(note.is == State::Trashed), &json!(shown["deleted_at"].is_string()));
    wrong.join(", ")
}

//! Takes steps, and judges every answer.

use crate::lists::Cursor;
use crate::model::Person;
use crate::step::{Action, Filter, PEOPLE, Pick, Step, Words};
use serde_json::Value;
use shared::note::Id;
use shared::owner::Owner;
use shared::sample::{Answered, HttpEvent};
use shared::timestamp::Timestamp;
use std::collections::HashSet;
use std::time::Duration;
use strangers::{Api, Caller};

pub(crate) struct Run<'a> {
    pub(crate) api: &'a Api,
    pub(crate) people: Vec<Person>,
    pub(crate) now: Timestamp,
    requests: u32,
    sequence: u32,
    /// Everything that ever had an id, with its owner; attachments with their note.
    pub(crate) notes: Vec<(usize, String)>,
    pub(crate) attachments: Vec<(usize, String, String)>,
    pub(crate) cursors: Vec<Cursor>,
    /// Cursors of histories, with their owner and note.
    pub(crate) version_cursors: Vec<(usize, String, String)>,
    ids: HashSet<String>,
}

impl<'a> Run<'a> {
    pub(crate) fn new(api: &'a Api, sequence: u32) -> Self {
        let person = |name| Person::new(Caller::new(&format!("{name}-{sequence:06}")));
        Self {
            api,
            people: ["ada", "ben", "eve"].map(person).into_iter().take(PEOPLE).collect(),
            now: "2026-11-22T08:00:00Z".parse().unwrap(),
            requests: 0,
            sequence,
            notes: Vec::new(),
            attachments: Vec::new(),
            cursors: Vec::new(),
            version_cursors: Vec::new(),
            ids: HashSet::new(),
        }
    }

    pub(crate) async fn take(&mut self, step: &Step) {
        self.now = self.now.plus(Duration::from_millis(step.pause_millis));
        let who = step.who;
        match &step.action {
            Action::Create { draft, key } => self.create(who, draft, *key).await,
            Action::Read { note, known } => self.read(who, *note, *known).await,
            Action::Change { note, patch, expected } => self.change(who, *note, patch, *expected).await,
            Action::Delete { note, permanent, expected } => {
                self.delete(who, *note, *permanent, *expected).await;
            }
            Action::Restore { note } => self.restore(who, *note).await,
            Action::List { filter, limit } => {
                self.page(who, filter, *limit, None).await;
            }
            Action::Continue { cursor, filter, limit } => {
                self.go_on(who, *cursor, filter.as_ref(), *limit).await;
            }
            Action::Walk { filter, limit } => self.walk(who, filter, *limit).await,
            Action::Attach { note } => self.attach(who, *note).await,
            Action::ListAttachments { note } => self.list_attachments(who, *note).await,
            Action::ReadAttachment { attachment, of } => self.read_attachment(who, *attachment, *of).await,
            Action::Detach { attachment, of } => self.detach(who, *attachment, *of).await,
            Action::ListVersions { note, limit } => self.list_versions(who, *note, *limit).await,
            Action::ContinueVersions { cursor, note } => self.go_on_in_history(who, *cursor, *note).await,
            Action::ReadVersion { note, version } => self.read_version(who, *note, *version).await,
            Action::RestoreVersion { note, version, expected } => {
                self.restore_version(who, *note, *version, *expected).await;
            }
            Action::WriteSettings { settings } => self.write_settings(who, settings).await,
            Action::ReadSettings => self.read_settings(who).await,
            Action::StoreReport { day, created } => self.store_report(who, *day, *created).await,
            Action::ReadReport { day } => self.read_report(who, *day).await,
        }
    }

    /// In the end everybody has exactly what the model says.
    pub(crate) async fn finish(&mut self) {
        for who in 0..PEOPLE {
            for trash in [false, true] {
                self.walk(who, &Filter { trash, ..Filter::default() }, 100).await;
            }
            let notes: Vec<String> = self.people[who].notes.keys().cloned().collect();
            for id in notes {
                self.walk_history(who, id, true, 2).await;
            }
            self.read_settings(who).await;
        }
    }

    /// A request of `who`, who says everywhere but in the token that they are somebody else.
    pub(crate) fn request(&mut self, who: usize, route: &str, parameters: &[(&str, &str)]) -> HttpEvent {
        self.requests += 1;
        let other = self.people[(who + 1) % PEOPLE].caller.clone();
        let id = format!("{}-{}", self.sequence, self.requests);
        let mut event = self.people[who].caller.request(route, parameters).at(self.now, &id);
        for name in ["authorization", "x-amzn-oidc-identity", "x-forwarded-user", "x-owner", "cookie"] {
            event = event.header(name, &other.subject);
        }
        event.claim("username", &other.subject).query(&format!("sub={}", other.subject))
    }

    /// What `who` is answered; it never names another, and an error says nothing but what it must.
    pub(crate) async fn ask(&self, who: usize, event: HttpEvent) -> Answered {
        let answered = self.api.answer(event).await;
        for (other, person) in self.people.iter().enumerate() {
            let is_named = answered.body.contains(&person.caller.subject);
            assert!(other == who || !is_named, "{who} is told of {other}: {}", answered.body);
        }
        answered
    }

    /// What `who` is answered about a thing that they have. `None` of what is another's or not there: of that both answers
    /// must be the same to the byte, which was seen.
    pub(crate) async fn ask_about(
        &mut self,
        who: usize,
        (id, is_there): (&str, bool),
        build: impl Fn(&mut Self, &str) -> HttpEvent,
    ) -> Option<Answered> {
        let event = build(self, id);
        let answered = self.ask(who, event).await;
        if is_there {
            return Some(answered);
        }
        let event = build(self, &Id::new(self.now).to_string());
        let of_nothing = self.ask(who, event).await;
        assert_eq!(answered.status, 404, "{}", answered.body);
        assert_eq!(
            (answered.status, answered.headers, answered.body),
            (of_nothing.status, of_nothing.headers, of_nothing.body)
        );
        None
    }

    pub(crate) fn nth_from_the_end<T: Clone>(
        all: &[T],
        owner: impl Fn(&T) -> usize,
        who: usize,
        pick: Pick,
    ) -> Option<T> {
        let (own, at) = match pick {
            Pick::Own(at) => (true, at),
            Pick::Others(at) => (false, at),
            Pick::Nothing => return None,
        };
        let fitting: Vec<&T> = all.iter().filter(|thing| (owner(thing) == who) == own).collect();
        fitting.get(fitting.len().checked_sub(at % fitting.len().max(1) + 1)?).copied().cloned()
    }

    /// The id of a note, and whether the caller has it.
    pub(crate) fn pick_note(&self, who: usize, pick: Pick) -> (String, bool) {
        let picked = Self::nth_from_the_end(&self.notes, |(owner, _)| *owner, who, pick);
        let id = picked.map_or_else(|| Id::new(self.now).to_string(), |(_, id)| id);
        let is_there = self.people[who].notes.contains_key(&id);
        (id, is_there)
    }

    /// The ids of a note and of an attachment, and whether the caller has it there.
    pub(crate) fn pick_attachment(&self, who: usize, pick: Pick, of: Option<Pick>) -> (String, String, bool) {
        let picked = Self::nth_from_the_end(&self.attachments, |(owner, _, _)| *owner, who, pick);
        let nothing = || Id::new(self.now).to_string();
        let (mut note, id) = picked.map_or_else(|| (nothing(), nothing()), |(_, note, id)| (note, id));
        if let Some(of) = of {
            note = self.pick_note(who, of).0;
        }
        let is_there =
            self.people[who].notes.get(&note).is_some_and(|note| note.attachments.contains_key(&id));
        (note, id, is_there)
    }

    pub(crate) fn text(&self, who: usize, words: &Words) -> String {
        format!("{} {}", self.people[who].caller.subject, words.join(" ")).trim().to_owned()
    }

    pub(crate) fn new_id(&mut self, id: &Value) -> String {
        let id = id.as_str().unwrap().to_owned();
        assert!(self.ids.insert(id.clone()), "{id} was there before");
        id
    }
}

pub(crate) fn owner(person: &Person) -> Owner {
    Owner::new(&person.caller.subject).unwrap()
}

//! Histories: listed, read, and what they held restored.

use crate::model::CONTENT;
use crate::notes::with_tag;
use crate::run::Run;
use crate::step::{Pick, Tag};
use serde_json::Value;
use shared::sample::HttpEvent;

impl Run<'_> {
    pub(crate) async fn list_versions(&mut self, who: usize, pick: Pick, limit: usize) {
        let (id, is_there) = self.pick_note(who, pick);
        self.walk_history(who, id, is_there, limit).await;
    }

    /// All pages are the whole history, latest first, and have an end.
    pub(crate) async fn walk_history(&mut self, who: usize, id: String, is_there: bool, limit: usize) {
        self.api.stream.settle().await;
        let (mut found, mut cursor) = (Vec::new(), None::<String>);
        for _ in 0..1_000 {
            let build = |run: &mut Self, id: &str| run.on_history(who, id, limit, cursor.as_deref());
            let Some(answered) = self.ask_about(who, (&id, is_there), build).await else { return };
            assert_eq!(answered.status, 200, "{}", answered.body);
            let mut page = answered.json();
            let items = page["items"].as_array_mut().unwrap();
            assert!(items.len() <= limit, "{} items on a page of {limit}", items.len());
            found.append(items);
            cursor = page["next_cursor"].as_str().map(str::to_owned);
            let Some(next) = &cursor else {
                return assert_eq!(found, self.people[who].notes[&id].earlier());
            };
            self.version_cursors.push((who, id.clone(), next.clone()));
        }
        panic!("a history without an end");
    }

    /// A cursor is good for its owner's list of its note's versions; anywhere else it is nonsense, whatever is there.
    pub(crate) async fn go_on_in_history(&mut self, who: usize, pick: Pick, of: Option<Pick>) {
        self.api.stream.settle().await;
        let picked = Self::nth_from_the_end(&self.version_cursors, |(owner, _, _)| *owner, who, pick);
        let Some((owner, of_note, cursor)) = picked else { return };
        let id = of.map_or_else(|| of_note.clone(), |of| self.pick_note(who, of).0);
        let event = self.on_history(who, &id, 100, Some(&cursor));
        let answered = self.ask(who, event).await;
        if (owner, &of_note) != (who, &id) {
            return assert_eq!((answered.status, answered.wrong_fields()), (422, vec!["cursor".to_owned()]));
        }
        let Some(note) = self.people[who].notes.get(&id) else {
            return assert_eq!(answered.status, 404);
        };
        assert_eq!(answered.status, 200);
        let rest = answered.json()["items"].as_array().unwrap().clone();
        assert!(note.earlier().ends_with(&rest), "{rest:?} does not end {:?}", note.earlier());
    }

    pub(crate) async fn read_version(&mut self, who: usize, pick: Pick, at: usize) {
        self.api.stream.settle().await;
        let (id, number, version) = self.pick_version(who, pick, at);
        let build = |run: &mut Self, id: &str| {
            run.request(who, "GET /notes/{id}/versions/{version}", &[("id", id), ("version", &number)])
        };
        let Some(answered) = self.ask_about(who, (&id, version.is_some()), build).await else { return };
        assert_eq!((answered.status, Some(answered.json())), (200, version));
    }

    pub(crate) async fn restore_version(&mut self, who: usize, pick: Pick, at: usize, expected: Option<Tag>) {
        self.api.stream.settle().await;
        let (id, number, version) = self.pick_version(who, pick, at);
        let tag = expected.map(|tag| Self::tag_of(self.people[who].notes.get(&id), tag));
        let build = |run: &mut Self, id: &str| {
            let route = "POST /notes/{id}/versions/{version}/restore";
            with_tag(run.request(who, route, &[("id", id), ("version", &number)]), "if-match", &tag)
        };
        let Some(answered) = self.ask_about(who, (&id, version.is_some()), build).await else { return };
        let now = self.now.to_string();
        let Some(note) = self.changeable(who, &id, &tag, &answered) else { return };
        let version = version.unwrap();
        note.change(&now, CONTENT.map(|name| (name, version[name].clone())).to_vec());
        note.must_be(&answered);
    }

    /// The id of a note that has a history, if there is one, the number of one of its versions, and that version if it is
    /// the caller's.
    fn pick_version(&self, who: usize, pick: Pick, at: usize) -> (String, String, Option<Value>) {
        let history = |owner: usize, id: &str| self.people[owner].notes.get(id).map(|note| &note.history);
        let is_changed =
            |(owner, id): &&(usize, String)| history(*owner, id).is_some_and(|all| !all.is_empty());
        let changed: Vec<_> = self.notes.iter().filter(is_changed).cloned().collect();
        let picked = Self::nth_from_the_end(&changed, |(owner, _)| *owner, who, pick);
        let (owner, id) = picked.unwrap_or_else(|| (who, self.pick_note(who, pick).0));
        let number = history(owner, &id).and_then(|history| history.keys().nth_back(at).copied());
        let number = number.unwrap_or(1);
        let version = history(who, &id).and_then(|history| history.get(&number)).cloned();
        (id, number.to_string(), version)
    }

    fn on_history(&mut self, who: usize, id: &str, limit: usize, cursor: Option<&str>) -> HttpEvent {
        let cursor = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let query = format!("limit={limit}{cursor}");
        self.request(who, "GET /notes/{id}/versions", &[("id", id)]).query(&query)
    }
}

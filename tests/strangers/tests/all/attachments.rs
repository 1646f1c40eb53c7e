//! Attachments: announced, listed, read, deleted.

use crate::run::{Run, owner};
use crate::step::Pick;
use serde_json::json;
use shared::sample::HttpEvent;

impl Run<'_> {
    pub(crate) async fn attach(&mut self, who: usize, pick: Pick) {
        let (note_id, is_there) = self.pick_note(who, pick);
        let filename = format!("{}.txt", self.people[who].caller.subject);
        let wanted = json!({ "filename": filename, "content_type": "text/plain", "size": 7 });
        let build = |run: &mut Self, id: &str| {
            run.request(who, "POST /notes/{id}/attachments", &[("id", id)]).json(&wanted)
        };
        let Some(answered) = self.ask_about(who, (&note_id, is_there), build).await else { return };
        if self.people[who].notes[&note_id].is_trashed() {
            return assert_eq!(answered.status, 409);
        }
        let attachment = answered.json()["attachment"].clone();
        let id = self.new_id(&attachment["id"]);
        let mut expected = wanted;
        let rest = json!({
            "id": id, "note_id": note_id, "status": "pending", "created_at": self.now.to_string(), "thumbnails": [],
        });
        expected.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        assert_eq!((answered.status, &attachment), (201, &expected));
        let key = format!("uploads/{}/{note_id}/{id}?", owner(&self.people[who]).to_key_segment());
        assert!(answered.json()["upload"]["url"].as_str().unwrap().contains(&key));
        let note = self.people[who].notes.get_mut(&note_id).unwrap();
        note.attachments.insert(id.clone(), attachment);
        note.count_attachments();
        self.attachments.push((who, note_id, id));
    }

    pub(crate) async fn list_attachments(&mut self, who: usize, pick: Pick) {
        let (id, is_there) = self.pick_note(who, pick);
        let build = |run: &mut Self, id: &str| run.request(who, "GET /notes/{id}/attachments", &[("id", id)]);
        let Some(answered) = self.ask_about(who, (&id, is_there), build).await else { return };
        let expected: Vec<_> = self.people[who].notes[&id].attachments.values().collect();
        assert_eq!((answered.status, answered.json()), (200, json!({ "items": expected })));
    }

    pub(crate) async fn read_attachment(&mut self, who: usize, pick: Pick, of: Option<Pick>) {
        let (note, id, is_there) = self.pick_attachment(who, pick, of);
        let build = |run: &mut Self, id: &str| run.on_attachment(who, "GET", &note, id);
        let Some(answered) = self.ask_about(who, (&id, is_there), build).await else { return };
        let expected = &self.people[who].notes[&note].attachments[&id];
        assert_eq!((answered.status, &answered.json()), (200, expected));
    }

    pub(crate) async fn detach(&mut self, who: usize, pick: Pick, of: Option<Pick>) {
        let (note, id, is_there) = self.pick_attachment(who, pick, of);
        let build = |run: &mut Self, id: &str| run.on_attachment(who, "DELETE", &note, id);
        let Some(answered) = self.ask_about(who, (&id, is_there), build).await else { return };
        assert_eq!(answered.status, 204);
        let note = self.people[who].notes.get_mut(&note).unwrap();
        note.attachments.remove(&id);
        note.count_attachments();
    }

    fn on_attachment(&mut self, who: usize, method: &str, note: &str, id: &str) -> HttpEvent {
        let route = format!("{method} /notes/{{id}}/attachments/{{attachment_id}}");
        self.request(who, &route, &[("id", note), ("attachment_id", id)])
    }
}

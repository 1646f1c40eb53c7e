//! What a note was before.

use crate::get_notes::{GetNotes, limit};
use serde::Serialize;
use serde_json::json;
use shared::http::{Request, Response};
use shared::note::{Id, VersionSummary};
use shared::owner::Owner;
use shared::problem::Problem;
use shared::validate::Invalid;

/// The body of `GET /notes/{id}/versions`.
#[derive(Serialize)]
struct List {
    items: Vec<VersionSummary>,
    next_cursor: Option<String>,
}

impl GetNotes {
    pub(crate) async fn versions(&self, request: &Request) -> Result<Response, Problem> {
        let (owner, id) = (request.owner()?, request.id_in_path("id")?);
        let limit = limit(request.query("limit"))?;
        let purpose = purpose(owner, id);
        let before = request.query("cursor").map(|cursor| self.before(&purpose, cursor)).transpose()?;
        // Versions outlive their note by a moment, and must not be seen then.
        let (note, page) = tokio::try_join!(
            self.store.note(owner, id),
            self.store.versions(owner, id, before, limit, request.now)
        )?;
        note.ok_or(Problem::NotFound)?;
        let next_cursor = page.next.map(|number| self.keys.sign(&purpose, &number.to_string()));
        Response::json(200, &List { items: page.items, next_cursor })
    }

    pub(crate) async fn version(&self, request: &Request) -> Result<Response, Problem> {
        let (owner, id) = (request.owner()?, request.id_in_path("id")?);
        let number = request.version_in_path()?;
        let (note, version) =
            tokio::try_join!(self.store.note(owner, id), self.store.version(owner, id, number, request.now))?;
        note.ok_or(Problem::NotFound)?;
        Response::json(200, &version.ok_or(Problem::NotFound)?)
    }

    fn before(&self, purpose: &str, cursor: &str) -> Result<u64, Invalid> {
        let number = self.keys.verify(purpose, cursor).and_then(|number| number.parse().ok());
        number.ok_or_else(|| Invalid::new("cursor", "must be the next_cursor of this listing"))
    }
}

/// What a cursor is signed for: it continues this owner's list of this note's versions, and no other.
fn purpose(owner: &Owner, id: Id) -> String {
    json!(["versions", owner, id]).to_string()
}

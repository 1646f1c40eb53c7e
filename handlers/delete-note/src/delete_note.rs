use shared::dynamodb::{Changed, Edit, Store};
use shared::http::{Caller, Request, Response};
use shared::note::Id;
use shared::problem::Problem;

/// The handler and what it needs.
pub struct DeleteNote {
    pub store: Store,
}

impl DeleteNote {
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    pub async fn answer(&self, request: &Request) -> Result<Response, Problem> {
        match request.route.as_str() {
            "DELETE /notes/{id}" => self.delete(request).await,
            _ => Err(Problem::NotFound),
        }
    }

    async fn delete(&self, request: &Request) -> Result<Response, Problem> {
        let caller = request.caller()?;
        let id = request.id_in_path("id")?;
        let is_permanent = request.flag("permanent")?;
        self.trash(request, caller, id).await?;
        if is_permanent {
            self.purge(caller, id).await?;
        }
        Ok(Response::empty(204))
    }

    async fn trash(&self, request: &Request, caller: &Caller, id: Id) -> Result<(), Problem> {
        let expected = request.expected_version()?;
        let edit = Edit { now: request.now, by: caller.email.as_deref(), request_id: &request.id };
        match self.store.trash_note(&caller.owner, id, &expected, edit).await? {
            Changed::Done(_) => Ok(()),
            Changed::Refused(None) => Err(Problem::NotFound),
            Changed::Refused(Some(note)) if !expected.is_met_by(&note) => Err(Problem::PreconditionFailed),
            // It is in the trash already.
            Changed::Refused(Some(_)) => Ok(()),
        }
    }

    async fn purge(&self, caller: &Caller, id: Id) -> Result<(), Problem> {
        if self.store.purge_note(&caller.owner, id, None).await? {
            return Ok(());
        }
        // Not in the trash any more: another request purged it first, which is as good, or restored it.
        match self.store.note(&caller.owner, id).await? {
            None => Ok(()),
            Some(_) => Err(Problem::Conflict("the note was restored meanwhile")),
        }
    }
}

use shared::dynamodb::Store;
use shared::http::{Caller, Request, Response};
use shared::note::{Id, Note};
use shared::problem::Problem;

/// The handler and what it needs.
pub(crate) struct DeleteNote {
    pub(crate) store: Store,
}

impl DeleteNote {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    pub(crate) async fn answer(&self, request: &Request) -> Result<Response, Problem> {
        match request.route.as_str() {
            "DELETE /notes/{id}" => self.delete(request).await,
            _ => Err(Problem::NotFound),
        }
    }

    async fn delete(&self, request: &Request) -> Result<Response, Problem> {
        let caller = request.caller()?;
        let id = request.id_in_path("id")?;
        let is_permanent = request.flag("permanent")?;
        if request.header("if-match").is_some() {
            self.trash_as_seen(request, caller, id).await?;
        } else {
            self.trash(request, caller, id).await?;
        }
        if is_permanent {
            self.purge(caller, id).await?;
        }
        Ok(Response::empty(204))
    }

    /// One write; only where it found nothing to do, a read that tells why.
    async fn trash(&self, request: &Request, caller: &Caller, id: Id) -> Result<(), Problem> {
        let changed_by = caller.email.as_deref();
        if self.store.trash_note(&caller.owner, id, None, request.now, changed_by).await?.is_none() {
            self.present(caller, id).await?;
        }
        Ok(())
    }

    /// Trashes the note only in the version that the caller has seen.
    async fn trash_as_seen(&self, request: &Request, caller: &Caller, id: Id) -> Result<(), Problem> {
        let note = self.present(caller, id).await?;
        if !request.if_match_holds(&note.etag()) {
            return Err(Problem::PreconditionFailed);
        }
        if note.is_trashed() {
            return Ok(());
        }
        let changed_by = caller.email.as_deref();
        let trashed =
            self.store.trash_note(&caller.owner, id, Some(note.version), request.now, changed_by).await?;
        trashed.map(drop).ok_or(Problem::PreconditionFailed)
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

    async fn present(&self, caller: &Caller, id: Id) -> Result<Note, Problem> {
        self.store.note(&caller.owner, id).await?.ok_or(Problem::NotFound)
    }
}

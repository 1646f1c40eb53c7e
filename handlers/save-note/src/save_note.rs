use sha2::{Digest, Sha256};
use shared::dynamodb::{Created, Replay, Store};
use shared::http::{Request, Response};
use shared::limits;
use shared::note::{Content, Note, Patch};
use shared::problem::Problem;

/// Times that a change without `If-Match` is tried again when another one came between.
const CHANGE_ATTEMPTS: usize = 3;

/// The handler and what it needs.
pub(crate) struct SaveNote {
    pub(crate) store: Store,
}

impl SaveNote {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    pub(crate) async fn answer(&self, request: &Request) -> Result<Response, Problem> {
        match request.route.as_str() {
            "POST /notes" => self.create(request).await,
            "PATCH /notes/{id}" => self.change(request).await,
            "POST /notes/{id}/restore" => self.restore(request).await,
            _ => Err(Problem::NotFound),
        }
    }

    async fn create(&self, request: &Request) -> Result<Response, Problem> {
        let caller = request.caller()?;
        let note = request.json::<Content>()?.checked()?.into_note(request.now);
        let replay = replay(request)?;
        let changed_by = caller.email.as_deref();
        let note = match self.store.create_note(&caller.owner, &note, changed_by, replay.as_ref()).await? {
            Created::Now => note,
            Created::Before(first) => *first,
            Created::KeyReused => return Err(Problem::IdempotencyKeyReused),
        };
        Ok(with_note(201, &note)?.with(http::header::LOCATION, &format!("/notes/{}", note.id)))
    }

    async fn change(&self, request: &Request) -> Result<Response, Problem> {
        let caller = request.caller()?;
        let id = request.id_in_path("id")?;
        let patch: Patch = request.json()?;
        for _ in 0..CHANGE_ATTEMPTS {
            let present = self.store.note(&caller.owner, id).await?.ok_or(Problem::NotFound)?;
            if !request.if_match_holds(&present.etag()) {
                return Err(Problem::PreconditionFailed);
            }
            if present.is_trashed() {
                return Err(Problem::Conflict("the note is in the trash; restore it first"));
            }
            let content = present.patched(patch.clone()).checked()?;
            let changed = present.with_content(content, request.now);
            if self.store.change_note(&caller.owner, &changed, caller.email.as_deref()).await? {
                return with_note(200, &changed);
            }
            if request.header("if-match").is_some() {
                return Err(Problem::PreconditionFailed);
            }
        }
        Err(Problem::Conflict("the note was changed several times meanwhile"))
    }

    async fn restore(&self, request: &Request) -> Result<Response, Problem> {
        let caller = request.caller()?;
        let id = request.id_in_path("id")?;
        let changed_by = caller.email.as_deref();
        if let Some(note) = self.store.restore_note(&caller.owner, id, request.now, changed_by).await? {
            return with_note(200, &note);
        }
        // Not in the trash: either there is no such note, or nothing to do.
        let note = self.store.note(&caller.owner, id).await?.ok_or(Problem::NotFound)?;
        with_note(200, &note)
    }
}

fn with_note(status: u16, note: &Note) -> Result<Response, Problem> {
    Ok(Response::json(status, note)?.with(http::header::ETAG, &note.etag()))
}

fn replay(request: &Request) -> Result<Option<Replay>, Problem> {
    let Some(key) = request.header("idempotency-key") else {
        return Ok(None);
    };
    if key.is_empty() || key.chars().count() > limits::IDEMPOTENCY_KEY_CHARACTERS {
        return Err(Problem::invalid("Idempotency-Key", "must have 1 to 255 characters"));
    }
    let digest =
        |bytes: &[u8]| Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    Ok(Some(Replay { key: digest(key.as_bytes()), body_digest: digest(&request.body) }))
}

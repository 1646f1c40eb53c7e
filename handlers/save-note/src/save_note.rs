use sha2::{Digest, Sha256};
use shared::dynamodb::{Changed, Created, Edit, Replay, Store};
use shared::hex;
use shared::http::{Caller, Request, Response};
use shared::limits;
use shared::note::{Content, Expected, Id, Note, Patch};
use shared::problem::Problem;

/// The handler and what it needs.
pub struct SaveNote {
    pub store: Store,
}

impl SaveNote {
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    pub async fn answer(&self, request: &Request) -> Result<Response, Problem> {
        match request.route.as_str() {
            "POST /notes" => self.create(request).await,
            "PATCH /notes/{id}" => self.change(request).await,
            "POST /notes/{id}/restore" => self.restore(request).await,
            "POST /notes/{id}/versions/{version}/restore" => self.restore_version(request).await,
            _ => Err(Problem::NotFound),
        }
    }

    async fn create(&self, request: &Request) -> Result<Response, Problem> {
        let caller = request.caller()?;
        let content = request.json::<Content>()?.checked()?;
        let replay = replay(request, &content)?;
        let note = content.clone().into_note(Id::new(request.now), request.now);
        let created = self.store.create_note(&caller.owner, &note, edit(request, caller), replay.as_ref());
        let note = match created.await? {
            Created::Now => note,
            Created::Before { id, at } => content.into_note(id, at),
            Created::KeyReused => return Err(Problem::IdempotencyKeyReused),
        };
        Ok(with_note(201, &note)?.with(http::header::LOCATION, &format!("/notes/{}", note.id)))
    }

    async fn change(&self, request: &Request) -> Result<Response, Problem> {
        let caller = request.caller()?;
        let id = request.id_in_path("id")?;
        let changes = request.merge_patch::<Patch>()?.checked()?;
        let expected = request.expected_version()?;
        let changed = if changes.is_empty() {
            Changed::Refused(self.store.note(&caller.owner, id).await?.map(Box::new))
        } else {
            self.store.change_note(&caller.owner, id, &changes, &expected, edit(request, caller)).await?
        };
        answer_to(changed, &expected)
    }

    /// Gives a note the content of an earlier version: a change like any other, which makes a new version.
    async fn restore_version(&self, request: &Request) -> Result<Response, Problem> {
        let caller = request.caller()?;
        let (id, number) = (request.id_in_path("id")?, request.version_in_path()?);
        let expected = request.expected_version()?;
        let version = self.store.version(&caller.owner, id, number, request.now).await?;
        let changes = version.ok_or(Problem::NotFound)?.into_changes();
        let changed = self.store.change_note(&caller.owner, id, &changes, &expected, edit(request, caller));
        answer_to(changed.await?, &expected)
    }

    async fn restore(&self, request: &Request) -> Result<Response, Problem> {
        let caller = request.caller()?;
        let id = request.id_in_path("id")?;
        match self.store.restore_note(&caller.owner, id, edit(request, caller)).await? {
            Changed::Done(note) => with_note(200, &note),
            // Not in the trash, so that there is nothing to do.
            Changed::Refused(Some(note)) if !note.is_trashed() => with_note(200, &note),
            // No such note, or one that is being purged.
            Changed::Refused(_) => Err(Problem::NotFound),
        }
    }
}

/// What is answered to a change of a note that was to be live and in an expected version.
fn answer_to(changed: Changed, expected: &Expected) -> Result<Response, Problem> {
    match changed {
        Changed::Done(note) => with_note(200, &note),
        Changed::Refused(None) => Err(Problem::NotFound),
        Changed::Refused(Some(note)) if !expected.is_met_by(&note) => Err(Problem::PreconditionFailed),
        Changed::Refused(Some(note)) if note.is_trashed() => {
            Err(Problem::Conflict("the note is in the trash; restore it first"))
        }
        // A patch that names no field changes nothing.
        Changed::Refused(Some(note)) => with_note(200, &note),
    }
}

fn edit<'a>(request: &'a Request, caller: &'a Caller) -> Edit<'a> {
    Edit { now: request.now, by: caller.email.as_deref(), request_id: &request.id }
}

fn with_note(status: u16, note: &Note) -> Result<Response, Problem> {
    Ok(Response::json(status, note)?.with(http::header::ETAG, &note.etag()))
}

/// What makes a creation happen once, if the caller wants that. Two bodies that make the same note are the same.
fn replay(request: &Request, content: &Content) -> Result<Option<Replay>, Problem> {
    let Some(key) = request.header("idempotency-key") else {
        return Ok(None);
    };
    let is_printable = key.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if key.is_empty() || key.len() > limits::IDEMPOTENCY_KEY_CHARACTERS || !is_printable {
        let maximum = limits::IDEMPOTENCY_KEY_CHARACTERS;
        let message = format!("must have 1 to {maximum} printable ASCII characters");
        return Err(Problem::invalid("Idempotency-Key", &message));
    }
    let digest = |bytes: &[u8]| hex::encode(&Sha256::digest(bytes));
    let body = serde_json::to_vec(content).map_err(|error| Problem::Internal(error.to_string()))?;
    Ok(Some(Replay { key: digest(key.as_bytes()), body_digest: digest(&body) }))
}

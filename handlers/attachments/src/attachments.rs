use crate::view::{AttachmentView, UploadView};
use serde::Serialize;
use shared::attachment::{Attachment, NewAttachment, ObjectKey};
use shared::dynamodb::{AttachmentChange, Store};
use shared::http::{Request, Response};
use shared::limits;
use shared::note::Id;
use shared::owner::Owner;
use shared::problem::Problem;
use shared::s3::Objects;

/// The handler and what it needs.
pub struct Attachments {
    pub store: Store,
    objects: Objects,
}

/// The body of the answer to `POST /notes/{id}/attachments`.
#[derive(Serialize)]
struct Created {
    attachment: AttachmentView,
    upload: UploadView,
}

/// The body of the answer to `GET /notes/{id}/attachments`.
#[derive(Serialize)]
struct List {
    items: Vec<AttachmentView>,
}

impl Attachments {
    pub fn new(store: Store, objects: Objects) -> Self {
        Self { store, objects }
    }

    pub async fn answer(&self, request: &Request) -> Result<Response, Problem> {
        match request.route.as_str() {
            "POST /notes/{id}/attachments" => self.create(request).await,
            "GET /notes/{id}/attachments" => self.list(request).await,
            "GET /notes/{id}/attachments/{attachment_id}" => self.get(request).await,
            "DELETE /notes/{id}/attachments/{attachment_id}" => self.delete(request).await,
            _ => Err(Problem::NotFound),
        }
    }

    async fn create(&self, request: &Request) -> Result<Response, Problem> {
        let owner = request.owner()?;
        let note_id = request.id_in_path("id")?;
        let new = request.json::<NewAttachment>()?.checked()?;
        let attachment = new.into_attachment(note_id, request.now);
        // Signed before it is stored: what cannot be uploaded must not count on the note.
        let key = key(owner, &attachment);
        let presigned = self.objects.presign_upload(&key, &attachment).await?;
        if self.store.create_attachment(owner, &attachment, &request.id).await? != AttachmentChange::Done {
            return Err(self.refusal(owner, note_id).await?);
        }
        let location = format!("/notes/{note_id}/attachments/{}", attachment.id);
        let created = Created {
            attachment: AttachmentView::new(&self.objects, &key, attachment, request.now).await?,
            upload: UploadView::new(presigned, request.now),
        };
        Ok(Response::json(201, &created)?.with(http::header::LOCATION, &location))
    }

    /// Why a note did not take an attachment.
    async fn refusal(&self, owner: &Owner, id: Id) -> Result<Problem, Problem> {
        let Some(note) = self.store.note(owner, id).await? else {
            return Ok(Problem::NotFound);
        };
        let is_full = usize::try_from(note.attachments).is_ok_and(|count| count >= limits::ATTACHMENTS);
        Ok(Problem::Conflict(if note.is_trashed() {
            "the note is in the trash; restore it first"
        } else if is_full {
            "the note has as many attachments as it may have; delete one first"
        } else {
            "the note was changed meanwhile; try again"
        }))
    }

    async fn list(&self, request: &Request) -> Result<Response, Problem> {
        let owner = request.owner()?;
        let note_id = request.id_in_path("id")?;
        let attachments = self.store.attachments(owner, note_id).await?;
        // Attachments prove their note; without any, ask for it.
        if attachments.is_empty() && self.store.note(owner, note_id).await?.is_none() {
            return Err(Problem::NotFound);
        }
        let mut items = Vec::with_capacity(attachments.len());
        for attachment in attachments {
            let key = key(owner, &attachment);
            items.push(AttachmentView::new(&self.objects, &key, attachment, request.now).await?);
        }
        Response::json(200, &List { items })
    }

    async fn get(&self, request: &Request) -> Result<Response, Problem> {
        let owner = request.owner()?;
        let (note_id, id) = (request.id_in_path("id")?, request.id_in_path("attachment_id")?);
        let attachment = self.store.attachment(owner, note_id, id).await?.ok_or(Problem::NotFound)?;
        let key = key(owner, &attachment);
        Response::json(200, &AttachmentView::new(&self.objects, &key, attachment, request.now).await?)
    }

    /// The objects go by way of the stream.
    async fn delete(&self, request: &Request) -> Result<Response, Problem> {
        let (note_id, id) = (request.id_in_path("id")?, request.id_in_path("attachment_id")?);
        match self.store.delete_attachment(request.owner()?, note_id, id).await? {
            AttachmentChange::Done => Ok(Response::empty(204)),
            AttachmentChange::NotFound | AttachmentChange::NoteCannotTakeIt => Err(Problem::NotFound),
        }
    }
}

fn key(owner: &Owner, attachment: &Attachment) -> ObjectKey {
    ObjectKey { owner: owner.clone(), note_id: attachment.note_id, attachment_id: attachment.id }
}

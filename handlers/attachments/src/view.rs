//! Attachments as their owner sees them.

use serde::Serialize;
use shared::attachment::{Attachment, ObjectKey, Status};
use shared::failure::Failure;
use shared::limits;
use shared::note::Id;
use shared::s3::{Objects, Presigned};
use shared::timestamp::Timestamp;

/// An attachment, with URLs where there is something behind them.
#[derive(Serialize)]
pub(crate) struct AttachmentView {
    id: Id,
    note_id: Id,
    filename: String,
    content_type: String,
    size: u64,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    placeholder: Option<String>,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    processed_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    download_url: Option<String>,
    thumbnails: Vec<ThumbnailView>,
    /// When `download_url` and the thumbnails' URLs stop working.
    #[serde(skip_serializing_if = "Option::is_none")]
    url_expires_at: Option<Timestamp>,
}

#[derive(Serialize)]
struct ThumbnailView {
    size: u32,
    width: u32,
    height: u32,
    url: String,
}

/// The request that uploads the content.
#[derive(Serialize)]
pub(crate) struct UploadView {
    #[serde(flatten)]
    presigned: Presigned,
    expires_at: Timestamp,
}

impl AttachmentView {
    /// Signs the URLs, which asks no service.
    pub(crate) async fn new(
        objects: &Objects,
        key: &ObjectKey,
        attachment: Attachment,
        now: Timestamp,
    ) -> Result<Self, Failure> {
        let is_ready = attachment.status == Status::Ready;
        let mut download_url = None;
        let mut thumbnails = Vec::new();
        if is_ready {
            download_url = Some(objects.presign_download(key, &attachment).await?);
            for thumbnail in &attachment.thumbnails {
                thumbnails.push(ThumbnailView {
                    size: thumbnail.size,
                    width: thumbnail.width,
                    height: thumbnail.height,
                    url: objects.presign_thumbnail(key, &attachment, thumbnail.size).await?,
                });
            }
        }
        Ok(Self {
            id: attachment.id,
            note_id: attachment.note_id,
            filename: attachment.filename,
            content_type: attachment.content_type,
            size: attachment.size,
            status: attachment.status,
            reason: attachment.reason,
            width: attachment.width,
            height: attachment.height,
            placeholder: attachment.placeholder,
            created_at: attachment.created_at,
            processed_at: attachment.processed_at,
            download_url,
            thumbnails,
            url_expires_at: is_ready.then(|| now.plus(limits::DOWNLOAD_URL_LIFE)),
        })
    }
}

impl UploadView {
    pub(crate) fn new(presigned: Presigned, now: Timestamp) -> Self {
        Self { presigned, expires_at: now.plus(limits::UPLOAD_URL_LIFE) }
    }
}

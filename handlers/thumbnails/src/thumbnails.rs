use crate::notification::{self, Upload};
use shared::attachment::{self, Attachment, ObjectKey, THUMBNAIL_SIZES};
use shared::dynamodb::{Store, Uploaded};
use shared::failure::Failure;
use shared::limits;
use shared::metrics::{self, Metric};
use shared::s3::Objects;
use shared::sqs::Message;
use shared::timestamp::Timestamp;
use thumbnail::{Limits, Output, Picture, Refused};

/// The handler and what it needs.
pub(crate) struct Thumbnails {
    pub(crate) store: Store,
    objects: Objects,
    limits: Limits,
}

/// How an upload turned out.
enum Outcome {
    /// With its picture, where it is one.
    Ready(Option<Picture>),
    /// For a reason that its owner reads.
    Failed(String),
    /// The object is not there any more; so there is nothing to say about it.
    Gone,
}

impl Thumbnails {
    pub(crate) fn new(store: Store, objects: Objects) -> Self {
        Self { store, objects, limits: Limits::default() }
    }

    /// Works through the uploads that a message tells of.
    pub(crate) async fn take(&self, message: &Message) -> Result<(), Failure> {
        for upload in notification::uploads(&message.body)? {
            self.process(&upload, upload.at.unwrap_or_else(|| message.now())).await?;
        }
        Ok(())
    }

    async fn process(&self, upload: &Upload, now: Timestamp) -> Result<(), Failure> {
        let Some(key) = ObjectKey::parse_upload(&upload.key) else {
            tracing::warn!(bucket = upload.bucket, key = upload.key, "not an upload of ours");
            return Ok(());
        };
        let attachment_id = key.attachment_id.to_string();
        let found = self.store.uploaded(&key, &upload.sequencer).await?;
        let Some(Uploaded { attachment, is_processed, correlation_id }) = found else {
            return self.sweep(&key).await;
        };
        if is_processed {
            tracing::info!(attachment_id, correlation_id, "processed before");
            return Ok(());
        }
        let outcome = self.check(upload, &attachment).await?;
        let metric =
            if matches!(outcome, Outcome::Ready(_)) { Metric::UploadsReady } else { Metric::UploadsFailed };
        let is_marked = self.record(&key, upload, &attachment, outcome, now).await?;
        metrics::count_many(metric, u64::from(is_marked));
        tracing::info!(attachment_id, correlation_id, owner = key.owner.hash(), is_marked, "checked");
        Ok(())
    }

    /// Looks at what was uploaded.
    async fn check(&self, upload: &Upload, attachment: &Attachment) -> Result<Outcome, Failure> {
        if let Some(size) = upload.size.filter(|&size| size != attachment.size) {
            let declared = attachment.size;
            return Ok(Outcome::Failed(format!(
                "the upload has {size} bytes instead of the declared {declared}"
            )));
        }
        let bytes = match self.objects.get(&upload.bucket, &upload.key, limits::ATTACHMENT_BYTES).await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(Outcome::Gone),
            Err(Failure::Permanent(reason)) => return Ok(Outcome::Failed(reason)),
            Err(failure) => return Err(failure),
        };
        Ok(judge(thumbnail::make(&bytes, &THUMBNAIL_SIZES, Output::Jpeg, &self.limits), attachment))
    }

    /// Writes the outcome down, thumbnails first: who reads `ready` must find them. `false`: the attachment is gone, or
    /// a later upload was dealt with before.
    async fn record(
        &self,
        key: &ObjectKey,
        upload: &Upload,
        attachment: &Attachment,
        outcome: Outcome,
        now: Timestamp,
    ) -> Result<bool, Failure> {
        let sequencer = &upload.sequencer;
        let is_marked = match outcome {
            Outcome::Gone => return Ok(false),
            Outcome::Failed(reason) => self.store.mark_failed(key, sequencer, &reason, now).await?,
            Outcome::Ready(None) => self.store.mark_ready(key, sequencer, None, &[], now).await?,
            Outcome::Ready(Some(picture)) => {
                let dimensions = Some((picture.width, picture.height));
                let thumbnails = self.put(key, picture).await?;
                let is_marked = self.store.mark_ready(key, sequencer, dimensions, &thumbnails, now).await?;
                if !is_marked {
                    self.put_right(key, upload).await?;
                }
                return Ok(is_marked);
            }
        };
        // An earlier upload may have left thumbnails, which this one replaces by none.
        if is_marked && !attachment.thumbnails.is_empty() {
            self.objects.remove_thumbnails(key).await?;
        }
        Ok(is_marked)
    }

    async fn put(&self, key: &ObjectKey, picture: Picture) -> Result<Vec<attachment::Thumbnail>, Failure> {
        let mut stored = Vec::with_capacity(picture.thumbnails.len());
        for thumbnail in picture.thumbnails {
            let (size, width, height) = (thumbnail.size, thumbnail.width, thumbnail.height);
            self.objects.put_thumbnail(key, size, thumbnail.bytes).await?;
            stored.push(attachment::Thumbnail { size, width, height });
        }
        Ok(stored)
    }

    /// Removes what is left of an attachment that is gone. Its objects were removed with it, by way of the stream; but
    /// its upload may have come after that, or an earlier delivery of this event may have died with thumbnails stored.
    async fn sweep(&self, key: &ObjectKey) -> Result<(), Failure> {
        self.objects.remove(key).await?;
        tracing::info!(attachment_id = %key.attachment_id, "the attachment is gone");
        Ok(())
    }

    /// Mends what this event did in vain: its thumbnails lie where those of a later upload were, or belong to nothing.
    /// Whatever the later one came to, the object is that one's by now.
    async fn put_right(&self, key: &ObjectKey, upload: &Upload) -> Result<(), Failure> {
        let attachment = self.store.attachment(&key.owner, key.note_id, key.attachment_id).await?;
        let Some(attachment) = attachment else { return self.sweep(key).await };
        match self.check(&Upload { size: None, ..upload.clone() }, &attachment).await? {
            Outcome::Ready(Some(picture)) => self.put(key, picture).await.map(drop),
            _ => self.objects.remove_thumbnails(key).await,
        }
    }
}

/// Who says that a file is a picture must be right; who does not may still have uploaded one.
fn judge(made: Result<Picture, Refused>, attachment: &Attachment) -> Outcome {
    match made {
        Ok(picture) => Outcome::Ready(Some(picture)),
        Err(refused) if attachment.claims_to_be_a_picture() => Outcome::Failed(refused.to_string()),
        Err(_) => Outcome::Ready(None),
    }
}

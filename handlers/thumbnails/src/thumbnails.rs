use crate::notification::{self, Upload};
use crate::pictures::Pictures;
use shared::attachment::{self, Attachment, ObjectKey, Shown, ThumbnailFormat, ThumbnailSet};
use shared::dynamodb::{Marked, Store, Uploaded};
use shared::failure::Failure;
use shared::limits;
use shared::metrics::{self, Metric};
use shared::s3::Objects;
use shared::sqs::Message;
use shared::timestamp::Timestamp;
use thumbnail::{Output, Picture};

/// The handler and what it needs.
pub(crate) struct Thumbnails<P> {
    pub(crate) store: Store,
    objects: Objects,
    pictures: P,
}

/// How an upload turned out.
enum Outcome {
    /// With its picture, where it is one.
    Ready(Option<(ThumbnailSet, Picture)>),
    /// For a reason that its owner reads.
    Failed(String),
    /// The object is not there any more; so there is nothing to say about it.
    Gone,
}

impl<P: Pictures> Thumbnails<P> {
    pub(crate) fn new(store: Store, objects: Objects, pictures: P) -> Self {
        Self { store, objects, pictures }
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
        let found = self.store.uploaded(&key).await?;
        let is_new = |found: &Uploaded| found.latest.as_ref().is_none_or(|latest| *latest < upload.sequencer);
        let Some(Uploaded { attachment, correlation_id, .. }) = found.as_ref().filter(|found| is_new(found))
        else {
            tracing::info!(attachment_id, is_gone = found.is_none(), "dealt with before");
            return self.tidy(&key, found).await;
        };
        let outcome = self.check(upload, attachment).await?;
        let metric =
            if matches!(outcome, Outcome::Ready(_)) { Metric::UploadsReady } else { Metric::UploadsFailed };
        let marked = self.record(&key, upload, attachment, outcome, now).await?;
        let is_marked = matches!(marked, Some(Marked::First | Marked::InPlaceOfAnother));
        metrics::count_many(metric, u64::from(is_marked));
        tracing::info!(attachment_id, correlation_id, owner = key.owner.hash(), ?marked, "checked");
        if matches!(marked, Some(Marked::InPlaceOfAnother | Marked::TooLate)) {
            self.tidy(&key, self.store.uploaded(&key).await?).await?;
        }
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
        Ok(match self.pictures.make(&bytes, output(attachment)).await? {
            Ok(picture) => Outcome::Ready(Some((ThumbnailSet::new(&upload.sequencer, &bytes), picture))),
            // Who says that a file is a picture must be right; who does not may still have uploaded one.
            Err(refused) if attachment.claims_to_be_a_picture() => Outcome::Failed(refused),
            Err(_) => Outcome::Ready(None),
        })
    }

    /// Writes the outcome down, thumbnails first: who reads `ready` must find them. `None`: there is none.
    async fn record(
        &self,
        key: &ObjectKey,
        upload: &Upload,
        attachment: &Attachment,
        outcome: Outcome,
        now: Timestamp,
    ) -> Result<Option<Marked>, Failure> {
        let sequencer = &upload.sequencer;
        Ok(match outcome {
            Outcome::Gone => None,
            Outcome::Failed(reason) => Some(self.store.mark_failed(key, sequencer, &reason, now).await?),
            Outcome::Ready(None) => Some(self.store.mark_ready(key, sequencer, None, now).await?),
            Outcome::Ready(Some((set, picture))) => {
                let shown = self.put(key, attachment.thumbnail_format, set, picture).await?;
                Some(self.store.mark_ready(key, sequencer, Some(&shown), now).await?)
            }
        })
    }

    async fn put(
        &self,
        key: &ObjectKey,
        format: ThumbnailFormat,
        set: ThumbnailSet,
        picture: Picture,
    ) -> Result<Shown, Failure> {
        let Picture { width, height, placeholder, .. } = picture;
        let mut thumbnails = Vec::with_capacity(picture.thumbnails.len());
        for thumbnail in picture.thumbnails {
            let (size, width, height) = (thumbnail.size, thumbnail.width, thumbnail.height);
            self.objects.put_thumbnail(key, &set, format, size, thumbnail.bytes).await?;
            thumbnails.push(attachment::Thumbnail { size, width, height });
        }
        Ok(Shown { width, height, placeholder, thumbnails, set })
    }

    /// Removes what no event that is still to come can need: thumbnails of earlier uploads, and those that an event made in
    /// vain, in this delivery or in one that died. Whoever may leave some behind is delivered again until it came here,
    /// or is not the last event of its object.
    ///
    /// Of an attachment that is gone it removes everything: its objects were removed with it, by way of the stream; but its
    /// upload may have come after that.
    async fn tidy(&self, key: &ObjectKey, found: Option<Uploaded>) -> Result<(), Failure> {
        let Some(Uploaded { attachment, latest, .. }) = found else { return self.objects.remove(key).await };
        let Some(latest) = latest else { return Ok(()) };
        let is_superseded = |thumbnail: &str| key.is_superseded(thumbnail, &attachment, &latest);
        self.objects.remove_thumbnails(key, is_superseded).await
    }
}

fn output(attachment: &Attachment) -> Output {
    match attachment.thumbnail_format {
        ThumbnailFormat::WebP => Output::WebP,
        ThumbnailFormat::Jpeg => Output::Jpeg,
    }
}

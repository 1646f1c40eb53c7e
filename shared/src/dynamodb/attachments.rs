//! Attachments in the notes table.

use super::transaction::Transacted;
use super::{
    Item, Store, Work, WorkEntry, attachment_key, failure, from_item, held, note_key, number, owner_key,
    text, to_item,
};
use crate::attachment::{Attachment, ObjectKey, Thumbnail};
use crate::failure::Failure;
use crate::limits;
use crate::note::Id;
use crate::owner::Owner;
use crate::timestamp::Timestamp;
use aws_sdk_dynamodb::types::builders::DeleteBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, TransactWriteItem, Update};

/// How a change to a note's attachments ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachmentChange {
    Done,
    /// No such live note, or it has all the attachments it may have.
    NoteCannotTakeIt,
    /// No such attachment.
    NotFound,
}

/// An attachment whose upload came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uploaded {
    pub attachment: Attachment,
    /// Whether this upload was dealt with before, so that its thumbnails need not be made again.
    pub is_processed: bool,
    /// The request that announced the upload.
    pub correlation_id: Option<String>,
}

impl Store {
    /// Adds a pending attachment, and counts it on its note, in one transaction. `request_id` is that of the request.
    pub async fn create_attachment(
        &self,
        owner: &Owner,
        attachment: &Attachment,
        request_id: &str,
    ) -> Result<AttachmentChange, Failure> {
        let expires = attachment.created_at.plus(limits::PENDING_UPLOAD_LIFE);
        let mut item = to_item(attachment)?;
        item.extend(to_item(&WorkEntry::new(Work::Upload, owner, expires))?);
        item.insert("pk".into(), text(owner_key(owner)));
        item.insert("sk".into(), text(attachment_key(attachment.note_id, attachment.id)));
        item.insert("changed_in".into(), text(request_id));
        let count = self
            .count_update(owner, attachment.note_id, 1)
            .condition_expression(
                "attribute_exists(pk) AND attribute_not_exists(deleted_at) \
                 AND (attribute_not_exists(attachments) OR attachments < :maximum)",
            )
            .expression_attribute_values(":maximum", number(limits::ATTACHMENTS))
            .build()
            .map_err(Failure::permanent)?;
        let put = Put::builder()
            .table_name(&self.notes)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .build()
            .map_err(Failure::permanent)?;
        let actions = vec![
            TransactWriteItem::builder().update(count).build(),
            TransactWriteItem::builder().put(put).build(),
        ];
        Ok(match self.transact(actions).await? {
            Transacted::Done => AttachmentChange::Done,
            Transacted::Refused(_) => AttachmentChange::NoteCannotTakeIt,
        })
    }

    /// Removes an attachment and its count. Its objects go by way of the stream.
    pub async fn delete_attachment(
        &self,
        owner: &Owner,
        note: Id,
        id: Id,
    ) -> Result<AttachmentChange, Failure> {
        let delete = Delete::builder().condition_expression("attribute_exists(pk)");
        self.delete_and_uncount(owner, note, id, delete).await
    }

    async fn delete_and_uncount(
        &self,
        owner: &Owner,
        note: Id,
        id: Id,
        delete: DeleteBuilder,
    ) -> Result<AttachmentChange, Failure> {
        let delete = delete
            .table_name(&self.notes)
            .key("pk", text(owner_key(owner)))
            .key("sk", text(attachment_key(note, id)))
            .build()
            .map_err(Failure::permanent)?;
        let count = self
            .count_update(owner, note, -1)
            .condition_expression("attribute_exists(pk)")
            .build()
            .map_err(Failure::permanent)?;
        let actions = vec![
            TransactWriteItem::builder().delete(delete).build(),
            TransactWriteItem::builder().update(count).build(),
        ];
        Ok(match self.transact(actions).await? {
            Transacted::Done => AttachmentChange::Done,
            Transacted::Refused(_) => AttachmentChange::NotFound,
        })
    }

    fn count_update(
        &self,
        owner: &Owner,
        note: Id,
        by: i32,
    ) -> aws_sdk_dynamodb::types::builders::UpdateBuilder {
        Update::builder()
            .table_name(&self.notes)
            .key("pk", text(owner_key(owner)))
            .key("sk", text(note_key(note)))
            .update_expression("ADD attachments :by")
            .expression_attribute_values(":by", number(by))
    }

    /// One attachment.
    pub async fn attachment(&self, owner: &Owner, note: Id, id: Id) -> Result<Option<Attachment>, Failure> {
        self.attachment_item(owner, note, id).await?.map(from_item).transpose()
    }

    /// What is known of an upload; `None` when its attachment is gone.
    pub async fn uploaded(&self, key: &ObjectKey, sequencer: &str) -> Result<Option<Uploaded>, Failure> {
        let item = self.attachment_item(&key.owner, key.note_id, key.attachment_id).await?;
        let Some(item) = item else { return Ok(None) };
        let is_processed = match item.get("sequencer") {
            Some(AttributeValue::S(seen)) => *seen >= padded(sequencer),
            _ => false,
        };
        let correlation_id = item.get("changed_in").and_then(|id| id.as_s().ok()).cloned();
        Ok(Some(Uploaded { attachment: from_item(item)?, is_processed, correlation_id }))
    }

    async fn attachment_item(&self, owner: &Owner, note: Id, id: Id) -> Result<Option<Item>, Failure> {
        let output = self
            .client
            .get_item()
            .table_name(&self.notes)
            .key("pk", text(owner_key(owner)))
            .key("sk", text(attachment_key(note, id)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| failure(&error))?;
        Ok(output.item)
    }

    /// A note's attachments, oldest first; there are at most `limits::ATTACHMENTS`, so this is one query.
    pub async fn attachments(&self, owner: &Owner, note: Id) -> Result<Vec<Attachment>, Failure> {
        let output = self
            .client
            .query()
            .table_name(&self.notes)
            .key_condition_expression("pk = :owner AND begins_with(sk, :prefix)")
            .expression_attribute_values(":owner", text(owner_key(owner)))
            .expression_attribute_values(":prefix", text(format!("ATTACHMENT#{note}#")))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| failure(&error))?;
        output.items.unwrap_or_default().into_iter().map(from_item).collect()
    }

    /// Marks an attachment ready. `false`: it is gone, or a later upload was processed before.
    pub async fn mark_ready(
        &self,
        key: &ObjectKey,
        sequencer: &str,
        dimensions: Option<(u32, u32)>,
        thumbnails: &[Thumbnail],
        now: Timestamp,
    ) -> Result<bool, Failure> {
        let mut values = Item::new();
        values.insert(":status".into(), text("ready"));
        let thumbnails =
            serde_dynamo::aws_sdk_dynamodb_1::to_attribute_value(thumbnails).map_err(Failure::permanent)?;
        values.insert(":thumbnails".into(), thumbnails);
        let mut set = String::from("thumbnails = :thumbnails");
        if let Some((width, height)) = dimensions {
            set.push_str(", width = :width, height = :height");
            values.insert(":width".into(), number(width));
            values.insert(":height".into(), number(height));
        }
        self.mark(key, sequencer, now, &format!("SET {set}"), "reason, ", values).await
    }

    /// Marks an attachment failed, for a reason that its owner reads. `false` as in [`Self::mark_ready`].
    pub async fn mark_failed(
        &self,
        key: &ObjectKey,
        sequencer: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<bool, Failure> {
        let mut values = Item::new();
        values.insert(":status".into(), text("failed"));
        values.insert(":reason".into(), text(reason));
        self.mark(key, sequencer, now, "SET reason = :reason", "thumbnails, width, height, ", values).await
    }

    /// The common part of marking: events of one object may come late and twice, so an older `sequencer` changes nothing
    /// (S3's own order: pad the shorter with zeros on the right, compare as text; the stored form is padded).
    async fn mark(
        &self,
        key: &ObjectKey,
        sequencer: &str,
        now: Timestamp,
        set: &str,
        remove: &str,
        values: Item,
    ) -> Result<bool, Failure> {
        let result = self
            .client
            .update_item()
            .table_name(&self.notes)
            .key("pk", text(owner_key(&key.owner)))
            .key("sk", text(attachment_key(key.note_id, key.attachment_id)))
            .update_expression(format!(
                "{set}, #status = :status, sequencer = :sequencer, processed_at = :now \
                 REMOVE {remove}work_shard, work_order"
            ))
            .condition_expression(
                "attribute_exists(pk) AND (attribute_not_exists(sequencer) OR sequencer <= :sequencer)",
            )
            .expression_attribute_names("#status", "status")
            .set_expression_attribute_values(Some(values))
            .expression_attribute_values(":sequencer", text(padded(sequencer)))
            .expression_attribute_values(":now", text(now))
            .send()
            .await;
        held(result)
    }

    /// Takes away an attachment whose upload never came. `false`: it came after all.
    pub async fn expire_attachment(&self, owner: &Owner, note: Id, id: Id) -> Result<bool, Failure> {
        // The condition and not a read before: the upload may be processed this very moment.
        let delete = Delete::builder()
            .condition_expression("#status = :pending")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":pending", text("pending"));
        Ok(self.delete_and_uncount(owner, note, id, delete).await? == AttachmentChange::Done)
    }
}

/// S3's sequencers have up to 32 hexadecimal digits today; twice that leaves room.
fn padded(sequencer: &str) -> String {
    format!("{sequencer:0<64}")
}
